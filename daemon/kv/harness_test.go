package kv_test

import (
	"bytes"
	"fmt"
	"testing"

	"byzd/daemon/kv"
	"byzd/daemon/kv/merkle"
)

// dump is everything that a store holds, in the order of the tree.
func dump(s *kv.Store) []byte {
	var b []byte
	s.Tree().Ascend(nil, nil, func(key, value []byte) bool {
		b = fmt.Appendf(b, "%q=%x\n", key, value)
		return true
	})
	return b
}

// carried is the tree of a store made anew, entry by entry, as a node has it that fetched it.
func carried(s *kv.Store) merkle.Tree {
	e := merkle.Tree{}.Edit()
	s.Tree().Ascend(nil, nil, func(key, value []byte) bool {
		e.Set(key, value)
		return true
	})
	return e.Tree()
}

func mustEncode(tb testing.TB, op kv.Op) []byte {
	tb.Helper()
	b, err := kv.Encode(op)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// apply runs an operation and checks what holds for every one: its encoding is the only one, the
// result's too, a failure changes nothing, and the revision moves by at most one.
func apply(tb testing.TB, s *kv.Store, op kv.Op) kv.Result {
	tb.Helper()
	encoded := mustEncode(tb, op)
	back, err := kv.Decode(encoded)
	if err != nil {
		tb.Fatal(err)
	}
	if again := mustEncode(tb, back); !bytes.Equal(again, encoded) {
		tb.Errorf("%T came back from its encoding as another one", op)
	}
	return applyBytes(tb, s, encoded)
}

func applyBytes(tb testing.TB, s *kv.Store, op []byte) kv.Result {
	tb.Helper()
	root, revision, size := s.Root(), s.Revision(), s.Len()
	twin := s.Clone()
	encoded := s.Apply(op)
	r, err := kv.DecodeResult(encoded)
	if err != nil {
		tb.Fatalf("the result does not decode: %v", err)
	}
	if !bytes.Equal(kv.EncodeResult(r), encoded) {
		tb.Error("the result came back from its encoding as another one")
	}
	moved := s.Revision() - revision
	changed := s.Root() != root
	if moved < 0 || moved > 1 || changed != (moved == 1) || r.Revision != s.Revision() {
		tb.Errorf("revision moved by %d, root changed: %t, result says %d of %d",
			moved, changed, r.Revision, s.Revision())
	}
	if r.Code != kv.CodeOK && (changed || s.Len() != size || r.Error != r.Code.String()) {
		tb.Errorf("failed with %q and %q and changed the store", r.Code, r.Error)
	}
	if other := twin.Apply(op); !bytes.Equal(other, encoded) || twin.Root() != s.Root() {
		tb.Error("a clone gives another result")
	}
	return r
}

func put(key, value string) kv.Put { return kv.Put{Key: []byte(key), Value: []byte(value)} }

func get(key string) kv.Range { return kv.Range{Key: []byte(key)} }

func del(key, end string) kv.DeleteRange {
	return kv.DeleteRange{Key: []byte(key), End: []byte(end)}
}

// filled is a store with a few keys: at revision 7, with b deleted and made again.
func filled(tb testing.TB) *kv.Store {
	tb.Helper()
	s := kv.New()
	for _, op := range []kv.Op{
		put("a", "1"), put("b", "x"), del("b", ""), put("b", "2"), put("c", "3"), put("a", "4"),
	} {
		if r := apply(tb, s, op); r.Code != kv.CodeOK {
			tb.Fatal(r.Error)
		}
	}
	return s
}

// text writes a result on one line, without what is zero.
func text(r kv.Result) string {
	var b bytes.Buffer
	if r.Code != kv.CodeOK {
		return r.Code.String()
	}
	fmt.Fprintf(&b, "rev %d", r.Revision)
	list := func(name string, kvs []kv.KV) {
		for _, e := range kvs {
			fmt.Fprintf(&b, " %s(%s=%s %d/%d/%d)", name, e.Key, e.Value, e.Create, e.Mod, e.Version)
		}
	}
	list("kv", r.KVs)
	list("prev", r.PrevKVs)
	if r.Count != 0 {
		fmt.Fprintf(&b, " count %d", r.Count)
	}
	if r.Deleted != 0 {
		fmt.Fprintf(&b, " deleted %d", r.Deleted)
	}
	if r.More {
		b.WriteString(" more")
	}
	if r.Succeeded {
		b.WriteString(" yes")
	}
	for _, one := range r.Responses {
		fmt.Fprintf(&b, " [%s]", text(one))
	}
	return b.String()
}
