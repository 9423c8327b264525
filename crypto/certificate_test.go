package crypto

import (
	"bytes"
	"errors"
	"slices"
	"testing"
)

func ruleAggregate(t *testing.T, s Scheme) {
	signers, message := mustSigners(t, s, 5), []byte("agreed")
	for n := 1; n <= len(signers); n++ {
		some := signers[len(signers)-n:]
		aggregate := mustAggregate(t, s, signAll(some, message)...)
		if !s.VerifyAggregate(publicKeys(some), message, aggregate) {
			t.Errorf("the certificate of %d signers was refused", n)
		}
	}
}

func ruleAggregateRefuses(t *testing.T, s Scheme) {
	signers, message := mustSigners(t, s, 4), []byte("agreed")
	pubs, signatures := publicKeys(signers), signAll(signers, message)
	good := mustAggregate(t, s, signatures[:3]...)
	if !s.VerifyAggregate(pubs[:3], message, good) {
		t.Fatal("the honest certificate was refused")
	}
	other := signAll(signers, []byte("another"))

	cases := []struct {
		name      string
		pubs      []PublicKey
		message   string
		aggregate []byte
	}{
		{"nobody, no bytes", nil, "agreed", nil},
		{"nobody, some bytes", nil, "agreed", good},
		{"no bytes", pubs[:3], "agreed", nil},
		{"another message", pubs[:3], "agreed!", good},
		{"more keys than signed", pubs, "agreed", good},
		{"fewer keys than signed", pubs[:2], "agreed", good},
		{"a key that did not sign", []PublicKey{pubs[0], pubs[1], pubs[3]}, "agreed", good},
		{
			"one signature, counted twice",
			[]PublicKey{pubs[0], pubs[1], pubs[1]},
			"agreed",
			mustAggregate(t, s, signatures[0], signatures[1], signatures[1]),
		},
		{
			"one signature of another message",
			pubs[:3],
			"agreed",
			mustAggregate(t, s, signatures[0], signatures[1], other[2]),
		},
		{
			"one signature of a stranger",
			pubs[:3],
			"agreed",
			mustAggregate(t, s, signatures[0], signatures[1], signatures[3]),
		},
		{"cut", pubs[:3], "agreed", good[:len(good)-1]},
		{"extended", pubs[:3], "agreed", append(slices.Clone(good), 0)},
		{"zeroes", pubs[:3], "agreed", make([]byte, len(good))},
		{"0xff", pubs[:3], "agreed", bytes.Repeat([]byte{0xff}, len(good))},
		{"0xc0 0x00", pubs[:3], "agreed", append([]byte{0xc0}, make([]byte, len(good)-1)...)},
	}
	for _, c := range cases {
		if s.VerifyAggregate(c.pubs, []byte(c.message), c.aggregate) {
			t.Errorf("accepted: %s", c.name)
		}
	}
	for _, bit := range bitSample(good, 24) {
		if s.VerifyAggregate(pubs[:3], message, flipped(good, bit)) {
			t.Errorf("bit %d of the certificate does not matter", bit)
		}
	}
	for i, bad := range [][][]byte{
		nil,
		{nil},
		{signatures[0], nil},
		{signatures[0], signatures[1][1:]},
		{append(slices.Clone(signatures[0]), 0)},
	} {
		if aggregate, err := s.Aggregate(bad); !errors.Is(err, ErrSignature) || aggregate != nil {
			t.Errorf("Aggregate of malformed list %d = %x, %v", i, aggregate, err)
		}
	}
}

func ruleShares(t *testing.T, s Scheme) {
	const n = 7
	signers, message := mustSigners(t, s, n), []byte("shares")
	pubs, honest := publicKeys(signers), signAll(signers, message)
	want := make([]bool, n)
	for i := range want {
		want[i] = true
	}
	if got := s.VerifyShares(pubs, message, honest); !slices.Equal(got, want) {
		t.Errorf("all good: %v", got)
	}

	damages := []func(i int) []byte{
		func(i int) []byte { return signers[i].Sign([]byte("lie")) },
		func(i int) []byte { return honest[(i+1)%n] },
		func(i int) []byte { return flipped(honest[i], 8*len(honest[i])-1) },
		func(int) []byte { return nil },
	}
	for bad := range n {
		shares := slices.Clone(honest)
		shares[bad] = damages[bad%len(damages)](bad)
		expected := slices.Clone(want)
		expected[bad] = false
		if got := s.VerifyShares(pubs, message, shares); !slices.Equal(got, expected) {
			t.Errorf("share %d is bad: %v", bad, got)
		}
	}
	several := slices.Clone(honest)
	several[0], several[3], several[4] = damages[0](0), nil, damages[1](4)
	expected := []bool{false, true, true, false, false, true, true}
	if got := s.VerifyShares(pubs, message, several); !slices.Equal(got, expected) {
		t.Errorf("several are bad: %v, want %v", got, expected)
	}
	swapped := slices.Clone(honest)
	swapped[1], swapped[2] = honest[2], honest[1]
	expected = []bool{true, false, false, true, true, true, true}
	if got := s.VerifyShares(pubs, message, swapped); !slices.Equal(got, expected) {
		t.Errorf("two are swapped: %v, want %v", got, expected)
	}
	if got := s.VerifyShares(pubs, []byte("unsigned"), honest); slices.Contains(got, true) {
		t.Errorf("another message: %v", got)
	}
	if got := s.VerifyShares(pubs[:2], message, honest[:3]); !slices.Equal(got, make([]bool, 3)) {
		t.Errorf("two keys for three shares: %v", got)
	}
	if got := s.VerifyShares(nil, message, nil); len(got) != 0 {
		t.Errorf("no shares: %v", got)
	}
}

func ruleKeyEncodings(t *testing.T, s Scheme) {
	good := mustSigners(t, s, 1)[0].Public().Bytes()
	size := s.PublicKeySize()
	bad := map[string][]byte{
		"nothing":  nil,
		"cut":      good[:size-1],
		"extended": append(slices.Clone(good), 0),
		"doubled":  append(slices.Clone(good), good...),
		"zeroes":   make([]byte, size),
		"0xff":     bytes.Repeat([]byte{0xff}, size),
	}
	for name, raw := range bad {
		pub, err := s.ParsePublicKey(raw)
		if !errors.Is(err, ErrPublicKey) {
			t.Errorf("%s: %v", name, err)
		}
		if s.Verify(pub, nil, nil) {
			t.Errorf("%s: a refused key verifies", name)
		}
	}

	// A key does not change with the bytes it was parsed from, nor with those it returns.
	raw := slices.Clone(good)
	pub, err := s.ParsePublicKey(raw)
	if err != nil {
		t.Fatal(err)
	}
	raw[0] ^= 1
	pub.Bytes()[0] ^= 1
	if !bytes.Equal(pub.Bytes(), good) {
		t.Error("a parsed key changed")
	}
}

func ruleLoadKeys(t *testing.T, s Scheme) {
	signers := mustSigners(t, s, 4)
	var keys, proofs [][]byte
	for _, signer := range signers {
		keys, proofs = append(keys, signer.Public().Bytes()), append(proofs, signer.Proof())
	}
	loaded, err := LoadKeys(s, keys, proofs)
	if err != nil {
		t.Fatal(err)
	}
	for i, pub := range loaded {
		if !pub.Equal(signers[i].Public()) {
			t.Errorf("key %d is another after loading", i)
		}
	}

	garbage := bytes.Repeat([]byte{1}, max(s.ProofSize(), 1))
	cases := []struct {
		name         string
		keys, proofs [][]byte
		want         error
		index        string
	}{
		{"malformed", [][]byte{keys[0], keys[1][1:]}, proofs[:2], ErrPublicKey, "key 1"},
		{
			"duplicate",
			[][]byte{keys[0], keys[1], keys[0]},
			[][]byte{proofs[0], proofs[1], proofs[0]},
			ErrDuplicateKey, "key 2",
		},
		{"garbage as proof", keys[:2], [][]byte{garbage, proofs[1]}, ErrKeyProof, "key 0"},
		{"one proof too few", keys, proofs[:3], ErrKeyProof, "3 proofs for 4 keys"},
	}
	for _, c := range cases {
		_, err = LoadKeys(s, c.keys, c.proofs)
		if !errors.Is(err, c.want) || !bytes.Contains([]byte(err.Error()), []byte(c.index)) {
			t.Errorf("%s: error %q, want %q at %s", c.name, err, c.want, c.index)
		}
	}
	_, err = LoadKeys(s, keys, nil)
	if needed := s.ProofSize() > 0; needed != errors.Is(err, ErrKeyProof) {
		t.Errorf("without proofs: %v", err)
	}
}
