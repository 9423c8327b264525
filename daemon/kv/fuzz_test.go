package kv_test

import (
	"bytes"
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
