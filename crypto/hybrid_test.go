package crypto

import (
	"errors"
	"slices"
	"testing"
)

// TestHybridNeedsBothHalves pairs a good half with a bad one, both ways.
func TestHybridNeedsBothHalves(t *testing.T) {
	s := mustScheme(t, SchemeHybrid)
	signers, message := mustSigners(t, s, 2), []byte("both")
	pub := signers[0].Public()
	good, other := signers[0].Sign(message), signers[1].Sign(message)
	lie := signers[0].Sign([]byte("lie"))
	const cut = 64
	cases := map[string][]byte{
		"ML-DSA of another signer":   append(slices.Clone(good[:cut]), other[cut:]...),
		"ML-DSA of another message":  append(slices.Clone(good[:cut]), lie[cut:]...),
		"Ed25519 of another signer":  append(slices.Clone(other[:cut]), good[cut:]...),
		"Ed25519 of another message": append(slices.Clone(lie[:cut]), good[cut:]...),
		"Ed25519 alone":              good[:cut],
		"ML-DSA alone":               good[cut:],
		"halves swapped":             append(slices.Clone(good[cut:]), good[:cut]...),
		"ML-DSA zero":                append(good[:cut:cut], make([]byte, len(good)-cut)...),
	}
	if !s.Verify(pub, message, good) {
		t.Fatal("own signature refused")
	}
	for name, signature := range cases {
		if s.Verify(pub, message, signature) {
			t.Errorf("accepted: %s", name)
		}
	}
}

// TestHybridHalvesAreItsOwn checks that the classical half is not the key that the same seed gives
// under "ed25519", or a signature could be taken out of one cluster into another.
func TestHybridHalvesAreItsOwn(t *testing.T) {
	hybrid := mustSigners(t, mustScheme(t, SchemeHybrid), 1)[0].Public().Bytes()
	plain := mustSigners(t, mustScheme(t, SchemeEd25519), 1)[0].Public().Bytes()
	if slices.Equal(hybrid[:32], plain) {
		t.Error("both schemes use one Ed25519 key")
	}
}

func TestHybridRefusesZeroHalf(t *testing.T) {
	s := mustScheme(t, SchemeHybrid)
	key := mustSigners(t, s, 1)[0].Public().Bytes()
	clear(key[32+mldsaRhoSize:])
	if _, err := s.ParsePublicKey(key); !errors.Is(err, ErrPublicKey) {
		t.Errorf("ML-DSA key with t1 = 0: %v", err)
	}
}
