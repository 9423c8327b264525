package loop_test

import (
	"bytes"
	"fmt"
	"testing"

	"byzd/daemon/disk"
	"byzd/daemon/kv"
	"byzd/daemon/loop"
	"byzd/pbft"
	"byzd/pbft/message"
)

// shortMemory makes nodes save every stable checkpoint and keep next to nothing else.
func shortMemory(c *cluster) {
	c.keep = loop.Retention{SnapshotEvery: 1, Batches: 4, Bytes: 1}
	c.segment = 16 << 10
	for i := range c.nodes {
		c.crash(i)
		c.open(i)
	}
	c.runFor(1000, nil)
}

func executed(c *cluster, i int) uint64 { return c.nodes[i].loop.Replica().Status().Executed }

// work orders batches, one put each, through a node.
func (c *cluster) work(through, batches, bytesEach int) {
	c.t.Helper()
	want := executed(c, through) + uint64(batches)
	for tag := uint64(0); executed(c, through) < want; tag++ {
		if tag > uint64(4*batches) {
			c.t.Fatalf("node %d executed %d of %d", through, executed(c, through), want)
		}
		c.put(through, 1<<32+tag, fmt.Sprintf("w%d", executed(c, through)%64),
			string(bytes.Repeat([]byte{'x'}, bytesEach)))
		c.runFor(10, nil)
	}
}

func (c *cluster) caughtUp(i int) func() bool {
	return func() bool {
		return executed(c, i) >= executed(c, (i+1)%len(c.nodes)) && !c.nodes[i].down
	}
}

// TestWhoIsTooFarBehindGetsTheState: batches that a node lacks are gone everywhere; it fetches the
// certified state instead, though one source lies in every second piece (B38, B39, R13), answers
// what was asked before (B55), votes again, and its journal and all others stay short (M41).
func TestWhoIsTooFarBehindGetsTheState(t *testing.T) {
	c := newCluster(t, 4)
	shortMemory(c)
	c.work(0, 20, 10)
	c.crash(3)
	c.work(0, 150, 2000)
	if first, _ := c.nodes[0].journal.Bounds(); first < 100 {
		t.Fatalf("the journal of node 0 still begins with record %d", first)
	}
	lies := 0
	c.twist = func(from, _ int, m message.Message) message.Message {
		part, is := m.(*message.StatePart)
		if from != 1 || !is || len(part.Data) == 0 {
			return m
		}
		if lies++; lies%2 == 0 {
			return m
		}
		lie := *part
		lie.Data = bytes.Clone(part.Data)
		lie.Data[len(lie.Data)/2] ^= 1
		return &lie
	}
	c.open(3)
	if !c.runFor(60_000, c.caughtUp(3)) {
		t.Fatalf("node 3 executed %d of %d: %+v %v", executed(c, 3), executed(c, 0),
			c.nodes[3].loop.Replica().State(), c.nodes[3].drops)
	}
	if lies == 0 || c.nodes[3].drops["state_part_not_certified"] == 0 {
		t.Errorf("%d lies were told, %d were noticed", lies, c.nodes[3].drops["state_part_not_certified"])
	}
	c.work(0, 3, 10)
	c.runFor(3000, nil)
	c.sameRoot()
	// It had voted in this view, and cannot show that what it got goes on from there (R6): the others
	// plan another view for it.
	thawed := func() bool {
		s := c.nodes[3].loop.Replica().State()
		return !s.Frozen && s.Active && s.View > 0
	}
	if !c.runFor(30_000, thawed) {
		t.Errorf("node 3 stays frozen: %+v", c.nodes[3].loop.Replica().State())
	}
	// It takes part again: with node 0 gone the others need it.
	c.crash(0)
	c.put(3, 7, "again", "1")
	if !c.runFor(30_000, func() bool { return len(c.nodes[3].results) > 0 }) {
		t.Fatalf("node 3 is of no use: %+v", c.nodes[3].loop.Replica().State())
	}
	c.runFor(3000, nil)
	c.sameRoot()
}

// TestClientsAreToldWhatNobodyHereKnows: an operation of node 3's client is executed by the others, in
// a state that node 3 then installs. Nobody here ever learns the result, and the client is told so.
func TestClientsAreToldWhatNobodyHereKnows(t *testing.T) {
	c := newCluster(t, 4)
	shortMemory(c)
	c.work(0, 20, 10)
	c.pass = func(_, to int, _ message.Type) bool { return to != 3 }
	c.put(3, 7, "mine", "1")
	c.work(0, 150, 2000)
	c.pass = nil
	if !c.runFor(60_000, c.caughtUp(3)) || c.nodes[3].events[pbft.EventInstalled] == 0 {
		t.Fatalf("node 3 executed %d of %d: %+v", executed(c, 3), executed(c, 0),
			c.nodes[3].loop.Replica().State())
	}
	told := func() bool { _, told := c.nodes[3].results[7]; return told }
	if !c.runFor(10_000, told) {
		t.Fatal("its client still waits")
	}
	if r := c.nodes[3].results[7]; r.Outcome == pbft.Run || r.Client != "test" {
		t.Errorf("it was told %+v", r)
	}
	c.put(3, 8, "mine", "2")
	if !c.runFor(30_000, func() bool { return c.nodes[3].results[8].Client != "" }) ||
		c.nodes[3].results[8].Outcome != pbft.Run {
		t.Errorf("the next operation came to %+v", c.nodes[3].results[8])
	}
}

// TestSnapshotAndShortJournalBringAllBack: all nodes are killed again and again with journals that
// begin above snapshots; nothing that was acknowledged is lost (R14, M41, P4).
func TestSnapshotAndShortJournalBringAllBack(t *testing.T) {
	c := newCluster(t, 4)
	shortMemory(c)
	for round := range 6 {
		c.work(round%4, 25, 500)
		c.put(1, uint64(round), fmt.Sprintf("round%d", round), "done")
		if !c.runFor(10_000, func() bool { _, ok := c.nodes[1].results[uint64(round)]; return ok }) {
			t.Fatalf("round %d: no answer", round)
		}
		before := executed(c, 1)
		for i := range c.nodes {
			c.crash(i)
		}
		c.queue = nil
		for i := range c.nodes {
			c.open(i)
			if n := executed(c, i); i == 1 && n+16 < before {
				t.Fatalf("round %d: node 1 had executed %d and starts from %d", round, before, n)
			}
		}
		c.runFor(2000, nil)
	}
	c.work(2, 3, 10)
	c.runFor(2000, nil)
	c.sameRoot()
	for round := range 6 {
		get, err := kv.Encode(kv.Range{Key: fmt.Appendf(nil, "round%d", round)})
		if err != nil {
			t.Fatal(err)
		}
		res, err := kv.DecodeResult(c.nodes[3].store.Apply(get))
		if err != nil || len(res.KVs) != 1 {
			t.Errorf("what was acknowledged in round %d is gone (%v)", round, err)
		}
	}
}

// TestStrayedStateIsRepaired: a node whose state is damaged behind its back finds out at the next
// checkpoint, says DIVERGED, votes no more, fetches what differs, and votes again.
func TestStrayedStateIsRepaired(t *testing.T) {
	for _, idle := range []bool{false, true} {
		t.Run(fmt.Sprintf("idle=%t", idle), func(t *testing.T) {
			c := newCluster(t, 4)
			c.runFor(1000, nil)
			c.work(0, 20, 100)
			n := c.nodes[2]
			op, err := kv.Encode(kv.Put{Key: []byte("w3"), Value: []byte("stray")})
			if err != nil {
				t.Fatal(err)
			}
			n.store.Apply(op)
			repaired := func() bool { return n.events[pbft.EventInstalled] > 0 }
			for k := 0; !repaired() && k < 30; k++ {
				c.work(0, 1, 10)
				if n.events[pbft.EventDiverged] > 0 && idle {
					break
				}
			}
			if n.events[pbft.EventDiverged] != 1 {
				t.Fatalf("it found out %d times", n.events[pbft.EventDiverged])
			}
			if !c.runFor(20_000, repaired) {
				t.Fatalf("it is not repaired: %+v %v", n.loop.Replica().State(), n.drops)
			}
			c.runFor(3000, nil)
			if s := n.loop.Replica().State(); s.Diverged || !s.Active {
				t.Fatalf("it votes no more: %+v", s)
			}
			c.work(0, 10, 10)
			c.runFor(2000, nil)
			c.sameRoot()
			c.crash(1)
			c.work(0, 2, 10) // its vote is needed
		})
	}
}

// TestTransferGoesOnAfterACrash: who is killed in the middle of a transfer has what it had
// verified.
func TestTransferGoesOnAfterACrash(t *testing.T) {
	c := newCluster(t, 4)
	shortMemory(c)
	c.work(0, 10, 10)
	c.crash(3)
	c.work(0, 80, 60_000) // several pieces
	parts, limit := 0, 6
	c.pass = func(_, to int, typ message.Type) bool {
		if to == 3 && typ == message.TypeStatePart {
			parts++
			return parts <= limit
		}
		return true
	}
	c.open(3)
	c.runFor(400, nil)
	_, got := c.nodes[3].loop.Fetching()
	if got == 0 {
		t.Fatalf("nothing was fetched: %+v, %d parts", c.nodes[3].loop.Replica().State(), parts)
	}
	c.nodes[3].down = true // killed: what was written and not synced is there still
	c.open(3)
	first := parts
	limit = 1 << 30
	if !c.runFor(60_000, c.caughtUp(3)) {
		t.Fatalf("node 3 executed %d of %d: %+v", executed(c, 3), executed(c, 0),
			c.nodes[3].loop.Replica().State())
	}
	if again := parts - first; again > 4*first {
		t.Errorf("%d pieces before the crash, %d after it", first, again)
	}
	names, err := c.nodes[3].disk.List("transfer-")
	if err != nil || len(names) > 0 {
		t.Errorf("left behind: %v %v", names, err)
	}
	c.sameRoot()
}

// TestDamagedSnapshotsAreRepairedFromPeers: damaged snapshots are not used; what they held comes
// from others.
func TestDamagedSnapshotsAreRepairedFromPeers(t *testing.T) {
	c := newCluster(t, 4)
	shortMemory(c)
	c.work(0, 60, 500)
	c.crash(2)
	names, err := c.nodes[2].disk.List("snapshot-")
	if err != nil || len(names) == 0 {
		t.Fatalf("%v %v", names, err)
	}
	for _, name := range names {
		flip(t, c.nodes[2].disk, name)
	}
	c.open(2)
	if len(c.nodes[2].loop.Damaged()) != len(names) {
		t.Errorf("%d of %d damaged snapshots were found", len(c.nodes[2].loop.Damaged()), len(names))
	}
	if !c.runFor(60_000, c.caughtUp(2)) {
		t.Fatalf("node 2 executed %d of %d: %+v", executed(c, 2), executed(c, 0),
			c.nodes[2].loop.Replica().State())
	}
	c.work(0, 3, 10)
	c.runFor(2000, nil)
	c.sameRoot()
}

func flip(t *testing.T, d disk.Disk, name string) {
	t.Helper()
	data, err := d.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	data = bytes.Clone(data)
	data[len(data)/2] ^= 4
	if err := d.WriteAtomic(name, data); err != nil {
		t.Fatal(err)
	}
}
