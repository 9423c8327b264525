package loop_test

import (
	"testing"

	"byzd/daemon/disk"
	"byzd/pbft/message"
	"byzd/pbft/pbfttest"
)

// A node whose signing key was replaced, whose old key is gone, and whose disk is wiped after that,
// has nothing that the first epoch knows. It follows without a voice, also over crashes (its journal
// holds nothing then that it cannot read), learns of the next epoch, recovers there (rule R15), and
// is needed again. Its gateway uses no number twice.
func TestWipedAfterItsKeyWasReplaced(t *testing.T) {
	w := newTown(t, 4, 0)
	w.runFor(1000, nil)
	w.put(2)
	w.runFor(500, nil)
	fresh := pbfttest.Signer(w.genesis.Scheme, "rotated", 2)
	change := message.ChangeOf(w.genesis)
	change.Members[2].Key = fresh.Public().Bytes()
	rc := &message.Reconfiguration{Change: change}
	_, keys := pbfttest.Administrators(w.genesis.Scheme)
	rc.Approve(w.genesis, keys[0])
	rc.Approve(w.genesis, keys[2])
	w.crash(2)
	w.open(2, fresh)
	w.nodes[0].loop.Submit(message.Item{Reconfig: rc}, "admin", 1<<40)
	if !w.runFor(20_000, w.in(1, 0, 1, 2, 3)) {
		t.Fatalf("no next epoch: %+v", w.nodes[2].loop.Replica().State())
	}
	w.put(2)
	w.settled(0, 1, 2, 3)

	n := w.nodes[2]
	w.crash(2)
	n.disk, n.key, n.forgot = disk.NewMemory(), fresh, "its disk was wiped"
	w.open(2)
	for range 3 { // and nobody answers so quickly
		w.turn(2)
		n.loop.Tick(w.now)
		w.turn(2)
		w.crash(2)
		w.open(2)
	}
	n.forgot = "" // the journal knows it by now
	recovered := func() bool {
		s := n.loop.Replica().State()
		return n.loop.Self() == 2 && !s.Recovering && s.Active
	}
	if !w.runFor(60_000, recovered) {
		t.Fatalf("it does not come back: epoch %d, %+v", n.loop.Cluster().Epoch,
			n.loop.Replica().State())
	}
	w.crash(0) // now it is needed
	for range 3 {
		w.put(1)
		w.put(2)
		w.runFor(200, nil)
	}
	w.settled(1, 2, 3)
	for i := range w.nodes {
		if w.nodes[i].drops["accused"] > 0 {
			t.Errorf("node %d accuses somebody", i)
		}
	}
}
