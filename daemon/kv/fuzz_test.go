package kv_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"byzd/daemon/kv"
	"byzd/daemon/kv/merkle"
)

// FuzzApply: every byte string has a result, the same on every replica, and a failure changes
// nothing.
func FuzzApply(f *testing.F) {
	for _, op := range samples() {
		f.Add(mustEncode(f, op))
	}
	base := filled(f)
	f.Fuzz(func(t *testing.T, op []byte) {
		s := base.Clone()
		applyBytes(t, s, op)
		again := kv.New()
		if err := again.Reset(carried(s)); err != nil || again.Root() != s.Root() {
			t.Fatalf("the state cannot be carried over: %v", err)
		}
	})
}

// FuzzReset: whatever stands in a tree, looking at it ends, and what is accepted is kept as it is.
func FuzzReset(f *testing.F) {
	filled(f).Tree().Ascend(nil, nil, func(key, value []byte) bool {
		f.Add(key, value)
		return true
	})
	f.Add([]byte("k"), []byte{})
	base := filled(f).Tree()
	f.Fuzz(func(t *testing.T, key, value []byte) {
		if len(key) == 0 || len(key) > merkle.KeyBytesMax {
			return
		}
		s, tree := kv.New(), base.Set(key, value)
		before := s.Root()
		if err := s.Reset(tree); err != nil {
			tree = kv.New().Tree()
		}
		if s.Root() != tree.Root() || s.Root() != s.Clone().Root() {
			t.Fatalf("%q=%x: another root, %s was the first one", key, value, before)
		}
		apply(t, s, kv.Range{Key: []byte{0}, End: []byte{0}})
		apply(t, s, put("a", "5"))
	})
}

// FuzzDecodeResult: whatever a node answers, reading it ends, and what is accepted has one
// encoding.
func FuzzDecodeResult(f *testing.F) {
	s := filled(f)
	for _, op := range samples() {
		f.Add(s.Apply(mustEncode(f, op)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := kv.DecodeResult(data)
		if err == nil && !bytes.Equal(kv.EncodeResult(r), data) {
			t.Fatalf("decodes, and encodes as %x", kv.EncodeResult(r))
		}
	})
}

// dice draws from a byte string, a byte each, so that what follows a changed byte stays the same.
type dice struct{ rest []byte }

func (d *dice) Uint64() uint64 {
	const low = 1<<56/2 - 1 // never 0: an even choice out of few is not thrown again
	if len(d.rest) == 0 {
		return low
	}
	b := d.rest[0]
	d.rest = d.rest[1:]
	return uint64(b)<<56 | low
}

// FuzzModel: whatever a run of operations is, the store answers each as the naive one does.
func FuzzModel(f *testing.F) {
	g := rand.NewPCG(1, 7)
	for range 4 {
		b := make([]byte, 400)
		for i := range b {
			b[i] = byte(g.Uint64())
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, choices []byte) {
		d := &dice{rest: choices[:min(len(choices), 2000)]}
		g := random{rand.New(d)}
		s, m := kv.New(), &model{revision: 1, keys: map[string]kv.KV{}}
		for len(d.rest) > 0 {
			op := g.op()
			got, want := apply(t, s, op), m.apply(op)
			if !bytes.Equal(kv.EncodeResult(got), kv.EncodeResult(want)) {
				t.Fatalf("%T%+v\ngives %s\nwant  %s", op, op, text(got), text(want))
			}
			if s.Len() != len(m.keys) || s.Revision() != m.revision {
				t.Fatalf("%T%+v: %d keys at %d, want %d at %d",
					op, op, s.Len(), s.Revision(), len(m.keys), m.revision)
			}
		}
	})
}
