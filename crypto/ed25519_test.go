package crypto

import (
	"bytes"
	stded25519 "crypto/ed25519"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"

	fp "github.com/cloudflare/circl/math/fp25519"
)

func mustHex(tb testing.TB, text string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// TestEd25519RFC8032 runs tests 1 to 3 of RFC 8032 §7.1.
func TestEd25519RFC8032(t *testing.T) {
	vectors := []struct{ seed, public, message, signature string }{
		{
			"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
			"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
			"",
			"e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155" +
				"5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
		},
		{
			"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
			"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
			"72",
			"92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da" +
				"085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
		},
		{
			"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
			"fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
			"af82",
			"6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac" +
				"18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
		},
	}
	s := mustScheme(t, SchemeEd25519)
	for i, v := range vectors {
		signer, err := s.NewSigner([SeedSize]byte(mustHex(t, v.seed)))
		if err != nil {
			t.Fatal(err)
		}
		message := mustHex(t, v.message)
		if got := hex.EncodeToString(signer.Public().Bytes()); got != v.public {
			t.Errorf("test %d: public key %s", i+1, got)
		}
		if got := hex.EncodeToString(signer.Sign(message)); got != v.signature {
			t.Errorf("test %d: signature %s", i+1, got)
		}
		if !s.Verify(signer.Public(), message, mustHex(t, v.signature)) {
			t.Errorf("test %d: refused", i+1)
		}
		network := NewNetworkKey([SeedSize]byte(mustHex(t, v.seed)))
		if !bytes.Equal(network.Sign(message), mustHex(t, v.signature)) {
			t.Errorf("test %d: the network key signs otherwise", i+1)
		}
	}
}

// smallOrderEd25519 returns the canonical encodings of the eight points whose order divides 8.
func smallOrderEd25519(tb testing.TB) [][]byte {
	tb.Helper()
	const (
		zeroes = "00000000000000000000000000000000000000000000000000000000000000"
		ones   = "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
		eighth = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc"
		other  = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03"
	)
	var points [][]byte
	for _, text := range []string{
		"01" + zeroes,                // order 1: the identity
		"ec" + ones + "7f",           // order 2
		zeroes + "00", zeroes + "80", // order 4
		eighth + "05", eighth + "85", // order 8
		other + "7a", other + "fa", // order 8
	} {
		points = append(points, mustHex(tb, text))
	}
	return points
}

// hybridKeys puts a good ML-DSA half behind each Ed25519 key.
func hybridKeys(tb testing.TB, classic [][]byte) [][]byte {
	tb.Helper()
	half := mustSigners(tb, mustScheme(tb, SchemeHybrid), 1)[0].Public().Bytes()[32:]
	keys := make([][]byte, len(classic))
	for i, key := range classic {
		keys[i] = append(slices.Clone(key), half...)
	}
	return keys
}

// refusedEverywhere checks that no door takes the key: neither scheme, nor a peer ID.
func refusedEverywhere(t *testing.T, key []byte, reason string) {
	t.Helper()
	_, err := mustScheme(t, SchemeEd25519).ParsePublicKey(key)
	if !errors.Is(err, ErrPublicKey) || !strings.Contains(err.Error(), reason) {
		t.Errorf("ed25519 key %x: %v, want %q", key, err, reason)
	}
	_, err = mustScheme(t, SchemeHybrid).ParsePublicKey(hybridKeys(t, [][]byte{key})[0])
	if !errors.Is(err, ErrPublicKey) || !strings.Contains(err.Error(), reason) {
		t.Errorf("hybrid key %x: %v, want %q", key, err, reason)
	}
	if _, err := ParseNodeID(NodeID(key).String()); !errors.Is(err, ErrPublicKey) {
		t.Errorf("peer ID of %x: %v", key, err)
	}
}

func TestEd25519RefusesSmallOrder(t *testing.T) {
	points := smallOrderEd25519(t)
	distinct := map[string]bool{}
	for _, key := range points {
		if _, ok := decodeEdwards([fp.Size]byte(key)); !ok {
			t.Errorf("%x is no point: it does not test the order", key)
		}
		distinct[string(key)] = true
		refusedEverywhere(t, key, "small order")
	}
	if len(distinct) != 8 {
		t.Errorf("%d small-order points, not 8", len(distinct))
	}
}

// TestEd25519IdentityKeySignsEverything shows why the check stands at the door: the verifiers
// themselves let one signature pass for every message under the identity.
func TestEd25519IdentityKeySignsEverything(t *testing.T) {
	identity := smallOrderEd25519(t)[0]
	signature := append(slices.Clone(identity), make([]byte, 32)...)
	for _, message := range []string{"transfer 1", "transfer 1000000"} {
		if !verifyEd25519(identity, []byte(message), signature) {
			t.Errorf("%q: refused; then the check at the door has lost this reason", message)
		}
	}
}

func TestEd25519RefusesNonCanonical(t *testing.T) {
	const zeroes = "00000000000000000000000000000000000000000000000000000000000000"
	keys := [][]byte{
		mustHex(t, "01"+zeroes[2:]+"80"),          // the identity, with a sign
		mustHex(t, "ec"+strings.Repeat("ff", 31)), // order 2, with a sign
		mustHex(t, "02"+zeroes),                   // y = 2 is not on the curve
	}
	for low := 0xed; low <= 0xff; low++ { // y from p to 2^255-1
		for _, high := range []byte{0x7f, 0xff} {
			key := bytes.Repeat([]byte{0xff}, 32)
			key[0], key[31] = byte(low), high
			keys = append(keys, key)
		}
	}
	for _, key := range keys {
		refusedEverywhere(t, key, "canonical")
	}
}

// encodeEdwards is the inverse of decodeEdwards.
func encodeEdwards(p *edwardsPoint) []byte {
	var inverse, x, y fp.Elt
	fp.Inv(&inverse, &p.z)
	fp.Mul(&x, &p.x, &inverse)
	fp.Mul(&y, &p.y, &inverse)
	fp.Modp(&x)
	fp.Modp(&y)
	y[31] |= x[0] & 1 << 7
	return y[:]
}

func TestEd25519RefusesMixedOrder(t *testing.T) {
	for i, signer := range mustSigners(t, mustScheme(t, SchemeEd25519), 3) {
		honest, ok := decodeEdwards([fp.Size]byte(signer.Public().Bytes()))
		if !ok {
			t.Fatal("an honest key is no point")
		}
		if !bytes.Equal(encodeEdwards(&honest), signer.Public().Bytes()) {
			t.Fatalf("key %d changes when it is decoded and encoded", i)
		}
		for j, raw := range smallOrderEd25519(t) {
			torsion, ok := decodeEdwards([fp.Size]byte(raw))
			if !ok {
				t.Fatalf("small-order point %d is no point", j)
			}
			sum := encodeEdwards(honest.add(&torsion))
			if j == 0 {
				if !bytes.Equal(sum, signer.Public().Bytes()) {
					t.Errorf("adding the identity to key %d changes it", i)
				}
				continue
			}
			refusedEverywhere(t, sum, "prime-order subgroup")
		}
	}
}

// TestEdwardsAgreesWithStd checks our point arithmetic against the standard library's: for a secret
// scalar a, the public key must be a times the base point.
func TestEdwardsAgreesWithStd(t *testing.T) {
	base, ok := decodeEdwards([fp.Size]byte(mustHex(t, "58"+strings.Repeat("66", 31))))
	if !ok {
		t.Fatal("the base point is no point")
	}
	for i := range 8 {
		seed := testSeed(i)
		hash := sha512.Sum512(seed[:])
		scalar := hash[:32] // clamped, as RFC 8032 §5.1.5 says
		scalar[0] &= 248
		scalar[31] = scalar[31]&127 | 64
		want := stded25519.NewKeyFromSeed(seed[:])[32:]
		if got := encodeEdwards(base.times(string(scalar))); !bytes.Equal(got, want) {
			t.Errorf("seed %d: %x, want %x", i, got, want)
		}
	}
}

// TestEd25519RefusesMalleated adds the group order to S, which a lax verifier takes.
func TestEd25519RefusesMalleated(t *testing.T) {
	s := mustScheme(t, SchemeEd25519)
	signer, message := mustSigners(t, s, 1)[0], []byte("once")
	signature := signer.Sign(message)
	order := []byte(edwardsOrder)
	slices.Reverse(order)
	high := slices.Clone(signature[32:])
	slices.Reverse(high)
	sum := new(big.Int).Add(new(big.Int).SetBytes(high), new(big.Int).SetBytes(order))
	malleated := sum.FillBytes(make([]byte, 32))
	slices.Reverse(malleated)
	if s.Verify(signer.Public(), message, append(signature[:32:32], malleated...)) {
		t.Error("S + L was accepted: signatures are malleable")
	}
}
