package crypto

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

// testSeed returns the seed of member i; equal numbers give equal seeds in every test.
func testSeed(i int) [SeedSize]byte {
	return DeriveSeed([SeedSize]byte{7: 1}, fmt.Sprintf("test member %d", i))
}

func mustScheme(tb testing.TB, name string) Scheme {
	tb.Helper()
	s, err := SchemeByName(name)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func mustSigners(tb testing.TB, s Scheme, n int) []Signer {
	tb.Helper()
	signers := make([]Signer, n)
	for i := range signers {
		var err error
		if signers[i], err = s.NewSigner(testSeed(i)); err != nil {
			tb.Fatal(err)
		}
	}
	return signers
}

func publicKeys(signers []Signer) []PublicKey {
	pubs := make([]PublicKey, len(signers))
	for i, signer := range signers {
		pubs[i] = signer.Public()
	}
	return pubs
}

func signAll(signers []Signer, message []byte) [][]byte {
	signatures := make([][]byte, len(signers))
	for i, signer := range signers {
		signatures[i] = signer.Sign(message)
	}
	return signatures
}

func mustAggregate(tb testing.TB, s Scheme, signatures ...[]byte) []byte {
	tb.Helper()
	aggregate, err := s.Aggregate(signatures)
	if err != nil {
		tb.Fatal(err)
	}
	return aggregate
}

// flipped returns a copy of b with one bit inverted.
func flipped(b []byte, bit int) []byte {
	out := slices.Clone(b)
	out[bit/8] ^= 1 << (bit % 8)
	return out
}

// bitSample spreads at most count positions over the bits of b, first and last among them.
func bitSample(b []byte, count int) []int {
	last := len(b)*8 - 1
	bits := make([]int, 0, count)
	for i := range count {
		bits = append(bits, last*i/(count-1))
	}
	return slices.Compact(bits)
}

// TestSchemes holds every scheme to the same rules. A rule that needs an exception does not belong
// here.
// PROTOCOL §3: B46.
func TestSchemes(t *testing.T) {
	rules := []struct {
		name string
		rule func(*testing.T, Scheme)
	}{
		{"sizes", ruleSizes},
		{"round trip", ruleRoundTrip},
		{"deterministic", ruleDeterministic},
		{"domain", ruleDomain},
		{"wrong signer", ruleWrongSigner},
		{"bit flips", ruleBitFlips},
		{"lengths", ruleLengths},
		{"foreign keys", ruleForeignKeys},
		{"aggregate", ruleAggregate},
		{"aggregate refuses", ruleAggregateRefuses},
		{"shares", ruleShares},
		{"key encodings", ruleKeyEncodings},
		{"load keys", ruleLoadKeys},
		{"concurrent", ruleConcurrent},
	}
	for _, name := range SchemeNames() {
		t.Run(name, func(t *testing.T) {
			for _, r := range rules {
				t.Run(r.name, func(t *testing.T) { r.rule(t, mustScheme(t, name)) })
			}
		})
	}
}

func TestSchemeByName(t *testing.T) {
	for _, name := range SchemeNames() {
		if got := mustScheme(t, name).Name(); got != name {
			t.Errorf("SchemeByName(%q).Name() = %q", name, got)
		}
	}
	for _, name := range []string{"", "ED25519", "ed25519 ", "rsa"} {
		_, err := SchemeByName(name)
		if !errors.Is(err, ErrUnknownScheme) {
			t.Fatalf("SchemeByName(%q) = %v", name, err)
		}
		for _, known := range SchemeNames() {
			if !strings.Contains(err.Error(), known) {
				t.Errorf("%q does not name %s", err, known)
			}
		}
	}
}

func ruleSizes(t *testing.T, s Scheme) {
	signers := mustSigners(t, s, 3)
	signer, message := signers[0], []byte("m")
	if got := len(signer.Public().Bytes()); got != s.PublicKeySize() {
		t.Errorf("public key of %d bytes, PublicKeySize %d", got, s.PublicKeySize())
	}
	if got := len(signer.Sign(message)); got != s.SignatureSize() {
		t.Errorf("signature of %d bytes, SignatureSize %d", got, s.SignatureSize())
	}
	if got := len(signer.Proof()); got != s.ProofSize() {
		t.Errorf("proof of %d bytes, ProofSize %d", got, s.ProofSize())
	}
	for n := 1; n <= len(signers); n++ {
		aggregate := mustAggregate(t, s, signAll(signers[:n], message)...)
		if len(aggregate) != s.CertificateSize(n) {
			t.Errorf("%d signers: %d bytes, CertificateSize %d",
				n, len(aggregate), s.CertificateSize(n))
		}
	}
	for _, n := range []int{0, -1} {
		if got := s.CertificateSize(n); got != 0 {
			t.Errorf("CertificateSize(%d) = %d", n, got)
		}
	}
}

func ruleRoundTrip(t *testing.T, s Scheme) {
	signers := mustSigners(t, s, 2)
	for _, size := range []int{0, 1, 31, 32, 33, 1000, 70_000} {
		message := bytes.Repeat([]byte{0xa5}, size)
		for i, signer := range signers {
			signature := signer.Sign(message)
			if !s.Verify(signer.Public(), message, signature) {
				t.Errorf("signer %d: own signature over %d bytes refused", i, size)
			}
			parsed, err := s.ParsePublicKey(signer.Public().Bytes())
			if err != nil {
				t.Fatal(err)
			}
			if !parsed.Equal(signer.Public()) || !s.Verify(parsed, message, signature) {
				t.Errorf("signer %d: the parsed key differs from the original", i)
			}
		}
	}
	if signers[0].Public().Equal(signers[1].Public()) {
		t.Error("two seeds gave the same key")
	}
}

func ruleDeterministic(t *testing.T, s Scheme) {
	message := []byte("twice")
	a, b := mustSigners(t, s, 1)[0], mustSigners(t, s, 1)[0]
	if !a.Public().Equal(b.Public()) {
		t.Error("the same seed gave two keys")
	}
	if !bytes.Equal(a.Sign(message), a.Sign(message)) ||
		!bytes.Equal(a.Sign(message), b.Sign(message)) {
		t.Error("the same key signed the same message in two ways")
	}
	if !bytes.Equal(a.Proof(), b.Proof()) {
		t.Error("the same key has two proofs")
	}
}

func ruleDomain(t *testing.T, s Scheme) {
	signer := mustSigners(t, s, 1)[0]
	home := Domain{Cluster: Hash("cluster"), Epoch: 3}
	body := []byte("view 1, sequence 2")
	signature := signer.Sign(home.SignBytes(KindPrepare, body))

	wrong := map[string][]byte{
		"cluster": Domain{Hash("other"), home.Epoch}.SignBytes(KindPrepare, body),
		"epoch":   Domain{home.Cluster, home.Epoch + 1}.SignBytes(KindPrepare, body),
		"no head": body,
	}
	for _, k := range allKinds() {
		if k != KindPrepare {
			wrong[k.String()] = home.SignBytes(k, body)
		}
	}
	if !s.Verify(signer.Public(), home.SignBytes(KindPrepare, body), signature) {
		t.Fatal("refused at home")
	}
	for name, message := range wrong {
		if s.Verify(signer.Public(), message, signature) {
			t.Errorf("a prepare of another domain was accepted: %s", name)
		}
	}
}

func ruleWrongSigner(t *testing.T, s Scheme) {
	signers, message := mustSigners(t, s, 3), []byte("mine")
	for i, signature := range signAll(signers, message) {
		for j, signer := range signers {
			if got := s.Verify(signer.Public(), message, signature); got != (i == j) {
				t.Errorf("signature of %d under the key of %d: %v", i, j, got)
			}
		}
	}
}

func ruleBitFlips(t *testing.T, s Scheme) {
	signer := mustSigners(t, s, 1)[0]
	message := []byte("every bit of this matters")
	signature := signer.Sign(message)
	for _, bit := range bitSample(signature, 80) {
		if s.Verify(signer.Public(), message, flipped(signature, bit)) {
			t.Errorf("bit %d of the signature does not matter", bit)
		}
	}
	for _, bit := range bitSample(message, 24) {
		if s.Verify(signer.Public(), flipped(message, bit), signature) {
			t.Errorf("bit %d of the message does not matter", bit)
		}
	}
	for _, bit := range bitSample(signer.Public().Bytes(), 24) {
		other, err := s.ParsePublicKey(flipped(signer.Public().Bytes(), bit))
		if err == nil && s.Verify(other, message, signature) {
			t.Errorf("bit %d of the key does not matter", bit)
		}
	}
}

func ruleLengths(t *testing.T, s Scheme) {
	signer, message := mustSigners(t, s, 1)[0], []byte("length")
	signature := signer.Sign(message)
	for _, n := range []int{0, 1, 31, 32, 63, 64, len(signature) - 1} {
		if n < len(signature) && s.Verify(signer.Public(), message, signature[:n]) {
			t.Errorf("accepted when cut to %d bytes", n)
		}
	}
	for _, tail := range [][]byte{{0}, signature, make([]byte, 96)} {
		if s.Verify(signer.Public(), message, append(slices.Clone(signature), tail...)) {
			t.Errorf("accepted with %d more bytes", len(tail))
		}
	}
	for _, fill := range []byte{0x00, 0x80, 0xc0, 0xff} {
		if s.Verify(signer.Public(), message, bytes.Repeat([]byte{fill}, len(signature))) {
			t.Errorf("accepted a signature of %#x only", fill)
		}
	}
}

func ruleForeignKeys(t *testing.T, s Scheme) {
	message := []byte("whose")
	own := mustSigners(t, s, 1)[0]
	keys := []PublicKey{{}}
	for _, name := range SchemeNames() {
		if name != s.Name() {
			keys = append(keys, mustSigners(t, mustScheme(t, name), 1)[0].Public())
		}
	}
	signature := own.Sign(message)
	for i, key := range keys {
		if key.Equal(own.Public()) {
			t.Errorf("key %d of another scheme equals ours", i)
		}
		if s.Verify(key, message, signature) || s.VerifyProof(key, own.Proof()) {
			t.Errorf("key %d of another scheme verifies", i)
		}
		if s.VerifyAggregate([]PublicKey{own.Public(), key}, message,
			mustAggregate(t, s, signature, signature)) {
			t.Errorf("key %d of another scheme is in a certificate", i)
		}
		shares := s.VerifyShares([]PublicKey{key, own.Public()}, message,
			[][]byte{signature, signature})
		if !slices.Equal(shares, []bool{false, true}) {
			t.Errorf("key %d of another scheme: verdicts %v", i, shares)
		}
	}
}

func ruleConcurrent(t *testing.T, s Scheme) {
	signer := mustSigners(t, s, 1)[0]
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			message := fmt.Appendf(nil, "goroutine %d", i)
			pub := signer.Public()
			if !s.Verify(pub, message, signer.Sign(message)) ||
				!s.VerifyProof(pub, signer.Proof()) {
				t.Errorf("goroutine %d: refused", i)
			}
		})
	}
	wg.Wait()
}
