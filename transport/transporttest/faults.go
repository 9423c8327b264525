package transporttest

import (
	"slices"
	"sync"
	"testing"
	"time"

	"byzd/crypto"
	"byzd/transport"
)

// fates is a set of conditions made of a function, which can be changed.
type fates struct {
	mu    sync.Mutex
	frame func(class transport.Class, size int) transport.Fate
	apart bool // no connection either
}

func (f *fates) Frame(_ crypto.NodeID, class transport.Class, size int) transport.Fate {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.frame == nil {
		return transport.Fate{}
	}
	return f.frame(class, size)
}

func (f *fates) DialAllowed(crypto.NodeID) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.apart
}

func (f *fates) AcceptAllowed(id crypto.NodeID) bool { return f.DialAllowed(id) }

func (f *fates) set(apart bool, frame func(transport.Class, int) transport.Fate) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.apart, f.frame = apart, frame
}

// pairWith connects two nodes of which the first has the conditions.
func pairWith(t *testing.T, w World, f *fates) (from, to *node) {
	t.Helper()
	nodes := cluster(t, w, 2, func(i int, cfg *transport.Config) {
		if i == 0 {
			cfg.Conditions = f
		}
		cfg.Heartbeat = 200 * time.Millisecond
	})
	return nodes[0], nodes[1]
}

func testConditionsDrop(t *testing.T, w World) {
	f := new(fates)
	from, to := pairWith(t, w, f)
	dropNext := true // Every second proposal; guarded by fates.mu.
	f.set(false, func(class transport.Class, _ int) transport.Fate {
		if class != transport.Proposals {
			return transport.Fate{}
		}
		dropNext = !dropNext
		return transport.Fate{Drop: dropNext}
	})
	for i := range 10 {
		from.Send(to.id, transport.Proposals, numbered(i, 4))
	}
	until(t, "five arrive", func() bool { return len(to.of(transport.Proposals)) == 5 })
	if got := numbers(to.of(transport.Proposals)); !slices.Equal(got, []int{0, 2, 4, 6, 8}) {
		t.Errorf("received %v", got)
	}
	if got := from.Counters()["conditions_drop"]; got != 5 {
		t.Errorf("conditions_drop is %d, want 5", got)
	}
}

// testConditionsDelay delays by size: the larger frame is overtaken, equal delays keep their order.
func testConditionsDelay(t *testing.T, w World) {
	const delay = 200 * time.Millisecond
	f := new(fates)
	from, to := pairWith(t, w, f)
	f.set(false, func(class transport.Class, size int) transport.Fate {
		if class != transport.Requests {
			return transport.Fate{}
		}
		return transport.Fate{Delay: time.Duration(size/100) * delay}
	})
	begin := time.Now()
	for i := range 10 {
		from.Send(to.id, transport.Requests, numbered(i, 200))
	}
	from.Send(to.id, transport.Requests, numbered(10, 100))
	from.Send(to.id, transport.Requests, numbered(11, 10))
	until(t, "the delayed arrive", func() bool { return len(to.of(transport.Requests)) == 12 })
	if took := time.Since(begin); took < 2*delay {
		t.Errorf("all arrived after %s, want at least %s", took, 2*delay)
	}
	want := []int{11, 10, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
	if got := numbers(to.of(transport.Requests)); !slices.Equal(got, want) {
		t.Errorf("received %v, want %v", got, want)
	}
	if got := from.Counters()["conditions_delay"]; got != 11 {
		t.Errorf("conditions_delay is %d, want 11", got)
	}
}

func testConditionsDuplicate(t *testing.T, w World) {
	f := new(fates)
	from, to := pairWith(t, w, f)
	f.set(false, func(class transport.Class, _ int) transport.Fate {
		return transport.Fate{Duplicate: class == transport.Sync}
	})
	from.Send(to.id, transport.Sync, numbered(1, 4))
	from.Send(to.id, transport.Sync, numbered(2, 4))
	until(t, "both copies arrive", func() bool { return len(to.of(transport.Sync)) == 4 })
	if got := numbers(to.of(transport.Sync)); !slices.Equal(got, []int{1, 1, 2, 2}) {
		t.Errorf("received %v", got)
	}
	if got := from.Counters()["conditions_duplicate"]; got != 2 {
		t.Errorf("conditions_duplicate is %d, want 2", got)
	}
}

// testPartition cuts one direction off, as a sender's fault: the receiver hears nothing any more.
func testPartition(t *testing.T, w World) {
	f := new(fates)
	from, to := pairWith(t, w, f)
	f.set(true, func(transport.Class, int) transport.Fate { return transport.Fate{Drop: true} })
	until(t, "the partition is noticed", func() bool { return !to.isUp(from) && !from.isUp(to) })
	rises(t, to, "heartbeat_lost")
	rises(t, from, "conditions_dial")
	rises(t, from, "conditions_accept")
	if from.isUp(to) || to.isUp(from) {
		t.Error("a connection came up across the partition")
	}
	f.set(false, nil)
	until(t, "the partition heals", func() bool { return connected(from, to) })
	again(t, from, to)
}

func testLamport(t *testing.T, w World) {
	nodes := cluster(t, w, 2, nil)
	for i := range 50 {
		nodes[0].Send(nodes[1].id, transport.Sync, numbered(i, 4))
	}
	until(t, "frames arrive", func() bool { return len(nodes[1].of(transport.Sync)) == 50 })
	last := uint64(0)
	for _, d := range nodes[1].of(transport.Sync) {
		if d.lamport <= last {
			t.Fatalf("time %d after %d", d.lamport, last)
		}
		last = d.lamport
	}
	if now := nodes[1].clock.Now(); now <= last {
		t.Errorf("the receiver's clock is %d after a frame of %d", now, last)
	}
	nodes[1].Send(nodes[0].id, transport.Sync, []byte("back"))
	until(t, "the answer arrives", func() bool { return len(nodes[0].of(transport.Sync)) == 1 })
	if got := nodes[0].of(transport.Sync)[0].lamport; got <= last {
		t.Errorf("the answer's time %d is not after its cause's %d", got, last)
	}
}

// ahead moves the clock by more than one jump.
func ahead(clock *transport.Lamport) {
	for range 3 {
		clock.Observe(clock.Now() + transport.MaxLamportJump)
	}
}

func testLamportJump(t *testing.T, w World) {
	nodes := cluster(t, w, 4, nil)
	ahead(nodes[0].clock)
	for range 10 {
		nodes[0].Send(nodes[1].id, transport.Votes, []byte("from the future"))
	}
	until(t, "all are refused", func() bool { return nodes[1].Counters()["lamport_jump"] == 10 })
	refused(t, nodes[1], "lamport_jump", nodes[0].id.String())
	if got := len(nodes[1].of(transport.Votes)); got != 0 {
		t.Errorf("%d frames from the future arrived", got)
	}
	if now := nodes[1].clock.Now(); now > transport.MaxLamportJump {
		t.Errorf("one peer moved the clock to %d", now)
	}
	nodes[2].Send(nodes[1].id, transport.Votes, []byte("now"))
	until(t, "others are heard", func() bool { return len(nodes[1].of(transport.Votes)) == 1 })
}

// testLamportVouched has f+1 = 2 of 4 members far ahead, as a new member of an old cluster finds.
func testLamportVouched(t *testing.T, w World) {
	nodes := cluster(t, w, 4, nil)
	newcomer := nodes[3]
	for _, n := range nodes[:2] {
		ahead(n.clock)
	}
	for i, n := range nodes[:2] {
		until(t, "heard at last", func() bool {
			n.Send(newcomer.id, transport.Votes, []byte("old"))
			if i == 0 {
				return newcomer.Counters()["lamport_jump"] > 0
			}
			return len(newcomer.of(transport.Votes)) > 0
		})
	}
	if now := newcomer.clock.Now(); now < 2*transport.MaxLamportJump {
		t.Errorf("the clock is %d after two of four members vouched", now)
	}
}
