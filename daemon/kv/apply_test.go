package kv_test

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"

	"byzd/daemon/kv"
)

// step is an operation and what etcd answers to it.
type step struct {
	op   kv.Op
	want string
}

// check runs each step on a store of its own.
func check(t *testing.T, steps []step) {
	t.Helper()
	for _, c := range steps {
		if got := text(apply(t, filled(t), c.op)); got != c.want {
			t.Errorf("%T%+v\ngives %s\nwant  %s", c.op, c.op, got, c.want)
		}
	}
}

// A new store is at revision 1; the first write makes revision 2; a deletion that finds nothing
// and a read make none.
func TestApply_Revisions(t *testing.T) {
	s := kv.New()
	for _, c := range []step{
		{get("a"), "rev 1"},
		{del("a", ""), "rev 1"},
		{put("a", "1"), "rev 2"},
		{put("a", "1"), "rev 3"},
		{get("a"), "rev 3 kv(a=1 2/3/2) count 1"},
		{del("a", "\x00"), "rev 4 deleted 1"},
		{del("a", "\x00"), "rev 4"},
		{put("a", "2"), "rev 5"},
		{get("a"), "rev 5 kv(a=2 5/5/1) count 1"},
		{kv.Txn{Success: []kv.Op{put("b", "1"), put("c", "2")}}, "rev 6 yes [rev 6] [rev 6]"},
		{kv.Txn{}, "rev 6 yes"},
		{kv.Txn{Success: []kv.Op{get("b")}}, "rev 6 yes [rev 6 kv(b=1 6/6/1) count 1]"},
		{kv.Range{Key: []byte("\x00"), End: []byte("\x00"), CountOnly: true}, "rev 6 count 3"},
	} {
		if got := text(apply(t, s, c.op)); got != c.want {
			t.Errorf("%T%+v\ngives %s\nwant  %s", c.op, c.op, got, c.want)
		}
	}
	if s.Len() != 3 || s.Revision() != 6 {
		t.Errorf("%d keys at revision %d", s.Len(), s.Revision())
	}
}

func TestApply_Range(t *testing.T) {
	all := kv.Range{Key: []byte("\x00"), End: []byte("\x00")}
	ranged := func(key, end string, change func(*kv.Range)) kv.Range {
		r := kv.Range{Key: []byte(key), End: []byte(end)}
		if change != nil {
			change(&r)
		}
		return r
	}
	limit := func(n uint64) func(*kv.Range) { return func(r *kv.Range) { r.Limit = n } }
	const a, b, c = " kv(a=4 2/7/2)", " kv(b=2 5/5/1)", " kv(c=3 6/6/1)"
	check(t, []step{
		{get("a"), "rev 7" + a + " count 1"},
		{get("x"), "rev 7"},
		{get("a\x00"), "rev 7"},
		{all, "rev 7" + a + b + c + " count 3"},
		{ranged("b", "\x00", nil), "rev 7" + b + c + " count 2"},
		{ranged("a", "c", nil), "rev 7" + a + b + " count 2"},
		{ranged("a", "c\x00", nil), "rev 7" + a + b + c + " count 3"},
		{ranged("aa", "b", nil), "rev 7"},
		{ranged("b", "b", nil), "rev 7"},
		{ranged("c", "a", nil), "rev 7"},
		{ranged("a", "d", limit(1)), "rev 7" + a + " count 3 more"},
		{ranged("a", "d", limit(2)), "rev 7" + a + b + " count 3 more"},
		{ranged("a", "d", limit(3)), "rev 7" + a + b + c + " count 3"},
		{ranged("a", "d", limit(math.MaxUint64)), "rev 7" + a + b + c + " count 3"},
		{ranged("a", "", limit(1)), "rev 7" + a + " count 1"},
		{
			ranged("a", "d", func(r *kv.Range) { r.KeysOnly = true }),
			"rev 7 kv(a= 2/7/2) kv(b= 5/5/1) kv(c= 6/6/1) count 3",
		},
		{ranged("a", "d", func(r *kv.Range) { r.CountOnly = true }), "rev 7 count 3"},
		{ranged("a", "d", func(r *kv.Range) { r.CountOnly, r.Limit = true, 1 }), "rev 7 count 3"},
		{ranged("a", "", func(r *kv.Range) { r.CountOnly = true }), "rev 7 count 1"},
		{ranged("a", "", func(r *kv.Range) { r.Revision = 8 }), kv.CodeFutureRevision.String()},
		{ranged("a", "", func(r *kv.Range) { r.Revision = 3 }), kv.CodeNoHistory.String()},
		{ranged("a", "", func(r *kv.Range) { r.Revision = 6 }), kv.CodeNoHistory.String()},
		{ranged("a", "", func(r *kv.Range) { r.Revision = 7 }), "rev 7" + a + " count 1"},
		{kv.Range{}, kv.CodeEmptyKey.String()},
		{kv.Range{End: []byte("z")}, kv.CodeEmptyKey.String()},
	})
}

func TestApply_PutAndDelete(t *testing.T) {
	check(t, []step{
		{put("n", "1"), "rev 8"},
		{put("a", "1"), "rev 8"},
		{kv.Put{Key: []byte("a"), PrevKV: true}, "rev 8 prev(a=4 2/7/2)"},
		{kv.Put{Key: []byte("n"), PrevKV: true}, "rev 8"},
		{kv.Put{Value: []byte("1")}, kv.CodeEmptyKey.String()},
		{del("a", ""), "rev 8 deleted 1"},
		{del("x", ""), "rev 7"},
		{del("a", "c"), "rev 8 deleted 2"},
		{del("c", "a"), "rev 7"},
		{del("\x00", "\x00"), "rev 8 deleted 3"},
		{
			kv.DeleteRange{Key: []byte("b"), End: []byte("\x00"), PrevKV: true},
			"rev 8 prev(b=2 5/5/1) prev(c=3 6/6/1) deleted 2",
		},
		{kv.DeleteRange{}, kv.CodeEmptyKey.String()},
		{kv.DeleteRange{End: []byte("\x00")}, kv.CodeEmptyKey.String()},
	})
}

func TestApply_CompareAndSwap(t *testing.T) {
	cas := func(key, expect, swap string) kv.CompareAndSwap {
		return kv.CompareAndSwap{Key: []byte(key), Expect: []byte(expect), New: []byte(swap)}
	}
	absent := func(key, swap string) kv.CompareAndSwap {
		return kv.CompareAndSwap{Key: []byte(key), New: []byte(swap), Absent: true}
	}
	check(t, []step{
		{cas("a", "4", "5"), "rev 8 yes"},
		{cas("a", "4", "4"), "rev 8 yes"},
		{cas("a", "5", "6"), "rev 7 kv(a=4 2/7/2)"},
		{cas("a", "", "6"), "rev 7 kv(a=4 2/7/2)"},
		{cas("x", "", "6"), "rev 7"},
		{cas("x", "1", "6"), "rev 7"},
		{absent("x", "6"), "rev 8 yes"},
		{absent("a", "6"), "rev 7 kv(a=4 2/7/2)"},
		{kv.CompareAndSwap{Absent: true}, kv.CodeEmptyKey.String()},
	})
	s := filled(t)
	apply(t, s, put("e", ""))
	if r := apply(t, s, cas("e", "", "1")); !r.Succeeded {
		t.Error("an empty value is not equal to an empty value")
	}
}

func TestApply_Transfer(t *testing.T) {
	move := func(from, to string, amount uint64) kv.Transfer {
		return kv.Transfer{From: []byte(from), To: []byte(to), Amount: amount}
	}
	check(t, []step{
		{move("a", "b", 3), "rev 8 yes"},
		{move("a", "b", 4), "rev 8 yes"},
		{move("a", "b", 0), "rev 8 yes"},
		{move("a", "b", 5), kv.CodeInsufficient.String()},
		{move("a", "b", math.MaxUint64), kv.CodeInsufficient.String()},
		{move("a", "x", 1), kv.CodeNoAccount.String()},
		{move("x", "a", 1), kv.CodeNoAccount.String()},
		{move("a", "a", 1), kv.CodeSameAccount.String()},
		{move("", "a", 1), kv.CodeEmptyKey.String()},
		{move("a", "", 1), kv.CodeEmptyKey.String()},
		{move("", "", 1), kv.CodeEmptyKey.String()},
	})
	for _, bad := range []string{
		"", "-1", "+1", "01", "1.0", " 1", "1 ", "0x1", "1e3", "18446744073709551616", "１",
	} {
		s := filled(t)
		apply(t, s, put("bad", bad))
		for _, op := range []kv.Op{move("bad", "a", 0), move("a", "bad", 0)} {
			if r := apply(t, s, op); r.Code != kv.CodeNotANumber {
				t.Errorf("%q is an account: %s", bad, text(r))
			}
		}
	}
	s := filled(t)
	apply(t, s, put("rich", "18446744073709551612"))
	if r := apply(t, s, move("a", "rich", 3)); !r.Succeeded {
		t.Errorf("up to the largest number: %s", text(r))
	}
	if r := apply(t, s, move("a", "rich", 1)); r.Code != kv.CodeOverflow {
		t.Errorf("beyond the largest number: %s", text(r))
	}
	if r := apply(t, s, get("rich")); string(r.KVs[0].Value) != "18446744073709551615" {
		t.Errorf("the rich account holds %s", r.KVs[0].Value)
	}
}

// Every target with every operator, of a key that is there and of one that is not.
func TestApply_Compare(t *testing.T) {
	s := filled(t)                     // a: created at 2, changed at 7, version 2, value "4"
	orders := map[kv.Operator][3]bool{ // for a state below, at, above the operand
		kv.Equal: {false, true, false}, kv.Greater: {false, false, true},
		kv.Less: {true, false, false}, kv.NotEqual: {true, false, true},
	}
	holds := func(c kv.Compare) bool {
		return apply(t, s, kv.Txn{Compares: []kv.Compare{c}}).Succeeded
	}
	for operator, want := range orders {
		for target, value := range map[kv.Target]int64{
			kv.TargetVersion: 2, kv.TargetCreate: 2, kv.TargetMod: 7,
		} {
			for i, operand := range []int64{value + 1, value, value - 1} {
				c := kv.Compare{
					Key: []byte("a"), Target: target, Operator: operator,
					Number: operand,
				}
				if holds(c) != want[i] {
					t.Errorf("a: target %d, operator %d, operand %d", target, operator, operand)
				}
			}
			for i, operand := range []int64{1, 0, -1} { // an absent key's numbers are 0
				c := kv.Compare{
					Key: []byte("x"), Target: target, Operator: operator,
					Number: operand,
				}
				if holds(c) != want[i] {
					t.Errorf("x: target %d, operator %d, operand %d", target, operator, operand)
				}
			}
		}
		for i, operand := range []string{"5", "4", "3"} {
			c := kv.Compare{
				Key: []byte("a"), Target: kv.TargetValue, Operator: operator,
				Value: []byte(operand),
			}
			if holds(c) != want[i] {
				t.Errorf("value of a, operator %d, operand %s", operator, operand)
			}
			c.Key = []byte("x")
			if holds(c) {
				t.Errorf("value of an absent key, operator %d, operand %s", operator, operand)
			}
		}
	}
}

func TestApply_Txn(t *testing.T) {
	yes := []kv.Compare{{Key: []byte("a"), Target: kv.TargetVersion, Number: 2}}
	no := append(yes[:1:1], kv.Compare{Key: []byte("a"), Target: kv.TargetVersion, Number: 3})
	both := kv.Txn{
		Success: []kv.Op{put("s", "1")}, Failure: []kv.Op{put("f", "1"), get("f")},
	}
	with := func(c []kv.Compare) kv.Txn { both.Compares = c; return both }
	check(t, []step{
		{with(nil), "rev 8 yes [rev 8]"},
		{with(yes), "rev 8 yes [rev 8]"},
		{with(no), "rev 8 [rev 8] [rev 8 kv(f=1 8/8/1) count 1]"},
		{ // what an operation does, the next one sees
			kv.Txn{Success: []kv.Op{
				put("a", "9"), get("a"), del("b", ""), get("b"), put("d", "1"),
				kv.Range{Key: []byte("a"), End: []byte("z"), CountOnly: true},
			}},
			"rev 8 yes [rev 8] [rev 8 kv(a=9 2/8/3) count 1] [rev 8 deleted 1] [rev 8] [rev 8]" +
				" [rev 8 count 3]",
		},
		{ // two deletions may overlap, as in etcd
			kv.Txn{Success: []kv.Op{del("a", "c"), del("a", "\x00")}},
			"rev 8 yes [rev 8 deleted 2] [rev 8 deleted 1]",
		},
		{kv.Txn{Success: []kv.Op{put("a", "1"), put("a", "2")}}, kv.CodeDuplicateKey.String()},
		{kv.Txn{Failure: []kv.Op{put("a", "1"), put("a", "2")}}, kv.CodeDuplicateKey.String()},
		{kv.Txn{Success: []kv.Op{put("b", "1"), del("a", "c")}}, kv.CodeDuplicateKey.String()},
		{kv.Txn{Success: []kv.Op{del("a", "\x00"), put("b", "1")}}, kv.CodeDuplicateKey.String()},
		{kv.Txn{Success: []kv.Op{del("b", ""), put("b", "1")}}, kv.CodeDuplicateKey.String()},
		{
			kv.Txn{Success: []kv.Op{put("c", "1"), del("a", "c")}},
			"rev 8 yes [rev 8] [rev 8 deleted 2]",
		},
		{
			kv.Txn{Success: []kv.Op{put("b", "1")}, Failure: []kv.Op{put("b", "1")}},
			"rev 8 yes [rev 8]",
		},
		{kv.Txn{Compares: []kv.Compare{{}}}, kv.CodeEmptyKey.String()},
		{kv.Txn{Success: []kv.Op{kv.Put{}}}, kv.CodeEmptyKey.String()},
		{kv.Txn{Failure: []kv.Op{kv.Range{}}}, kv.CodeEmptyKey.String()}, // both are checked
		{
			kv.Txn{Success: []kv.Op{put("n", "1"), kv.Range{Key: []byte("n"), Revision: 99}}},
			kv.CodeFutureRevision.String(),
		},
		{
			kv.Txn{Success: []kv.Op{kv.Range{Key: []byte("n"), Revision: 7}, put("n", "1")}},
			"rev 8 yes [rev 8] [rev 8]",
		},
		{
			kv.Txn{Success: []kv.Op{put("n", "1"), kv.Range{Key: []byte("n"), Revision: 7}}},
			kv.CodeNoHistory.String(),
		},
		{
			kv.Txn{Success: []kv.Op{put("n", "1"), kv.Range{Key: []byte("n"), Revision: 8}}},
			kv.CodeFutureRevision.String(),
		},
	})
}

// A transaction that fails in its middle takes back everything, the order of keys included.
func TestApply_RollsBack(t *testing.T) {
	s := filled(t)
	before := dump(s)
	bad := kv.Range{Key: []byte("a"), Revision: 1}
	for _, ops := range [][]kv.Op{
		{put("a", "9"), bad},
		{put("n", "9"), bad},
		{del("a", ""), bad},
		{put("m", "1"), del("a", "c"), bad},
		{del("a", "c"), put("n", "1"), put("c", "7"), bad},
		{del("b", ""), del("a", "\x00"), bad},
	} {
		if r := apply(t, s, kv.Txn{Success: ops}); r.Code != kv.CodeNoHistory {
			t.Errorf("%+v: %s", ops, text(r))
		}
		if !bytes.Equal(dump(s), before) {
			t.Errorf("%+v left something behind", ops)
		}
	}
	if got := text(apply(t, s, put("b", "9"))); got != "rev 8" {
		t.Errorf("the next write gives %s", got)
	}
}

// Large ranges are removed, and put back, as a whole; that is not to be seen.
func TestApply_RemovesLargeRanges(t *testing.T) {
	for _, n := range []int{63, 64, 65, 500} {
		s := filled(t)
		for i := range n {
			apply1(t, s, put(fmt.Sprintf("m%03d", i), "1"))
		}
		before := dump(s)
		bad := kv.Range{Key: []byte("a"), Revision: 1}
		for _, ops := range [][]kv.Op{
			{del("m", "n"), bad},
			{put("x", "9"), del("m", "n"), put("y", "1"), bad},
			{put("x", "9"), del("c", "n"), del("a", ""), put("y", "1"), bad},
		} {
			if r := apply(t, s, kv.Txn{Success: ops}); r.Code != kv.CodeNoHistory {
				t.Fatalf("%d entries, %+v: %s", n, ops, text(r))
			}
			if !bytes.Equal(dump(s), before) {
				t.Fatalf("%d entries: %+v left something behind", n, ops)
			}
		}
		r := apply(t, s, del("m", "n"))
		if r.Deleted != int64(n) || s.Len() != 3 {
			t.Errorf("%d of %d entries deleted, %d keys left", r.Deleted, n, s.Len())
		}
		if r := apply(t, s, del("\x00", "\x00")); r.Deleted != 3 || s.Len() != 0 {
			t.Errorf("%d deleted, %d left", r.Deleted, s.Len())
		}
		apply(t, s, put("again", "1"))
		fresh := kv.New()
		if err := fresh.Reset(carried(s)); err != nil || fresh.Root() != s.Root() {
			t.Errorf("%d entries: %v", n, err)
		}
	}
}

// The quota counts keys, values and 160 bytes for each entry; deleting and shrinking work on a
// full store.
func TestApply_Quota(t *testing.T) {
	const one = 160 + 1 + 10
	ten := strings.Repeat("x", 10)
	s := kv.NewWithQuota(2 * one)
	for i, c := range []struct {
		op   kv.Op
		code kv.Code
	}{
		{put("a", ten), kv.CodeOK},
		{put("b", ten+"x"), kv.CodeNoSpace},
		{put("b", ten), kv.CodeOK},
		{put("c", ""), kv.CodeNoSpace},
		{put("a", ten+"x"), kv.CodeNoSpace},
		{put("a", ten), kv.CodeOK},
		{put("a", "xx"), kv.CodeOK},
		{put("b", ten+"xxxxxxxx"), kv.CodeOK},
		{put("b", ten+"xxxxxxxxx"), kv.CodeNoSpace},
		{kv.Txn{Success: []kv.Op{del("b", ""), put("c", ten+"xxxxxxxxx")}}, kv.CodeNoSpace},
		{kv.Txn{Success: []kv.Op{del("b", ""), put("c", ten+"xxxxxxxx")}}, kv.CodeOK},
		{kv.CompareAndSwap{Key: []byte("d"), Absent: true}, kv.CodeNoSpace},
		{del("a", ""), kv.CodeOK},
		{kv.CompareAndSwap{Key: []byte("d"), Absent: true}, kv.CodeOK},
	} {
		if r := apply(t, s, c.op); r.Code != c.code {
			t.Errorf("step %d: %s", i, text(r))
		}
	}
	if r := apply(t, kv.NewWithQuota(-1), put("a", "")); r.Code != kv.CodeNoSpace {
		t.Errorf("no quota at all: %s", text(r))
	}
	if kv.NewWithQuota(1000).Root() == kv.NewWithQuota(1001).Root() {
		t.Error("the quota is not part of the state")
	}
}

// A result has a bound: who asks for more gets an error, and a limit helps.
func TestApply_ResultTooLarge(t *testing.T) {
	s := kv.New()
	value := make([]byte, kv.ValueBytesMax)
	for i := range 16 {
		if r := apply(t, s, kv.Put{Key: []byte{'k', byte(i)}, Value: value}); r.Code != kv.CodeOK {
			t.Fatal(text(r))
		}
	}
	all := kv.Range{Key: []byte("k"), End: []byte("l")}
	few, keys, number := all, all, all
	few.Limit, keys.KeysOnly, number.CountOnly = 15, true, true
	gone := kv.DeleteRange{Key: []byte("k"), End: []byte("l"), PrevKV: true}
	half := kv.Range{Key: []byte("k"), End: []byte("k\x08")}
	rest := kv.Range{Key: []byte("k\x08"), End: []byte("l")}
	for name, c := range map[string]struct {
		op   kv.Op
		code kv.Code
	}{
		"all": {all, kv.CodeResultTooLarge}, "fifteen": {few, kv.CodeOK},
		"keys": {keys, kv.CodeOK}, "the number": {number, kv.CodeOK},
		"deleted": {gone, kv.CodeResultTooLarge}, "half": {half, kv.CodeOK},
		"in two parts": {kv.Txn{Success: []kv.Op{half, rest}}, kv.CodeResultTooLarge},
	} {
		if r := apply(t, s, c.op); r.Code != c.code {
			t.Errorf("%s: %s", name, r.Code)
		}
	}
	if s.Len() != 16 {
		t.Errorf("%d keys are left", s.Len())
	}
}

// Every code has a text, and every text one code: clients see it.
func TestCodes(t *testing.T) {
	seen := map[string]kv.Code{}
	for c := kv.CodeOK; c <= kv.CodeOverflow; c++ {
		if other, taken := seen[c.String()]; taken || c.String() == "unknown code" {
			t.Errorf("codes %d and %d are called %q", c, other, c)
		}
		seen[c.String()] = c
	}
	if got := kv.Code(999).String(); got != "unknown code" {
		t.Errorf("code 999 is called %q", got)
	}
}
