package merkle_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"byzd/crypto"
	"byzd/daemon/kv/merkle"
)

func randomModel(g *rand.Rand, most, keys int) model {
	m := model{}
	for range g.IntN(most) {
		m[key(g, keys)] = fmt.Sprint(g.IntN(1000))
	}
	return m
}

// Proofs show what is there and what is not, the empty tree and both ends included.
func TestProof_ShowsPresenceAndAbsence(t *testing.T) {
	for seed := range uint64(50) {
		g := rand.New(rand.NewPCG(seed, 1))
		m := randomModel(g, 60, 100)
		if seed == 0 {
			m = model{}
		}
		tree := m.tree()
		for _, k := range []string{"a", "z", key(g, 100), key(g, 100), key(g, 100), key(g, 100) + "\x00"} {
			proof := tree.Prove([]byte(k))
			value, present, err := proof.Verify(tree.Root(), []byte(k))
			want, is := m[k]
			if err != nil || present != is || string(value) != want {
				t.Fatalf("seed %d, %q: %q, %t (%v), want %q, %t", seed, k, value, present, err, want, is)
			}
		}
	}
	if _, _, err := (merkle.Tree{}).Prove([]byte("k")).Verify(merkle.Tree{}.Root(), nil); err == nil {
		t.Error("a proof of the empty key")
	}
}

// Range proofs give what the model gives, with and without a limit.
func TestRangeProof_IsComplete(t *testing.T) {
	for seed := range uint64(300) {
		g := rand.New(rand.NewPCG(seed, 2))
		m := randomModel(g, 60, 100)
		tree := m.tree()
		from, to := key(g, 100), key(g, 100)
		if g.IntN(4) == 0 {
			from = ""
		}
		if g.IntN(4) == 0 {
			to = ""
		}
		limit := g.IntN(10)
		want := m.sorted(from, to)
		wantMore := limit > 0 && len(want) > limit
		if wantMore {
			want = want[:limit]
		}
		proof := tree.ProveRange([]byte(from), []byte(to), limit)
		got, more, err := proof.Verify(tree.Root(), []byte(from), []byte(to), limit)
		if err != nil || more != wantMore || len(got) != len(want) {
			t.Fatalf("seed %d: %d entries, more %t (%v), want %d, %t", seed, len(got), more, err,
				len(want), wantMore)
		}
		for i, e := range got {
			if string(e.Key) != want[i] || string(e.Value) != m[want[i]] {
				t.Fatalf("seed %d: entry %d is %q", seed, i, e)
			}
		}
	}
}

// No bit of a proof can be changed, nothing can be cut off or added, and no proof is one of
// another root, interval or limit that has another answer.
func TestProof_RefusesChanges(t *testing.T) {
	m := randomModel(rand.New(rand.NewPCG(1, 3)), 60, 100)
	for len(m) < 30 {
		m[fmt.Sprint(len(m))] = "more"
	}
	tree := m.tree()
	all := m.sorted("", "")
	root := tree.Root()
	refused := func(p merkle.RangeProof, root crypto.Digest, from, to string, limit int, what string) {
		t.Helper()
		_, _, err := p.Verify(root, []byte(from), []byte(to), limit)
		if !errors.Is(err, merkle.ErrMalformed) && !errors.Is(err, merkle.ErrMismatch) {
			t.Fatalf("%s: %v", what, err)
		}
	}
	for name, p := range map[string]struct {
		from, to string
		limit    int
	}{
		"one":      {all[7], all[7] + "\x00", 0},
		"none":     {all[7] + "!", all[7] + "\"", 0},
		"some":     {all[3], all[12], 0},
		"limited":  {all[3], all[20], 5},
		"all":      {"", "", 0},
		"first":    {"", "", 1},
		"past end": {all[len(all)-1] + "x", "", 0},
	} {
		good := tree.ProveRange([]byte(p.from), []byte(p.to), p.limit)
		if _, _, err := good.Verify(root, []byte(p.from), []byte(p.to), p.limit); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for i := range len(good) * 8 {
			bad := bytes.Clone(good)
			bad[i/8] ^= 1 << (i % 8)
			refused(bad, root, p.from, p.to, p.limit, fmt.Sprintf("%s with bit %d flipped", name, i))
		}
		for i := range good {
			refused(good[:i], root, p.from, p.to, p.limit, fmt.Sprintf("%d bytes of %s", i, name))
		}
		refused(append(bytes.Clone(good), 0), root, p.from, p.to, p.limit, name+" with a byte more")
		refused(good, tree.Delete([]byte(all[5])).Root(), p.from, p.to, p.limit, name+" elsewhere")
	}
	some := tree.ProveRange([]byte(all[3]), []byte(all[12]), 0)
	refused(some, root, all[2], all[12], 0, "an earlier beginning")
	refused(some, root, all[4], all[12], 0, "a later beginning")
	refused(some, root, all[3], all[14], 0, "a later end")
	refused(some, root, all[3], all[11], 0, "an earlier end")
	refused(some, root, all[3], all[12], 5, "a limit below")
	limited := tree.ProveRange([]byte(all[3]), []byte(all[12]), 5)
	refused(limited, root, all[3], all[12], 0, "a limited one as a whole one")
	refused(limited, root, all[3], all[12], 6, "fewer than the limit")
	refused(limited, root, all[3], all[12], 4, "more than the limit")
}

// A key that is there must not be shown as absent by hiding its value.
func TestProof_RefusesAHiddenValue(t *testing.T) {
	tree := model{"a": "1", "b": "2", "c": "3"}.tree()
	for _, k := range []string{"a", "b", "c"} {
		p := tree.ProveRange([]byte("x"), nil, 0) // shows a path of hidden nodes
		_, present, err := merkle.Proof(p).Verify(tree.Root(), []byte(k))
		if err == nil || present {
			t.Errorf("%s: present %t (%v)", k, present, err)
		}
	}
}

// FuzzProof: whatever verifies is what the tree says.
func FuzzProof(f *testing.F) {
	m := model{"a": "1", "b": "", "c": "333", "d": "4", "e": "5", "g": "7"}
	tree := m.tree()
	root := tree.Root()
	for _, k := range []string{"a", "c", "f", "z"} {
		f.Add([]byte(tree.Prove([]byte(k))), []byte(k))
	}
	f.Fuzz(func(t *testing.T, proof, k []byte) {
		value, present, err := merkle.Proof(proof).Verify(root, k)
		if err != nil {
			return
		}
		want, is := m[string(k)]
		if present != is || string(value) != want {
			t.Errorf("key %q has %q, %t by the proof %x", k, value, present, proof)
		}
	})
}

// FuzzRangeProof: whatever verifies is what the tree says.
func FuzzRangeProof(f *testing.F) {
	tree := model{"a": "1", "b": "", "c": "333", "d": "4", "e": "5", "g": "7"}.tree()
	root := tree.Root()
	for _, r := range [][2]string{{"", ""}, {"b", "e"}, {"f", ""}, {"", "c"}} {
		for limit := range 3 {
			proof := tree.ProveRange([]byte(r[0]), []byte(r[1]), limit)
			f.Add([]byte(proof), []byte(r[0]), []byte(r[1]), limit)
		}
	}
	f.Fuzz(func(t *testing.T, proof, from, to []byte, limit int) {
		got, more, err := merkle.RangeProof(proof).Verify(root, from, to, limit)
		if err != nil {
			return
		}
		honest := tree.ProveRange(from, to, limit)
		want, wantMore, err := honest.Verify(root, from, to, limit)
		if err != nil {
			t.Fatal(err)
		}
		same := len(got) == len(want) && more == wantMore
		for i := 0; same && i < len(got); i++ {
			same = bytes.Equal(got[i].Key, want[i].Key) && bytes.Equal(got[i].Value, want[i].Value)
		}
		if !same {
			t.Errorf("%q (more: %t) by the proof %x, want %q (%t)", got, more, proof, want, wantMore)
		}
	})
}

// FuzzChunk: a builder takes nothing but the tree.
func FuzzChunk(f *testing.F) {
	source := filled(30, 3)
	root := source.Root()
	for _, limit := range []int{1, 100, 10_000} {
		chunk, err := source.Chunk("", limit)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(chunk)
	}
	f.Fuzz(func(t *testing.T, chunk []byte) {
		b := merkle.NewBuilder(root)
		if err := b.Add("", chunk); err == nil {
			fetch(t, b, source, 50)
			done(t, b, source)
		} else if size, pending := b.Progress(); size != 0 || pending != 1 {
			t.Errorf("refused with %v, and %d bytes taken, %d pending", err, size, pending)
		}
	})
}
