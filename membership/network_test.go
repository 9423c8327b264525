package membership

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"byzd/crypto"
)

// weather is a network that a test can cut and slow down.
type weather struct {
	mu    sync.Mutex
	side  map[crypto.NodeID]int
	delay time.Duration
	slow  crypto.NodeID // what comes from or goes to it is delayed
}

func (w *weather) PacketAllowed(from, to crypto.NodeID) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.side[from] == w.side[to]
}

func (w *weather) PacketDelay(from, to crypto.NodeID) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if from == w.slow || to == w.slow {
		return w.delay
	}
	return 0
}

func (w *weather) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

func TestConditions_PartitionHeals(t *testing.T) {
	t.Parallel()
	w := &weather{side: map[crypto.NodeID]int{}}
	c := newCluster(t, 5, func(i int, cfg *Config) {
		hasty(i, cfg)
		cfg.Conditions = w
	})
	all := upTo(5)
	c.startAll(all...)
	wait(t, 20*time.Second, "start", c.sees(all, all, Alive))
	few, many := []int{0, 1}, []int{2, 3, 4}
	w.set(func() { w.side[c.members[0].ID], w.side[c.members[1].ID] = 1, 1 })
	wait(t, 20*time.Second, "the few lose the many", c.sees(few, many, Dead))
	wait(t, 20*time.Second, "the many lose the few", c.sees(many, few, Dead))
	if err := c.sees(few, few, Alive)(); err != nil {
		t.Error(err)
	}
	if err := c.sees(many, many, Alive)(); err != nil {
		t.Error(err)
	}
	if c.nodes[0].Counters()["cut"] == 0 {
		t.Error("nothing was counted as cut")
	}
	w.set(func() { clear(w.side) })
	wait(t, 30*time.Second, "one cluster again", c.sees(all, all, Alive))
}

// TestConditions_ReceiverCutsToo lets only one side know of the cut.
func TestConditions_ReceiverCutsToo(t *testing.T) {
	t.Parallel()
	w := &weather{side: map[crypto.NodeID]int{}}
	c := newCluster(t, 2, func(i int, cfg *Config) {
		hasty(i, cfg)
		if i == 0 {
			cfg.Conditions = w
		}
	})
	w.set(func() { w.side[c.members[0].ID] = 1 })
	c.startAll(0, 1)
	wait(t, 20*time.Second, "node 0 refuses streams", func() error {
		if c.nodes[0].Counters()["cut"] == 0 {
			return ErrRefused
		}
		return nil
	})
	if s := c.nodes[1].View()[0].State; s != Unknown {
		t.Errorf("node 1 holds node 0 for %v", s)
	}
	w.set(func() { clear(w.side) })
	wait(t, 20*time.Second, "open", c.sees([]int{0, 1}, []int{0, 1}, Alive))
}

// TestLies_FalseDead has a traitor call everybody dead, to everybody.
func TestLies_FalseDead(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 4, hasty)
	all := upTo(4)
	c.startAll(all...)
	wait(t, 20*time.Second, "start", c.sees(all, all, Alive))
	lies := NewFalseDead(nil, nil)
	c.nodes[3].SetLies(lies)
	correct := upTo(3)
	wait(t, 20*time.Second, "lies are told, and come to nothing", func() error {
		if err := c.sees(correct, all, Alive)(); err != nil {
			t.Fatal(err)
		}
		for _, i := range correct {
			if n := c.nodes[i].Counters(); n["hearsay_demoted"]+n["hearsay_ignored"] < 3 {
				return fmt.Errorf("node %d:%s", i, counted(c.nodes[i]))
			}
		}
		return nil
	})
	if lies.Count() == 0 {
		t.Error("no lie was counted")
	}
	c.nodes[3].SetLies(nil)
	heardAfter := func(d time.Duration) func() error {
		since := time.Now().Add(d)
		return func() error {
			if !c.nodes[0].View()[3].LastHeard.After(since) {
				return ErrRefused
			}
			return nil
		}
	}
	wait(t, 20*time.Second, "what was under way has arrived", heardAfter(100*time.Millisecond))
	told := lies.Count()
	wait(t, 20*time.Second, "only the truth is told", heardAfter(500*time.Millisecond))
	if now := lies.Count(); now != told {
		t.Errorf("%d lies were told after the end", now-told)
	}
}

// TestFalseDead_ChoosesItsListeners tells one member only, of one member only.
func TestFalseDead_ChoosesItsListeners(t *testing.T) {
	_, m := testKeys(3)
	l := NewFalseDead([]crypto.NodeID{m[0].ID}, []crypto.NodeID{m[1].ID})
	for about := range m {
		for listener := range m {
			want := about == 0 && listener == 1
			if got := l.CallDead(m[about].ID, m[listener].ID); got != want {
				t.Errorf("about %d to %d: got %v, want %v", about, listener, got, want)
			}
		}
	}
}

// pairGap is a network in which two members cannot reach each other.
type pairGap [2]crypto.NodeID

func (g pairGap) PacketAllowed(from, to crypto.NodeID) bool {
	return (from != g[0] || to != g[1]) && (from != g[1] || to != g[0])
}
