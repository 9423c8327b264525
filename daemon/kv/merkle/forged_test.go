package merkle_test

import (
	"encoding/binary"
	"errors"
	"testing"

	"byzd/crypto"
	"byzd/daemon/kv/merkle"
)

// forged is a tree of any shape, and its digest computed from DESIGN.md: what a source could send
// if it had chosen the root itself.
type forged struct {
	key         string
	left, right *forged
	cut         bool
}

func (f *forged) digest() crypto.Digest {
	if f == nil {
		return crypto.Hash("byzd/tree/empty/1")
	}
	value := crypto.Hash("byzd/tree/value/1", nil)
	left, right := f.left.digest(), f.right.digest()
	return crypto.Hash("byzd/tree/node/1", []byte(f.key), value[:], left[:], right[:])
}

func (f *forged) chunk() []byte {
	switch {
	case f == nil:
		return []byte{0}
	case f.cut:
		d := f.digest()
		return append([]byte{1}, d[:]...)
	}
	out := binary.BigEndian.AppendUint16([]byte{2}, uint16(len(f.key)))
	out = binary.BigEndian.AppendUint32(out, 0)
	out = append(out, f.key...)
	return append(append(out, f.left.chunk()...), f.right.chunk()...)
}

func rank(key string) uint64 {
	sum := crypto.Hash("byzd/tree/priority/1", []byte(key))
	return binary.BigEndian.Uint64(sum[:])
}

// A chunk whose digest is right is refused all the same if the tree is none: keys out of order or
// out of the bounds of the place, and keys above others that outrank them, in one chunk and across
// two.
func TestBuilder_RefusesWhatIsNoTree(t *testing.T) {
	low, high := "b", "a" // high stands above low
	if rank(low) > rank(high) {
		low, high = high, low
	}
	under := func(top, below string) *forged {
		f := &forged{key: top}
		if below < top {
			f.left = &forged{key: below}
		} else {
			f.right = &forged{key: below}
		}
		return f
	}
	mirrored := func(f *forged) *forged { return &forged{key: f.key, left: f.right, right: f.left} }
	for name, c := range map[string]struct {
		tree *forged
		want error
	}{
		"a tree":           {under(high, low), nil},
		"ranks":            {under(low, high), merkle.ErrMismatch},
		"order":            {mirrored(under(high, low)), merkle.ErrMalformed},
		"a key twice":      {&forged{key: "a", left: &forged{key: "a"}}, merkle.ErrMalformed},
		"a key twice, too": {&forged{key: "a", right: &forged{key: "a"}}, merkle.ErrMalformed},
		"an empty key":     {&forged{}, merkle.ErrMalformed},
	} {
		b := merkle.NewBuilder(c.tree.digest())
		if err := b.Add("", c.tree.chunk()); !errors.Is(err, c.want) {
			t.Errorf("%s in one chunk: %v", name, err)
		}
		child := c.tree.left
		if child == nil {
			child = c.tree.right
		}
		if child == nil {
			continue
		}
		child.cut = true
		b = merkle.NewBuilder(c.tree.digest())
		b.Want(1)
		if err := b.Add("", c.tree.chunk()); err != nil {
			t.Errorf("%s: its upper part: %v", name, err)
			continue
		}
		child.cut = false
		if err := b.Add(b.Want(1)[0], child.chunk()); !errors.Is(err, c.want) {
			t.Errorf("%s in two chunks: %v", name, err)
		}
		if _, ok := b.Done(); ok != (c.want == nil) {
			t.Errorf("%s: done: %t", name, ok)
		}
	}
}

// A chunk hides nothing but subtrees, and opens one node at least.
func TestBuilder_RefusesChunksWithoutEntries(t *testing.T) {
	one := &forged{key: "a"}
	whole := one.digest()
	value := crypto.Hash("byzd/tree/value/1", nil)
	hidden := append([]byte{3, 0, 1, 'a'}, value[:]...)
	for name, chunk := range map[string][]byte{
		"nothing":       {},
		"an empty tree": {0},
		"the digest":    append([]byte{1}, whole[:]...),
		"a hidden node": append(hidden, 0, 0),
	} {
		b := merkle.NewBuilder(whole)
		if err := b.Add("", chunk); err == nil {
			t.Errorf("%s was taken", name)
		}
		if _, pending := b.Progress(); pending != 1 {
			t.Errorf("%s: %d pending", name, pending)
		}
	}
}
