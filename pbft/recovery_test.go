package pbft_test

import (
	"testing"

	"byzd/crypto"
	"byzd/pbft"
	"byzd/pbft/message"
	"byzd/pbft/pbfttest"
)

// Tests of single sentences of rules R14 and R15. The walks seldom come to where one of them alone
// decides, so each is broken on purpose by a mutant of testnet/sim/mutants (R15b to R15e).

// forgotten is a bench whose replica 3 has lost its disk after batch 1, and gets only what pass
// lets through.
func forgotten(t *testing.T, pass func(m message.Message) bool) *bench {
	t.Helper()
	b := newBench(t)
	b.Submit(0, "a")
	b.Run()
	b.Wipe(3)
	b.sent[3] = nil
	b.Pass = func(e pbfttest.Envelope) bool { return e.To != 3 || e.From == 3 || pass(e.Msg) }
	b.Restart(3)
	return b
}

// commits returns the view of the commit certificate, or of the COMMIT, in a message.
func commits(m message.Message) (view uint64, is bool) {
	switch m := m.(type) {
	case *message.Vote:
		return m.View, m.Kind == crypto.KindCommit
	case *message.Proof:
		if m.Commit != nil {
			return m.Commit.View, true
		}
	case *message.Decided:
		if m.Proof.Commit != nil {
			return m.Proof.Commit.View, true
		}
	}
	return 0, false
}

// prepares returns the view of the prepared certificate, or of the PREPARE, in a message.
func prepares(m message.Message) (view uint64, is bool) {
	switch m := m.(type) {
	case *message.Vote:
		return m.View, m.Kind == crypto.KindPrepare
	case *message.Proof:
		if m.Prepared != nil {
			return m.Prepared.View, true
		}
	}
	return 0, false
}

// said counts the votes of a replica that left it.
func (b *bench) said(i int) int {
	return len(b.votes(i, crypto.KindPrepare)) + len(b.votes(i, crypto.KindCommit))
}

// R15: what ends a recovery is a commit certificate of a view above V. A prepared certificate does
// not: it may be a dead one, and outranked by a COMMIT that was forgotten.
func TestPreparedCertificateEndsNoRecovery(t *testing.T) {
	b := forgotten(t, func(m message.Message) bool {
		view, is := commits(m)
		return !is || view == 0
	})
	there := func() bool {
		s := b.Nodes[3].Replica.State()
		return s.View >= 2 && s.High.View >= 1 && s.Executed >= 1
	}
	if !b.RunUntil(60_000, there) {
		t.Fatalf("it never gets there: %+v", b.Nodes[3].Replica.State())
	}
	b.RunFor(5000)
	if s := b.Nodes[3].Replica.State(); !s.Recovering || b.said(3) > 0 {
		t.Errorf("%d votes after no commit certificate above view 0: %+v", b.said(3), s)
	}
	b.Pass = nil
	if !b.RunUntil(60_000, func() bool { return !b.Nodes[3].Replica.State().Recovering }) {
		t.Errorf("it does not recover: %+v", b.Nodes[3].Replica.State())
	}
}

// R15: who has forgotten what it said is no witness of what others said, nor of the views that they
// may be bound to. (R14: who is fenced is one, else a cold start of all would never end.)
func TestForgetfulBearNoWitness(t *testing.T) {
	b := forgotten(t, func(message.Message) bool { return false })
	b.RunFor(1000)
	if !b.Nodes[3].Replica.State().Recovering {
		t.Fatal("it knows all that it said")
	}
	b.hand(2, 3, &message.FenceAsk{Nonce: 7})
	b.dropped(3, pbft.DropFenceSilent)
	b.hand(2, 3, &message.Recover{Nonce: 8})
	b.dropped(3, pbft.DropRecoverSilent)
	for _, m := range b.sent[3] {
		switch m.(type) {
		case *message.FenceAnswer, *message.Recovery:
			t.Errorf("it answers: %+v", m)
		}
	}
}

// R14: who is fenced answers the fences of others, but tells nobody who recovers what it is bound
// to: it does not know yet.
func TestFencedAnswerFencesOnly(t *testing.T) {
	b := newBench(t)
	b.Submit(0, "a")
	b.Run()
	b.Crash(3)
	b.sent[3] = nil
	b.Pass = func(e pbfttest.Envelope) bool { return e.To != 3 }
	b.Restart(3)
	b.RunFor(1000)
	if !b.Nodes[3].Replica.State().Fenced {
		t.Fatal("it is not fenced")
	}
	b.hand(2, 3, &message.Recover{Nonce: 8})
	b.dropped(3, pbft.DropRecoverSilent)
	b.hand(2, 3, &message.FenceAsk{Nonce: 7})
	answers := 0
	for _, m := range b.sent[3] {
		switch m.(type) {
		case *message.FenceAnswer:
			answers++
		case *message.Recovery:
			t.Errorf("it answers who recovers: %+v", m)
		}
	}
	b.want(answers, 1, "answers to a fence")
}

// R15: the commit certificate that ends the recovery is what it shows from then on. Its next
// VIEW-CHANGE must not rank below it: it may have sent a COMMIT up to there.
func TestRecoveryRaisesWhatIsShown(t *testing.T) {
	b := forgotten(t, func(m message.Message) bool {
		if view, is := commits(m); is && view == 1 {
			return false
		}
		view, is := prepares(m)
		return !is || view < 2
	})
	if !b.RunUntil(60_000, func() bool { return !b.Nodes[3].Replica.State().Recovering }) {
		t.Fatalf("it does not recover: %+v", b.Nodes[3].Replica.State())
	}
	view := b.Nodes[3].Replica.State().View
	b.hold()
	for _, i := range []int{0, 1} {
		b.hand(i, 3, b.change(i, view+1))
	}
	var last *message.ViewChange
	for _, m := range b.sent[3] {
		if c, is := m.(*message.ViewChange); is {
			last = c
		}
	}
	if last == nil || last.Stmt.NewView != view+1 || last.Stmt.HighView < 2 {
		t.Errorf("after a commit certificate of view 2 it shows %+v", last)
	}
}

// R14: a disk from yesterday is noticed also when the others tell of a newer checkpoint first. What
// was signed below that is forgotten all the same, and the primary of the view would lead there again
// (byzd sim --seed 6364).
func TestFenceKnowsOnlyTheJournalsWatermark(t *testing.T) {
	b := newBench(t)
	for b.Nodes[0].Replica.State().Stable == 0 {
		b.Submit(1, "early")
		b.Run()
	}
	image := len(b.Nodes[0].Records)
	was := b.Nodes[0].Replica.State()
	for b.Nodes[1].Replica.State().Stable == was.Stable {
		b.Submit(1, "late")
		b.Run()
	}
	b.RollBack(0, image)
	b.sent[0] = nil
	answers := false
	b.Pass = func(e pbfttest.Envelope) bool {
		_, is := e.Msg.(*message.FenceAnswer)
		return e.To != 0 || !is || answers
	}
	b.Restart(0)
	told := func() bool { return b.Nodes[0].Replica.State().Stable > was.Executed }
	if !b.RunUntil(20_000, told) || !b.Nodes[0].Replica.State().Fenced {
		t.Fatalf("it does not hear of a checkpoint behind its fence: %+v", b.Nodes[0].Replica.State())
	}
	answers = true
	noticed := func() bool { return b.Nodes[0].Replica.State().Recovering }
	if !b.RunUntil(2000, noticed) {
		t.Errorf("it has not noticed: %+v", b.Nodes[0].Replica.State())
	}
	b.want(b.said(0), 0, "votes of who has forgotten")
}

// A primary proposes nothing below its low watermark, wherever its chain ends: others would refuse it,
// and it may be a second word for that place.
func TestNothingIsProposedBelowTheWatermark(t *testing.T) {
	b := newBench(t)
	for b.Nodes[1].Replica.State().Stable == 0 {
		b.Submit(1, "early")
		b.Run()
	}
	b.Submit(1, "in the image")
	b.Run()
	image := len(b.Nodes[0].Records)
	for first := b.Nodes[1].Replica.State().Stable; b.Nodes[1].Replica.State().Stable == first; {
		b.Submit(1, "late")
		b.Run()
	}
	stable := b.Nodes[1].Replica.State().Stable
	b.RollBack(0, image)
	b.sent[0] = nil
	b.Pass = func(e pbfttest.Envelope) bool {
		switch m := e.Msg.(type) {
		case *message.FenceAnswer:
			m.Votes, m.Certs, m.Stable, m.Stmts = nil, nil, nil, nil // they have forgotten as well
			return e.To != 0 || b.Nodes[0].Replica.State().Stable == stable
		case *message.Decided, *message.BatchReply:
			return e.To != 0
		}
		return true
	}
	b.Restart(0)
	there := func() bool {
		s := b.Nodes[0].Replica.State()
		return !s.Fenced && s.Stable == stable
	}
	if !b.RunUntil(5000, there) || b.Nodes[0].Replica.State().Tip >= stable {
		t.Fatalf("its chain does not end below its watermark: %+v", b.Nodes[0].Replica.State())
	}
	b.Submit(2, "more")
	b.RunFor(100)
	for _, m := range b.sent[0] {
		if p, is := m.(*message.PrePrepare); is && p.Header.Seq <= stable {
			t.Fatalf("it proposes batch %d below checkpoint %d", p.Header.Seq, stable)
		}
	}
}
