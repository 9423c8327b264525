package transporttest

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"byzd/crypto"
	"byzd/transport"
)

// roomy lets a test send more at once than the limits of normal use allow.
func roomy(_ int, cfg *transport.Config) {
	for _, class := range allClasses() {
		cfg.Limits.QueueFrames[class] = 1 << 16
		cfg.Limits.QueueBytes[class] = 64 << 20
	}
}

func testOrder(t *testing.T, w World) {
	nodes := cluster(t, w, 2, roomy)
	const count = 500
	for i := range count {
		for _, class := range allClasses() {
			nodes[0].Send(nodes[1].id, class, numbered(i, 4+i*37%5000))
			nodes[1].Send(nodes[0].id, class, numbered(i, 4))
		}
	}
	for _, receiver := range nodes {
		for _, class := range allClasses() {
			until(t, "all of "+class.String(), func() bool {
				return len(receiver.of(class)) == count
			})
			for i, d := range receiver.of(class) {
				if d.number() != i {
					t.Fatalf("%s: frame %d came in place %d", class, d.number(), i)
				}
				if receiver == nodes[1] && len(d.frame) != 4+i*37%5000 {
					t.Fatalf("%s: frame %d has %d bytes", class, i, len(d.frame))
				}
			}
		}
	}
}

func testBroadcast(t *testing.T, w World) {
	nodes := cluster(t, w, 4, nil)
	largest := bytes.Repeat([]byte{0xab}, transport.DefaultLimits().MaxFrame[transport.Proposals])
	nodes[2].Broadcast(transport.Proposals, largest)
	nodes[2].Broadcast(transport.Votes, []byte("vote"))
	stamps := make(map[uint64]int)
	for i, n := range nodes {
		if i == 2 {
			continue
		}
		until(t, "broadcast arrives", func() bool {
			return len(n.of(transport.Proposals)) == 1 && len(n.of(transport.Votes)) == 1
		})
		if got := n.of(transport.Proposals)[0]; !bytes.Equal(got.frame, largest) {
			t.Errorf("node %d received %d other bytes", i, len(got.frame))
		}
		vote := n.of(transport.Votes)[0]
		if vote.from != nodes[2].id || string(vote.frame) != "vote" {
			t.Errorf("node %d received %q from %s", i, vote.frame, vote.from)
		}
		stamps[vote.lamport]++
	}
	if len(stamps) != 1 {
		t.Errorf("one broadcast had several Lamport times: %v", stamps)
	}
	if got := len(nodes[2].of(transport.Votes)); got != 0 {
		t.Errorf("the sender received its own broadcast %d times", got)
	}
}

func testOversized(t *testing.T, w World) {
	nodes := cluster(t, w, 2, func(i int, cfg *transport.Config) {
		if i == 1 {
			cfg.Limits.MaxFrame[transport.Votes] = 1 << 10
		}
	})
	nodes[0].Send(nodes[1].id, transport.Votes, make([]byte, 1<<10))
	until(t, "a frame of the cap's size passes", func() bool {
		return len(nodes[1].of(transport.Votes)) == 1
	})
	nodes[0].Send(nodes[1].id, transport.Votes, make([]byte, 1<<10+1))
	rises(t, nodes[1], "frame_too_large")
	refused(t, nodes[1], "frame_too_large", "1025 bytes, at most 1024")
	until(t, "the connection is renewed", func() bool {
		ups, _ := nodes[1].counts(nodes[0].id)
		return ups == 2 && connected(nodes...)
	})
	nodes[0].Send(nodes[1].id, transport.Votes, []byte("after"))
	until(t, "a small frame passes", func() bool { return len(nodes[1].of(transport.Votes)) == 2 })
	if got := nodes[1].of(transport.Votes)[1]; string(got.frame) != "after" {
		t.Errorf("received %d bytes in place of the last frame", len(got.frame))
	}
}

func testUnsendable(t *testing.T, w World) {
	members := keys(2)
	alone := start(t, w, config(members[0], members))
	alone.Send(members[1].ID(), transport.Votes, []byte("x"))
	alone.Broadcast(transport.Sync, []byte("x"))
	alone.Send(crypto.NodeID{9}, transport.Votes, []byte("x"))
	alone.Send(members[1].ID(), transport.Votes, nil)
	limit := transport.DefaultLimits().MaxFrame[transport.Requests]
	alone.Broadcast(transport.Requests, make([]byte, limit+1))
	alone.Heard(crypto.NodeID{9}, []string{"127.0.0.1:1"})
	alone.Heard(members[1].ID(), []string{"nonsense", "127.0.0.1:0", "127.0.0.1:99999", ":1"})
	for name, want := range map[string]uint64{
		"not_connected": 2, "send_unknown_peer": 1, "send_empty": 1, "send_too_large": 1,
		"heard_stranger": 1, "heard_malformed": 4,
	} {
		if got := alone.Counters()[name]; got != want {
			t.Errorf("%s is %d, want %d", name, got, want)
		}
	}
	if state := alone.Peers(); len(state) != 1 || state[0].Connected || len(state[0].Addrs) != 0 {
		t.Errorf("peers: %+v", state)
	}
}

// testQueueFull stops one reader, and sends more than flow control and the queue can hold.
func testQueueFull(t *testing.T, w World) {
	const room, size, count = 64, 8 << 10, 2000
	nodes := cluster(t, w, 2, func(_ int, cfg *transport.Config) {
		for _, class := range allClasses() {
			cfg.Limits.QueueFrames[class] = room
		}
		cfg.WriteTimeout = patience // The reader may stall for as long as the test takes.
	})
	sender, receiver := nodes[0], nodes[1]
	open := receiver.shut()
	defer open()
	for i := range count {
		for _, class := range allClasses() {
			sender.Send(receiver.id, class, numbered(i, size))
		}
		// Half-way the writers have to be stuck, so that what follows meets full queues.
		if i == count/2 {
			until(t, "writers are stuck", func() bool { return stuck(sender) })
		}
	}
	open()
	for _, class := range allClasses() {
		//nolint:gosec // at most what was sent
		dropped := int(sender.Counters()["queue_full_"+class.String()])
		if dropped < count/2-room {
			t.Errorf("%s: %d frames were dropped, want at least %d", class, dropped, count/2-room)
		}
		until(t, "the rest of "+class.String(), func() bool {
			return len(receiver.of(class)) == count-dropped
		})
		got := numbers(receiver.of(class))
		if !slices.IsSorted(got) {
			t.Errorf("%s: out of order: %v", class, got)
		}
		newest := got[len(got)-1] == count-1
		if want := class == transport.Votes; newest != want {
			t.Errorf("%s: the last frame came: %t, want %t", class, newest, want)
		}
		if class == transport.Votes {
			want := count - room
			if tail := got[len(got)-room:]; tail[0] != want {
				t.Errorf("votes: the last %d begin at %d, want %d", room, tail[0], want)
			}
		}
	}
}

// stuck reports whether no class has written anything between two looks.
func stuck(n *node) bool {
	written := func() (sum uint64) {
		counters := n.Counters()
		for _, class := range allClasses() {
			sum += counters["frames_out_"+class.String()]
		}
		return sum
	}
	before := written()
	timer := time.NewTimer(100 * time.Millisecond)
	defer timer.Stop()
	<-timer.C
	return before > 0 && written() == before
}

func testStalledReader(t *testing.T, w World) {
	const size, count = 4 << 10, 20000
	limits := transport.DefaultLimits()
	nodes := cluster(t, w, 3, func(_ int, cfg *transport.Config) { cfg.WriteTimeout = patience })
	stalled, healthy := nodes[1], nodes[2]
	open := stalled.shut()
	defer open()
	bound := 0
	for _, class := range allClasses() {
		bound += limits.QueueBytes[class]
	}
	frame := make([]byte, size)
	var longest time.Duration
	for i := range count {
		for _, class := range allClasses() {
			begin := time.Now()
			nodes[0].Broadcast(class, frame)
			longest = max(longest, time.Since(begin))
		}
		if i%1000 == 0 {
			if got := nodes[0].state(t, stalled).QueueBytes; got > bound {
				t.Fatalf("%d bytes wait for the stalled peer, want at most %d", got, bound)
			}
		}
	}
	t.Logf("the longest of %d broadcasts took %s", 4*count, longest)
	if longest > time.Second {
		t.Errorf("a broadcast took %s", longest)
	}
	before := len(healthy.of(transport.Votes))
	until(t, "the healthy peer is served", func() bool {
		nodes[0].Send(healthy.id, transport.Votes, []byte("x"))
		return len(healthy.of(transport.Votes)) > before
	})
	if !nodes[0].isUp(stalled) {
		t.Error("the stalled peer was cut off though its heartbeats came")
	}
	rises(t, nodes[0], "queue_full_votes")
}

func testWriteTimeout(t *testing.T, w World) {
	nodes := cluster(t, w, 2, func(_ int, cfg *transport.Config) {
		roomy(0, cfg)
		cfg.WriteTimeout = 200 * time.Millisecond
	})
	open := nodes[1].shut()
	defer open()
	for i := range 4000 { // 16 MB: more than flow control lets through
		nodes[0].Send(nodes[1].id, transport.Sync, numbered(i, 4<<10))
	}
	rises(t, nodes[0], "write_timeout")
	until(t, "the connection is cut", func() bool {
		_, downs := nodes[0].counts(nodes[1].id)
		return downs > 0
	})
	rises(t, nodes[0], "frames_lost")
	open()
	until(t, "the connection is renewed", func() bool { return connected(nodes...) })
}

func testCounters(t *testing.T, w World) {
	nodes := cluster(t, w, 2, nil)
	for range 3 {
		nodes[0].Send(nodes[1].id, transport.Requests, make([]byte, 100))
	}
	want := map[string]uint64{"frames": 3, "bytes": 3 * 112}
	until(t, "sent and received", func() bool {
		out, in := nodes[0].Counters(), nodes[1].Counters()
		return out["frames_out_requests"] == 3 && in["frames_in_requests"] == 3
	})
	for what, count := range want {
		if got := nodes[0].Counters()[what+"_out_requests"]; got != count {
			t.Errorf("%s out: %d, want %d", what, got, count)
		}
		if got := nodes[1].Counters()[what+"_in_requests"]; got != count {
			t.Errorf("%s in: %d, want %d", what, got, count)
		}
	}
	until(t, "a round trip is measured", func() bool {
		return nodes[0].state(t, nodes[1]).RTT > 0 && nodes[1].state(t, nodes[0]).RTT > 0
	})
	state := nodes[0].state(t, nodes[1])
	if !state.Connected || state.Name != "n1" || state.LastHeard.IsZero() || state.Since.IsZero() {
		t.Errorf("state: %+v", state)
	}
}

// testCloseWithFullQueues closes while a peer takes nothing; Run looks for what is left behind.
func testCloseWithFullQueues(t *testing.T, w World) {
	nodes := cluster(t, w, 3, func(_ int, cfg *transport.Config) { cfg.WriteTimeout = patience })
	open := nodes[1].shut()
	defer open()
	for range 2000 {
		nodes[0].Broadcast(transport.Sync, make([]byte, 16<<10))
	}
	done := make(chan struct{})
	begin := time.Now()
	go func() {
		defer close(done)
		nodes[0].close()
	}()
	until(t, "closed", func() bool {
		select {
		case <-done:
			return true
		default:
			return false
		}
	})
	t.Logf("close took %s", time.Since(begin))
	until(t, "the peers notice", func() bool {
		return !nodes[1].isUp(nodes[0]) && !nodes[2].isUp(nodes[0])
	})
	nodes[0].Send(nodes[2].id, transport.Votes, []byte("x")) // harmless after Close
	if err := nodes[0].Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
}
