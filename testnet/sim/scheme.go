package sim

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"byzd/crypto"
)

// tagScheme stands in for a signature scheme where speed counts: a signature is a keyed tag of 64
// bits, and the simulator holds all keys. Nothing in a simulation can make a tag but through a
// signer. It protects nobody against anybody outside. Its name is no scheme's that a genesis can
// choose ([crypto.SchemeByName] does not know it), and only this package makes one.
type tagScheme struct {
	real    crypto.Scheme // parses keys
	holders []tagSigner
}

// tagName is the scheme's name. No genesis can say it.
const tagName = "sim-tag64"

// tagSize is the number of bytes of a tag.
const tagSize = 8

type tagSigner struct {
	public crypto.PublicKey
	secret uint64
}

var _ crypto.Scheme = (*tagScheme)(nil)

// newTagScheme gives each of the keys a secret.
func newTagScheme(parser crypto.Scheme, keys []crypto.PublicKey, seed uint64) *tagScheme {
	s := &tagScheme{real: parser}
	for i, k := range keys {
		secret := mix(seed^0x5bd1e995, uint64(i)+1)
		s.holders = append(s.holders, tagSigner{k, secret})
	}
	return s
}

func (*tagScheme) Name() string { return tagName }

func (s *tagScheme) PublicKeySize() int { return s.real.PublicKeySize() }

func (*tagScheme) SignatureSize() int { return tagSize }

func (*tagScheme) ProofSize() int { return 0 }

func (*tagScheme) CertificateSize(signers int) int { return tagSize * max(signers, 0) }

// NewSigner implements [crypto.Scheme]; the simulator's signers are made with the scheme.
func (*tagScheme) NewSigner([crypto.SeedSize]byte) (crypto.Signer, error) {
	return nil, fmt.Errorf("%w: tags have no keys of their own", crypto.ErrPublicKey)
}

func (s *tagScheme) ParsePublicKey(b []byte) (crypto.PublicKey, error) {
	return s.real.ParsePublicKey(b)
}

func (*tagScheme) VerifyProof(_ crypto.PublicKey, proof []byte) bool { return len(proof) == 0 }

// Verify implements [crypto.Scheme].
func (s *tagScheme) Verify(pub crypto.PublicKey, message, signature []byte) bool {
	if len(signature) != tagSize {
		return false
	}
	for i := range s.holders {
		if s.holders[i].public == pub {
			return binary.LittleEndian.Uint64(signature) == tag(s.holders[i].secret, message)
		}
	}
	return false
}

// Aggregate implements [crypto.Scheme].
func (*tagScheme) Aggregate(signatures [][]byte) ([]byte, error) {
	if len(signatures) == 0 {
		return nil, fmt.Errorf("%w: none to aggregate", crypto.ErrSignature)
	}
	out := make([]byte, 0, tagSize*len(signatures))
	for _, sig := range signatures {
		if len(sig) != tagSize {
			return nil, fmt.Errorf("%w: a tag of %d bytes", crypto.ErrSignature, len(sig))
		}
		out = append(out, sig...)
	}
	return out, nil
}

// VerifyAggregate implements [crypto.Scheme].
func (s *tagScheme) VerifyAggregate(pubs []crypto.PublicKey, message, aggregate []byte) bool {
	if len(pubs) == 0 || len(aggregate) != tagSize*len(pubs) {
		return false
	}
	for i, pub := range pubs {
		for k := range i {
			if pubs[k] == pub {
				return false
			}
		}
		if !s.Verify(pub, message, aggregate[i*tagSize:(i+1)*tagSize]) {
			return false
		}
	}
	return true
}

// VerifyShares implements [crypto.Scheme].
func (s *tagScheme) VerifyShares(pubs []crypto.PublicKey, message []byte, sigs [][]byte) []bool {
	verdicts := make([]bool, len(sigs))
	if len(pubs) != len(sigs) {
		return verdicts
	}
	for i, pub := range pubs {
		verdicts[i] = s.Verify(pub, message, sigs[i])
	}
	return verdicts
}

// Public implements [crypto.Signer].
func (s *tagSigner) Public() crypto.PublicKey { return s.public }

// Proof implements [crypto.Signer].
func (*tagSigner) Proof() []byte { return nil }

// Sign implements [crypto.Signer].
func (s *tagSigner) Sign(message []byte) []byte {
	return binary.LittleEndian.AppendUint64(nil, tag(s.secret, message))
}

// tag is a keyed mix of the message. It spreads every bit and says the length; that is all that a
// simulation needs, where nobody searches for collisions.
func tag(secret uint64, message []byte) uint64 {
	h := mix(secret, uint64(len(message)))
	for len(message) >= 8 {
		h = mix(h, binary.LittleEndian.Uint64(message))
		message = message[8:]
	}
	var rest [8]byte
	copy(rest[:], message)
	return mix(h^secret, binary.LittleEndian.Uint64(rest[:]))
}

// mix folds a word into a hash: the two halves of a 128-bit product.
func mix(h, v uint64) uint64 {
	hi, lo := bits.Mul64(h^v^0xa0761d6478bd642f, bits.RotateLeft64(h, 32)^0xe7037ed1a0b428db)
	return hi ^ lo ^ bits.RotateLeft64(v, 23)
}

// memo checks each signature of the real scheme once: every receiver asks the same question.
type memo struct {
	crypto.Scheme

	answers map[crypto.Digest]bool
}

func (m *memo) ask(pubs []crypto.PublicKey, message, sig []byte, check func() bool) bool {
	parts := make([][]byte, 0, len(pubs)+2)
	for _, p := range pubs {
		parts = append(parts, p.Bytes())
	}
	key := crypto.Hash("byzd/sim/memo", append(parts, message, sig)...)
	answer, known := m.answers[key]
	if !known {
		answer = check()
		m.answers[key] = answer
	}
	return answer
}

// Verify implements [crypto.Scheme].
func (m *memo) Verify(pub crypto.PublicKey, message, sig []byte) bool {
	return m.ask([]crypto.PublicKey{pub}, message, sig, func() bool {
		return m.Scheme.Verify(pub, message, sig)
	})
}

// VerifyAggregate implements [crypto.Scheme].
func (m *memo) VerifyAggregate(pubs []crypto.PublicKey, message, aggregate []byte) bool {
	return m.ask(pubs, message, aggregate, func() bool {
		return m.Scheme.VerifyAggregate(pubs, message, aggregate)
	})
}

// VerifyShares implements [crypto.Scheme].
func (m *memo) VerifyShares(pubs []crypto.PublicKey, message []byte, sigs [][]byte) []bool {
	verdicts := make([]bool, len(sigs))
	if len(pubs) != len(sigs) {
		return verdicts
	}
	for i, pub := range pubs {
		verdicts[i] = m.Verify(pub, message, sigs[i])
	}
	return verdicts
}
