package loop_test

import (
	"bytes"
	"testing"

	"byzd/daemon/kv"
	"byzd/daemon/loop"
)

// Lies about results are results: they decode, say that all went well, and differ from the truth
// and from each other.
func TestForger(t *testing.T) {
	store := kv.New()
	for _, op := range []kv.Op{
		kv.Put{Key: []byte("a"), Value: []byte("5")},
		kv.Put{Key: []byte("b"), Value: []byte("7")},
		kv.Range{Key: []byte("a")},
		kv.Range{Key: []byte("a"), End: []byte{0}},
		kv.CompareAndSwap{Key: []byte("a"), Expect: []byte("5"), New: []byte("6")},
		kv.CompareAndSwap{Key: []byte("a"), Expect: []byte("5"), New: []byte("6")},
		kv.Transfer{From: []byte("a"), To: []byte("b"), Amount: 1},
		kv.Txn{Success: []kv.Op{kv.Range{Key: []byte("b")}, kv.Put{Key: []byte("c")}}},
		kv.Put{Key: nil},
		kv.DeleteRange{Key: []byte("a")},
	} {
		data, err := kv.Encode(op)
		if err != nil {
			t.Fatal(err)
		}
		truth := store.Apply(data)
		lies := [][]byte{
			loop.Forger{}.Ack(data), loop.Forger{}.Twist(data, truth, 1),
			loop.Forger{}.Twist(nil, truth, 2),
		}
		for i, lie := range lies {
			r, err := kv.DecodeResult(lie)
			if err != nil || r.Code != kv.CodeOK || r.Revision < 1 {
				t.Errorf("%T: lie %d is %+v, %v", op, i, r, err)
			}
		}
		if bytes.Equal(lies[1], truth) || bytes.Equal(lies[2], truth) ||
			bytes.Equal(lies[1], lies[2]) {
			t.Errorf("%T: the lies are %x and %x, the truth is %x", op, lies[1], lies[2], truth)
		}
		if got := (loop.Forger{}).Twist(data, truth, 1); !bytes.Equal(got, lies[1]) {
			t.Errorf("%T: the same lie differs", op)
		}
	}
	for _, junk := range [][]byte{nil, {1}, []byte("junk")} {
		if _, err := kv.DecodeResult(loop.Forger{}.Ack(junk)); err != nil {
			t.Errorf("the acknowledgement of junk: %v", err)
		}
		if _, err := kv.DecodeResult(loop.Forger{}.Twist(junk, junk, 1<<63)); err != nil {
			t.Errorf("the twist of junk: %v", err)
		}
	}
}
