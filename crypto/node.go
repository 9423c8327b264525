package crypto

import (
	"crypto/ed25519"
	"encoding/hex"
	"fmt"

	"github.com/mr-tron/base58"
)

// SeedSize is the number of bytes in every seed that byzd keeps on disk.
const SeedSize = 32

// NodeID is the Ed25519 public network key of a node. It is the node's identity towards gossip and
// transport; addresses are not identity.
type NodeID [ed25519.PublicKeySize]byte

// peerIDPrefix is the fixed head of a libp2p peer ID that embeds an Ed25519 key: an identity
// multihash (0x00) of 36 bytes (0x24) that hold the protobuf {Type: Ed25519, Data: 32 bytes}
// (libp2p specs, peer-ids).
const peerIDPrefix = "\x00\x24\x08\x01\x12\x20"

// peerIDTextMax is the length of 38 bytes in base58. Longer texts are refused unread, because the
// time to decode base58 grows with the square of its length.
const peerIDTextMax = 52

// String returns the node's libp2p peer ID in its usual base58 text form, "12D3KooW…".
func (id NodeID) String() string {
	return base58.Encode(append([]byte(peerIDPrefix), id[:]...))
}

// Short returns the last six characters of the peer ID, enough to tell members apart in a log line.
func (id NodeID) Short() string {
	s := id.String()
	return s[len(s)-6:]
}

// ParseNodeID reads the text form that [NodeID.String] writes. It refuses everything that is not
// the peer ID of a canonical Ed25519 key of prime order; for a bad key its error wraps
// [ErrPublicKey].
func ParseNodeID(text string) (NodeID, error) {
	if len(text) > peerIDTextMax {
		return NodeID{}, fmt.Errorf("peer ID of %d characters, not at most %d",
			len(text), peerIDTextMax)
	}
	raw, err := base58.Decode(text)
	if err != nil {
		return NodeID{}, fmt.Errorf("peer ID %q is not base58: %w", text, err)
	}
	if len(raw) != len(peerIDPrefix)+ed25519.PublicKeySize ||
		string(raw[:len(peerIDPrefix)]) != peerIDPrefix {
		return NodeID{}, fmt.Errorf("peer ID %q does not embed an Ed25519 key", text)
	}
	id := NodeID(raw[len(peerIDPrefix):])
	if err := checkEd25519Key(id); err != nil {
		return NodeID{}, fmt.Errorf("peer ID %q: %w", text, err)
	}
	return id, nil
}

// NetworkKey is the private half of a [NodeID]. It authenticates connections and gossip; it never
// signs a statement of the protocol.
type NetworkKey struct {
	private ed25519.PrivateKey
}

// NewNetworkKey derives the key from its seed.
func NewNetworkKey(seed [SeedSize]byte) NetworkKey {
	return NetworkKey{private: ed25519.NewKeyFromSeed(seed[:])}
}

// ID returns the public half.
func (k NetworkKey) ID() NodeID {
	return NodeID(k.private[SeedSize:])
}

// Private returns the key in the form that libp2p's TLS transport needs.
func (k NetworkKey) Private() ed25519.PrivateKey {
	return k.private
}

// Sign signs message as it stands. The caller puts a domain in front of it.
func (k NetworkKey) Sign(message []byte) []byte {
	return ed25519.Sign(k.private, message)
}

// Verify reports whether signature is id's over message.
func (id NodeID) Verify(message, signature []byte) bool {
	return verifyEd25519(id[:], message, signature)
}

// Digest is a SHA-256 hash.
type Digest [32]byte

// String returns the digest in hexadecimal.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// Short returns the first eight hexadecimal digits, for logs and traces.
func (d Digest) Short() string { return hex.EncodeToString(d[:4]) }

// IsZero reports whether no byte of the digest is set.
func (d Digest) IsZero() bool { return d == Digest{} }
