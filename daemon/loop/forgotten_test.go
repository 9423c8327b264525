package loop_test

import (
	"errors"
	"io/fs"
	"testing"

	"byzd/pbft"
)

// loseJournal removes a node's journal, and nothing else: its snapshots stay.
func loseJournal(t *testing.T, c *cluster, i int) {
	t.Helper()
	c.crash(i)
	d := c.nodes[i].disk
	names, err := d.List("journal")
	if err != nil || len(names) < 2 {
		t.Fatalf("the journal: %v, %v", names, err)
	}
	for _, name := range names {
		if err := d.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	if err := d.SyncDir(); err != nil {
		t.Fatal(err)
	}
}

// R15: a node whose journal was set aside starts from its snapshot, and gets what is newer from the
// others, whose logs may begin later; then it votes again. Its gateway uses no number twice.
func TestLostJournalBesideASnapshot(t *testing.T) {
	c := newCluster(t, 4)
	shortMemory(c)
	c.work(3, 60, 200)
	for _, away := range []int{0, 150} { // batches that it misses as well
		n := c.nodes[3]
		loseJournal(t, c, 3)
		if away > 0 {
			c.work(0, away, 2000)
		}
		n.forgot = "its journal was damaged"
		n.events[pbft.EventRecovered] = 0
		c.open(3)
		n.forgot = ""
		if s := n.loop.Replica().State(); !s.Recovering || s.Executed == 0 {
			t.Fatalf("after the loss: %+v", s)
		}
		if !c.runFor(60_000, func() bool { return n.events[pbft.EventRecovered] > 0 }) {
			t.Fatalf("it does not recover: %+v", n.loop.Replica().State())
		}
		c.work(3, 10, 10)
		if !c.runFor(20_000, c.caughtUp(3)) {
			t.Fatalf("it does not catch up: %+v", n.loop.Replica().State())
		}
		for i, other := range c.nodes {
			if other.drops["accused"] > 0 {
				t.Errorf("node %d accuses somebody", i)
			}
		}
		// An ordinary start: the journal remembers that it has recovered.
		c.crash(3)
		c.open(3)
		c.runFor(1000, nil)
		if s := n.loop.Replica().State(); s.Recovering || !s.Active {
			t.Errorf("after another start: %+v", s)
		}
	}
	c.sameRoot()
}

// R15: a crash in the middle of a recovery leaves a node that recovers, also before its first sync.
func TestCrashWhileRecovering(t *testing.T) {
	c := newCluster(t, 4)
	c.runFor(1000, nil)
	c.work(3, 5, 10)
	n := c.nodes[3]
	loseJournal(t, c, 3)
	n.forgot = "its disk was lost"
	c.open(3) // the caller's mark stays until the record is durable
	c.crash(3)
	c.open(3)
	c.runFor(100, nil)
	n.forgot = "" // it was
	for range 5 {
		c.crash(3)
		c.open(3)
		if !n.loop.Replica().State().Recovering {
			t.Fatal("a crash ended the recovery")
		}
		c.runFor(50, nil)
	}
	if !c.runFor(60_000, func() bool { return !n.loop.Replica().State().Recovering }) {
		t.Fatalf("it does not recover: %+v", n.loop.Replica().State())
	}
	c.work(3, 5, 10)
	c.sameRoot()
}
