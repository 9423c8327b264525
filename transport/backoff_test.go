package transport_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"byzd/crypto"
	"byzd/transport"
)

// These tests are about when this node dials, in virtual time, with a carrier that reaches nobody.

var errNobody = errors.New("nobody is there")

// nowhere is a carrier whose dials fail at once, or hang until their context ends.
type nowhere struct {
	mu    sync.Mutex
	hangs bool
	dials []time.Time
	addrs []string // of the last dial
}

func (*nowhere) Open(transport.Door, []string) error { return nil }

func (n *nowhere) Dial(ctx context.Context, _ crypto.NodeID, addrs []string) error {
	n.mu.Lock()
	n.dials = append(n.dials, time.Now())
	n.addrs = addrs
	hangs := n.hangs
	n.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	return errNobody
}

func (*nowhere) Addr() string { return "127.0.0.1:1" }
func (*nowhere) Close() error { return nil }

// last returns the first address of the last dial.
func (n *nowhere) last() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.addrs[0]
}

func (n *nowhere) times() []time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]time.Time(nil), n.dials...)
}

// ignore is a handler that wants nothing.
type ignore struct{}

func (ignore) Receive(crypto.NodeID, transport.Class, uint64, []byte) {}
func (ignore) PeerUp(crypto.NodeID)                                   {}
func (ignore) PeerDown(crypto.NodeID)                                 {}

// dialling makes a node of two, the one with the lower ID, on a carrier that reaches nobody.
func dialling(t *testing.T, n *nowhere, jitter float64) (transport.Transport, crypto.NodeID) {
	t.Helper()
	a := crypto.NewNetworkKey([crypto.SeedSize]byte{1})
	b := crypto.NewNetworkKey([crypto.SeedSize]byte{2})
	idA, idB := a.ID(), b.ID()
	if string(idA[:]) > string(idB[:]) {
		a, b = b, a
	}
	made, err := transport.Over(transport.Config{
		Cluster: crypto.Digest{1}, Key: a, Peers: []transport.Peer{{ID: a.ID()}, {ID: b.ID()}},
		Listen: "127.0.0.1:0", Handler: ignore{},
	}, n, func() float64 { return jitter })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := made.Close(); err != nil {
			t.Error(err)
		}
	})
	return made, b.ID()
}

// pass lets virtual time pass.
func pass(d time.Duration) {
	<-time.NewTimer(d).C
	synctest.Wait()
}

// TestBackoff_DoublesUpToASecond wants, with the largest jitter, 100 ms, 200, 400, 800, and 1 s
// from then on; and with half the jitter half of each.
func TestBackoff_DoublesUpToASecond(t *testing.T) {
	for _, jitter := range []float64{1, 0.5} {
		synctest.Test(t, func(t *testing.T) {
			n := new(nowhere)
			node, peer := dialling(t, n, jitter)
			node.Heard(peer, []string{"10.0.0.1:1"})
			pass(time.Minute)
			times := n.times()
			want := []float64{100, 200, 400, 800, 1000, 1000, 1000}
			for i, w := range want {
				w := time.Duration(w * jitter * float64(time.Millisecond))
				if got := times[i+1].Sub(times[i]); got != w {
					t.Errorf("jitter %v: pause %d lasts %s, want %s", jitter, i, got, w)
				}
			}
			if got, most := len(times), int(60/jitter)+5; got > most || got < most-5 {
				t.Errorf("jitter %v: %d dials in a minute, want about %d", jitter, got, most)
			}
		})
	}
}

// TestBackoff_HeardOf wants a dial at once when the peer is heard of, at a new address or where it
// was, and no more than one in the smallest delay however often it is heard of where it was.
func TestBackoff_HeardOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(nowhere)
		node, peer := dialling(t, n, 1)
		hear := func(addr string) int {
			before := len(n.times())
			node.Heard(peer, []string{addr})
			synctest.Wait()
			return len(n.times()) - before
		}
		if got := hear("10.0.0.1:1"); got != 1 {
			t.Errorf("heard of first: %d dials", got)
		}
		pass(10*time.Second + 800*time.Millisecond) // The last dial was at 10.5 s.
		if got := hear("10.0.0.1:1"); got != 1 {
			t.Errorf("heard of again where it was: %d dials", got)
		}
		if got := hear("10.0.0.2:1"); got != 1 || n.last() != "10.0.0.2:1" {
			t.Errorf("heard of elsewhere: %d dials, the last at %v", got, n.last())
		}
		pass(10 * time.Second)
		before := len(n.times())
		for range 1000 { // ten seconds
			node.Heard(peer, []string{"10.0.0.2:1"})
			pass(10 * time.Millisecond)
		}
		if got := len(n.times()) - before; got > 101 {
			t.Errorf("%d dials in ten seconds of gossip, want at most one in 100 ms", got)
		}
	})
}

// TestBackoff_NewAddressBreaksOff has an attempt hang at an address that is of no use any more.
func TestBackoff_NewAddressBreaksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &nowhere{hangs: true}
		node, peer := dialling(t, n, 1)
		node.Heard(peer, []string{"10.0.0.1:1"})
		pass(time.Second)
		node.Heard(peer, []string{"10.0.0.2:1"})
		synctest.Wait()
		if times := n.times(); len(times) != 2 || n.last() != "10.0.0.2:1" {
			t.Errorf("%d dials, the last at %v", len(times), n.last())
		}
	})
}
