package kv_test

import (
	"bytes"
	"testing"

	"byzd/daemon/kv"
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
		if err := again.Restore(s.Snapshot()); err != nil || again.Root() != s.Root() {
			t.Fatalf("the state cannot be carried over: %v", err)
		}
	})
}

// FuzzRestore: whatever a peer sends as a snapshot, reading it ends, and what is accepted has one
// encoding.
func FuzzRestore(f *testing.F) {
	f.Add(kv.New().Snapshot())
	f.Add(filled(f).Snapshot())
	f.Fuzz(func(t *testing.T, data []byte) {
		s := kv.New()
		if s.Restore(data) == nil && !bytes.Equal(s.Snapshot(), data) {
			t.Fatalf("restored, and saved as %x", s.Snapshot())
		}
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
