package loop_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"byzd/daemon/disk"
	"byzd/daemon/journal"
	"byzd/daemon/kv"
	"byzd/daemon/loop"
	"byzd/pbft/message"
)

// shortTown is a town whose nodes save every stable checkpoint and keep next to nothing else.
func shortTown(t *testing.T, members, others int) *town {
	t.Helper()
	w := newTown(t, members, others)
	w.keep = loop.Retention{SnapshotEvery: 1, Batches: 4, Bytes: 1}
	w.segment = 16 << 10
	for i := range w.nodes {
		w.crash(i)
		w.open(i)
	}
	w.runFor(1000, nil)
	return w
}

// work has batches ordered, one put each.
func (w *town) work(via, batches int) {
	w.t.Helper()
	n := w.nodes[via]
	want := n.loop.Replica().Status().Executed + uint64(batches)
	for k := 0; n.loop.Replica().Status().Executed < want; k++ {
		if k > 1000+8*batches {
			w.t.Fatalf("node %d executed %d of %d: %+v", via, n.loop.Replica().Status().Executed,
				want, n.loop.Replica().State())
		}
		w.put(via)
		w.runFor(10, nil)
	}
}

// next makes other members of nodes, under load.
func (w *town) next(via int, members ...int) {
	w.t.Helper()
	epoch := w.nodes[via].loop.Cluster().Epoch + 1
	w.change(via, members...)
	for k := 0; !w.in(epoch, members...)(); k++ {
		if k > 500 {
			_, _, ready := w.nodes[via].loop.Pending()
			for _, i := range members {
				w.t.Logf("node %d: %v %+v", i, w.nodes[i].drops, w.nodes[i].loop.Replica().State())
			}
			w.t.Fatalf("epoch %d does not begin, ready are %v", epoch, ready)
		}
		w.put(via)
		w.runFor(20, nil)
	}
	w.work(members[0], 40)
}

// gone fails the test unless the batches of an epoch are cut from a node's journal.
func (w *town) gone(i int, epoch uint64) {
	w.t.Helper()
	last := w.nodes[i].loop.Config(epoch + 1).Base.Seq
	lowest := ^uint64(0)
	for _, b := range w.batches(i) {
		lowest = min(lowest, b)
	}
	if lowest <= last {
		w.t.Fatalf("node %d still has batch %d; epoch %d ended after %d", i, lowest, epoch, last)
	}
}

// batches lists the sequence numbers of the batches in a node's journal.
func (w *town) batches(i int) []uint64 {
	w.t.Helper()
	var list []uint64
	err := eachRecord(w.nodes[i].journal, func(rec *message.Record) {
		if rec.Type == message.RecordBatch {
			list = append(list, rec.Batch.Header.Seq)
		}
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

// needed stops a node and sees whether the others can go on: another one must take part for that.
func (w *town) needed(i, stopped int, members ...int) {
	w.t.Helper()
	w.runFor(3000, nil)
	w.crash(stopped)
	w.work(i, 3)
	w.settled(without(members, stopped)...)
}

// Issue point "laggard": a node that was down while the members changed once, or twice, and finds
// the batches of its own epoch cut from every journal, comes back by itself: it follows the proofs
// from the epoch that it trusts, fetches a certified state (R13, B38), and votes (PROTOCOL §4.9).
func TestLeapOverEpochs(t *testing.T) {
	for epochs := 1; epochs <= 2; epochs++ {
		t.Run(fmt.Sprint(epochs), func(t *testing.T) {
			w := shortTown(t, 4, 1)
			w.work(0, 20)
			w.crash(3)
			w.next(0, 0, 1, 2, 3, 4)
			members := []int{0, 1, 2, 3, 4}
			if epochs == 2 {
				w.next(0, 0, 1, 2, 3)
				members = []int{0, 1, 2, 3}
			}
			for i := range 3 {
				w.gone(i, 0)
			}
			w.open(3)
			w.put(0)
			n := w.nodes[3]
			if !w.runFor(60_000, w.in(uint64(epochs), 3)) {
				t.Fatalf("node 3 stays in epoch %d: %+v %v", n.loop.Cluster().Epoch,
					n.loop.Replica().State(), n.drops)
			}
			w.settled(members...)
			if n.drops["state-installed"] != 1 || len(n.began) != 1 {
				t.Errorf("it went through epochs %v: %v", n.began, n.drops)
			}
			if n.drops["forgot"] > 0 {
				t.Errorf("it thinks that it has forgotten something")
			}
			w.needed(3, 0, members...)
			w.crash(3)
			w.open(3) // the journal leads there
			if e := n.loop.Cluster().Epoch; e != uint64(epochs) {
				t.Errorf("after a restart it is in epoch %d", e)
			}
			w.work(3, 3)
		})
	}
}

// A newcomer to a cluster that is past its first epoch, has cut its journals, and has none of the
// members of the genesis any more: it follows the proofs of its invitation before anything is
// executed, comes in by state transfer, and is a member.
func TestNewcomerToALaterEpoch(t *testing.T) {
	w := shortTown(t, 4, 5)
	const newcomer = 8
	w.crash(newcomer)
	w.work(0, 10)
	w.next(0, 4, 5, 6, 7)
	for i := range 4 {
		w.crash(i)
	}
	w.work(4, 30)
	w.gone(4, 0)
	n := w.nodes[newcomer]
	n.ends = w.nodes[4].loop.Ends()
	w.open(newcomer)
	if !w.runFor(60_000, w.in(1, newcomer)) {
		t.Fatalf("the newcomer stays in epoch %d: %+v %v", n.loop.Cluster().Epoch,
			n.loop.Replica().State(), n.drops)
	}
	w.next(4, 4, 5, 6, 7, newcomer)
	w.settled(4, 5, 6, 7, newcomer)
	w.needed(newcomer, 5, 4, 5, 6, 7, newcomer)
	if _, done := n.loop.Retired(); done {
		t.Error("the newcomer thinks that it may go")
	}
}

// A newcomer whose invitation leads to members that have cut nothing yet executes from the genesis
// on, although none of the members of the genesis is left.
func TestNewcomerWithBatches(t *testing.T) {
	w := newTown(t, 4, 5)
	const newcomer = 8
	w.crash(newcomer)
	w.work(0, 10)
	w.next(0, 4, 5, 6, 7)
	for i := range 4 {
		w.crash(i)
	}
	n := w.nodes[newcomer]
	n.ends = w.nodes[4].loop.Ends()
	w.open(newcomer)
	if !w.runFor(60_000, w.in(1, newcomer)) {
		t.Fatalf("the newcomer stays in epoch %d: %+v %v", n.loop.Cluster().Epoch,
			n.loop.Replica().State(), n.drops)
	}
	if n.drops["state-installed"] > 0 {
		t.Error("it did not execute from the genesis on")
	}
	w.next(4, 4, 5, 6, 7, newcomer)
	w.settled(4, 5, 6, 7, newcomer)
}

// Proofs that do not hold are refused before anything else is done.
func TestInvitationThatProvesNothing(t *testing.T) {
	w := shortTown(t, 4, 1)
	w.next(0, 0, 1, 2, 4)
	end := *w.nodes[0].loop.Ends()[0]
	end.Next = bytes.Clone(end.Next)
	end.Next[len(end.Next)-1] ^= 1
	d := disk.NewMemory()
	j, err := journal.Open(d, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = loop.Open(loop.Config{
		Cluster: w.genesis, Self: 3, Journal: j, Disk: d, Store: kv.New(),
		Sealer: message.Sealer{Config: w.genesis, Self: 3}, Ends: []*message.EpochProof{&end},
	})
	if !errors.Is(err, message.ErrEpochProof) {
		t.Errorf("%v", err)
	}
}

// B38, B39 and R13: members of the newest epoch that lie, about the ends of epochs, about which
// state there is, and in the pieces of it, cost time and nothing else.
func TestLeapAmongLiars(t *testing.T) {
	w := shortTown(t, 4, 3)
	w.work(0, 20)
	w.crash(3)
	w.next(0, 0, 1, 2, 3, 4, 5, 6) // f = 2: nodes 1 and 4 lie from here on
	lies := map[string]int{}
	w.twist = func(from, to int, _ uint64, m message.Message) message.Message {
		if to != 3 || from != 1 && from != 4 {
			return m
		}
		lies[m.Type().String()]++
		switch m := m.(type) {
		case *message.EpochProof:
			lie := *m
			lie.Next = bytes.Clone(m.Next)
			lie.Next[len(lie.Next)/2] ^= 1
			return &lie
		case *message.Offer:
			lie := *m
			lie.Snapshot = w.claim(from, lies["offer"])
			if lie.Snapshot == nil {
				return nil
			}
			return &lie
		case *message.StatePart:
			lie := *m
			lie.Data = bytes.Clone(m.Data)
			if len(lie.Data) > 0 {
				lie.Data[len(lie.Data)/2] ^= 1
			}
			return &lie
		default:
			return m
		}
	}
	w.gone(0, 0)
	w.open(3)
	n := w.nodes[3]
	for k := 0; !w.in(1, 3)(); k++ {
		if k > 600 {
			t.Fatalf("node 3 stays in epoch %d: %+v %v %v", n.loop.Cluster().Epoch,
				n.loop.Replica().State(), n.drops, lies)
		}
		w.put(0) // what is offered is gone soon
		w.runFor(100, nil)
	}
	w.settled(0, 1, 2, 3, 4, 5, 6)
	for _, what := range []string{"epoch", "offer", "state-part"} {
		if lies[what] == 0 {
			t.Errorf("nobody lied about %s: %v", what, lies)
		}
	}
	if n.drops["ahead_not_proved"] == 0 || n.drops["state_part_not_certified"] == 0 {
		t.Errorf("unnoticed: %v", n.drops)
	}
}

// claim is what a liar offers: every other time a checkpoint that nobody has signed, else one that
// holds, whose state it does not have.
func (w *town) claim(liar, k int) *message.CheckpointCertificate {
	c := *w.nodes[liar].loop.Replica().Stable()
	if k%2 == 1 {
		c.Root[0] ^= 1
	}
	return &c
}

// mortal is a disk on which the machine dies at the k-th call that changes something.
type mortal struct {
	disk.Disk

	left  int // calls; below zero it lives for ever
	calls int
}

var errDead = errors.New("the machine is dead")

func (m *mortal) dead() bool { return m.left == 0 }

func (m *mortal) call() error {
	m.calls++
	if m.left > 0 {
		m.left--
	}
	if m.left == 0 {
		return errDead
	}
	return nil
}

func (m *mortal) Create(name string) (disk.File, error) {
	if err := m.call(); err != nil {
		return nil, err
	}
	f, err := m.Disk.Create(name)
	return mortalFile{f, m}, err
}

func (m *mortal) Append(name string) (disk.File, error) {
	if err := m.call(); err != nil {
		return nil, err
	}
	f, err := m.Disk.Append(name)
	return mortalFile{f, m}, err
}

func (m *mortal) WriteAtomic(name string, data []byte) error {
	if err := m.call(); err != nil {
		return err
	}
	return m.Disk.WriteAtomic(name, data)
}

func (m *mortal) Truncate(name string, size int64) error {
	if err := m.call(); err != nil {
		return err
	}
	return m.Disk.Truncate(name, size)
}

func (m *mortal) Remove(name string) error {
	if err := m.call(); err != nil {
		return err
	}
	return m.Disk.Remove(name)
}

func (m *mortal) SyncDir() error {
	if err := m.call(); err != nil {
		return err
	}
	return m.Disk.SyncDir()
}

type mortalFile struct {
	disk.File

	m *mortal
}

func (f mortalFile) Write(p []byte) (int, error) {
	if err := f.m.call(); err != nil {
		return 0, err
	}
	return f.File.Write(p)
}

func (f mortalFile) Sync() error {
	if err := f.m.call(); err != nil {
		return err
	}
	return f.File.Sync()
}

// P4, B29 and §4.9 "install atomically": a machine that dies at any call to its disk while it
// leaps, and keeps any part of what was not synced, comes back in its old epoch or in the new one,
// never in a mix, and comes to the same state as all others.
func TestCrashesWhileLeaping(t *testing.T) {
	w := shortTown(t, 4, 1)
	w.work(0, 20)
	w.crash(3)
	n := w.nodes[3]
	before := n.disk.Clone()
	w.next(0, 0, 1, 2, 3, 4)
	w.next(0, 0, 1, 2, 3)
	w.gone(0, 1)
	lost := []int64{0, 300, 700, 1100, 1500, 1900, 2300, 1 << 30} // of what was not synced
	if testing.Short() {
		lost = []int64{0, 1100, 1 << 30}
	}
	behind, starts := 0, map[uint64]int{}
	done := false
	for k := 1; !done; k++ {
		for _, part := range lost {
			n.disk = before.Clone()
			n.mortal = &mortal{Disk: n.disk, left: -1}
			w.open(3)
			n.mortal.left = k
			arrived := w.in(2, 3)
			w.runFor(30_000, func() bool { return n.mortal.dead() || arrived() })
			if !n.mortal.dead() {
				done = true
				break
			}
			n.disk.CrashTorn(max(0, n.disk.UnsyncedBytes()-part))
			n.mortal = nil
			w.open(3)
			starts[n.loop.Cluster().Epoch]++
			if n.loop.Newest().Epoch == 1 {
				behind++ // with the first proof, and neither the second nor the state
			}
			if !w.runFor(60_000, arrived) {
				t.Fatalf("call %d, part %d: it stays in epoch %d: %+v %v", k, part,
					n.loop.Cluster().Epoch, n.loop.Replica().State(), n.drops)
			}
			w.settled(0, 1, 2, 3)
			w.crash(3)
		}
		if k > 200 {
			t.Fatal("it never arrives")
		}
	}
	if starts[0] == 0 || starts[1] > 0 || starts[2] == 0 || behind == 0 && !testing.Short() {
		t.Errorf("it started in epochs %v, %d times behind its journal", starts, behind)
	}
	n.mortal = nil
	w.crash(3)
	w.open(3)
	w.settled(0, 1, 2, 3)
	if !w.runFor(60_000, func() bool { return !n.loop.Replica().State().Recovering }) {
		t.Fatalf("it does not recover: %+v", n.loop.Replica().State())
	}
	w.needed(3, 0, 0, 1, 2, 3)
}

// R14: a node whose journal does not sync goes on in the next epoch, and saves no state of it while
// a crash would take away that the epoch has begun: it would push out the last one that counts.
func TestSnapshotsWaitForTheirEpoch(t *testing.T) {
	w := shortTown(t, 4, 1)
	w.work(0, 30)
	n := w.nodes[2]
	n.noSync = true
	had := n.loop.Replica().Stable().Seq
	w.next(0, 0, 1, 3, 4, 2)
	if e := n.loop.Cluster().Epoch; e != 1 {
		t.Fatalf("it did not follow: epoch %d", e)
	}
	w.crash(2)
	w.open(2)
	if now := n.loop.Replica().Status().Executed; now < had || n.loop.Cluster().Epoch != 0 {
		t.Errorf("it had a stable checkpoint at %d, and starts from %d in epoch %d: %v",
			had, now, n.loop.Cluster().Epoch, n.loop.Damaged())
	}
	w.put(0)
	w.settled(0, 1, 2, 3, 4)
}

// What a leap that was not finished leaves counts for nothing, also for who knows the proofs from
// its invitation: the journal must lead there by itself.
func TestUnfinishedLeapWithAnInvitation(t *testing.T) {
	w := shortTown(t, 4, 1)
	w.work(0, 20)
	w.crash(3)
	w.next(0, 0, 1, 2, 3, 4)
	n := w.nodes[3]
	n.ends = w.nodes[0].loop.Ends()
	before := n.disk.Clone()
	for k, met := 1, false; !met; k++ {
		n.disk = before.Clone()
		n.mortal = &mortal{Disk: n.disk, left: -1}
		w.open(3)
		n.mortal.left = k
		w.runFor(30_000, func() bool { return n.mortal.dead() || w.in(1, 3)() })
		if !n.mortal.dead() {
			t.Fatal("no crash leaves the state and not the proofs")
		}
		w.crash(3)
		n.mortal = nil
		w.open(3)
		met = len(n.loop.Damaged()) > 0
		if met && n.loop.Cluster().Epoch != 0 {
			t.Errorf("it starts in epoch %d", n.loop.Cluster().Epoch)
		}
		if !met {
			w.crash(3)
		}
	}
	if !w.runFor(60_000, w.in(1, 3)) {
		t.Fatalf("it stays behind: %+v %v", n.loop.Replica().State(), n.drops)
	}
	w.crash(3)
	n.ends = nil
	w.open(3)
	if e := n.loop.Cluster().Epoch; e != 1 {
		t.Errorf("without the invitation it starts in epoch %d", e)
	}
}

// A node that has lost every snapshot, and whose journal begins in a later epoch, is no less than a
// newcomer: it learns what happened, and then goes on with what its journal says that it promised.
func TestDamagedSnapshotsAfterAnEpoch(t *testing.T) {
	w := shortTown(t, 4, 1)
	w.next(0, 0, 1, 2, 3, 4)
	n := w.nodes[3]
	w.crash(3)
	names, err := n.disk.List("snapshot-")
	if err != nil || len(names) == 0 {
		t.Fatalf("%v %v", names, err)
	}
	for _, name := range names {
		flip(t, n.disk, name)
	}
	w.open(3)
	if n.loop.Self() >= 0 || n.loop.Cluster().Epoch != 0 || n.loop.Newest().Epoch != 1 {
		t.Fatalf("it starts as member %d of epoch %d", n.loop.Self(), n.loop.Cluster().Epoch)
	}
	w.work(0, 10)
	if !w.runFor(60_000, w.in(1, 3)) {
		t.Fatalf("it stays behind: %+v %v", n.loop.Replica().State(), n.drops)
	}
	w.settled(0, 1, 2, 3, 4)
	if n.drops["forgot"] > 0 {
		t.Error("its journal knew what it had said, and it did not")
	}
	w.needed(3, 0, 0, 1, 2, 3, 4)
}

// eachRecord reads a journal.
func eachRecord(j *journal.Journal, do func(rec *message.Record)) error {
	return j.Replay(func(_ uint64, raw journal.Record) error {
		rec, err := message.DecodeRecord(message.RecordType(raw.Type), raw.Version, raw.Body)
		if err == nil {
			do(rec)
		}
		return err
	})
}
