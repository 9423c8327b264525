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
		if s.Root() != same[0].Root() || !bytes.Equal(s.Snapshot(), same[0].Snapshot()) {
			t.Errorf("history %d ends in another state", i)
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
	root, snapshot := s.Root(), s.Snapshot()
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
	if frozen.Root() != root || !bytes.Equal(frozen.Snapshot(), snapshot) {
		t.Error("a clone changed with the others")
	}
	for i, c := range clones {
		again := kv.New()
		if err := again.Restore(c.Snapshot()); err != nil {
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

// A snapshot that no store could have written is refused, and leaves the store as it is.
func TestRestore_Refuses(t *testing.T) {
	type entry struct {
		key, value           string
		create, mod, version uint64
	}
	build := func(revision, quota, count uint64, entries ...entry) []byte {
		b := []byte("BYZDKV01")
		for _, v := range []uint64{revision, quota, count} {
			b = binary.BigEndian.AppendUint64(b, v)
		}
		for _, e := range entries {
			for _, part := range []string{e.key, e.value} {
				b = binary.BigEndian.AppendUint32(b, uint32(len(part)))
				b = append(b, part...)
			}
			for _, v := range []uint64{e.create, e.mod, e.version} {
				b = binary.BigEndian.AppendUint64(b, v)
			}
		}
		return b
	}
	good := []entry{{"a", "1", 2, 4, 3}, {"b", "", 3, 3, 1}}
	if err := kv.New().Restore(build(4, 1000, 2, good...)); err != nil {
		t.Fatalf("a good snapshot: %v", err)
	}
	long := strings.Repeat("k", kv.KeyBytesMax+1)
	for name, c := range map[string]struct {
		data []byte
		want error
	}{
		"nothing":             {nil, kv.ErrMalformed},
		"another format":      {[]byte("BYZDKV02" + string(make([]byte, 24))), kv.ErrMalformed},
		"revision 0":          {build(0, 1000, 0), kv.ErrSnapshot},
		"negative revision":   {build(1<<63, 1000, 0), kv.ErrMalformed},
		"fewer entries":       {build(4, 1000, 1, good...), kv.ErrMalformed},
		"more entries":        {build(4, 1000, 3, good...), kv.ErrMalformed},
		"countless":           {build(4, 1000, math.MaxInt64, good...), kv.ErrMalformed},
		"another order":       {build(4, 1000, 2, good[1], good[0]), kv.ErrSnapshot},
		"a key twice":         {build(4, 1000, 2, good[0], good[0]), kv.ErrSnapshot},
		"an empty key":        {build(4, 1000, 1, entry{"", "", 2, 2, 1}), kv.ErrSnapshot},
		"a long key":          {build(4, 10000, 1, entry{long, "", 2, 2, 1}), kv.ErrTooLarge},
		"created at first":    {build(4, 1000, 1, entry{"a", "", 1, 2, 1}), kv.ErrSnapshot},
		"changed in future":   {build(4, 1000, 1, entry{"a", "", 2, 5, 1}), kv.ErrSnapshot},
		"changed before made": {build(4, 1000, 1, entry{"a", "", 3, 2, 1}), kv.ErrSnapshot},
		"version 0":           {build(4, 1000, 1, entry{"a", "", 2, 2, 0}), kv.ErrSnapshot},
		"too many versions":   {build(4, 1000, 1, entry{"a", "", 2, 4, 4}), kv.ErrSnapshot},
		"over the quota":      {build(4, 161, 1, entry{"a", "1", 2, 2, 1}), kv.ErrSnapshot},
	} {
		s := filled(t)
		root := s.Root()
		if err := s.Restore(c.data); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if s.Root() != root {
			t.Errorf("%s: the store was changed", name)
		}
	}
}

// Any change of a snapshot is refused or shows in the root; a joiner compares it.
func TestRestore_EveryByteCounts(t *testing.T) {
	s := filled(t)
	snapshot := s.Snapshot()
	for i := range snapshot {
		changed := bytes.Clone(snapshot)
		changed[i] ^= 1 << (i % 8)
		other := kv.New()
		if err := other.Restore(changed); err == nil && other.Root() == s.Root() {
			t.Errorf("byte %d flipped: the root is the same", i)
		}
		if err := kv.New().Restore(snapshot[:i]); err == nil {
			t.Errorf("the first %d bytes are a snapshot", i)
		}
	}
	if err := kv.New().Restore(append(bytes.Clone(snapshot), 0)); err == nil {
		t.Error("a byte more is still a snapshot")
	}
}
