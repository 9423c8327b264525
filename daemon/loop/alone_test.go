package loop_test

import (
	"testing"

	"byzd/daemon/kv"
	"byzd/pbft/message"
)

// A cluster of one has nobody to ask after a start, so no fence is lifted. What it had PREPAREd
// when its process ended it must say again all the same, or it never votes again: its tip is taken,
// and nothing makes the batch prepared. (Found by the simulator's liveness phase, O13.)
func TestAloneGoesOnAfterEveryCrash(t *testing.T) {
	c := newCluster(t, 1)
	c.cfg.Params.InFlight = 1 // else the next batch carries the stuck one with it
	n := c.nodes[0]
	for tag := uint64(1); tag <= 12; tag++ {
		op, err := kv.Encode(kv.Put{Key: []byte("k"), Value: []byte{byte(tag)}})
		if err != nil {
			t.Fatal(err)
		}
		if !n.loop.Submit(message.Item{Op: op}, "test", tag) {
			t.Fatal("busy")
		}
		// So many syncs of the batch's way are done, then the process ends.
		n.loop.EndTurn()
		for range tag % 4 {
			lsn := n.loop.Staged()
			if err := n.journal.Flush(); err != nil {
				t.Fatal(err)
			}
			if n.loop.Release(lsn) {
				n.loop.Resume()
			}
		}
		n.disk.Crash()
		c.open(0)
		c.put(0, 100+tag, "after", "crash")
		if !c.runFor(5000, func() bool { _, done := n.results[100+tag]; return done }) {
			t.Fatalf("after crash %d nothing runs any more: %+v", tag, n.loop.Replica().State())
		}
	}
}
