package kv_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"byzd/crypto"
	"byzd/daemon/kv"
	"byzd/daemon/kv/merkle"
)

// The root depends on the state and not on how it came about.
func TestRoot_KnowsNoHistory(t *testing.T) {
	run := func(ops ...kv.Op) *kv.Store {
		s := kv.New()
		for _, op := range ops {
			apply(t, s, op)
		}
		return s
	}
	bad := kv.Txn{Success: []kv.Op{put("z", "1"), kv.Range{Key: []byte("a"), Revision: 1 << 40}}}
	same := []*kv.Store{
		run(put("x", "1"), del("x", ""), put("a", "1"), put("b", "2")),
		run(put("y", "2"), del("y", ""), put("a", "1"), put("b", "2")),
		run(put("y", "2"), del("\x00", "\x00"), get("a"), put("a", "1"), bad, put("b", "2"),
			get("b")),
		run(put("a", "0"), del("a", "b"), put("a", "1"), kv.Put{
			Key: []byte("b"), Value: []byte("2"),
			PrevKV: true,
		}),
	}
	for i, s := range same {
		if s.Root() != same[0].Root() || !bytes.Equal(dump(s), dump(same[0])) {
			t.Errorf("history %d ends in another state", i)
		}
	}
}

// Roots are what nodes certify, so they must not change by accident. These were computed in another
// language, from the words of doc.go and of merkle/DESIGN.md.
func TestRoot_IsFixed(t *testing.T) {
	for want, s := range map[string]*kv.Store{
		"e02fd4ca048330d4644fe1cc1b065bbb243f2dfdc99cda7df9112d8e75588fd0": kv.New(),
		"2c340cd5cc7322a1169aa0060bcb7f804b0855d25ef2edf1fa05a3c1d3a19a2d": filled(t),
	} {
		if got := s.Root().String(); got != want {
			t.Errorf("revision %d has root %s, want %s", s.Revision(), got, want)
		}
	}
}

// Every part of the state counts.
func TestRoot_CoversEverything(t *testing.T) {
	stores := map[string]func(s *kv.Store){
		"nothing":     func(*kv.Store) {},
		"a value":     func(s *kv.Store) { apply(t, s, put("a", "5")) },
		"the version": func(s *kv.Store) { apply(t, s, put("a", "4")) },
		"a key more":  func(s *kv.Store) { apply(t, s, put("d", "4")) },
		"another key": func(s *kv.Store) { apply(t, s, put("e", "4")) },
		"a key less":  func(s *kv.Store) { apply(t, s, del("a", "")) },
		"the creation": func(s *kv.Store) {
			apply(t, s, del("a", ""))
			apply(t, s, put("a",
				"4"))
		},
		"only revision": func(s *kv.Store) {
			apply(t, s, put("d", "4"))
			apply(t, s, del("d",
				""))
		},
		"a longer key": func(s *kv.Store) { apply(t, s, put("a4", "")) },
	}
	seen := map[crypto.Digest]string{}
	for name, change := range stores {
		s := filled(t)
		change(s)
		if other, taken := seen[s.Root()]; taken {
			t.Errorf("%s and %s have one root", name, other)
		}
		seen[s.Root()] = name
	}
}

// A clone and its original go their own ways, in two goroutines.
func TestClone_IsIndependent(t *testing.T) {
	s := kv.New()
	for i := range 2000 {
		apply1(t, s, put(fmt.Sprintf("key-%d", i), "0"))
	}
	root, content := s.Root(), dump(s)
	frozen := s.Clone()
	clones := []*kv.Store{s.Clone(), s.Clone(), s}
	var group sync.WaitGroup
	for n, c := range clones {
		group.Go(func() {
			g := rand.New(rand.NewPCG(uint64(n), 1))
			for i := range 2000 {
				key := fmt.Sprintf("key-%d", g.IntN(3000))
				if i%3 == 0 {
					apply1(t, c, del(key, ""))
				} else {
					apply1(t, c, put(key, fmt.Sprint(n)))
				}
			}
			c.Root()
		})
	}
	group.Wait()
	if frozen.Root() != root || !bytes.Equal(dump(frozen), content) {
		t.Error("a clone changed with the others")
	}
	for i, c := range clones {
		again := kv.New()
		if err := again.Reset(carried(c)); err != nil {
			t.Fatal(err)
		}
		if again.Root() != c.Root() || c.Root() == root {
			t.Errorf("clone %d does not agree with its own entries", i)
		}
	}
}

func apply1(tb testing.TB, s *kv.Store, op kv.Op) {
	r, err := kv.DecodeResult(s.Apply(mustEncode(tb, op)))
	if err != nil || r.Code != kv.CodeOK {
		tb.Errorf("%+v: %s (%v)", op, text(r), err)
	}
}

// Bytes of the caller may change after Apply: the store has copies.
func TestApply_CopiesWhatItKeeps(t *testing.T) {
	s := kv.New()
	op := mustEncode(t, put("key", "value"))
	s.Apply(op)
	root := s.Root()
	clear(op)
	if got := text(apply(t, s, get("key"))); got != "rev 2 kv(key=value 2/2/1) count 1" {
		t.Errorf("the entry is now %s", got)
	}
	if s.Root() != root {
		t.Error("the root changed")
	}
}

// be is numbers as they stand in the tree.
func be(numbers ...uint64) []byte {
	var b []byte
	for _, n := range numbers {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return b
}

// A tree that no store could have written is refused by name, and leaves the store as it is.
func TestReset_Refuses(t *testing.T) {
	tree := func(pairs ...[]byte) merkle.Tree {
		e := merkle.Tree{}.Edit()
		for i := 0; i < len(pairs); i += 2 {
			e.Set(pairs[i], pairs[i+1])
		}
		return e.Tree()
	}
	head := func(revision, quota uint64, pairs ...[]byte) merkle.Tree {
		return tree(append(pairs, []byte("m"), be(revision, quota))...)
	}
	entry := func(value string, create, mod, version uint64) []byte {
		return append(be(create, mod, version), value...)
	}
	a, b := []byte("ka"), []byte("kb")
	good := head(4, 1000, a, entry("1", 2, 4, 3), b, entry("", 3, 3, 1))
	if err := kv.New().Reset(good); err != nil {
		t.Fatalf("a good tree: %v", err)
	}
	long := []byte("k" + strings.Repeat("k", kv.KeyBytesMax+1))
	for name, c := range map[string]struct {
		tree merkle.Tree
		want error
	}{
		"nothing":             {merkle.Tree{}, kv.ErrMalformed},
		"no head":             {good.Delete([]byte("m")), kv.ErrMalformed},
		"a short head":        {good.Set([]byte("m"), be(4)), kv.ErrMalformed},
		"a long head":         {good.Set([]byte("m"), be(4, 1000, 0)), kv.ErrMalformed},
		"revision 0":          {head(0, 1000), kv.ErrImpossible},
		"the last revision":   {head(math.MaxInt64, 1000), kv.ErrImpossible},
		"negative revision":   {head(1<<63, 1000), kv.ErrMalformed},
		"negative quota":      {head(4, 1<<63), kv.ErrMalformed},
		"another region":      {good.Set([]byte("x"), nil), kv.ErrMalformed},
		"below the regions":   {good.Set([]byte{0}, nil), kv.ErrMalformed},
		"more of the head":    {good.Set([]byte("mm"), be(4, 1000)), kv.ErrMalformed},
		"an empty key":        {good.Set([]byte("k"), entry("", 2, 2, 1)), kv.ErrMalformed},
		"a short entry":       {good.Set(a, be(2, 2)), kv.ErrMalformed},
		"a negative number":   {good.Set(a, be(1<<63, 2, 1)), kv.ErrMalformed},
		"a long key":          {head(4, 10000, long, entry("", 2, 2, 1)), kv.ErrTooLarge},
		"a long value":        {head(4, 1<<30, a, make([]byte, 25+kv.ValueBytesMax)), kv.ErrTooLarge},
		"created at first":    {good.Set(a, entry("", 1, 2, 1)), kv.ErrImpossible},
		"changed in future":   {good.Set(a, entry("", 2, 5, 1)), kv.ErrImpossible},
		"changed before made": {good.Set(a, entry("", 3, 2, 1)), kv.ErrImpossible},
		"version 0":           {good.Set(a, entry("", 2, 2, 0)), kv.ErrImpossible},
		"too many versions":   {good.Set(a, entry("", 2, 4, 4)), kv.ErrImpossible},
		"over the quota":      {head(4, 161, a, entry("1", 2, 2, 1)), kv.ErrImpossible},
	} {
		s := filled(t)
		root := s.Root()
		if err := s.Reset(c.tree); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if s.Root() != root || s.Root() != filled(t).Root() {
			t.Errorf("%s: the store was changed", name)
		}
	}
	exact := head(4, 162, a, entry("1", 2, 2, 1))
	if err := kv.New().Reset(exact); err != nil {
		t.Errorf("a full store: %v", err)
	}
}

// Any change of a tree is refused or shows in the root, which is the tree's; a joiner compares it
// (B39: nothing that is installed is outside of what was certified).
func TestReset_EveryByteCounts(t *testing.T) {
	s := filled(t)
	tree := s.Tree()
	if s.Root() != tree.Root() {
		t.Fatal("the root is not the tree's")
	}
	tree.Ascend(nil, nil, func(key, value []byte) bool {
		for i := range value {
			changed := bytes.Clone(value)
			changed[i] ^= 1 << (i % 8)
			other := kv.New()
			if err := other.Reset(tree.Set(key, changed)); err == nil && other.Root() == s.Root() {
				t.Errorf("byte %d of %q flipped: the root is the same", i, key)
			}
		}
		other := kv.New()
		if err := other.Reset(tree.Delete(key)); err == nil && other.Root() == s.Root() {
			t.Errorf("%q gone: the root is the same", key)
		}
		return true
	})
}

// A tree that was handed out stays what it was, whatever the store does next.
func TestTree_IsASnapshot(t *testing.T) {
	s := filled(t)
	tree, root := s.Tree(), s.Root()
	apply(t, s, put("a", "9"))
	apply(t, s, del("b", ""))
	if tree.Root() != root || s.Root() == root {
		t.Error("the tree changed with the store")
	}
	back := kv.New()
	if err := back.Reset(tree); err != nil || back.Root() != root {
		t.Fatalf("Reset: %v", err)
	}
	apply(t, back, put("a", "other"))
	if tree.Root() != root {
		t.Error("the tree changed with another store made from it")
	}
}

// A proof of the tree speaks about a key of the store.
func TestTree_ProvesEntries(t *testing.T) {
	s := filled(t)
	proof := s.Tree().Prove(kv.TreeKey([]byte("a")))
	value, present, err := proof.Verify(s.Root(), kv.TreeKey([]byte("a")))
	if err != nil || !present {
		t.Fatalf("present: %t (%v)", present, err)
	}
	e, err := kv.DecodeEntry(kv.TreeKey([]byte("a")), value)
	if err != nil || string(e.Key) != "a" || string(e.Value) != "4" || e.Create != 2 || e.Mod != 7 ||
		e.Version != 2 {
		t.Errorf("the entry is %+v (%v)", e, err)
	}
	proof = s.Tree().Prove(kv.TreeKey([]byte("x")))
	if _, present, err = proof.Verify(s.Root(), kv.TreeKey([]byte("x"))); err != nil || present {
		t.Errorf("x is there: %t (%v)", present, err)
	}
}
