package pbft_test

import (
	"fmt"
	"testing"

	"byzd/crypto"
	"byzd/pbft"
	"byzd/pbft/message"
	"byzd/pbft/pbfttest"
)

// The rules of Castro and Liskov, "Practical Byzantine Fault Tolerance" (OSDI 1999), one test each,
// in the form that DIVERGENCE.md gives them. Each was seen to fail with its rule removed.

// bench is a network, of four if nothing else is said, whose every message is looked at before it
// is let go.
type bench struct {
	*pbfttest.Network
	t    *testing.T
	sent map[int][]message.Message // what each replica wanted to say
}

func newBench(t *testing.T) *bench {
	t.Helper()
	return newBenchOf(t, 4)
}

func newBenchOf(t *testing.T, n int) *bench {
	t.Helper()
	b := &bench{Network: pbfttest.New(n, params()), t: t, sent: map[int][]message.Message{}}
	b.Watch = func(i int, e pbft.Effect) {
		if s, is := e.(pbft.Send); is {
			b.sent[i] = append(b.sent[i], s.Msg)
		}
	}
	return b
}

// hold keeps everything but statements on their way back to their authors from arriving.
func (b *bench) hold() { b.Pass = func(pbfttest.Envelope) bool { return false } }

// settle hands the statements on their way back to their authors.
func (b *bench) settle() {
	for len(b.Queue) > 0 {
		b.Deliver()
	}
}

// hand gives a message to one replica, as if it came from another.
func (b *bench) hand(from, to int, m message.Message) {
	b.Hand(pbfttest.Envelope{From: from, To: to, Msg: m})
	b.settle()
}

// proposal is the primary's pre-prepare of a bundle that its gateway made.
func (b *bench) proposal(
	view, seq uint64, parent message.Ref, bundle *message.Bundle,
) *message.PrePrepare {
	h := message.Header{
		Cluster: b.Config.Cluster, Epoch: b.Config.Epoch, PropView: view, Seq: seq,
		Parent: parent.Digest, TimeMS: b.Now, Requests: uint32(len(bundle.Items)),
		Bytes: uint32(bundle.Size()),
	}
	batch := message.Batch{Header: h, Bundles: []*message.Bundle{bundle}}
	h.Root = message.BatchRoot(batch.IDs())
	m := &message.PrePrepare{View: view, Header: h, IDs: batch.IDs()}
	b.Nodes[b.Config.Primary(view)].Sealer.Seal(m)
	return m
}

// told gives a replica a proposal with its bundle.
func (b *bench) told(to int, m *message.PrePrepare, bundle *message.Bundle) {
	primary := b.Config.Primary(m.View)
	b.hand(primary, to, &message.Submission{Bundle: bundle})
	b.hand(primary, to, m)
}

func (b *bench) vote(kind crypto.Kind, voter int, view uint64, ref message.Ref) *message.Vote {
	v := &message.Vote{Kind: kind, View: view, Seq: ref.Seq, Digest: ref.Digest}
	b.Nodes[voter].Sealer.Seal(v)
	return v
}

func refOf(m *message.PrePrepare) message.Ref {
	return message.Ref{Seq: m.Header.Seq, Digest: m.Header.Digest()}
}

// votes counts the votes of a kind that a replica wanted to cast.
func (b *bench) votes(i int, kind crypto.Kind) []*message.Vote {
	var list []*message.Vote
	for _, m := range b.sent[i] {
		if v, is := m.(*message.Vote); is && v.Kind == kind && v.Voter == i {
			list = append(list, v)
		}
	}
	return list
}

func (b *bench) want(got, want int, what string) {
	b.t.Helper()
	if got != want {
		b.t.Errorf("%s: %d, want %d", what, got, want)
	}
}

func (b *bench) dropped(i int, why pbft.Drop) {
	b.t.Helper()
	if b.Nodes[i].Drops[why] == 0 {
		b.t.Errorf("replica %d did not drop for %q: %v", i, why, b.Nodes[i].Drops)
	}
}

// change is a VIEW-CHANGE of a replica that knows of nothing prepared.
func (b *bench) change(voter int, view uint64) *message.ViewChange {
	high, stable := b.Config.BaseCertificate(), b.Config.BaseCheckpoint()
	m := &message.ViewChange{
		Stmt: message.VcStmt{Tuple: message.Tuple{
			NewView: view, High: high.Ref(), Stable: stable.Ref(),
		}},
		High: high, Stable: stable,
	}
	b.Nodes[voter].Sealer.Seal(m)
	return m
}

func (b *bench) target(i int) uint64 { return b.Nodes[i].Replica.State().Target }

// OSDI'99 §4.2: a backup accepts a pre-prepare of the primary of its view only.
func TestPaperPrePrepareFromPrimary(t *testing.T) {
	b := newBench(t)
	b.hold()
	bundle := b.Bundle(0, "a")
	m := b.proposal(0, 1, b.Config.Base, bundle)
	b.hand(0, 1, &message.Submission{Bundle: bundle})
	b.hand(2, 1, m) // genuine, but out of another hand: it may be months old
	b.dropped(1, pbft.DropPrePrepareSender)
	b.want(len(b.votes(1, crypto.KindPrepare)), 0, "PREPAREs")
}

// OSDI'99 §4.2: it is in view v.
// PROTOCOL §3: B23.
func TestPaperPrePrepareOfItsView(t *testing.T) {
	b := newBench(t)
	b.hold()
	bundle := b.Bundle(1, "a")
	b.told(2, b.proposal(1, 1, b.Config.Base, bundle), bundle)
	b.dropped(2, pbft.DropPrePrepareView)
	b.want(len(b.votes(2, crypto.KindPrepare)), 0, "PREPAREs in view 0")
}

// OSDI'99 §4.2: it has not accepted a pre-prepare for view v and sequence number n with another
// digest.
func TestPaperSecondPrePrepare(t *testing.T) {
	b := newBench(t)
	b.Traitors[0] = true
	b.hold()
	one, other := b.Bundle(0, "a"), b.Bundle(0, "b")
	b.told(1, b.proposal(0, 1, b.Config.Base, one), one)
	b.told(1, b.proposal(0, 1, b.Config.Base, other), other)
	b.dropped(1, pbft.DropPrePrepareSecond)
	b.want(len(b.votes(1, crypto.KindPrepare)), 1, "PREPAREs")
	b.want(len(b.Nodes[1].Proofs), 1, "proofs")
}

// OSDI'99 §4.2: the sequence number is between the watermarks h and H.
func TestPaperPrePrepareWatermarks(t *testing.T) {
	b := newBench(t)
	b.hold()
	bundle := b.Bundle(0, "a")
	b.told(1, b.proposal(0, params().Window+1, b.Config.Base, bundle), bundle)
	b.dropped(1, pbft.DropPrePrepareWindow)
}

// OSDI'99 §4.2: so are those of PREPAREs and COMMITs.
func TestPaperVoteWatermarks(t *testing.T) {
	b := newBench(t)
	far := message.Ref{Seq: params().Window + 1, Digest: crypto.Hash("far")}
	b.hand(2, 1, b.vote(crypto.KindPrepare, 2, 0, far))
	b.hand(2, 1, b.vote(crypto.KindCommit, 2, 0, far))
	b.want(b.Nodes[1].Drops[pbft.DropVoteWindow], 2, "votes dropped")
}

// OSDI'99 §4.2: the digest is that of the request. Here: the body is there and is what the header
// says.
func TestPaperBodyBeforePrepare(t *testing.T) {
	b := newBench(t)
	b.hold()
	bundle := b.Bundle(0, "a")
	m := b.proposal(0, 1, b.Config.Base, bundle)
	b.hand(0, 1, m)
	b.want(len(b.votes(1, crypto.KindPrepare)), 0, "PREPAREs without the body")
	b.hand(0, 1, &message.Submission{Bundle: bundle})
	b.want(len(b.votes(1, crypto.KindPrepare)), 1, "PREPAREs with the body")
	other := b.Bundle(0, "b")
	wrong := b.proposal(0, 2, refOf(m), other)
	wrong.Header.Requests++ // what the header says is not what the body holds
	b.Nodes[0].Sealer.Seal(wrong)
	b.told(1, wrong, other)
	b.dropped(1, pbft.DropPrePrepareBody)
	b.want(len(b.votes(1, crypto.KindPrepare)), 1, "PREPAREs of a false header")
}

// OSDI'99 §4.2: prepared(m, v, n, i) needs the pre-prepare and 2f PREPAREs of other backups: a
// quorum.
func TestPaperPreparedNeedsQuorum(t *testing.T) {
	b := newBench(t)
	b.hold()
	bundle := b.Bundle(0, "a")
	m := b.proposal(0, 1, b.Config.Base, bundle)
	b.told(1, m, bundle) // the primary's and its own: two of three
	b.hand(2, 1, b.vote(crypto.KindCommit, 2, 0, refOf(m)))
	b.want(len(b.votes(1, crypto.KindCommit)), 0, "COMMITs with two PREPAREs")
	b.hand(2, 1, b.vote(crypto.KindPrepare, 2, 0, refOf(m)))
	b.want(len(b.votes(1, crypto.KindCommit)), 1, "COMMITs with three PREPAREs")
}

// OSDI'99 §4.2: committed-local needs 2f+1 COMMITs, its own among them counting like any other.
func TestPaperCommittedNeedsQuorum(t *testing.T) {
	b := newBench(t)
	b.hold()
	bundle := b.Bundle(0, "a")
	m := b.proposal(0, 1, b.Config.Base, bundle)
	b.told(1, m, bundle)
	b.hand(2, 1, b.vote(crypto.KindPrepare, 2, 0, refOf(m)))
	b.hand(2, 1, b.vote(crypto.KindCommit, 2, 0, refOf(m)))
	b.hand(2, 1, b.vote(crypto.KindCommit, 2, 0, refOf(m))) // again: it is one replica's
	b.want(len(b.Nodes[1].Log), 0, "batches executed with two COMMITs")
	b.hand(3, 1, b.vote(crypto.KindCommit, 3, 0, refOf(m)))
	b.want(len(b.Nodes[1].Log), 1, "batches executed with three COMMITs")
}

// OSDI'99 §4.2: all with lower sequence numbers are executed before.
func TestPaperExecutionInOrder(t *testing.T) {
	b := newBench(t)
	b.hold()
	one, two := b.Bundle(0, "a"), b.Bundle(0, "b")
	first := b.proposal(0, 1, b.Config.Base, one)
	second := b.proposal(0, 2, refOf(first), two)
	b.hand(0, 1, first) // its body is late
	b.told(1, second, two)
	for _, voter := range []int{0, 2, 3} {
		b.hand(voter, 1, b.vote(crypto.KindCommit, voter, 0, refOf(second)))
	}
	b.want(len(b.Nodes[1].Log), 0, "batches executed without the first")
	b.hand(0, 1, &message.Submission{Bundle: one})
	b.want(len(b.Nodes[1].Log), 2, "batches executed")
}

// OSDI'99 §4.3: a checkpoint is stable with 2f+1 CHECKPOINTs; then the low watermark moves, and
// what is below is discarded.
func TestPaperStableCheckpoint(t *testing.T) {
	b := newBench(t)
	b.Pass = func(e pbfttest.Envelope) bool {
		_, is := e.Msg.(*message.Checkpoint)
		return !is
	}
	for k := range 8 {
		b.Submit(0, fmt.Sprint(k))
		b.Run()
	}
	last := b.Nodes[1].Log[7].Header
	point := func(voter int) *message.Checkpoint {
		for _, m := range b.sent[voter] {
			if c, is := m.(*message.Checkpoint); is {
				return c
			}
		}
		t.Fatalf("replica %d made no checkpoint", voter)
		return nil
	}
	b.hand(0, 1, point(0))
	b.want(int(b.Nodes[1].Replica.State().Stable), 0, "low watermark with two CHECKPOINTs")
	b.hand(2, 1, point(2))
	b.want(int(b.Nodes[1].Replica.State().Stable), 8, "low watermark with three")
	b.hand(2, 1, b.vote(crypto.KindPrepare, 2, 0, message.Ref{Seq: 8, Digest: last.Digest()}))
	b.dropped(1, pbft.DropVoteWindow)
}

// OSDI'99 §4.3: the primary does not run away from the watermarks.
func TestPaperPrimaryStaysInWindow(t *testing.T) {
	b := newBench(t)
	b.Pass = func(e pbfttest.Envelope) bool {
		_, is := e.Msg.(*message.Checkpoint)
		return !is
	}
	for k := range params().Window + 8 {
		b.Submit(0, fmt.Sprint(k))
		b.Run()
	}
	if got := b.Nodes[0].Replica.State().Tip; got != params().Window {
		t.Errorf("the primary proposed up to %d without a stable checkpoint, want %d",
			got, params().Window)
	}
}

// OSDI'99 §4.4: a backup whose request waits for too long starts to move to the next view (here by
// way of f+1 complaints).
func TestPaperTimerStartsViewChange(t *testing.T) {
	b := newBench(t)
	b.Pass = func(e pbfttest.Envelope) bool { return e.From != 0 }
	b.Submit(1, "a")
	if !b.RunUntil(5000, func() bool { return b.target(1) == 1 && b.target(2) == 1 }) {
		t.Error("nobody left the view of a silent primary")
	}
}

// OSDI'99 §4.4: each request has its own timer; a primary that ignores one client falls, though it
// serves all others.
func TestPaperCensorFalls(t *testing.T) {
	b := newBench(t)
	b.Pass = func(e pbfttest.Envelope) bool { // the primary does not see replica 1's bundles
		s, is := e.Msg.(*message.Submission)
		return !is || e.To != 0 || s.Bundle.Gateway != 1
	}
	b.Submit(1, "censored")
	fell := false
	for k := 0; k < 40 && !fell; k++ {
		b.Submit(2, fmt.Sprint(k))
		b.RunFor(100)
		fell = b.Nodes[3].Replica.State().View > 0
	}
	if !fell {
		t.Error("other requests' progress kept the censor in office")
	}
}

// OSDI'99 §4.4, liveness: fewer than f+1 replicas cannot force a view change.
func TestPaperLoneComplaint(t *testing.T) {
	b := newBench(t)
	b.Pass = func(e pbfttest.Envelope) bool { return e.From != 0 || e.To != 1 }
	b.Submit(1, "a")
	b.Pass = func(e pbfttest.Envelope) bool { return e.From != 0 || e.To != 1 }
	b.RunFor(8000)
	for i := range b.Nodes {
		b.want(int(b.target(i)), 0, fmt.Sprintf("target of replica %d", i))
	}
	if b.Nodes[1].Replica.State().Complaint == "" {
		t.Error("replica 1, which hears nothing of the primary, does not complain")
	}
}

// OSDI'99 §4.4, liveness: f+1 VIEW-CHANGEs for later views pull a replica along, to the smallest of
// them, though its own timer has not run out; f do not.
func TestPaperJoin(t *testing.T) {
	b := newBench(t)
	b.hold()
	b.hand(2, 1, b.change(2, 7))
	b.want(int(b.target(1)), 0, "target with one VIEW-CHANGE")
	b.hand(3, 1, b.change(3, 5))
	b.want(int(b.target(1)), 5, "target with two")
}

// OSDI'99 §4.4: after its VIEW-CHANGE a replica accepts no PRE-PREPARE, PREPARE or COMMIT in the
// view that it left.
func TestPaperNoVoteAfterViewChange(t *testing.T) {
	b := newBench(t)
	b.hold()
	b.hand(2, 1, b.change(2, 2))
	b.hand(3, 1, b.change(3, 2))
	bundle := b.Bundle(0, "a")
	m := b.proposal(0, 1, b.Config.Base, bundle)
	b.told(1, m, bundle)
	for _, voter := range []int{2, 3} {
		b.hand(voter, 1, b.vote(crypto.KindPrepare, voter, 0, refOf(m)))
	}
	b.want(len(b.votes(1, crypto.KindPrepare)), 0, "PREPAREs")
	b.want(len(b.votes(1, crypto.KindCommit)), 0, "COMMITs")
}

// OSDI'99 §4.4, liveness: the timer of the next view starts with 2f+1 VIEW-CHANGEs for it, so that
// views cannot run away while replicas cannot talk.
func TestPaperTimerNeedsQuorum(t *testing.T) {
	b := newBench(t)
	b.hold()
	b.Nodes[0].NoSync = true // its own does not count yet: two of three
	b.hand(2, 0, b.change(2, 1))
	b.hand(3, 0, b.change(3, 1))
	b.want(int(b.target(0)), 1, "target")
	for range 10_000 {
		b.Tick(10)
	}
	b.want(int(b.target(0)), 1, "target after a long time")
}

// OSDI'99 §4.4, liveness: the time that a view gets doubles each time.
func TestPaperBackOff(t *testing.T) {
	b := newBench(t)
	b.Pass = func(e pbfttest.Envelope) bool {
		switch e.Msg.(type) {
		case *message.NewView, *message.Proof, *message.PrePrepare:
			return false
		}
		return true
	}
	b.Submit(1, "a")
	var entered []int64
	for view := uint64(1); view <= 4; view++ {
		if !b.RunUntil(60_000, func() bool { return b.target(0) >= view }) {
			t.Fatalf("view %d was never tried", view)
		}
		entered = append(entered, b.Now)
	}
	for k := 2; k < len(entered); k++ {
		before, after := entered[k-1]-entered[k-2], entered[k]-entered[k-1]
		if after < before*19/10 {
			t.Errorf("view %d got %d ms, the next %d", k, before, after)
		}
	}
}

// OSDI'99 §4.4: the primary of the new view begins it with 2f+1 VIEW-CHANGEs.
func TestPaperNewViewNeedsQuorum(t *testing.T) {
	b := newBench(t)
	b.hold()
	news := func() (count int) {
		for _, m := range b.sent[1] {
			if _, is := m.(*message.NewView); is {
				count++
			}
		}
		return count
	}
	b.Nodes[1].NoSync = true // its own VIEW-CHANGE is not durable yet
	b.hand(2, 1, b.change(2, 1))
	b.hand(3, 1, b.change(3, 1))
	b.want(news(), 0, "NEW-VIEWs with two VIEW-CHANGEs")
	b.hand(0, 1, b.change(0, 1))
	b.want(news(), 1, "NEW-VIEWs with three")
}

// OSDI'99 §4.4: what is prepared anywhere in a quorum of VIEW-CHANGEs is proposed again, the
// highest view first, and a replica remembers what it has prepared through any number of views.
// PROTOCOL §3: B2.
func TestPaperNewViewKeepsPrepared(t *testing.T) {
	b := newBench(t)
	b.Pass = func(e pbfttest.Envelope) bool { // everything is prepared, nothing committed
		v, is := e.Msg.(*message.Vote)
		return !is || v.Kind != crypto.KindCommit
	}
	b.Submit(1, "a")
	b.Run()
	b.Pass = func(e pbfttest.Envelope) bool { // three views in which nobody votes
		_, is := e.Msg.(*message.Vote)
		return !is
	}
	if !b.RunUntil(60_000, func() bool { return b.Nodes[0].Replica.State().View >= 3 }) {
		t.Fatal("views do not pass")
	}
	for i := range b.Nodes {
		if high := b.Nodes[i].Replica.State().High; high.Seq != 1 {
			t.Errorf("replica %d forgot what it prepared: %v", i, high)
		}
	}
	b.Pass = nil
	b.RunFor(20_000)
	sameOrder(t, b.Network, 1)
}

// OSDI'99 §4.4: a backup accepts a NEW-VIEW only if it is of the view's primary, with 2f+1
// VIEW-CHANGEs of distinct replicas for that view, and its base is what follows from them.
func TestPaperNewViewChecked(t *testing.T) {
	b := newBench(t)
	good := func() *message.NewView {
		m := &message.NewView{
			View: 1, Base: b.Config.BaseCertificate(), Stable: b.Config.BaseCheckpoint(),
			HoldsChain: true,
		}
		for i := range 3 {
			m.Stmts = append(m.Stmts, b.change(i, 1).Stmt)
		}
		return m
	}
	for name, spoil := range map[string]func(m *message.NewView) int{
		"two VIEW-CHANGEs":       func(m *message.NewView) int { m.Stmts = m.Stmts[:2]; return 1 },
		"one of them twice":      func(m *message.NewView) int { m.Stmts[1] = m.Stmts[0]; return 1 },
		"one for another view":   func(m *message.NewView) int { m.Stmts[1] = b.change(1, 2).Stmt; return 1 },
		"signed by somebody":     func(*message.NewView) int { return 2 },
		"another base":           func(m *message.NewView) int { m.Base = forged(m.Base); return 1 },
		"an unsigned checkpoint": func(m *message.NewView) int { m.Stable = beyond(m.Stable); return 1 },
	} {
		m := good()
		b.Nodes[spoil(m)].Sealer.Seal(m)
		b.hand(1, 2, m)
		if got := b.Nodes[2].Replica.State().View; got != 0 {
			t.Fatalf("a NEW-VIEW with %s was accepted", name)
		}
	}
	m := good()
	b.Nodes[1].Sealer.Seal(m)
	b.hand(1, 2, m)
	b.want(int(b.Nodes[2].Replica.State().View), 1, "view after a good one")
}

func forged(c *message.Certificate) *message.Certificate {
	f := *c
	f.Seq, f.Digest = 1, crypto.Hash("forged")
	return &f
}

func beyond(c *message.CheckpointCertificate) *message.CheckpointCertificate {
	f := *c
	f.Seq, f.Digest = 8, crypto.Hash("forged")
	return &f
}

// OSDI'99 §4.4: one NEW-VIEW for each view, and none for a view that is over.
func TestPaperNewViewOnce(t *testing.T) {
	b := newBench(t)
	b.Traitors[1] = true
	b.hold()
	begin := func(view uint64, voters ...int) *message.NewView {
		m := &message.NewView{
			View: view, Base: b.Config.BaseCertificate(), Stable: b.Config.BaseCheckpoint(),
		}
		for _, i := range voters {
			m.Stmts = append(m.Stmts, b.change(i, view).Stmt)
		}
		b.Nodes[b.Config.Primary(view)].Sealer.Seal(m)
		return m
	}
	b.hand(1, 2, begin(1, 0, 1, 2))
	entered := len(b.Nodes[2].Observed)
	b.hand(1, 2, begin(1, 0, 1, 3))
	b.dropped(2, pbft.DropNewViewSecond)
	for _, e := range b.Nodes[2].Observed[entered:] {
		if e.Event == pbft.EventNewView {
			t.Error("view 1 was entered twice")
		}
	}
	b.hand(3, 2, b.change(3, 4))
	b.hand(0, 2, b.change(0, 4))
	b.want(int(b.target(2)), 4, "target")
	b.hand(3, 2, begin(3, 0, 1, 3))
	b.dropped(2, pbft.DropNewViewOld)
	b.want(int(b.Nodes[2].Replica.State().View), 1, "view")
}

// OSDI'99 §4.4: a replica that missed a view change is told of it, whoever has the NEW-VIEW.
func TestPaperNewViewRelayed(t *testing.T) {
	b := newBench(t)
	b.Pass = func(e pbfttest.Envelope) bool { return e.From != 0 && e.To != 0 && e.To != 3 }
	b.Submit(1, "a")
	b.RunUntil(5000, func() bool { return b.target(1) == 1 && b.target(2) == 1 })
	b.Pass = func(e pbfttest.Envelope) bool { return e.From != 0 && (e.From != 1 || e.To != 3) }
	if !b.RunUntil(5000, func() bool { return b.Nodes[3].Replica.State().View == 1 }) {
		t.Error("replica 3, which the new primary avoids, stays behind")
	}
}

// OSDI'99 §2 and §4.1: each request is executed once, however often it is ordered.
func TestPaperExactlyOnce(t *testing.T) {
	b := newBench(t)
	b.Traitors[0] = true
	b.hold()
	bundle := b.Bundle(0, "a")
	first := b.proposal(0, 1, b.Config.Base, bundle)
	second := b.proposal(0, 2, refOf(first), bundle)
	b.told(1, first, bundle)
	b.told(1, second, bundle)
	for _, kind := range []crypto.Kind{crypto.KindPrepare, crypto.KindCommit} {
		for _, voter := range []int{2, 3} {
			b.hand(voter, 1, b.vote(kind, voter, 0, refOf(second)))
		}
	}
	b.hand(0, 1, b.vote(crypto.KindCommit, 0, 0, refOf(second)))
	b.want(len(b.Nodes[1].Log), 2, "batches")
	b.want(len(b.Nodes[1].Applied), 1, "operations")
}

// OSDI'99 §4.1: replicas do not execute again what a view change orders again.
// PROTOCOL §3: B11.
func TestPaperNoReexecution(t *testing.T) {
	b := newBench(t)
	b.Submit(1, "a")
	b.Run()
	b.Crash(0)
	b.Submit(2, "b")
	b.RunFor(5000)
	b.Restart(0)
	b.RunFor(3000)
	sameOrder(t, b.Network, 2)
	if len(b.Violations) > 0 {
		t.Error(b.Violations)
	}
}
