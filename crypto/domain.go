package crypto

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"
)

// Kind says which sort of statement a signature is over.
type Kind uint8

// The kinds of signed statements. Their numbers are part of every signature and never change; 13 is
// not used.
const (
	KindPrepare           Kind = 1
	KindCommit            Kind = 2
	KindCheckpoint        Kind = 3
	KindViewChange        Kind = 4
	KindNewView           Kind = 5
	KindRequest           Kind = 6
	KindReplyRoot         Kind = 7
	KindReadResponse      Kind = 8
	KindNodeRecord        Kind = 9
	KindAdmin             Kind = 10
	KindStatus            Kind = 11
	KindComplain          Kind = 12
	KindProofOfPossession Kind = 14
	KindReady             Kind = 15
	KindRecovery          Kind = 16
)

// String returns the kind's name in lower case, or "kind-N" for a number without one.
func (k Kind) String() string {
	switch k {
	case KindPrepare:
		return "prepare"
	case KindCommit:
		return "commit"
	case KindCheckpoint:
		return "checkpoint"
	case KindViewChange:
		return "view-change"
	case KindNewView:
		return "new-view"
	case KindRequest:
		return "request"
	case KindReplyRoot:
		return "reply-root"
	case KindReadResponse:
		return "read-response"
	case KindNodeRecord:
		return "node-record"
	case KindAdmin:
		return "admin"
	case KindStatus:
		return "status"
	case KindComplain:
		return "complain"
	case KindProofOfPossession:
		return "proof-of-possession"
	case KindReady:
		return "ready"
	case KindRecovery:
		return "recovery"
	}
	return fmt.Sprintf("kind-%d", uint8(k))
}

// domainPrefix names the protocol and its version. The zero byte ends it, so that no later version
// can be a prefix of another.
const domainPrefix = "byzd/1\x00"

// domainSize is the number of bytes in front of the body in signed bytes.
const domainSize = len(domainPrefix) + 1 + sha256.Size + 8

// Domain is what every signature is bound to besides its content: the cluster, by the digest of its
// genesis, and the epoch, by number. A signature from another cluster or epoch never verifies.
type Domain struct {
	Cluster Digest
	Epoch   uint64
}

// SignBytes returns what is signed for a statement of kind with the fixed encoding body:
// "byzd/1" 0x00 || kind u8 || cluster 32 || epoch u64 big endian || body.
func (d Domain) SignBytes(kind Kind, body []byte) []byte {
	return d.AppendSignBytes(make([]byte, 0, domainSize+len(body)), kind, body)
}

// AppendSignBytes appends to dst what [Domain.SignBytes] returns. It spares the allocation of
// callers that sign or verify often.
func (d Domain) AppendSignBytes(dst []byte, kind Kind, body []byte) []byte {
	dst = append(dst, domainPrefix...)
	dst = append(dst, byte(kind))
	dst = append(dst, d.Cluster[:]...)
	dst = binary.BigEndian.AppendUint64(dst, d.Epoch)
	return append(dst, body...)
}

// Hash returns SHA-256 over label, a zero byte, and each part behind its length as a big-endian
// u64. No two different calls hash the same bytes, as long as labels hold no zero byte; labels are
// constants of the program, so one that does is our own mistake, and panics.
func Hash(label string, parts ...[]byte) Digest {
	if strings.IndexByte(label, 0) >= 0 {
		panic(fmt.Sprintf("crypto: zero byte in hash label %q", label))
	}
	var few [128]byte // most labels and small parts fit: one write, no allocation
	buffer := append(append(few[:0], label...), 0)
	h := sha256.New()
	for _, part := range parts {
		buffer = binary.BigEndian.AppendUint64(buffer, uint64(len(part)))
		h.Write(buffer)
		h.Write(part)
		buffer = buffer[:0]
	}
	h.Write(buffer)
	var digest Digest
	h.Sum(digest[:0])
	return digest
}
