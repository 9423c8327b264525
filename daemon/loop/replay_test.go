package loop_test

import (
	"fmt"
	"testing"

	"byzd/crypto"
	"byzd/daemon/disk"
	"byzd/daemon/journal"
	"byzd/daemon/kv"
	"byzd/daemon/loop"
	"byzd/pbft"
	"byzd/pbft/message"
)

// life is what one node's journal holds after an eventful run.
func life(t *testing.T, c *cluster, node int) []journal.Record {
	t.Helper()
	var records []journal.Record
	err := c.nodes[node].journal.Replay(func(_ uint64, r journal.Record) error {
		records = append(records, r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return records
}

// eventful runs four nodes through load, a killed primary, a view change, a restart, checkpoints.
func eventful(t *testing.T) *cluster {
	t.Helper()
	c := newCluster(t, 4)
	c.runFor(1000, nil)
	tag := uint64(0)
	load := func(n int, via ...int) {
		for range n {
			tag++
			c.put(via[int(tag)%len(via)], tag, fmt.Sprintf("k%d", tag%7), fmt.Sprint(tag))
			c.runFor(20, nil)
		}
	}
	load(12, 0, 1, 2, 3)
	c.crash(0)
	load(3, 1, 2, 3)
	if !c.runFor(20_000, func() bool { return c.nodes[2].loop.Replica().Status().View > 0 }) {
		t.Fatal("the view did not change")
	}
	load(8, 1, 2, 3)
	c.open(0)
	c.runFor(2000, nil)
	load(4, 0, 1, 2, 3)
	c.runFor(3000, nil)
	c.sameRoot()
	return c
}

// prefix is a disk whose journal ends after n records.
func prefix(t *testing.T, cluster crypto.Digest, records []journal.Record, n int) *disk.Memory {
	t.Helper()
	d := disk.NewMemory()
	j, err := journal.Open(d, journal.Options{Owner: cluster})
	if err != nil {
		t.Fatal(err)
	}
	j.Append(records[:n]...)
	if err := j.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return d
}

// A crash may come at any record. Whatever the journal ends with, the node that starts from it has
// executed a beginning of what was agreed, knows everything that it recorded, and says nothing
// that contradicts a record.
// PROTOCOL §3: B25.
func TestReplayOfEveryPrefix(t *testing.T) {
	t.Parallel()
	c := eventful(t)
	for who := range c.nodes {
		records := life(t, c, who)
		if len(records) < 100 {
			t.Fatalf("node %d wrote only %d records", who, len(records))
		}
		roots := map[uint64]crypto.Digest{}
		var last pbft.Fold
		var before *message.Status
		for n := 0; n <= len(records); n++ {
			r := &restarted{t: t, c: c, who: who, n: n}
			r.open(prefix(t, c.cfg.Cluster, records, n))
			if n > 0 {
				rec, err := message.DecodeRecord(message.RecordType(records[n-1].Type),
					records[n-1].Version, records[n-1].Body)
				if err != nil {
					t.Fatal(err)
				}
				last.Add(rec)
			}
			st := r.loop.Replica().Status()
			r.remembers(st, last.Result())
			if before != nil && (st.Executed < before.Executed || st.Target < before.Target ||
				st.View < before.View || st.Stable < before.Stable || st.High.Less(before.High)) {
				t.Errorf("node %d, %d records: status went from %+v to %+v", who, n, before, st)
			}
			before = st
			if root, seen := roots[st.Executed]; seen && root != r.store.Root() {
				t.Errorf("node %d, %d records: another state after batch %d", who, n, st.Executed)
			}
			roots[st.Executed] = r.store.Root()
			r.live()
		}
		if before.Executed < 15 || before.View == 0 {
			t.Errorf("node %d ends at batch %d of view %d", who, before.Executed, before.View)
		}
		if who > 0 {
			continue
		}
		// All nodes agreed: the states of node 0 are those of the cluster.
		if root := roots[before.Executed]; root != c.nodes[1].store.Root() {
			t.Error("the whole journal gives another state than the cluster's")
		}
	}
}

// restarted is a node that starts from a prefix, alone in the world.
type restarted struct {
	t     *testing.T
	c     *cluster
	who   int
	n     int
	loop  *loop.Loop
	jrn   *journal.Journal
	store *kv.Store
	said  []message.Message
}

func (r *restarted) Send(_ int, _ message.Type, frame []byte) {
	_, m, err := message.Decode(frame)
	if err != nil {
		r.t.Errorf("node %d, %d records: it sends nonsense: %v", r.who, r.n, err)
		return
	}
	r.said = append(r.said, m)
}

func (r *restarted) open(d disk.Disk) {
	r.t.Helper()
	var err error
	if r.jrn, err = journal.Open(d, journal.Options{Owner: r.c.cfg.Cluster}); err != nil {
		r.t.Fatal(err)
	}
	r.store = kv.New()
	r.loop, err = loop.Open(loop.Config{
		Cluster: r.c.cfg, Self: r.who, Journal: r.jrn, Disk: d, Store: r.store, Links: r,
		Sealer:  message.Sealer{Config: r.c.cfg, Self: r.who, Signer: r.c.signers[r.who]},
		Applied: func(*loop.Applied) {},
		Watch: func(e pbft.Effect) {
			if h, is := e.(pbft.Halt); is {
				r.t.Errorf("node %d, %d records: halted: %s", r.who, r.n, h.Why)
			}
		},
	})
	if err != nil {
		r.t.Fatalf("node %d, %d records: %v", r.who, r.n, err)
	}
}

// remembers compares the replica with what the records add up to.
func (r *restarted) remembers(st *message.Status, want pbft.Restored) {
	r.t.Helper()
	if st.View != want.View || st.Target != max(want.View, want.Target) {
		r.t.Errorf("node %d, %d records: view %d of %d, recorded %d of %d",
			r.who, r.n, st.View, st.Target, want.View, want.Target)
	}
	if want.High != nil && st.High.Less(want.High.Rank()) {
		r.t.Errorf("node %d, %d records: it forgot certificate %v, and has %v",
			r.who, r.n, want.High.Rank(), st.High)
	}
	if want.Stable != nil && st.Stable < want.Stable.Seq {
		r.t.Errorf("node %d, %d records: it forgot checkpoint %d", r.who, r.n, want.Stable.Seq)
	}
}

// live lets the node run for a while without an answer: it is fenced (rule R14) and signs nothing.
func (r *restarted) live() {
	r.t.Helper()
	for now := r.c.now; now < r.c.now+3000; now += 100 {
		r.loop.Tick(now)
		r.loop.EndTurn()
		for !r.loop.Idle() {
			lsn := r.loop.Staged()
			if err := r.jrn.Flush(); err != nil {
				r.t.Fatal(err)
			}
			r.loop.Release(lsn)
			r.loop.Resume()
		}
	}
	for _, m := range r.said {
		switch m.(type) {
		case *message.Vote, *message.PrePrepare, *message.ViewChange, *message.NewView,
			*message.Checkpoint:
			r.t.Errorf("node %d, %d records: fenced, and it says a %v", r.who, r.n, m.Type())
		}
	}
}

// A node whose disk is a beginning of its journal meets the others again. What they hold signed by
// it tells it what it forgot (rule R14): then it recovers (rule R15). It always comes back and
// votes. In no case do two statements of one correct node contradict each other.
func TestRestoredDiskMeetsTheOthers(t *testing.T) {
	t.Parallel()
	c := eventful(t)
	records := life(t, c, 2)
	caught, recovered := 0, 0
	step := max(1, len(records)/40)
	for n := len(records); n > 0; n -= step {
		node := c.nodes[2]
		node.halted, node.drops, node.results = "", map[string]int{}, map[uint64]loop.Result{}
		node.events[pbft.EventForgot] = 0
		node.disk = prefix(t, c.cfg.Cluster, records, n)
		c.open(2)
		c.runFor(1500, nil)
		c.put(2, 1, "alive", fmt.Sprint(n))
		if !c.runFor(700_000, func() bool { // so long if it comes back too often in ten minutes
			return node.halted != "" || len(node.results) == 1 &&
				!node.loop.Replica().State().Recovering && node.store.Root() == c.nodes[1].store.Root()
		}) || node.halted != "" {
			t.Fatalf("%d records: not back: %+v", n, node.loop.Replica().State())
		}
		if node.events[pbft.EventForgot] > 0 {
			recovered++
		} else {
			caught++
			records = life(t, c, 2) // it said more since
		}
		for i, other := range c.nodes {
			if other.drops["accused"] > 0 {
				t.Fatalf("%d records: node %d accuses somebody", n, i)
			}
		}
	}
	t.Logf("%d of %d came back at once, %d recovered", caught, caught+recovered, recovered)
	if caught == 0 || recovered == 0 {
		t.Errorf("%d came back, %d recovered: one of the two was never seen", caught, recovered)
	}
}
