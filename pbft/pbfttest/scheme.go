package pbfttest

import (
	"crypto/sha256"
	"encoding/binary"

	"byzd/crypto"
)

// memo remembers the answers of a scheme, which never change.
type memo struct {
	crypto.Scheme
	answers map[[sha256.Size]byte]bool
}

// Memo returns a scheme that gives the answers of another one and asks it each question once: in a
// test all receivers of a broadcast ask the same one. It is not safe for concurrent use, and
// forgets nothing.
func Memo(s crypto.Scheme) crypto.Scheme {
	return &memo{Scheme: s, answers: map[[sha256.Size]byte]bool{}}
}

// Verify implements [crypto.Scheme].
func (m *memo) Verify(pub crypto.PublicKey, message, signature []byte) bool {
	return m.ask(func() bool { return m.Scheme.Verify(pub, message, signature) },
		pub.Bytes(), message, signature)
}

// VerifyAggregate implements [crypto.Scheme].
func (m *memo) VerifyAggregate(pubs []crypto.PublicKey, message, aggregate []byte) bool {
	parts := make([][]byte, 0, len(pubs)+2)
	for _, pub := range pubs {
		parts = append(parts, pub.Bytes())
	}
	return m.ask(func() bool { return m.Scheme.VerifyAggregate(pubs, message, aggregate) },
		append(parts, message, aggregate)...)
}

func (m *memo) ask(verify func() bool, parts ...[]byte) bool {
	h := sha256.New()
	var size [8]byte
	for _, p := range parts {
		binary.BigEndian.PutUint64(size[:], uint64(len(p)))
		h.Write(size[:])
		h.Write(p)
	}
	key := [sha256.Size]byte(h.Sum(nil))
	answer, known := m.answers[key]
	if !known {
		answer = verify()
		m.answers[key] = answer
	}
	return answer
}
