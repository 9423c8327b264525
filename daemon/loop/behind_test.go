package loop_test

import (
	"testing"

	"byzd/daemon/disk"
	"byzd/pbft/message"
)

// Whoever has caught up can help others to, however far behind it was: its journal has certificates
// close enough to each other, although it learned of the highest one first.
func TestWhoCaughtUpServes(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 4)
	c.runFor(1000, nil)
	c.nodes[3].down = true
	const batches = 2*message.MaxDecided + message.MaxDecided/2
	for tag := uint64(1); tag <= batches; tag++ {
		c.put(0, tag, "k", "v")
		c.run()
		if tag%16 == 0 {
			c.runFor(10, nil)
		}
	}
	executed := func(i int) uint64 { return c.nodes[i].loop.Replica().Status().Executed }
	top := executed(0)
	if top < batches {
		t.Fatalf("%d batches, want %d", top, batches)
	}
	c.crash(3)
	c.open(3)
	if !c.runFor(30_000, func() bool { return executed(3) >= top }) {
		t.Fatalf("node 3 executed %d of %d", executed(3), top)
	}
	// Node 2 has lost its disk, and hears of node 3 alone.
	c.crash(2)
	c.nodes[2].disk = disk.NewMemory()
	c.open(2)
	c.pass = func(from, to int, _ message.Type) bool { return from+to == 2+3 || from != 2 && to != 2 }
	if !c.runFor(30_000, func() bool { return executed(2) >= top }) {
		t.Fatalf("node 2 executed %d of %d", executed(2), top)
	}
	c.sameRoot()
}
