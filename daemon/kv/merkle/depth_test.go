package merkle

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"testing"
)

// chain is a tree of n nodes each of which is the right child of the one before: the worst that
// ground keys could make. Ranks are invented, since finding such keys takes (n/2)^2 hashes.
func chain(n int) Tree {
	t := Tree{count: n}
	place := &t.root
	for i := range n {
		key := binary.BigEndian.AppendUint32(nil, uint32(i)*2+2)
		*place = &node{rank: math.MaxUint64 - uint64(i), key: key, value: []byte{}, value256: valueDigest(nil)}
		t.bytes += int64(len(key))
		place = &(*place).right
	}
	return t
}

// Ground keys make a tree deep; nothing overflows a stack for it, and nothing is quadratic: with so
// many nodes in one line even one quadratic step would outlast the test.
func TestDepth_IsHarmless(t *testing.T) {
	const n = 1 << 18
	deep := chain(n)
	last := deep.root.findLast()
	next := deep.Set(append(slices.Clone(last), 1), []byte("v"))
	if next.Len() != n+1 || next.Root() == deep.Root() {
		t.Error("a key more made no difference")
	}
	if back := next.Delete(append(slices.Clone(last), 1)); back.Root() != deep.Root() {
		t.Error("deleting it did not restore the root")
	}
	seen := 0
	deep.Ascend(last, nil, func(_, _ []byte) bool { seen++; return true })
	Diff(deep, next, func(_, _, _ []byte) { seen++ })
	if seen != 2 {
		t.Errorf("%d entries seen, want 2", seen)
	}
	if _, present, err := deep.Prove(last).Verify(deep.Root(), last); err != nil || !present {
		t.Errorf("present: %t (%v)", present, err)
	}
	if found := next.root.search(deep.root.digest, nil, nil); found != nil {
		t.Error("found what is not there")
	}
	e := deep.Edit()
	if e.DeleteRange(nil, last) != n-1 || e.Len() != 1 || e.Tree().root.left != nil {
		t.Error("deleting all but one key left more")
	}
	chunk, err := deep.Chunk(pathRight(deep.root.key), 1<<20)
	if err != nil || len(chunk) > 1<<20 || len(chunk) < 1<<19 {
		t.Errorf("a chunk of %d bytes (%v)", len(chunk), err)
	}
	if _, err := parsePruned(chunk, deep.root.key, nil); err != nil {
		t.Error(err)
	}
}

func (n *node) findLast() []byte {
	for n.right != nil {
		n = n.right
	}
	return n.key
}

// grind finds a chain of keys whose priorities fall while they rise, in tries hashes: the longest
// falling sequence among as many keys in order.
func grind(tries int) [][]byte {
	type link struct {
		i, before int
		rank      uint64
	}
	links := make([]link, tries)
	var ends []int // by length of the chain: the key that ends it with the highest priority
	for i := range links {
		rank := priority(grindKey(i))
		length, _ := slices.BinarySearchFunc(ends, rank, func(end int, rank uint64) int {
			if links[end].rank > rank {
				return -1
			}
			return 1
		})
		links[i] = link{i: i, before: -1, rank: rank}
		if length > 0 {
			links[i].before = ends[length-1]
		}
		ends = append(ends[:length], append([]int{i}, ends[min(length+1, len(ends)):]...)...)
	}
	var keys [][]byte
	for i := ends[len(ends)-1]; i >= 0; i = links[i].before {
		keys = append(keys, grindKey(i))
	}
	slices.Reverse(keys)
	return keys
}

func grindKey(i int) []byte { return binary.BigEndian.AppendUint32([]byte("g"), uint32(i)) }

func depth(n *node) int {
	deepest := 0
	level := []*node{n}
	for ; len(level) > 0; deepest++ {
		var next []*node
		for _, n := range level {
			for _, child := range []*node{n.left, n.right} {
				if child != nil {
					next = append(next, child)
				}
			}
		}
		level = next
	}
	return deepest
}

// The figure of DESIGN.md: w hashes give a chain of about 2*sqrt(w), and such a tree can be
// fetched.
func TestDepth_OfGroundKeys(t *testing.T) {
	const tries = 200_000 // 2*sqrt = 894
	e := Tree{}.Edit()
	keys := grind(tries)
	for _, k := range keys {
		e.Set(k, bytes.Repeat(k, 4))
	}
	deep := e.Tree()
	if got := depth(deep.root); got != len(keys) || got < 700 || got > 1000 {
		t.Errorf("depth %d of %d keys after %d hashes", got, len(keys), tries)
	}
	b := NewBuilder(deep.Root(), deep.Set(keys[len(keys)/2], nil))
	for paths := b.Want(1); len(paths) > 0; paths = b.Want(1) {
		chunk, err := deep.Chunk(paths[0], 2000)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Add(paths[0], chunk); err != nil {
			t.Fatal(err)
		}
	}
	built, ok := b.Done()
	if !ok || built.Root() != deep.Root() || built.Len() != deep.Len() {
		t.Error("the deep tree was not fetched")
	}
	usual := Tree{}.Edit()
	for i := range 100_000 {
		usual.Set(binary.BigEndian.AppendUint32(nil, uint32(i)+1), nil)
	}
	if got := depth(usual.tree.root); got > 60 {
		t.Errorf("100,000 keys that nobody chose are %d deep", got)
	} else {
		t.Logf("%d hashes: depth %d; 100,000 usual keys: %d", tries, depth(deep.root), got)
	}
}

// Two keys of one priority, which 2^32 hashes find, are ordered by themselves, so that their tree
// has one shape all the same.
func TestOutranks_DecidesTies(t *testing.T) {
	a, b := &node{rank: 7, key: []byte("a")}, &node{rank: 7, key: []byte("b")}
	if !a.outranks(b) || b.outranks(a) || a.outranks(a) {
		t.Error("the smaller key has to stand above")
	}
}

// Comparing two trees takes a few ways down for each difference, not a walk through both.
func TestDiff_SkipsWhatIsEqual(t *testing.T) {
	e := Tree{}.Edit()
	for i := range 50_000 {
		e.Set(binary.BigEndian.AppendUint32(nil, uint32(i)+1), nil)
	}
	a := e.Tree()
	for _, k := range []int{0, 1, 10, 100} {
		e := a.Edit()
		for i := range k {
			key := binary.BigEndian.AppendUint32(nil, uint32(i*499)+1)
			switch i % 3 {
			case 0:
				e.Delete(key)
			case 1:
				e.Set(key, []byte("other"))
			case 2:
				e.Set(append(key, 1), nil)
			}
		}
		seen := 0
		opened := diff(a, e.Tree(), func(_, _, _ []byte) { seen++ })
		if seen != k || opened > 120*k {
			t.Errorf("%d differences: %d seen, %d subtrees opened", k, seen, opened)
		}
		t.Logf("%d differences: %d subtrees opened of 100,000", k, opened)
	}
}
