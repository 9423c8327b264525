package crypto

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math/big"
	"math/bits"
	"slices"
	"testing"

	"github.com/cloudflare/circl/ecc/bls12381"
	"github.com/cloudflare/circl/sign/bls"
)

// countingBLS returns the scheme with a counter of its pairing checks.
func countingBLS() (blsScheme, *int) {
	count := new(int)
	return blsScheme{onPairing: func() { *count++ }}, count
}

// TestBLSKeyGen runs the master key of EIP-2333 test case 1, derived by the draft's KeyGen.
func TestBLSKeyGen(t *testing.T) {
	seed := mustHex(t, "3141592653589793238462643383279502884197169399375105820974944592")
	want, ok := new(big.Int).SetString(
		"29757020647961307431480504535336562678282505419141012933316116377660817309383", 10)
	if !ok {
		t.Fatal("bad constant")
	}
	signer, err := blsScheme{}.NewSigner([SeedSize]byte(seed))
	if err != nil {
		t.Fatal(err)
	}
	var scalar bls12381.Scalar
	scalar.SetBytes(want.Bytes())
	if !signer.Public().Equal(newBLSSigner(&scalar).Public()) {
		t.Error("the seed gives another key than EIP-2333 says")
	}
}

// TestBLSVector runs a case of the Ethereum consensus tests, which use the same ciphersuite.
func TestBLSVector(t *testing.T) {
	var secret bls12381.Scalar
	secret.SetBytes(mustHex(t, "263dbd792f5b1be47ed85f8938c0f29586af0d3ac7b977f21c278fe1462040e3"))
	signer := newBLSSigner(&secret)
	const public = "a491d1b0ecd9bb917989f0e74f0dea0422eac4a873e5e2644f368dffb9a6e20f" +
		"d6e10c1b77654d067c0618f6e5a7f79a"
	if got := hex.EncodeToString(signer.Public().Bytes()); got != public {
		t.Errorf("public key %s", got)
	}
	const signature = "b6ed936746e01f8ecf281f020953fbf1f01debd5657c4a383940b020b26507f6" +
		"076334f91e2366c96e9ab279fb5158090352ea1c5b0c9274504f4f0e7053af24" +
		"802e51e4568d164fe986834f41e55c8e850ce1f98458c0cfc9ab380b55285a55"
	message := make([]byte, 32)
	if got := hex.EncodeToString(signer.Sign(message)); got != signature {
		t.Errorf("signature %s", got)
	}
	if !(blsScheme{}).Verify(signer.Public(), message, mustHex(t, signature)) {
		t.Error("the signature was refused")
	}
}

// TestBLSRogueKey forges a certificate of an honest member with a key that cancels the honest one,
// and shows that the proof of possession keeps that key out.
// PROTOCOL §3: B47.
func TestBLSRogueKey(t *testing.T) {
	s := blsScheme{}
	honest := mustSigners(t, s, 1)[0]
	known := newBLSSigner(testScalar(t, 99)) // x·G, whose x the attacker knows

	minusHonest := *honest.Public().point
	minusHonest.Neg()
	var point bls12381.G1
	point.Add(known.public.point, &minusHonest) // x·G - honest
	rogue, err := s.ParsePublicKey(point.BytesCompressed())
	if err != nil {
		t.Fatalf("the rogue key is a point like any other: %v", err)
	}

	message := []byte("the honest member never saw this")
	forged := known.Sign(message)
	if !s.VerifyAggregate([]PublicKey{honest.Public(), rogue}, message, forged) {
		t.Fatal("the forgery does not work: the test proves nothing")
	}

	keys := [][]byte{honest.Public().Bytes(), rogue.Bytes()}
	attempts := map[string][]byte{
		"no proof":                        nil,
		"the honest proof":                honest.Proof(),
		"the known key's proof":           known.Proof(),
		"the known key, on the rogue key": known.sign(rogue.Bytes(), blsProofTag),
		"a plain signature of the key":    known.Sign(rogue.Bytes()),
		"the identity":                    append([]byte{0xc0}, make([]byte, 95)...),
	}
	for name, proof := range attempts {
		_, err := LoadKeys(s, keys, [][]byte{honest.Proof(), proof})
		if !errors.Is(err, ErrKeyProof) {
			t.Errorf("rogue key with %s: %v", name, err)
		}
	}
}

func testScalar(tb testing.TB, i int) *bls12381.Scalar {
	tb.Helper()
	seed := testSeed(i)
	scalar := new(bls12381.Scalar)
	scalar.SetBytes(seed[:])
	if scalar.IsZero() == 1 {
		tb.Fatal("zero scalar")
	}
	return scalar
}

// TestBLSProofIsNoSignature keeps the two uses of a key apart: a member who can make another sign a
// statement must not get a proof of possession from it, or the reverse.
func TestBLSProofIsNoSignature(t *testing.T) {
	s := blsScheme{}
	signer := mustSigners(t, s, 1)[0]
	pub := signer.Public()
	if !s.VerifyProof(pub, signer.Proof()) {
		t.Fatal("own proof refused")
	}
	if s.Verify(pub, pub.Bytes(), signer.Proof()) {
		t.Error("a proof passes as a signature")
	}
	if s.VerifyProof(pub, signer.Sign(pub.Bytes())) {
		t.Error("a signature passes as a proof")
	}
	// The basic mode of circl signs under another tag; its signatures are not ours.
	key, err := bls.KeyGen[bls.KeyG1SigG2](make([]byte, 32), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := key.PublicKey().MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	basic, err := s.ParsePublicKey(raw)
	if err != nil {
		t.Fatal(err)
	}
	if s.Verify(basic, []byte("m"), bls.Sign(key, []byte("m"))) {
		t.Error("a signature of the basic mode verifies")
	}
}

// TestBLSCancellingKeys is the pair whose keys add up to nothing. Each has its proof, but a
// certificate of the two would hold for every message.
func TestBLSCancellingKeys(t *testing.T) {
	s, count := countingBLS()
	secret := testScalar(t, 5)
	var minus bls12381.Scalar
	minus.Set(secret)
	minus.Neg()
	a, b := newBLSSigner(secret), newBLSSigner(&minus)
	pubs, message := []PublicKey{a.Public(), b.Public()}, []byte("anything")
	if !s.VerifyProof(a.Public(), a.Proof()) || !s.VerifyProof(b.Public(), b.Proof()) {
		t.Fatal("the pair's proofs are good")
	}
	if _, err := s.Aggregate(signAll([]Signer{a, b}, message)); !errors.Is(err, ErrSignature) {
		t.Errorf("the sum of cancelling signatures: %v", err)
	}
	identity := append([]byte{0xc0}, make([]byte, 95)...)
	*count = 0
	if s.VerifyAggregate(pubs, message, identity) {
		t.Error("the identity is a certificate of a cancelling pair")
	}
	if s.VerifyAggregate(pubs, message, a.Sign(message)) {
		t.Error("one of the pair signed for both")
	}
	if *count != 0 { // circl's pairing gives no meaning to the identity in G1
		t.Errorf("a key of zero went into %d pairings", *count)
	}
	if got := s.VerifyShares(pubs, message, signAll([]Signer{a, b}, message)); !got[0] || !got[1] {
		t.Errorf("the shares are good one by one: %v", got)
	}
}

func TestBLSSharesTakeOnePairingCheck(t *testing.T) {
	s, count := countingBLS()
	message := []byte("agreed")
	for _, n := range []int{1, 2, 3, 67} {
		signers := mustSigners(t, s, n)
		pubs, signatures := publicKeys(signers), signAll(signers, message)
		*count = 0
		if got := s.VerifyShares(pubs, message, signatures); slices.Contains(got, false) {
			t.Errorf("n=%d: %v", n, got)
		}
		if *count != 1 {
			t.Errorf("n=%d, all good: %d pairing checks, not 1", n, *count)
		}
		signatures[n-1] = signatures[n-1][1:]
		*count = 0
		s.VerifyShares(pubs, message, signatures)
		if want := min(n-1, 1); *count != want {
			t.Errorf("n=%d, one malformed: %d pairing checks, not %d", n, *count, want)
		}
	}
}

// TestBLSSharesCost bounds what bad shares can cost: bisection for one, and never more than two
// checks for each share, however many are bad.
func TestBLSSharesCost(t *testing.T) {
	const n = 16
	s, count := countingBLS()
	signers, message := mustSigners(t, s, n), []byte("agreed")
	pubs, honest := publicKeys(signers), signAll(signers, message)
	lie := signers[0].Sign([]byte("lie"))
	for bad := range n {
		shares := slices.Clone(honest)
		shares[bad] = lie
		*count = 0
		got := s.VerifyShares(pubs, message, shares)
		if i := slices.Index(got, false); i != bad || slices.Contains(got[i+1:], false) {
			t.Errorf("share %d is bad: %v", bad, got)
		}
		// One for all, then two on each of the 4 levels; but only one where the left half is clean,
		// since then the right one must be guilty.
		if want := 1 + 2*4 - bits.OnesCount(uint(bad)); *count != want {
			t.Errorf("share %d is bad: %d pairing checks, not %d", bad, *count, want)
		}
	}
	for _, step := range []int{1, 2, 3} {
		shares := slices.Clone(honest)
		for i := 0; i < n; i += step {
			shares[i] = lie
		}
		*count = 0
		got := s.VerifyShares(pubs, message, shares)
		for i, ok := range got {
			if ok != (i%step != 0) {
				t.Errorf("every %d. share is bad: verdict %d is %v", step, i, ok)
			}
		}
		if *count > 2*n {
			t.Errorf("every %d. share is bad: %d pairing checks for %d shares", step, *count, n)
		}
	}
}

// TestBLSSharesThatCancel has two traitors move a point from one share to the other. The plain sum
// verifies, so a check of the plain sum would pass two shares of which each is worthless.
func TestBLSSharesThatCancel(t *testing.T) {
	s := blsScheme{}
	signers, message := mustSigners(t, s, 4), []byte("agreed")
	pubs, shares := publicKeys(signers), signAll(signers, message)
	error1 := hashToG2([]byte("any point"), blsSignatureTag)
	error2 := *error1
	error2.Neg()
	for i, e := range []*bls12381.G2{error1, &error2} {
		point, ok := parseBLSSignature(shares[i])
		if !ok {
			t.Fatal("malformed share")
		}
		point.Add(point, e)
		shares[i] = point.BytesCompressed()
	}
	if !s.VerifyAggregate(pubs, message, mustAggregate(t, s, shares...)) {
		t.Fatal("the errors do not cancel: the test proves nothing")
	}
	got := s.VerifyShares(pubs, message, shares)
	if want := []bool{false, false, true, true}; !slices.Equal(got, want) {
		t.Errorf("verdicts %v, want %v", got, want)
	}
}

// blsPrime is the order of the base field of BLS12-381.
func blsPrime(tb testing.TB) *big.Int {
	tb.Helper()
	return new(big.Int).SetBytes(mustHex(tb, "1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf"+
		"6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab"))
}

// outsideSubgroup returns compressed points of the curves over G1 and G2 with small coordinates.
// They are on their curve, but for all practical purposes never in the subgroup of prime order.
func outsideSubgroup(tb testing.TB) (keys, signatures [][]byte) {
	tb.Helper()
	p := blsPrime(tb)
	for x := int64(1); x < 40; x++ {
		cube := big.NewInt(x*x*x + 4)
		if big.Jacobi(cube, p) == 1 { // y² = x³ + 4 has a solution
			key := big.NewInt(x).FillBytes(make([]byte, 48))
			key[0] |= 0x80
			keys = append(keys, key)
		}
		norm := new(big.Int).Mul(cube, cube)
		norm.Add(norm, big.NewInt(16))
		if big.Jacobi(norm, p) == 1 { // y² = x³ + 4 + 4i has one in the extension
			signature := big.NewInt(x).FillBytes(make([]byte, 96))
			signature[0] |= 0x80
			signatures = append(signatures, signature)
		}
	}
	if len(keys) < 5 || len(signatures) < 5 {
		tb.Fatalf("found %d keys and %d signatures", len(keys), len(signatures))
	}
	return keys, signatures
}

func TestBLSRefusesPointsOutsideSubgroup(t *testing.T) {
	s := blsScheme{}
	keys, signatures := outsideSubgroup(t)
	for _, key := range keys {
		if _, err := s.ParsePublicKey(key); !errors.Is(err, ErrPublicKey) {
			t.Errorf("key %x: %v", key, err)
		}
	}
	signer := mustSigners(t, s, 1)[0]
	for _, signature := range signatures {
		if _, ok := parseBLSSignature(signature); ok {
			t.Errorf("signature %x was parsed", signature)
		}
		_, err := s.Aggregate([][]byte{signer.Sign(nil), signature})
		if !errors.Is(err, ErrSignature) {
			t.Errorf("signature %x in an aggregate: %v", signature, err)
		}
	}
}

func TestBLSRefusesOddSignatures(t *testing.T) {
	s := blsScheme{}
	signer, message := mustSigners(t, s, 1)[0], []byte("one encoding")
	good, ok := parseBLSSignature(signer.Sign(message))
	if !ok {
		t.Fatal("own signature refused")
	}
	for name, signature := range map[string][]byte{
		"uncompressed": good.Bytes(),
		"identity":     append([]byte{0xc0}, make([]byte, 95)...),
		"negated":      flipped(good.BytesCompressed(), 5),
	} {
		_, parsed := parseBLSSignature(signature)
		if parsed && name != "negated" {
			t.Errorf("%s: parsed", name)
		}
		if s.Verify(signer.Public(), message, signature) {
			t.Errorf("%s: verifies", name)
		}
	}
}

func TestBLSRefusesNonCanonicalKeys(t *testing.T) {
	s := blsScheme{}
	good := mustSigners(t, s, 1)[0].Public()
	p := blsPrime(t)
	identity := append([]byte{0xc0}, make([]byte, 47)...)
	bad := map[string][]byte{
		"identity":             identity,
		"identity with a sign": append([]byte{0xe0}, make([]byte, 47)...),
		"identity and a tail":  flipped(identity, 47*8),
		"uncompressed":         good.point.Bytes(),
		"not marked":           append([]byte{good.Bytes()[0] &^ 0x80}, good.Bytes()[1:]...),
		"infinity bit":         append([]byte{good.Bytes()[0] | 0x40}, good.Bytes()[1:]...),
		"x = p":                append([]byte{p.Bytes()[0] | 0x80}, p.Bytes()[1:]...),
	}
	// An x below 2^381 - p has a second encoding, x + p, in the same number of bits.
	for i := 0; ; i++ {
		if i == 200 {
			t.Fatal("no key with a small x")
		}
		signer, err := s.NewSigner(testSeed(i))
		if err != nil {
			t.Fatal(err)
		}
		raw := signer.Public().Bytes()
		flags := raw[0] & 0xe0
		raw[0] &= 0x1f
		if x := new(big.Int).Add(new(big.Int).SetBytes(raw), p); x.BitLen() <= 381 {
			x.FillBytes(raw)
			raw[0] |= flags
			bad["x + p"] = raw
			break
		}
	}
	for name, key := range bad {
		if _, err := s.ParsePublicKey(key); !errors.Is(err, ErrPublicKey) {
			t.Errorf("%s (%x): %v", name, key, err)
		}
	}
}

// TestBLSWeightedSum checks the shared doublings against one multiplication each.
func TestBLSWeightedSum(t *testing.T) {
	signers := mustSigners(t, blsScheme{}, 3)
	var points []*bls12381.G1
	var weights [][blsWeightSize]byte
	var want bls12381.G1
	want.SetIdentity()
	for i, pub := range publicKeys(signers) {
		seed := testSeed(i)
		weight := [blsWeightSize]byte(seed[:])
		var scalar bls12381.Scalar
		scalar.SetBytes(weight[:])
		var product bls12381.G1
		product.ScalarMult(&scalar, pub.point)
		want.Add(&want, &product)
		points, weights = append(points, pub.point), append(weights, weight)
	}
	got := weightedSum(points, weights)
	if !bytes.Equal(got.BytesCompressed(), want.BytesCompressed()) {
		t.Error("the weighted sum is another point")
	}
}
