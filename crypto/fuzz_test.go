package crypto

import (
	"bytes"
	"slices"
	"testing"
)

// The fuzz targets hold what every reader of others' bytes must: no panic, and what is accepted has
// exactly one encoding.

func FuzzParsePublicKeyEd25519(f *testing.F)  { fuzzParsePublicKey(f, SchemeEd25519) }
func FuzzParsePublicKeyBLS12381(f *testing.F) { fuzzParsePublicKey(f, SchemeBLS12381) }
func FuzzParsePublicKeyHybrid(f *testing.F)   { fuzzParsePublicKey(f, SchemeHybrid) }

func FuzzVerifyEd25519(f *testing.F)  { fuzzVerify(f, SchemeEd25519) }
func FuzzVerifyBLS12381(f *testing.F) { fuzzVerify(f, SchemeBLS12381) }
func FuzzVerifyHybrid(f *testing.F)   { fuzzVerify(f, SchemeHybrid) }

func fuzzParsePublicKey(f *testing.F, name string) {
	s := mustScheme(f, name)
	signers := mustSigners(f, s, 2)
	good := signers[0].Public().Bytes()
	identity := append([]byte{0xc0}, make([]byte, s.PublicKeySize()-1)...)
	seeds := [][]byte{nil, good, signers[1].Public().Bytes(), good[1:], identity}
	seeds = append(seeds, smallOrderEd25519(f)...)
	seeds = append(seeds, hybridKeys(f, smallOrderEd25519(f))...)
	outside, _ := outsideSubgroup(f)
	for _, seed := range append(seeds, outside[:4]...) {
		f.Add(seed)
	}
	message := []byte("message")
	signature := signers[0].Sign(message)
	f.Fuzz(func(t *testing.T, raw []byte) {
		pub, err := s.ParsePublicKey(raw)
		if err != nil {
			if s.Verify(pub, message, signature) || s.VerifyProof(pub, signers[0].Proof()) {
				t.Errorf("the refused key %x verifies", raw)
			}
			return
		}
		if !bytes.Equal(pub.Bytes(), raw) {
			t.Errorf("%x was parsed as %x", raw, pub.Bytes())
		}
		own := bytes.Equal(raw, good)
		if s.Verify(pub, message, signature) != own {
			t.Errorf("under key %x, a signature of another verifies, or its own does not", raw)
		}
		if s.ProofSize() > 0 && s.VerifyProof(pub, signers[0].Proof()) != own {
			t.Errorf("key %x takes the proof of another, or not its own", raw)
		}
	})
}

func fuzzVerify(f *testing.F, name string) {
	s := mustScheme(f, name)
	signer := mustSigners(f, s, 1)[0]
	pub, message := signer.Public(), []byte("message")
	good := signer.Sign(message)
	f.Add(message, good)
	f.Add([]byte{}, good)
	f.Add(message, []byte{})
	f.Add(message, good[1:])
	f.Add(message, append(slices.Clone(good), 0))
	f.Add(message, flipped(good, 0))
	f.Add(message, make([]byte, len(good)))
	f.Add(message, append([]byte{0xc0}, make([]byte, len(good)-1)...))
	_, outside := outsideSubgroup(f)
	f.Add(message, outside[0])
	f.Fuzz(func(t *testing.T, text, signature []byte) {
		// The schemes are deterministic and their signatures not malleable: the one that verifies
		// is the one that the signer makes. (ML-DSA could have others, but no fuzzer finds them.)
		want := len(signature) == s.SignatureSize() && bytes.Equal(signature, signer.Sign(text))
		if got := s.Verify(pub, text, signature); got != want {
			t.Errorf("Verify(%x, %x) = %v", text, signature, got)
		}
		if got := s.VerifyAggregate([]PublicKey{pub}, text, signature); got != want {
			t.Errorf("VerifyAggregate(%x, %x) = %v", text, signature, got)
		}
		shares := s.VerifyShares([]PublicKey{pub, pub}, text, [][]byte{signature, good})
		if shares[0] != want || shares[1] != bytes.Equal(text, message) {
			t.Errorf("VerifyShares(%x, %x) = %v", text, signature, shares)
		}
		if _, err := s.Aggregate([][]byte{signature}); err != nil && want {
			t.Errorf("Aggregate(%x): %v", signature, err)
		}
	})
}
