package merkle_test

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"byzd/daemon/kv/merkle"
)

// model is the map that a tree is compared with.
type model map[string]string

func (m model) sorted(from, to string) []string {
	var keys []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if k >= from && (to == "" || k < to) {
			keys = append(keys, k)
		}
	}
	return keys
}

func (m model) tree() merkle.Tree {
	e := merkle.Tree{}.Edit()
	for k, v := range m { // The order is the map's on purpose.
		e.Set([]byte(k), []byte(v))
	}
	return e.Tree()
}

// check compares everything that a tree says with the model.
func (m model) check(tb testing.TB, t merkle.Tree) {
	tb.Helper()
	size := 0
	for k, v := range m {
		size += len(k) + len(v)
	}
	if t.Len() != len(m) || t.Bytes() != int64(size) {
		tb.Fatalf("%d keys in %d bytes, want %d in %d", t.Len(), t.Bytes(), len(m), size)
	}
	if got, want := ascend(t, "", ""), m.sorted("", ""); !slices.Equal(got, want) {
		tb.Fatalf("keys are %q, want %q", got, want)
	}
	for k, v := range m {
		if got, ok := t.Get([]byte(k)); !ok || string(got) != v {
			tb.Fatalf("key %q: %q, %t, want %q", k, got, ok, v)
		}
	}
	if other := m.tree(); other.Root() != t.Root() {
		tb.Fatalf("content %v has another root by another history", m)
	}
}

func ascend(t merkle.Tree, from, to string) []string {
	var keys []string
	t.Ascend([]byte(from), []byte(to), func(k, _ []byte) bool {
		keys = append(keys, string(k))
		return true
	})
	return keys
}

func key(g *rand.Rand, keys int) string { return fmt.Sprintf("k%03d", g.IntN(keys)) }

// Trees hold what a map holds, whatever was done to them, and their roots know no history.
func TestTree_IsAMap(t *testing.T) {
	for seed := range uint64(30) {
		g := rand.New(rand.NewPCG(seed, 1))
		m, tree, edit := model{}, merkle.Tree{}, merkle.Tree{}.Edit()
		for range 300 {
			k := key(g, 80)
			if g.IntN(3) == 0 {
				_, had := m[k]
				delete(m, k)
				tree = tree.Delete([]byte(k))
				if edit.Delete([]byte(k)) != had {
					t.Fatalf("Delete of %q does not say %t", k, had)
				}
			} else {
				m[k] = fmt.Sprint(g.IntN(5))
				tree = tree.Set([]byte(k), []byte(m[k]))
				edit.Set([]byte(k), []byte(m[k]))
			}
			if g.IntN(20) == 0 {
				m.check(t, tree)
				if edit.Root() != tree.Root() || edit.Len() != tree.Len() ||
					edit.Bytes() != tree.Bytes() {
					t.Fatal("the edit and the tree differ")
				}
				from, to := key(g, 80), key(g, 80)
				if got, want := ascend(tree, from, to), m.sorted(from, to); !slices.Equal(got, want) {
					t.Fatalf("from %q to %q: %q, want %q", from, to, got, want)
				}
			}
		}
		m.check(t, edit.Tree())
	}
}

// Deleting a range is deleting its keys.
func TestEdit_DeleteRange(t *testing.T) {
	for seed := range uint64(300) {
		g := rand.New(rand.NewPCG(seed, 8))
		m := randomModel(g, 100, 100)
		edit, before := m.tree().Edit(), m.tree()
		if seed%2 == 0 {
			edit.Root() // Some nodes are the edit's own, and settled.
		}
		from, to := key(g, 100), key(g, 100)
		switch g.IntN(6) {
		case 0:
			from = ""
		case 1:
			to = ""
		case 2:
			from, to = "", ""
		}
		left := maps.Clone(m)
		doomed := m.sorted(from, to)
		for _, k := range doomed {
			delete(left, k)
		}
		if got := edit.DeleteRange([]byte(from), []byte(to)); got != len(doomed) {
			t.Fatalf("seed %d: %d deleted from %q to %q, want %d", seed, got, from, to, len(doomed))
		}
		left.check(t, edit.Tree())
		m.check(t, before)
	}
}

// A snapshot stays what it was, also when roots are computed and edits go on elsewhere.
func TestTree_NeverChanges(t *testing.T) {
	g := rand.New(rand.NewPCG(2, 2))
	type snapshot struct {
		m model
		t merkle.Tree
	}
	m, edit := model{}, merkle.Tree{}.Edit()
	var kept []snapshot
	for i := range 2000 {
		k := key(g, 100)
		if g.IntN(3) == 0 {
			delete(m, k)
			edit.Delete([]byte(k))
		} else {
			m[k] = fmt.Sprint(i)
			edit.Set([]byte(k), []byte(m[k]))
		}
		if i%50 == 0 {
			kept = append(kept, snapshot{maps.Clone(m), edit.Tree()})
		}
		if i%70 == 0 {
			edit.Root()
		}
	}
	for _, s := range kept {
		s.m.check(t, s.t)
	}
}

// Goroutines may settle, read and change snapshots of one tree at a time.
func TestTree_IsShared(t *testing.T) {
	edit := merkle.Tree{}.Edit()
	for i := range 5000 {
		edit.Set(fmt.Appendf(nil, "k%d", i), []byte("v"))
	}
	shared := edit.Tree()
	roots := make([]string, 4)
	var group sync.WaitGroup
	for i := range roots {
		group.Go(func() {
			mine := shared.Edit()
			for n := range 500 {
				mine.Set(fmt.Appendf(nil, "k%d", n*7), []byte{byte(i)})
			}
			mine.Root()
			roots[i] = shared.Root().String()
		})
	}
	group.Wait()
	for _, root := range roots {
		if root != shared.Root().String() {
			t.Errorf("roots %q, want %s", roots, shared.Root())
		}
	}
}

// Slices handed in may be used again; a value of no bytes is there.
func TestTree_CopiesWhatItKeeps(t *testing.T) {
	k, v := []byte("key"), []byte("value")
	tree := merkle.Tree{}.Set(k, v).Set([]byte("empty"), nil)
	root := tree.Root()
	clear(k)
	clear(v)
	if got, ok := tree.Get([]byte("key")); !ok || string(got) != "value" {
		t.Errorf("the value is now %q", got)
	}
	if got, ok := tree.Get([]byte("empty")); !ok || got == nil || len(got) != 0 {
		t.Errorf("no bytes are %v, %t", got, ok)
	}
	if tree.Root() != root || tree.Set([]byte("empty"), []byte{0}).Root() == root {
		t.Error("the root does not follow the content")
	}
}

// Roots are part of the protocol and must not change by accident; DESIGN.md's example.
func TestRoot_IsFixed(t *testing.T) {
	for _, c := range []struct {
		m    model
		want string
	}{
		{model{}, goldenEmpty},
		{model{"a": "1"}, goldenOne},
		{model{"a": "1", "b": "2", "c": "3"}, goldenThree},
	} {
		if got := c.m.tree().Root().String(); got != c.want {
			t.Errorf("%v has root %s, want %s", c.m, got, c.want)
		}
	}
}

func TestSet_RefusesWhatNoTreeHolds(t *testing.T) {
	for _, k := range [][]byte{nil, make([]byte, merkle.KeyBytesMax+1)} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("a key of %d bytes went in", len(k))
				}
			}()
			merkle.Tree{}.Set(k, nil)
		}()
	}
	longest := bytes.Repeat([]byte{1}, merkle.KeyBytesMax)
	if tree := (merkle.Tree{}).Set(longest, nil); tree.Len() != 1 {
		t.Error("the longest key did not go in")
	}
}

// Diff tells the keys that differ, in order, with both values.
func TestDiff(t *testing.T) {
	for seed := range uint64(200) {
		g := rand.New(rand.NewPCG(seed, 3))
		a := model{}
		for range g.IntN(100) {
			a[key(g, 100)] = fmt.Sprint(g.IntN(3))
		}
		b := maps.Clone(a)
		for range g.IntN(10) * g.IntN(10) {
			if k := key(g, 100); g.IntN(2) == 0 {
				delete(b, k)
			} else {
				b[k] = fmt.Sprint(g.IntN(3))
			}
		}
		var want, got []string
		union := maps.Clone(a)
		maps.Copy(union, b)
		show := func(v string, ok bool) string { return fmt.Sprintf("%s/%t", v, ok) }
		for _, k := range union.sorted("", "") {
			x, inA := a[k]
			y, inB := b[k]
			if x != y || inA != inB {
				want = append(want, k+" "+show(x, inA)+" "+show(y, inB))
			}
		}
		merkle.Diff(a.tree(), b.tree(), func(k, x, y []byte) {
			got = append(got, string(k)+" "+show(string(x), x != nil)+" "+show(string(y), y != nil))
		})
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d: %q, want %q", seed, got, want)
		}
	}
}
