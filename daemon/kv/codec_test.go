package kv_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"runtime"
	"testing"

	"byzd/daemon/kv"
)

// samples are operations of every kind with every option.
func samples() []kv.Op {
	return []kv.Op{
		put("k", "v"),
		kv.Put{Key: []byte("k"), PrevKV: true},
		get("k"),
		kv.Range{
			Key: []byte("a"), End: []byte{0}, Limit: 1 << 63, Revision: 5, KeysOnly: true,
			CountOnly: true,
		},
		del("a", "b"),
		kv.DeleteRange{Key: []byte("a"), PrevKV: true},
		kv.CompareAndSwap{Key: []byte("a"), Expect: []byte("1"), New: []byte("2")},
		kv.CompareAndSwap{Key: []byte("a"), New: []byte("2"), Absent: true},
		kv.Transfer{From: []byte("a"), To: []byte("b"), Amount: 1<<64 - 1},
		kv.Txn{},
		kv.Txn{
			Compares: []kv.Compare{
				{Key: []byte("a"), Target: kv.TargetMod, Operator: kv.Less, Number: -5},
				{
					Key: []byte("a"), Target: kv.TargetValue, Operator: kv.NotEqual,
					Value: []byte("v"),
				},
			},
			Success: []kv.Op{put("s", "1"), get("s")},
			Failure: []kv.Op{del("a", "b")},
		},
	}
}

// An operation has one encoding: what decodes is what Encode writes.
func TestCodec_Operations(t *testing.T) {
	for _, op := range samples() {
		data := mustEncode(t, op)
		for i := range data {
			if _, err := kv.Decode(data[:i]); !errors.Is(err, kv.ErrMalformed) {
				t.Errorf("%T: the first %d bytes: %v", op, i, err)
			}
			for bit := range 8 {
				changed := bytes.Clone(data)
				changed[i] ^= 1 << bit
				other, err := kv.Decode(changed)
				if err != nil {
					continue
				}
				if again, err := kv.Encode(other); err != nil || !bytes.Equal(again, changed) {
					t.Errorf("%T, byte %d changed: encoded again it is %x (%v)", op, i, again, err)
				}
			}
		}
		if _, err := kv.Decode(append(bytes.Clone(data), 0)); !errors.Is(err, kv.ErrMalformed) {
			t.Errorf("%T with a byte more: %v", op, err)
		}
	}
}

func TestCodec_Results(t *testing.T) {
	s := filled(t)
	for _, op := range append(samples(), kv.Range{Key: []byte("\x00"), End: []byte("\x00")}) {
		data := s.Apply(mustEncode(t, op))
		for i := range data {
			if _, err := kv.DecodeResult(data[:i]); err == nil {
				t.Errorf("%T: the first %d bytes are a result", op, i)
			}
			changed := bytes.Clone(data)
			changed[i] ^= 1 << (i % 8)
			r, err := kv.DecodeResult(changed)
			if err == nil && !bytes.Equal(kv.EncodeResult(r), changed) {
				t.Errorf("%T, byte %d changed: encoded again it is something else", op, i)
			}
		}
		if _, err := kv.DecodeResult(append(bytes.Clone(data), 0)); err == nil {
			t.Errorf("%T: a byte more is still a result", op)
		}
	}
}

// Limits hold in Encode, in Decode, and in Apply, which answers with a code.
func TestCodec_Limits(t *testing.T) {
	key, value := make([]byte, kv.KeyBytesMax), make([]byte, kv.ValueBytesMax)
	longKey, longValue := make([]byte, kv.KeyBytesMax+1), make([]byte, kv.ValueBytesMax+1)
	many := func(n int) []kv.Op {
		ops := make([]kv.Op, n)
		for i := range ops {
			ops[i] = get("a")
		}
		return ops
	}
	for name, c := range map[string]struct {
		op   kv.Op
		want error
		code kv.Code
	}{
		"the longest key": {kv.Put{Key: key, Value: value}, nil, kv.CodeOK},
		"a longer key":    {kv.Put{Key: longKey}, kv.ErrTooLarge, kv.CodeTooLarge},
		"a longer value": {
			kv.Put{Key: key, Value: longValue},
			kv.ErrTooLarge,
			kv.CodeTooLarge,
		},
		"a longer end": {
			kv.Range{Key: key, End: longKey},
			kv.ErrTooLarge,
			kv.CodeTooLarge,
		},
		"a longer end to delete": {
			kv.DeleteRange{Key: key, End: longKey},
			kv.ErrTooLarge,
			kv.CodeTooLarge,
		},
		"two largest values": {
			kv.CompareAndSwap{Key: key, Expect: value, New: value},
			nil,
			kv.CodeOK,
		},
		"a longer new value": {
			kv.CompareAndSwap{Key: key, New: longValue},
			kv.ErrTooLarge,
			kv.CodeTooLarge,
		},
		"a longer account": {
			kv.Transfer{From: longKey, To: key},
			kv.ErrTooLarge,
			kv.CodeTooLarge,
		},
		"128 operations": {kv.Txn{Success: many(128), Failure: many(128)}, nil, kv.CodeOK},
		"129 operations": {
			kv.Txn{Success: many(129)},
			kv.ErrTooManyOps,
			kv.CodeTooManyOps,
		},
		"129 in the other list": {
			kv.Txn{Failure: many(129)},
			kv.ErrTooManyOps,
			kv.CodeTooManyOps,
		},
		"129 compares": {
			kv.Txn{Compares: make([]kv.Compare, 129)},
			kv.ErrTooManyOps,
			kv.CodeTooManyOps,
		},
		"a transaction in one": {
			kv.Txn{Success: []kv.Op{kv.Txn{}}},
			kv.ErrNested,
			kv.CodeNested,
		},
		"a transfer in one": {
			kv.Txn{Failure: []kv.Op{kv.Transfer{}}},
			kv.ErrNested,
			kv.CodeNested,
		},
		"a swap in one": {
			kv.Txn{Success: []kv.Op{kv.CompareAndSwap{}}},
			kv.ErrNested,
			kv.CodeNested,
		},
		"nothing": {nil, kv.ErrMalformed, kv.CodeMalformed},
		"nothing in one": {
			kv.Txn{Success: []kv.Op{nil}},
			kv.ErrMalformed,
			kv.CodeMalformed,
		},
		"a value of no key": {
			kv.CompareAndSwap{Key: key, Absent: true, Expect: key},
			kv.ErrMalformed, 0,
		},
		"a negative revision": {kv.Range{Key: key, Revision: -1}, kv.ErrMalformed, 0},
		"an unknown target": {
			kv.Txn{Compares: []kv.Compare{{Target: 4}}},
			kv.ErrMalformed,
			0,
		},
		"an unknown operator": {
			kv.Txn{Compares: []kv.Compare{{Operator: 4}}},
			kv.ErrMalformed,
			0,
		},
		"the wrong operand": {
			kv.Txn{Compares: []kv.Compare{{Value: key}}},
			kv.ErrMalformed,
			0,
		},
		"the other wrong operand": {kv.Txn{Compares: []kv.Compare{{
			Target: kv.TargetValue,
			Number: 1,
		}}}, kv.ErrMalformed, 0},
	} {
		data, err := kv.Encode(c.op)
		if !errors.Is(err, c.want) || err != nil && c.want == nil {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if c.want == nil {
			if r := applyBytes(t, kv.New(), data); r.Code != c.code {
				t.Errorf("%s: %s", name, r.Code)
			}
		}
	}
}

// What a lying gateway gets ordered is answered by a code that says what is wrong with it.
// PROTOCOL §3: B34.
func TestApply_Poison(t *testing.T) {
	u32 := func(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	key := join(u32(1), []byte("k"))
	for name, c := range map[string]struct {
		op   []byte
		want kv.Code
	}{
		"nothing":          {nil, kv.CodeMalformed},
		"format 0":         {[]byte{0}, kv.CodeMalformed},
		"format 2":         {join([]byte{2, 1}, key, key, []byte{0}), kv.CodeMalformed},
		"no kind":          {[]byte{1}, kv.CodeMalformed},
		"kind 0":           {[]byte{1, 0}, kv.CodeMalformed},
		"kind 7":           {[]byte{1, 7}, kv.CodeMalformed},
		"a boolean of 2":   {join([]byte{1, 1}, key, key, []byte{2}), kv.CodeMalformed},
		"an endless key":   {join([]byte{1, 1}, u32(1<<32-1)), kv.CodeTooLarge},
		"a long key":       {join([]byte{1, 1}, u32(kv.KeyBytesMax+1)), kv.CodeTooLarge},
		"a key cut off":    {join([]byte{1, 1}, u32(5), []byte("abc")), kv.CodeMalformed},
		"endless compares": {join([]byte{1, 6}, u32(1<<32-1)), kv.CodeMalformed},
		"a nested txn": {
			join([]byte{1, 6}, u32(0), u32(1), []byte{6}, u32(0), u32(0)),
			kv.CodeNested,
		},
		"too large":      {make([]byte, kv.OpBytesMax+1), kv.CodeTooLarge},
		"trailing zeros": {join([]byte{1, 1}, key, key, []byte{0, 0}), kv.CodeMalformed},
		"129 compares":   {join([]byte{1, 6}, u32(129), make([]byte, 1300)), kv.CodeTooManyOps},
		"an empty key":   {join([]byte{1, 1}, u32(0), u32(0), []byte{0}), kv.CodeEmptyKey},
		"a huge revision": {join([]byte{1, 2}, key, u32(0), make([]byte, 8),
			bytes.Repeat([]byte{255}, 8), []byte{0, 0}), kv.CodeMalformed},
		"expects of absent": {join([]byte{1, 4}, key, []byte{1}, key, key), kv.CodeMalformed},
	} {
		if r := applyBytes(t, filled(t), c.op); r.Code != c.want {
			t.Errorf("%s: %q, want %q", name, r.Code, c.want)
		}
	}
}

// Lists cannot announce what the input does not hold.
func TestDecode_AllocatesNoMoreThanItsInput(t *testing.T) {
	for _, op := range samples() {
		data := mustEncode(t, op)
		for i := 2; i+4 <= len(data); i++ {
			for _, n := range []uint32{1<<32 - 1, 1 << 20, 128} {
				forged := bytes.Clone(data)
				binary.BigEndian.PutUint32(forged[i:], n)
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				_, _ = kv.Decode(forged)
				_, _ = kv.DecodeResult(forged)
				runtime.ReadMemStats(&after)
				if grown := after.TotalAlloc - before.TotalAlloc; grown > 64<<10 {
					t.Fatalf("%T, length %d at byte %d: %d bytes allocated", op, n, i, grown)
				}
			}
		}
	}
}
