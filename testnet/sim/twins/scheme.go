package twins

import (
	"encoding/binary"
	"fmt"

	"byzd/crypto"
)

// tagScheme signs with keyed digests of eight bytes. Nobody in a run can sign but through a signer,
// so it is as good as a real scheme there, and a hundred times as fast. No genesis can name it.
type tagScheme struct {
	crypto.Scheme // for the form of the keys

	owners map[string]int // by public key
}

const tagSize = 8

type tagSigner struct {
	public crypto.PublicKey
	owner  int
}

func newTagScheme(keys crypto.Scheme, signers []crypto.Signer) (*tagScheme, []crypto.Signer) {
	s := &tagScheme{Scheme: keys, owners: map[string]int{}}
	tags := make([]crypto.Signer, len(signers))
	for i, signer := range signers {
		s.owners[string(signer.Public().Bytes())] = i
		tags[i] = tagSigner{signer.Public(), i}
	}
	return s, tags
}

// tag is FNV-1a over the owner and the message, by words where it can: nobody here looks for
// collisions.
func tag(owner int, msg []byte) uint64 {
	const prime = 0x100000001b3
	h := uint64(0xcbf29ce484222325) ^ uint64(owner)*prime //nolint:gosec // a member's number
	for ; len(msg) >= 8; msg = msg[8:] {
		h = (h ^ binary.LittleEndian.Uint64(msg)) * prime
		h ^= h >> 29
	}
	for _, b := range msg {
		h = (h ^ uint64(b)) * prime
	}
	return h ^ h>>32
}

// Name implements [crypto.Scheme].
func (*tagScheme) Name() string { return "twins-tag" }

// SignatureSize implements [crypto.Scheme].
func (*tagScheme) SignatureSize() int { return tagSize }

// CertificateSize implements [crypto.Scheme].
func (*tagScheme) CertificateSize(signers int) int { return tagSize * signers }

// Verify implements [crypto.Scheme].
func (s *tagScheme) Verify(pub crypto.PublicKey, msg, sig []byte) bool {
	owner, known := s.owners[string(pub.Bytes())]
	return known && len(sig) == tagSize && binary.LittleEndian.Uint64(sig) == tag(owner, msg)
}

// Aggregate implements [crypto.Scheme].
func (*tagScheme) Aggregate(sigs [][]byte) ([]byte, error) {
	all := make([]byte, 0, tagSize*len(sigs))
	for _, sig := range sigs {
		if len(sig) != tagSize {
			return nil, fmt.Errorf("%w: a tag of %d bytes", crypto.ErrSignature, len(sig))
		}
		all = append(all, sig...)
	}
	return all, nil
}

// VerifyAggregate implements [crypto.Scheme].
func (s *tagScheme) VerifyAggregate(pubs []crypto.PublicKey, msg, aggregate []byte) bool {
	if len(pubs) == 0 || len(aggregate) != tagSize*len(pubs) {
		return false
	}
	seen := map[string]bool{}
	for i, pub := range pubs {
		key := string(pub.Bytes())
		if seen[key] || !s.Verify(pub, msg, aggregate[tagSize*i:tagSize*(i+1)]) {
			return false
		}
		seen[key] = true
	}
	return true
}

// Public implements [crypto.Signer].
func (s tagSigner) Public() crypto.PublicKey { return s.public }

// Proof implements [crypto.Signer].
func (tagSigner) Proof() []byte { return nil }

// Sign implements [crypto.Signer].
func (s tagSigner) Sign(msg []byte) []byte {
	return binary.LittleEndian.AppendUint64(nil, tag(s.owner, msg))
}
