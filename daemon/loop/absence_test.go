package loop_test

import (
	"fmt"
	"testing"

	"byzd/pbft/message"
)

// A node that was cut off for more batches than the guard remembers parents, and is still in its
// view when it has caught up, votes again, also if it was restarted in between: its guard follows
// what is executed.
func TestVotesAfterLongAbsence(t *testing.T) {
	t.Parallel()
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprintf("restart %t", restart), func(t *testing.T) {
			t.Parallel()
			votesAfterLongAbsence(t, restart)
		})
	}
}

func votesAfterLongAbsence(t *testing.T, restart bool) {
	t.Helper()
	const batches = 4096 + 600
	c := newCluster(t, 4)
	c.runFor(1000, nil)
	c.put(0, 1, "k", "v")
	c.runFor(100, nil) // node 3 has voted in view 0
	c.pass = func(from, to int, _ message.Type) bool { return from != 3 && to != 3 }
	for tag := uint64(2); tag <= batches; tag++ {
		c.put(0, tag, "k", "v")
		c.run()
		if tag%64 == 0 {
			c.runFor(10, nil)
		}
	}
	c.pass = nil
	behind := func() uint64 {
		return c.nodes[0].loop.Replica().Status().Executed - c.nodes[3].loop.Replica().Status().Executed
	}
	if behind() < batches/2 {
		t.Fatalf("node 3 is only %d batches behind", behind())
	}
	for k := range uint64(200) { // it COMMITs what the others have prepared
		c.put(0, 50_000+k, "k", "v")
		c.runFor(20, nil)
	}
	if !c.runFor(60_000, func() bool { return behind() == 0 }) {
		t.Fatalf("node 3 does not catch up: %+v", c.nodes[3].loop.Replica().Status())
	}
	if restart {
		c.crash(3)
		c.open(3)
	}
	c.crash(1) // now a quorum needs node 3
	for k := range uint64(50) {
		tag := 100_000 + k
		c.put(0, tag, "k", "v")
		done := func() bool { _, ok := c.nodes[0].results[tag]; return ok }
		if !c.runFor(60_000, done) {
			t.Fatalf("no progress with node 3: %+v", c.nodes[3].loop.Replica().State())
		}
	}
	c.sameRoot()
}
