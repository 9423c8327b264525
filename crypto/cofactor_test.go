package crypto

import (
	"bytes"
	"crypto/sha512"
	"math/big"
	"slices"
	"testing"

	fp "github.com/cloudflare/circl/math/fp25519"
)

// B46: the signatures about which verifiers disagree, made by the owner of a good key: its R has a part
// of small order. Verifiers with the cofactor, as batches use them, take it; here every way to verify
// has one verdict, and it is no.
func TestEd25519HasOneVerdict(t *testing.T) {
	s, message := mustScheme(t, SchemeEd25519), []byte("one verdict")
	signers := mustSigners(t, s, 2)
	pub := signers[0].Public()
	secret, nonce := clampedScalar(0), clampedScalar(1)
	r, ok := decodeEdwards([fp.Size]byte(signers[1].Public().Bytes())) // nonce times the base point
	if !ok {
		t.Fatal("an honest key is no point")
	}
	order := littleEndian([]byte(edwardsOrder))
	for i, raw := range smallOrderEd25519(t) {
		torsion, ok := decodeEdwards([fp.Size]byte(raw))
		if !ok {
			t.Fatalf("small-order point %d is no point", i)
		}
		first := encodeEdwards(r.add(&torsion))
		challenge := sha512.Sum512(slices.Concat(first, pub.Bytes(), message))
		second := new(big.Int).Mul(littleEndian(challenge[:]), secret)
		second.Add(second, nonce).Mod(second, order)
		last := second.FillBytes(make([]byte, 32))
		slices.Reverse(last)
		signature := append(slices.Clone(first), last...)

		want := bytes.Equal(first, signers[1].Public().Bytes()) // the identity changes nothing
		alone := s.Verify(pub, message, signature)
		if alone != want {
			t.Errorf("point %d: alone it is %t, want %t", i, alone, want)
		}
		together := s.VerifyShares([]PublicKey{pub, signers[1].Public()}, message,
			[][]byte{signature, signers[1].Sign(message)})
		if together[0] != want || !together[1] {
			t.Errorf("point %d: with another one it is %v, want %t and true", i, together, want)
		}
		aggregate, err := s.Aggregate([][]byte{signature})
		if got := err == nil && s.VerifyAggregate([]PublicKey{pub}, message, aggregate); got != want {
			t.Errorf("point %d: in a certificate it is %t, want %t", i, got, want)
		}
	}
}

// clampedScalar is the secret scalar of a test's key (RFC 8032 §5.1.5).
func clampedScalar(i int) *big.Int {
	seed := testSeed(i)
	hash := sha512.Sum512(seed[:])
	hash[0] &= 248
	hash[31] = hash[31]&127 | 64
	return littleEndian(hash[:32])
}

func littleEndian(b []byte) *big.Int {
	b = slices.Clone(b)
	slices.Reverse(b)
	return new(big.Int).SetBytes(b)
}
