package judge

import (
	"fmt"
	"slices"
	"testing"

	"byzd/daemon/journal"
	"byzd/pbft/message"
	"byzd/pbft/pbfttest"
)

// change has the members changed through a node, and waits until all of them are in the next epoch.
func (c *cluster) change(via int, members ...int) *message.Config {
	c.t.Helper()
	before := c.config(via)
	rc := pbfttest.Reconfiguration(before, members, message.Header{})
	c.submit(via, message.Item{Reconfig: rc})
	c.runFor(60_000, func() bool {
		for _, i := range members {
			if !c.nodes[i].down && c.config(i).Epoch != before.Epoch+1 {
				return false
			}
		}
		return true
	})
	return c.config(members[0])
}

// in is the cluster as its members of an epoch see it: for what is signed by hand.
func (c *cluster) in(cfg *message.Config) *cluster {
	later := &cluster{t: c.t, cfg: cfg, now: c.now}
	for _, m := range cfg.Members {
		i := slices.IndexFunc(c.nodes, func(n *node) bool { return n.id == m.Node })
		later.signers = append(later.signers, c.signers[i])
	}
	return later
}

// moved is a town that went from four members to seven and to four others, with a client whose
// session was made through a member that left.
func moved(t *testing.T) (*cluster, *logs) {
	t.Helper()
	c := newTown(t, 4, 3, ed25519)
	c.runFor(1000, nil)
	left, stays := c.register(2, 1), c.register(1, 2)
	write := func(via int) {
		for _, k := range []*client{left, stays} {
			req := c.request(k, k.seq, "signed", fmt.Sprint(k.seq))
			tag := c.submit(via, message.Item{Signed: req})
			c.runFor(60_000, func() bool { return c.nodes[via].done[tag] })
		}
	}
	for range 5 {
		write(1)
		c.put(0, "a", "0")
	}
	c.change(1, 0, 1, 2, 3, 4, 5, 6)
	for i := range 7 {
		write(3)
		c.put(i, "a", fmt.Sprint(i))
	}
	c.change(5, 6, 5, 3, 1)
	for range 10 {
		for _, i := range []int{1, 3, 5, 6} {
			write(i)
			c.put(i, "b", fmt.Sprint(i))
		}
	}
	c.runFor(2000, nil)
	return c, c.logs()
}

// A network whose members changed twice is judged through all its epochs: everything is executed
// again by the judge's own ledger, members that left and came among them.
func TestEpochsAreOneHistory(t *testing.T) {
	c, l := moved(t)
	v := l.judge()
	wantStates(t, v, Held, Held, Held, Held)
	wantCulprits(t, v)
	if v.Epoch != 2 || v.From != 0 || v.Logs != 7 {
		t.Errorf("epoch %d, from %d, %d logs", v.Epoch, v.From, v.Logs)
	}
	if top := c.nodes[6].loop.Replica().State().Executed; v.Sequence != top {
		t.Errorf("judged up to %d of %d", v.Sequence, top)
	}
	if v.Operations < 150 || v.Roots < 40 {
		t.Errorf("%d operations, %d roots", v.Operations, v.Roots)
	}
	// Whose journal it is shows in what its node said, by whichever number.
	h := NewHistory(c.cfg)
	for _, i := range []int{5, 1, 6} {
		h.Fill(h.Add(-1, false), source(l.records[i]))
	}
	h.settle()
	for k, want := range []string{"r5", "r1", "r6"} {
		if got := h.who(h.Logs[k]); got != want {
			t.Errorf("the log of %s is called that of %s", want, got)
		}
	}
}

// A state that is wrong in a later epoch is wrong, and so is one that is executed without what the
// change of the members does to the sessions.
func TestWrongRootOfALaterEpochIsBroken(t *testing.T) {
	c, l := moved(t)
	base := c.config(6).Base.Seq
	l.edit(t, 5, message.RecordCheckpoint, func(r *message.Record) *message.Record {
		if r.Checkpoint.Seq > base {
			r.Checkpoint.Root[0] ^= 1
		}
		return r
	})
	v := l.judge()
	wantStates(t, v, Broken, Held, Held, Held)
	wantFinding(t, v, Agreement, "node 5 came to root", "executing the same batches gives")
}

// The end of an epoch that nothing proves is not passed: what is behind it is unknown, not held.
func TestEpochWithoutItsProofIsUnknown(t *testing.T) {
	_, l := moved(t)
	for i := range l.records {
		l.records[i] = slices.DeleteFunc(l.records[i], func(r journal.Record) bool {
			rec, err := message.DecodeRecord(message.RecordType(r.Type), r.Version, r.Body)
			return err == nil && rec.Type == message.RecordEpoch && rec.Epoch == 1
		})
	}
	v := l.judge()
	if v.Agreement != Unknown || v.Integrity != Unknown || v.ExitCode() != ExitNoProgress {
		t.Errorf("agreement %s, integrity %s", v.Agreement, v.Integrity)
	}
	wantFinding(t, v, Agreement, "records of epoch 2", "leads there")
}

// P8 in a later epoch: two of four collude there, by numbers that are not those of the first epoch,
// and split the two others. Agreement is broken at that place, exactly the two are named, and the
// proofs hold for whoever has the genesis alone.
func TestForkInALaterEpochNamesItsMembers(t *testing.T) {
	c, l := moved(t)
	cfg := c.config(6) // members 6, 5, 3, 1
	later := c.in(cfg)
	l.traitors = []int{3, 6} // its members 2 and 0
	top := l.topOf(t, 1)
	a, _ := later.batch(top, 0, later.bundle(1, 900, "x", "left"))
	b, _ := later.batch(top, 0, later.bundle(1, 901, "x", "right"))
	left := l.decide(later, []int{5}, a, 0, 0, 1, 2)
	right := l.decide(later, []int{1}, b, 0, 0, 2, 3)
	h := l.history()
	v := Judge(h, nil)
	if v.Agreement != Broken || v.ExitCode() != ExitBroken {
		t.Fatalf("agreement is %s:\n%s", v.Agreement, texts(v))
	}
	wantFinding(t, v, Agreement, fmt.Sprintf("sequence number %d", top.Seq+1),
		left.Digest.Short(), right.Digest.Short(), "signed by both sides: node 6, node 3")
	wantCulprits(t, v, 3, 6)
	if len(v.Forks) != 1 || v.Forks[0].Epoch != 2 || v.Forks[0].Unproven != "" ||
		fmt.Sprint(v.Forks[0].Guilty) != "[6 3]" {
		t.Errorf("forks are %+v", v.Forks)
	}
	dir := t.TempDir()
	if err := h.WriteProofs(v, dir); err != nil || len(v.Evidence) < 2 {
		t.Fatalf("%v, %d proofs", err, len(v.Evidence))
	}
	for _, file := range v.Evidence {
		p, err := ReadProof(c.cfg, nil, file.File)
		if err != nil || p.In.Epoch != 2 || h.meet(&p.In.Members[p.Culprit]) != file.Culprit.Number {
			t.Errorf("%s: %v", file.File, err)
		}
	}
	// What convicts in one epoch is nothing in another.
	if _, err := message.DecodeProof(c.cfg, message.EncodeProof(c.cfg, v.Proofs[0].Evidence)); err == nil {
		t.Error("a proof of epoch 2 holds in epoch 0")
	}
}

// topOf is the last batch that a node executed.
func (l *logs) topOf(t *testing.T, node int) message.Ref {
	t.Helper()
	h := l.history()
	h.chains(&Verdict{Result: Result{Agreement: Held}})
	return h.Logs[node].chain.tip()
}

// A fork below the end of an epoch: the two sides go on in epochs of their own, and who broke the
// one before is told from what was signed in it.
func TestForkIsTracedInTheEpochThatItBeganIn(t *testing.T) {
	c := newTown(t, 4, 1, ed25519)
	c.runFor(1000, nil)
	c.some(4)
	top := c.logs().topOf(t, 1)
	c.crash(2) // it does not go along
	c.change(1, 0, 1, 2, 3, 4)
	for _, i := range []int{0, 1, 3, 4} {
		c.put(i, "c", "on")
	}
	l := c.logs(0, 3)
	b, _ := c.batch(top, 0, c.bundle(2, 901, "x", "other"))
	l.decide(c, []int{2}, b, 0, 0, 2, 3)
	v := l.judge()
	if v.Agreement != Broken || len(v.Forks) != 1 || v.Forks[0].Epoch != 0 ||
		v.Forks[0].Sequence != top.Seq+1 {
		t.Fatalf("agreement %s, forks %+v:\n%s", v.Agreement, v.Forks, texts(v))
	}
	for _, p := range v.Proofs {
		if p.Culprit != 0 && p.Culprit != 3 {
			t.Errorf("a correct node: %s", Describe(fmt.Sprint(p.Culprit), p.Evidence))
		}
	}
	if v.Forks[0].Unproven != "" || len(v.Culprits) < 2 {
		t.Errorf("%+v, culprits %v", v.Forks[0], v.Culprits)
	}
}

// E9 over an epoch's end: a place that a gateway filled in one epoch is filled in the next as well.
func TestGatewayThatFillsAPlaceAgainInALaterEpoch(t *testing.T) {
	c, _ := moved(t)
	h := NewHistory(c.cfg)
	for _, end := range c.nodes[6].loop.Ends() {
		h.HearIn(end.Manifest.Header.Epoch, end)
	}
	later := c.in(c.config(6))
	h.Hear(&message.Submission{Bundle: c.bundle(3, 77, "x", "one")})
	h.HearIn(2, &message.Submission{Bundle: later.bundle(2, 77, "x", "two")})
	proofs := h.accuse()
	if len(proofs) != 1 || proofs[0].Kind != message.EvidenceRequests || proofs[0].Culprit != 3 ||
		proofs[0].Evidence.Verify(later.cfg) != nil {
		t.Fatalf("proofs are %+v", proofs)
	}
	same := NewHistory(c.cfg)
	for _, end := range c.nodes[6].loop.Ends() {
		same.HearIn(end.Manifest.Header.Epoch, end)
	}
	same.Hear(&message.Submission{Bundle: c.bundle(3, 77, "x", "one")})
	same.HearIn(2, &message.Submission{Bundle: later.bundle(2, 77, "x", "one")}) // signed anew
	if proofs := same.accuse(); len(proofs) != 0 {
		t.Errorf("what was signed anew for the next epoch convicts: %+v", proofs)
	}
}
