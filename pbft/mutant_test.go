package pbft_test

import (
	"slices"
	"testing"

	"byzd/crypto"
	"byzd/pbft"
	"byzd/pbft/message"
	"byzd/pbft/pbfttest"
)

// Tests that the deliberate bugs of testnet/sim/mutants asked for: each was missing, and the mutant
// that it names lived without it.

// M11: a primary votes for a place with a batch whose header says another number. Nobody votes for
// it, in whichever place, and nobody stops.
// PROTOCOL §3: B37.
func TestPaperPrePrepareOfItsPlace(t *testing.T) {
	for _, earlier := range []bool{false, true} {
		b := newBench(t)
		b.Traitors[0] = true
		b.hold()
		parent := b.Config.Base
		if earlier { // a batch has been PREPAREd, so the next must extend it
			bundle := b.Bundle(0, "first")
			m := b.proposal(0, 1, parent, bundle)
			b.told(1, m, bundle)
			parent = refOf(m)
		}
		said := len(b.votes(1, crypto.KindPrepare))
		bundle := b.Bundle(0, "a")
		m := b.proposal(0, parent.Seq+2, parent, bundle) // a gap between it and its parent
		b.told(1, m, bundle)
		place := message.Ref{Seq: parent.Seq + 1, Digest: refOf(m).Digest}
		b.hand(0, 1, b.vote(crypto.KindPrepare, 0, 0, place))
		b.want(len(b.votes(1, crypto.KindPrepare))-said, 0, "PREPAREs of a batch with another number")
		b.dropped(1, pbft.DropPrePrepareParent)
	}
}

// M7, M67: what gossip says of who can be reached is advice. It makes no quorum smaller, and takes
// nobody's vote away.
func TestHintsAreAdvice(t *testing.T) {
	b := newBench(t)
	b.hold()
	for _, peer := range []int{2, 3} {
		b.Step(1, pbft.Hint{Peer: peer})
	}
	bundle := b.Bundle(0, "a")
	m := b.proposal(0, 1, b.Config.Base, bundle)
	b.told(1, m, bundle)
	b.want(len(b.votes(1, crypto.KindCommit)), 0, "COMMITs with two PREPAREs")
	for _, voter := range []int{2, 3} {
		b.hand(voter, 1, b.vote(crypto.KindPrepare, voter, 0, refOf(m)))
	}
	b.want(len(b.votes(1, crypto.KindCommit)), 1, "COMMITs with four PREPAREs")
	b.hand(2, 1, b.vote(crypto.KindCommit, 2, 0, refOf(m)))
	b.want(len(b.Nodes[1].Log), 0, "batches executed with two COMMITs")
	b.hand(3, 1, b.vote(crypto.KindCommit, 3, 0, refOf(m)))
	b.want(len(b.Nodes[1].Log), 1, "batches executed with three COMMITs")
}

// M27: who wants a later view counts for the timer of this one: its word for this view may have
// been lost, and is not repeated (B3).
func TestTimerCountsThoseWhoWantMore(t *testing.T) {
	b := newBench(t)
	b.hold()
	b.hand(2, 3, b.change(2, 1))
	b.hand(0, 3, b.change(0, 2)) // its VIEW-CHANGE to view 1 did not arrive; f+1 want 1 at least
	if got := b.target(3); got != 1 {
		t.Fatalf("replica 3 wants view %d, not 1", got)
	}
	// With its own there are three that want view 1 or more, and no NEW-VIEW comes.
	if !b.RunUntil(20_000, func() bool { return b.target(3) == 2 }) {
		t.Error("the timer of view 1 never ran out")
	}
}

// M1, M13: votes count together only if they are for one batch.
func TestPaperVotesAreForOneBatch(t *testing.T) {
	b := newBench(t)
	b.hold()
	bundle := b.Bundle(0, "a")
	m := b.proposal(0, 1, b.Config.Base, bundle)
	other := message.Ref{Seq: 1, Digest: crypto.Hash("another batch")}
	b.told(1, m, bundle)
	b.hand(2, 1, b.vote(crypto.KindPrepare, 2, 0, other))
	b.want(len(b.votes(1, crypto.KindCommit)), 0, "COMMITs with a PREPARE for another batch")
	b.hand(3, 1, b.vote(crypto.KindPrepare, 3, 0, refOf(m)))
	b.want(len(b.votes(1, crypto.KindCommit)), 1, "COMMITs with three PREPAREs")
	b.hand(0, 1, b.vote(crypto.KindCommit, 0, 0, refOf(m)))
	b.hand(2, 1, b.vote(crypto.KindCommit, 2, 0, other))
	b.want(len(b.Nodes[1].Log), 0, "batches executed with a COMMIT for another batch")
	b.hand(3, 1, b.vote(crypto.KindCommit, 3, 0, refOf(m)))
	b.want(len(b.Nodes[1].Log), 1, "batches executed with three COMMITs")
}

// M9 (B43): of two votes of one replica for one place the first stands, whatever comes after it.
func TestFirstVoteStands(t *testing.T) {
	b := newBench(t)
	b.Traitors[2] = true
	b.hold()
	bundle := b.Bundle(0, "a")
	m := b.proposal(0, 1, b.Config.Base, bundle)
	other := message.Ref{Seq: 1, Digest: crypto.Hash("another batch")}
	b.told(1, m, bundle)
	b.hand(2, 1, b.vote(crypto.KindPrepare, 2, 0, other))
	b.hand(2, 1, b.vote(crypto.KindPrepare, 2, 0, refOf(m)))
	b.want(len(b.votes(1, crypto.KindCommit)), 0, "COMMITs with the second vote of a liar")
	b.want(len(b.Nodes[1].Proofs), 1, "proofs")
	b.hand(3, 1, b.vote(crypto.KindPrepare, 3, 0, refOf(m)))
	b.want(len(b.votes(1, crypto.KindCommit)), 1, "COMMITs with three honest PREPAREs")
}

// M15: what is decided waits for the batches before it, however long these are missing.
func TestNothingIsExecutedAcrossAGap(t *testing.T) {
	b := newBench(t)
	b.hold()
	one, two := b.Bundle(0, "a"), b.Bundle(0, "b")
	first := b.proposal(0, 1, b.Config.Base, one)
	second := b.proposal(0, 2, refOf(first), two)
	b.told(1, second, two) // it never hears of the first
	for _, voter := range []int{0, 2, 3} {
		b.hand(voter, 1, b.vote(crypto.KindCommit, voter, 0, refOf(second)))
	}
	b.RunFor(3000)
	b.want(len(b.Nodes[1].Log), 0, "batches executed behind a gap")
	b.told(1, first, one)
	b.want(len(b.Nodes[1].Log), 2, "batches executed")
}

// M40 (B38): a height that is claimed and not certified changes nothing.
func TestClaimedHeightIsNoTarget(t *testing.T) {
	b := newBench(t)
	b.Traitors[3] = true
	b.Crash(3)
	for range 3 { // each STATUS is answered only after a while
		b.RunFor(1000)
		b.hand(3, 1, &message.Status{Executed: 1 << 40, Stable: 1 << 40, Tip: 1 << 40})
	}
	b.Submit(0, "a")
	b.RunFor(1000)
	for _, m := range b.sent[1] {
		if _, is := m.(*message.FetchDecided); is {
			t.Fatal("replica 1 asks for batches because of a claim")
		}
	}
	b.want(len(b.Nodes[1].Log), 1, "batches executed")
}

// M44 (B44): who hears only of what is decided asks for the way there.
func TestWhoIsLateAsks(t *testing.T) {
	b := newBench(t)
	b.Pass = func(e pbfttest.Envelope) bool { return e.To != 3 }
	for _, op := range []string{"a", "b", "c"} {
		b.Submit(0, op)
		b.Run()
	}
	b.Pass = nil
	if !b.RunUntil(10_000, func() bool { return len(b.Nodes[3].Log) == 3 }) {
		t.Errorf("replica 3 executed %d batches", len(b.Nodes[3].Log))
	}
	asked := false
	for _, m := range b.sent[3] {
		_, is := m.(*message.FetchDecided)
		asked = asked || is
	}
	if !asked {
		t.Error("replica 3 never asked for what was decided")
	}
}

// M29: votes of views that are over count nowhere and take no room.
func TestVotesOfOldViewsAreDropped(t *testing.T) {
	b := newBench(t)
	b.Crash(0)
	b.Submit(1, "a")
	if !b.RunUntil(20_000, func() bool { return len(b.Nodes[1].Log) == 1 }) {
		t.Fatal("nothing is executed without replica 0")
	}
	used := func() (all int64) {
		for _, bound := range b.Nodes[1].Replica.Bounds() {
			if bound.Resource == "votes" || bound.Resource == "votes_ahead" {
				all += bound.Used
			}
		}
		return all
	}
	b.hold()
	before := used()
	for seq := range uint64(8) {
		ref := message.Ref{Seq: seq + 1, Digest: crypto.Hash("old")}
		b.hand(2, 1, b.vote(crypto.KindPrepare, 2, 0, ref))
		b.hand(2, 1, b.vote(crypto.KindCommit, 2, 0, ref))
	}
	b.want(b.Nodes[1].Drops[pbft.DropVoteView], 16, "votes of view 0 dropped")
	b.want(int(used()-before), 0, "votes of view 0 kept")
}

// M29: who has promised a view takes no NEW-VIEW of a lower one: its VIEW-CHANGE said so.
func TestNewViewBelowThePromisedOne(t *testing.T) {
	b := newBench(t)
	b.hold()
	var first *message.NewView
	for _, voter := range []int{0, 2, 3} {
		b.hand(voter, 1, b.change(voter, 1))
	}
	for _, m := range b.sent[1] {
		if nv, is := m.(*message.NewView); is && nv.View == 1 {
			first = nv
		}
	}
	if first == nil {
		t.Fatal("replica 1 made no NEW-VIEW")
	}
	for _, voter := range []int{0, 2} {
		b.hand(voter, 3, b.change(voter, 2))
	}
	b.want(int(b.target(3)), 2, "the view that replica 3 promised")
	b.hand(1, 3, first)
	b.dropped(3, pbft.DropNewViewOld)
	b.want(int(b.target(3)), 2, "the view that replica 3 promised, after an older NEW-VIEW")
}

// R12: who lacks a commit certificate of this view is sent it, also if it has executed the batch:
// its view opens by nothing else when the votes are gone.
func TestCertificateIsServedToWhoExecuted(t *testing.T) {
	b := newBench(t)
	b.Crash(0)
	b.Submit(1, "a")
	if !b.RunUntil(20_000, func() bool { return len(b.Nodes[1].Log) == 1 }) {
		t.Fatal("nothing is executed without replica 0")
	}
	b.hold()
	b.RunFor(1000) // its last STATUS was answered
	b.sent[1] = nil
	b.hand(2, 1, &message.Status{View: 1, Target: 1, Executed: 1, High: message.Rank{View: 1, Seq: 1}})
	for _, m := range b.sent[1] {
		if p, is := m.(*message.Proof); is && p.Commit != nil && p.Commit.View == 1 {
			return
		}
	}
	t.Errorf("no commit certificate was served: %v", b.sent[1])
}

// R13: a checkpoint certificate decides its batch and all before it, like a commit certificate.
func TestCheckpointDecidesItsBatch(t *testing.T) {
	b := newBench(t)
	b.Pass = func(e pbfttest.Envelope) bool {
		switch m := e.Msg.(type) {
		case *message.Vote:
			return e.To != 3 || m.Kind != crypto.KindCommit
		case *message.Proof, *message.Decided:
			return e.To != 3
		}
		return true
	}
	for k := range 8 {
		b.Submit(0, string(rune('a'+k)))
		b.Run()
	}
	b.want(len(b.Nodes[3].Log), 8, "batches executed that a checkpoint decides")
}

// M71 (O17): what is repeated comes in the order of the sequence numbers, however often: the order of
// a map must not show.
func TestCheckpointsAreRepeatedInOrder(t *testing.T) {
	b := newBench(t)
	b.Pass = func(e pbfttest.Envelope) bool {
		_, is := e.Msg.(*message.Checkpoint)
		return !is
	}
	for range params().Window {
		b.Submit(0, "a")
		b.Run()
	}
	b.hold()
	for range 30 {
		b.RunFor(60) // else the STATUS is one too many
		b.sent[1] = nil
		b.hand(2, 1, &message.Status{Executed: params().Window})
		var seqs []uint64
		for _, m := range b.sent[1] {
			if c, is := m.(*message.Checkpoint); is {
				seqs = append(seqs, c.Seq)
			}
		}
		if len(seqs) < 3 || !slices.IsSorted(seqs) {
			t.Fatalf("CHECKPOINTs of %v were repeated", seqs)
		}
	}
}
