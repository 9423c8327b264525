package pbft_test

import (
	"fmt"
	"testing"

	"byzd/crypto"
	"byzd/pbft/message"
	"byzd/pbft/pbfttest"
)

// Bugs of other systems that lie in the view change (PROTOCOL §3.1). BUGS.md has the whole list.

// B5, B17: what a quorum committed and garbage-collected is in the next view's base, though those who
// were not there know nothing of it.
func TestViewChangeKeepsWhatWasCollected(t *testing.T) {
	b := newBenchOf(t, 7)
	lacks := func(i int) bool { return i == 2 || i == 3 }
	b.Pass = func(e pbfttest.Envelope) bool { return !lacks(e.To) && !lacks(e.From) }
	for k := range 8 {
		b.Submit(1, fmt.Sprint(k))
		b.Run()
	}
	b.want(int(b.Nodes[1].Replica.Status().Stable), 8, "stable checkpoint")
	b.Crash(0)
	b.Crash(6)
	b.Pass = func(e pbfttest.Envelope) bool { // nobody is told of it but by VIEW-CHANGEs
		_, status := e.Msg.(*message.Status)
		_, proof := e.Msg.(*message.Proof)
		return !status && !proof
	}
	b.Submit(1, "more")
	b.RunFor(3000)
	if high := b.Nodes[4].Replica.State().High; high.Seq < 8 {
		t.Errorf("what was collected is forgotten: the highest certificate is %v", high)
	}
	b.Pass = nil
	b.RunFor(20_000)
	b.want(len(b.Violations), 0, "violations")
	sameOrder(t, b.Network, 9)
}

// B8: a VIEW-CHANGE with a certificate that does not verify disqualifies itself, and no other.
func TestInvalidViewChangeStandsAlone(t *testing.T) {
	b := newBench(t)
	b.Traitors[3] = true
	b.hold()
	bad := b.change(3, 1)
	bad.High = forged(bad.High)
	bad.Stmt.High = bad.High.Ref()
	b.Nodes[3].Sealer.Seal(bad)
	b.hand(3, 1, bad)
	b.want(int(b.target(1)), 0, "target with the bad VIEW-CHANGE")
	b.hand(0, 1, b.change(0, 1))
	b.want(int(b.target(1)), 0, "target with the bad one and a good one")
	b.hand(2, 1, b.change(2, 1))
	b.hand(3, 1, bad)
	var made []*message.NewView
	for _, m := range b.sent[1] {
		if v, is := m.(*message.NewView); is {
			made = append(made, v)
		}
	}
	if len(made) != 1 {
		t.Fatalf("%d NEW-VIEWs, want 1", len(made))
	}
	for _, s := range made[0].Stmts {
		if s.Voter == 3 {
			t.Error("the NEW-VIEW has the bad VIEW-CHANGE")
		}
	}
}

// B9, B10: only f replicas know the newest stable checkpoint when the view changes. The others need
// not have heard of it: who claims it brings its certificate along.
func TestViewChangeWithACheckpointThatFewHold(t *testing.T) {
	b := newBench(t)
	b.Pass = func(e pbfttest.Envelope) bool {
		switch e.Msg.(type) {
		case *message.Checkpoint:
			return e.To == 3
		case *message.Proof, *message.Status: // nor from one another
			return false
		}
		return true
	}
	for k := range 8 {
		b.Submit(1, fmt.Sprint(k))
		b.Run()
	}
	b.want(int(b.Nodes[3].Replica.Status().Stable), 8, "stable checkpoint at replica 3")
	b.want(int(b.Nodes[1].Replica.Status().Stable), 0, "stable checkpoint at replica 1")
	b.Crash(0)
	b.Submit(1, "more")
	if !b.RunUntil(20_000, func() bool { return len(b.Nodes[2].Applied) == 9 }) {
		t.Fatal("no view begins")
	}
	b.want(int(b.Nodes[1].Replica.State().View), 1, "view")
	b.want(int(b.Nodes[1].Replica.Status().Stable), 8, "stable checkpoint at replica 1")
}

// B14, B31: in whatever order the votes of a batch, the wish of others for another view, and the end of
// the sync meet, the VIEW-CHANGE shows what its author COMMITted, and no COMMIT follows it.
func TestViewChangeShowsOwnCommit(t *testing.T) {
	committed := 0
	for order := range 24 {
		for _, late := range []bool{false, true} {
			b := newBench(t)
			b.hold()
			bundle := b.Bundle(0, "a")
			m := b.proposal(0, 1, b.Config.Base, bundle)
			b.told(1, m, bundle)
			inputs := []func(){
				func() { b.hand(2, 1, b.vote(crypto.KindPrepare, 2, 0, refOf(m))) },
				func() { b.hand(3, 1, b.vote(crypto.KindPrepare, 3, 0, refOf(m))) },
				func() { b.hand(2, 1, b.change(2, 2)) },
				func() { b.hand(3, 1, b.change(3, 2)) },
			}
			b.Nodes[1].NoSync = late
			for k, rest := len(inputs), order; k > 0; k-- {
				pick := rest % k
				rest /= k
				inputs[pick]()
				inputs = append(inputs[:pick], inputs[pick+1:]...)
			}
			b.Nodes[1].NoSync = false
			b.Sync(1)
			b.settle()
			committed += b.showsCommits(1, fmt.Sprintf("order %d, late sync %v", order, late))
		}
	}
	if committed == 0 {
		t.Error("there was no COMMIT to hide in any order")
	}
}

// showsCommits counts the COMMITs of a replica in a view that it left, each of which its VIEW-CHANGE
// must show.
func (b *bench) showsCommits(i int, when string) (commits int) {
	b.t.Helper()
	left := false
	var last message.Rank
	for _, m := range b.sent[i] {
		switch m := m.(type) {
		case *message.Vote:
			if m.Kind != crypto.KindCommit || m.Voter != i {
				continue
			}
			commits++
			last = message.Rank{View: m.View, Seq: m.Seq}
			if left {
				b.t.Errorf("%s: a COMMIT follows the VIEW-CHANGE", when)
			}
		case *message.ViewChange:
			left = true
			if m.Stmt.HighRank().Less(last) {
				b.t.Errorf("%s: the VIEW-CHANGE shows %v, COMMITted was %v", when, m.Stmt.HighRank(), last)
			}
		}
	}
	if !left {
		b.t.Errorf("%s: no VIEW-CHANGE", when)
	}
	return commits
}

// B19: what is in flight when the view changes comes by catching up, and again in the new view. It is
// executed once.
func TestCatchingUpDuringAViewChange(t *testing.T) {
	b := newBench(t)
	told := false // replica 3 hears of what is decided, and of the new view
	b.Pass = func(e pbfttest.Envelope) bool {
		if e.To != 3 || e.From == 3 {
			return true
		}
		switch m := e.Msg.(type) {
		case *message.Vote:
			return m.Kind != crypto.KindCommit || told
		case *message.Decided, *message.Status, *message.Proof, *message.NewView:
			return told
		}
		return true
	}
	b.Submit(1, "a")
	b.Run()
	b.Crash(0)
	b.Submit(1, "b")
	if !b.RunUntil(20_000, func() bool { return b.target(3) >= 1 }) {
		t.Fatal("no view change")
	}
	b.want(len(b.Nodes[3].Log), 0, "batches executed by replica 3")
	h := b.Nodes[1].Log[0].Header
	ref := message.Ref{Seq: h.Seq, Digest: h.Digest()}
	b.hand(1, 3, &message.Proof{Commit: b.certificate(ref)})
	b.want(len(b.Nodes[3].Log), 1, "batches executed by replica 3 when it has caught up")
	b.want(int(b.Nodes[3].Replica.State().View), 0, "view of replica 3")
	told = true
	b.RunFor(20_000)
	b.want(len(b.Violations), 0, "violations")
	sameOrder(t, b.Network, 2)
}
