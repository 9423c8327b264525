package kv_test

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"byzd/daemon/kv"
)

// model is the store as one would write it in an afternoon: a map, copied before each operation.
type model struct {
	revision int64
	keys     map[string]kv.KV
}

func (m *model) apply(op kv.Op) kv.Result {
	before := maps.Clone(m.keys)
	next := m.revision + 1
	r, changed, code := m.run(op, next)
	if code != kv.CodeOK {
		m.keys = before
		return kv.Result{Code: code, Error: code.String(), Revision: m.revision}
	}
	if changed {
		m.revision = next
	}
	r.Revision = m.revision
	for i := range r.Responses {
		r.Responses[i].Revision = m.revision
	}
	return r
}

func (m *model) run(op kv.Op, next int64) (r kv.Result, changed bool, code kv.Code) {
	switch op := op.(type) {
	case kv.Put:
		if old, there := m.keys[string(op.Key)]; there && op.PrevKV {
			r.PrevKVs = append(r.PrevKVs, old)
		}
		m.put(op.Key, op.Value, next)
		return r, true, kv.CodeOK
	case kv.Range:
		found := m.between(op.Key, op.End)
		r.Count = int64(len(found))
		if op.CountOnly {
			return r, false, kv.CodeOK
		}
		if op.Limit > 0 && uint64(len(found)) > op.Limit {
			found, r.More = found[:op.Limit], true
		}
		for _, e := range found {
			if op.KeysOnly {
				e.Value = nil
			}
			r.KVs = append(r.KVs, e)
		}
		return r, false, kv.CodeOK
	case kv.DeleteRange:
		for _, e := range m.between(op.Key, op.End) {
			if op.PrevKV {
				r.PrevKVs = append(r.PrevKVs, e)
			}
			delete(m.keys, string(e.Key))
			r.Deleted++
		}
		return r, r.Deleted > 0, kv.CodeOK
	case kv.CompareAndSwap:
		old, there := m.keys[string(op.Key)]
		if there != op.Absent && (op.Absent || bytes.Equal(old.Value, op.Expect)) {
			m.put(op.Key, op.New, next)
			return kv.Result{Succeeded: true}, true, kv.CodeOK
		}
		if there {
			r.KVs = append(r.KVs, old)
		}
		return r, false, kv.CodeOK
	case kv.Transfer:
		return m.transfer(op, next)
	case kv.Txn:
		return m.txn(op, next)
	}
	return r, false, kv.CodeMalformed
}

func (m *model) put(key, value []byte, next int64) {
	e := kv.KV{Key: key, Value: value, Create: next, Mod: next, Version: 1}
	if old, there := m.keys[string(key)]; there {
		e.Create, e.Version = old.Create, old.Version+1
	}
	m.keys[string(key)] = e
}

func (m *model) between(key, end []byte) (found []kv.KV) {
	for _, name := range slices.Sorted(maps.Keys(m.keys)) {
		in := name >= string(key) && (string(end) == "\x00" || name < string(end))
		if len(end) == 0 {
			in = name == string(key)
		}
		if in {
			found = append(found, m.keys[name])
		}
	}
	return found
}

func (m *model) transfer(op kv.Transfer, next int64) (kv.Result, bool, kv.Code) {
	if bytes.Equal(op.From, op.To) {
		return kv.Result{}, false, kv.CodeSameAccount
	}
	var have [2]int
	for i, key := range [][]byte{op.From, op.To} {
		e, there := m.keys[string(key)]
		if !there {
			return kv.Result{}, false, kv.CodeNoAccount
		}
		n, err := strconv.Atoi(string(e.Value))
		if err != nil {
			return kv.Result{}, false, kv.CodeNotANumber
		}
		have[i] = n
	}
	amount := int(op.Amount)
	if have[0] < amount {
		return kv.Result{}, false, kv.CodeInsufficient
	}
	m.put(op.From, []byte(strconv.Itoa(have[0]-amount)), next)
	m.put(op.To, []byte(strconv.Itoa(have[1]+amount)), next)
	return kv.Result{Succeeded: true}, true, kv.CodeOK
}

func (m *model) txn(op kv.Txn, next int64) (kv.Result, bool, kv.Code) {
	r := kv.Result{Succeeded: true}
	for _, c := range op.Compares {
		e := m.keys[string(c.Key)]
		n := map[kv.Target]int64{
			kv.TargetVersion: e.Version, kv.TargetCreate: e.Create, kv.TargetMod: e.Mod,
		}[c.Target]
		holds := [...]bool{n == c.Number, n > c.Number, n < c.Number, n != c.Number}[c.Operator]
		r.Succeeded = r.Succeeded && holds
	}
	branch := op.Failure
	if r.Succeeded {
		branch = op.Success
	}
	written := false
	for _, one := range branch {
		if bad, is := one.(kv.Range); is && bad.Revision > 0 {
			return r, false, kv.CodeFutureRevision
		}
		response, changed, _ := m.run(one, next)
		written = written || changed
		r.Responses = append(r.Responses, response)
	}
	return r, written, kv.CodeOK
}

// random makes operations over few keys, so that they meet.
type random struct{ *rand.Rand }

func (g random) key() []byte { return fmt.Appendf(nil, "%c", 'a'+rune(g.IntN(9))) }

func (g random) value() []byte {
	if g.IntN(4) == 0 {
		return []byte("word")
	}
	return strconv.AppendInt(nil, int64(g.IntN(20)), 10)
}

func (g random) end() []byte {
	switch g.IntN(4) {
	case 0:
		return []byte{0}
	case 1:
		return g.key()
	default:
		return nil
	}
}

func (g random) simple() kv.Op {
	switch g.IntN(4) {
	case 0:
		return kv.DeleteRange{Key: g.key(), End: g.end(), PrevKV: g.IntN(2) == 0}
	case 1:
		return kv.Range{
			Key: g.key(), End: g.end(), Limit: uint64(g.IntN(4)),
			KeysOnly: g.IntN(4) == 0, CountOnly: g.IntN(4) == 0,
		}
	default:
		return kv.Put{Key: g.key(), Value: g.value(), PrevKV: g.IntN(2) == 0}
	}
}

// branch may end with an operation that fails, and then takes all before it back.
func (g random) branch() (ops []kv.Op) {
	put := map[string]bool{}
	for range g.IntN(4) {
		op := g.simple()
		if p, is := op.(kv.Put); is && !put[string(p.Key)] {
			put[string(p.Key)] = true
			ops = append(ops, op)
		}
		if _, is := op.(kv.Range); is {
			ops = append(ops, op)
		}
		if d, is := op.(kv.DeleteRange); is && len(put) == 0 && g.IntN(2) == 0 {
			return append(ops, d)
		}
	}
	if g.IntN(5) == 0 {
		ops = append(ops, kv.Range{Key: []byte("a"), Revision: 1 << 40})
	}
	return ops
}

func (g random) op() kv.Op {
	switch g.IntN(8) {
	case 0:
		return kv.CompareAndSwap{Key: g.key(), Expect: g.value(), New: g.value()}
	case 1:
		return kv.CompareAndSwap{Key: g.key(), New: g.value(), Absent: true}
	case 2:
		return kv.Transfer{
			From: g.key(), To: g.key(),
			Amount: uint64(g.IntN(20)),
		}
	case 3:
		t := kv.Txn{Success: g.branch(), Failure: g.branch()}
		for range g.IntN(3) {
			t.Compares = append(t.Compares, kv.Compare{
				Key: g.key(), Target: kv.Target(g.IntN(3)),
				Operator: kv.Operator(g.IntN(4)), Number: int64(g.IntN(6)),
			})
		}
		return t
	default:
		return g.simple()
	}
}

// The store and the naive one answer the same to thousands of operations.
func TestModel(t *testing.T) {
	codes := map[kv.Code]int{}
	for seed := range uint64(6) {
		g := random{rand.New(rand.NewPCG(seed, 7))}
		s, m := kv.New(), &model{revision: 1, keys: map[string]kv.KV{}}
		for i := range 1000 {
			op := g.op()
			got, want := apply(t, s, op), m.apply(op)
			codes[got.Code]++
			if !bytes.Equal(kv.EncodeResult(got), kv.EncodeResult(want)) {
				t.Fatalf("seed %d, operation %d, %T%+v\ngives %s\nwant  %s",
					seed, i, op, op, text(got), text(want))
			}
			if s.Len() != len(m.keys) || s.Revision() != m.revision {
				t.Fatalf("seed %d, operation %d: %d keys at %d, want %d at %d",
					seed, i, s.Len(), s.Revision(), len(m.keys), m.revision)
			}
		}
		restored(t, s)
	}
	for _, c := range []kv.Code{
		kv.CodeOK, kv.CodeSameAccount, kv.CodeNoAccount, kv.CodeNotANumber, kv.CodeInsufficient,
		kv.CodeFutureRevision,
	} {
		if codes[c] < 20 {
			t.Errorf("only %d operations ended with %q", codes[c], c)
		}
	}
}

// restored fails unless a store made from the tree is the same in all that can be seen.
func restored(t *testing.T, s *kv.Store) {
	t.Helper()
	fresh := filled(t)
	if err := fresh.Reset(carried(s)); err != nil {
		t.Fatal(err)
	}
	if fresh.Root() != s.Root() || fresh.Len() != s.Len() || fresh.Revision() != s.Revision() ||
		!bytes.Equal(dump(fresh), dump(s)) {
		t.Error("a restored store is another one")
	}
	g := random{rand.New(rand.NewPCG(99, 7))}
	twin := s.Clone()
	for range 50 {
		op := mustEncode(t, g.op())
		if !bytes.Equal(fresh.Apply(op), twin.Apply(op)) || fresh.Root() != twin.Root() {
			t.Fatal("a restored store goes another way")
		}
	}
}
