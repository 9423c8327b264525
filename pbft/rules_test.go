package pbft_test

import (
	"fmt"
	"slices"
	"testing"

	"byzd/crypto"
	"byzd/pbft"
	"byzd/pbft/message"
	"byzd/pbft/pbfttest"
)

// Rules of PROTOCOL §4.0 that no golden trace tells, or not at every corner.

// Whatever the timers have grown to, a replica repeats itself to members at least once a second:
// what heals must be noticed soon.
func TestResendsAreCapped(t *testing.T) {
	b := newBench(t)
	said := map[message.Type][]int64{}
	b.Watch = func(i int, e pbft.Effect) {
		if s, is := e.(pbft.Send); is && i == 2 {
			said[s.Msg.Type()] = append(said[s.Msg.Type()], b.Now)
		}
	}
	b.Pass = func(e pbfttest.Envelope) bool { // views fail until the timeout is at its highest
		switch e.Msg.(type) {
		case *message.NewView, *message.Proof, *message.PrePrepare:
			return false
		}
		return true
	}
	b.Submit(1, "a")
	grown := func() bool { return b.Nodes[2].Replica.State().Tau == params().MaxViewTimeout }
	if !b.RunUntil(200_000, grown) {
		t.Fatalf("the timeout grew to %d ms only", b.Nodes[2].Replica.State().Tau)
	}
	clear(said)
	b.RunFor(20_000)
	for _, kind := range []message.Type{message.TypeViewChange, message.TypeStatus} {
		if len(said[kind]) < 10 {
			t.Fatalf("%v was said %d times in 20 s", kind, len(said[kind]))
		}
		for k := 1; k < len(said[kind]); k++ {
			if wait := said[kind][k] - said[kind][k-1]; wait > 1020 {
				t.Errorf("%v was repeated after %d ms", kind, wait)
			}
		}
	}
}

// A complaint is repeated at least once a second as well, also with the longest timeout.
func TestComplaintIsRepeated(t *testing.T) {
	b := newBench(t)
	b.Pass = func(e pbfttest.Envelope) bool { return e.From != 0 || e.To != 1 }
	b.RunFor(5000) // replica 1 alone hears nothing of the primary
	said := 0
	b.Watch = func(i int, e pbft.Effect) {
		if s, is := e.(pbft.Send); is && i == 1 {
			if _, is := s.Msg.(*message.Complain); is {
				said++
			}
		}
	}
	b.RunFor(10_000)
	if said < 10 {
		t.Errorf("it complained %d times in 10 s", said)
	}
}

// R1: in the step that creates a vote nothing counts it; only when it comes back does it.
func TestOwnVoteComesBack(t *testing.T) {
	cfg, signers := pbfttest.Config(1, crypto.SchemeEd25519, params())
	r := pbft.New(cfg, 0, pbft.Restored{})
	seal := message.Sealer{Config: cfg, Self: 0, Signer: signers[0]}
	r.Step(pbft.Tick{Now: 1000})
	bundle := &message.Bundle{Items: []message.Item{{Op: []byte("a")}}}
	r.Step(pbft.Received{Msg: seal.Seal(&message.Submission{Bundle: bundle})})
	var proposal message.Message
	for _, e := range r.Step(pbft.TurnEnd{}) {
		switch e := e.(type) {
		case pbft.Send:
			proposal = e.Msg
		case pbft.Execute:
			t.Fatal("executed before any vote was durable")
		}
	}
	effects := r.Step(pbft.Received{Msg: seal.Seal(proposal)})
	for _, e := range effects {
		if _, is := e.(pbft.Execute); is {
			t.Fatal("executed before its COMMIT was durable")
		}
	}
	for _, e := range effects {
		if s, is := e.(pbft.Send); is {
			effects = r.Step(pbft.Received{Msg: seal.Seal(s.Msg)})
		}
	}
	executed := false
	for _, e := range effects {
		_, is := e.(pbft.Execute)
		executed = executed || is
	}
	if !executed {
		t.Error("a replica of one does not execute on its own durable COMMIT")
	}
}

// R2: a body that was PREPAREd in an older view is still there after a restart.
func TestBodiesOfOlderViewsAreReloaded(t *testing.T) {
	b := newBench(t)
	b.Pass = func(e pbfttest.Envelope) bool { // only proposals: all PREPARE, nobody has prepared
		_, vote := e.Msg.(*message.Vote)
		return !vote && e.From != 3 && e.To != 3
	}
	b.Submit(1, "a")
	b.Run()
	digest := b.votes(1, crypto.KindPrepare)[0].Digest
	b.Pass = func(e pbfttest.Envelope) bool {
		_, vote := e.Msg.(*message.Vote)
		return !vote
	}
	if !b.RunUntil(20_000, func() bool { return b.Nodes[1].Replica.State().View >= 1 }) {
		t.Fatal("no view change")
	}
	b.hold()
	b.Crash(1)
	b.Restart(1)
	clear(b.sent)
	b.hand(2, 1, &message.FetchBatches{Digests: []crypto.Digest{digest}})
	for _, m := range b.sent[1] {
		if reply, is := m.(*message.BatchReply); is && reply.Batch.Header.Digest() == digest {
			return
		}
	}
	t.Error("the body is gone")
}

// R7.4 and R14: a new primary that crashes right after its NEW-VIEW left has said the PREPARE in
// it, and knows that when it comes back.
func TestNewViewSurvivesCrash(t *testing.T) {
	b := newBench(t)
	b.Crash(0)
	b.Submit(2, "a")
	said := false
	b.Pass = func(e pbfttest.Envelope) bool {
		_, is := e.Msg.(*message.NewView)
		said = said || is
		return true
	}
	for k := 0; !said; k++ {
		if k == 100_000 {
			t.Fatal("no NEW-VIEW")
		}
		if len(b.Queue) > 0 {
			b.Deliver()
			continue
		}
		b.EndTurns()
		b.Tick(10)
	}
	b.Crash(1) // before anything comes back to it
	b.Queue = slices.DeleteFunc(b.Queue, func(e pbfttest.Envelope) bool { return e.To == 1 })
	b.Pass = nil
	b.RunFor(100)
	b.Restart(1)
	if !b.RunUntil(10_000, func() bool { return len(b.Nodes[2].Applied) == 1 }) {
		t.Errorf("no progress: %+v", b.Nodes[1].Replica.State())
	}
	if b.Nodes[1].Halted != "" {
		t.Error(b.Nodes[1].Halted)
	}
}

// R14: a NEW-VIEW that is recorded but was not acted upon when the crash came is sent again, the
// same.
func TestRecordedNewViewIsSaidAgain(t *testing.T) {
	b := newBench(t)
	b.Crash(0)
	b.Submit(2, "a")
	var first *message.NewView
	b.Pass = func(e pbfttest.Envelope) bool {
		if m, is := e.Msg.(*message.NewView); is {
			first = m
		}
		return first == nil
	}
	b.RunUntil(5000, func() bool { return first != nil })
	if first == nil {
		t.Fatal("no NEW-VIEW")
	}
	b.Crash(1)
	b.Queue = nil
	b.Restart(1)
	again := (*message.NewView)(nil)
	b.Pass = func(e pbfttest.Envelope) bool {
		if m, is := e.Msg.(*message.NewView); is {
			again = m
		}
		return true
	}
	b.RunFor(500)
	if again == nil || again.Statement(b.Config) != first.Statement(b.Config) {
		t.Error("the NEW-VIEW was not said again as it was")
	}
	if len(b.Violations) > 0 {
		t.Error(b.Violations)
	}
}

// All crash with the window full and no CHECKPOINT delivered: they say their CHECKPOINTs again, or
// they would stand at the high watermark for ever.
// PROTOCOL §3: B28.
func TestCheckpointsAreSaidAgain(t *testing.T) {
	b := newBench(t)
	b.Pass = func(e pbfttest.Envelope) bool {
		_, is := e.Msg.(*message.Checkpoint)
		return !is
	}
	for k := range params().Window {
		b.Submit(0, fmt.Sprint(k))
		b.Run()
	}
	for i := range b.Nodes {
		b.Crash(i)
	}
	b.Queue, b.Pass = nil, nil
	for i := range b.Nodes {
		b.Restart(i)
	}
	b.RunFor(1000)
	b.Submit(0, "more")
	b.RunFor(1000)
	sameOrder(t, b.Network, int(params().Window)+1)
}

// R14: somebody shows a starting replica a vote of its own that its journal does not know, outside
// of any answer to its question: it is amnesia all the same, and must not hide it.
func TestOwnVoteInOtherHands(t *testing.T) {
	b := newBench(t)
	b.Submit(0, "a")
	b.Run()
	vote := b.votes(3, crypto.KindPrepare)[0]
	b.hold()
	b.Crash(3)
	b.Nodes[3].Records = nil
	b.Restart(3)
	b.hand(1, 3, vote)
	if !b.Nodes[3].Replica.State().Recovering {
		t.Error("it does not notice")
	}
}

// DESIGN §5 point 11: a primary's statement convicts it also when the place was garbage-collected,
// and when the view is over.
func TestStatementsOutliveTheirPlaces(t *testing.T) {
	for _, later := range []string{"checkpoint", "view"} {
		t.Run(later, func(t *testing.T) {
			b := newBench(t)
			b.Traitors[0] = true
			b.Submit(1, "a")
			b.Run()
			h := b.Nodes[1].Log[0].Header
			if later == "checkpoint" {
				for k := range 8 {
					b.Submit(1, fmt.Sprint(k))
					b.Run()
				}
			} else {
				b.Crash(0)
				b.Submit(1, "b")
				b.RunFor(5000)
			}
			if st := b.Nodes[2].Replica.State(); st.Stable == 0 && st.View == 0 {
				t.Fatalf("nothing is over: %+v", st)
			}
			h.TimeMS++
			b.hand(3, 2, b.vote(crypto.KindPrepare, 0, 0, message.Ref{Seq: 1, Digest: h.Digest()}))
			b.want(len(b.Nodes[2].Proofs), 1, "proofs")
		})
	}
}

// DESIGN §5 point 11: a replica that catches up over a batch in whose place the primary told it of
// another one passes that on, though it never saw a vote for the batch.
func TestExecutedBatchIsComparedWithWhatWasTold(t *testing.T) {
	b := newBench(t)
	b.Traitors[0] = true
	b.hold()
	bundle := b.Bundle(0, "told")
	said := b.proposal(0, 1, b.Config.Base, bundle)
	b.told(1, said, bundle)
	one, two := b.Bundle(0, "done"), b.Bundle(0, "done too")
	first := b.proposal(0, 1, b.Config.Base, one)
	second := b.proposal(0, 2, refOf(first), two)
	clear(b.sent)
	b.hand(2, 1, &message.Decided{
		Proof:   message.Proof{Commit: b.certificate(refOf(second))},
		Headers: []message.Header{first.Header, second.Header},
		Bodies: []*message.Batch{
			{Header: first.Header, Bundles: []*message.Bundle{one}},
			{Header: second.Header, Bundles: []*message.Bundle{two}},
		},
	})
	b.want(len(b.Nodes[1].Log), 2, "batches executed")
	for _, m := range b.sent[1] {
		if v, is := m.(*message.Vote); is && v.Voter == 0 && v.Ref() == refOf(said) {
			return
		}
	}
	t.Error("the primary's word was not passed on")
}

// R16: a VIEW-CHANGE whose checkpoint lies beyond every base that could be chosen is left out; with
// only a quorum in hand, the new primary waits.
func TestRacedCheckpointIsLeftOut(t *testing.T) {
	b := newBench(t)
	b.hold()
	raced := b.change(3, 1)
	raced.Stable = b.checkpoint(8)
	raced.Stmt.Stable, raced.Stmt.Root = raced.Stable.Ref(), raced.Stable.Root
	b.Nodes[3].Sealer.Seal(raced)
	b.Nodes[1].NoSync = true // its own VIEW-CHANGE, which knows of no checkpoint, comes last
	b.hand(2, 1, b.change(2, 1))
	b.hand(0, 1, b.change(0, 1))
	b.hand(3, 1, raced)
	made := func() (last *message.NewView, count int) {
		for _, m := range b.sent[1] {
			if nv, is := m.(*message.NewView); is {
				last = nv
				count++
			}
		}
		return last, count
	}
	_, count := made()
	b.want(count, 0, "NEW-VIEWs with the raced one among three")
	b.Nodes[1].NoSync = false
	b.Sync(1)
	b.settle()
	nv, count := made()
	if b.want(count, 1, "NEW-VIEWs with three others"); count != 1 {
		return
	}
	for i := range nv.Stmts {
		if nv.Stmts[i].Voter == 3 {
			t.Error("the raced VIEW-CHANGE is among them")
		}
	}
	if b.Nodes[1].Halted != "" {
		t.Error("nobody is to blame, and yet: " + b.Nodes[1].Halted)
	}
}

// checkpoint is a genuine certificate of three replicas that have come further.
func (b *bench) checkpoint(seq uint64) *message.CheckpointCertificate {
	c := &message.CheckpointCertificate{
		Seq: seq, Digest: crypto.Hash("batch"), Root: crypto.Hash("root"),
	}
	var sigs [][]byte
	for _, voter := range []int{0, 2, 3} {
		point := &message.Checkpoint{Seq: c.Seq, Digest: c.Digest, Root: c.Root}
		b.Nodes[voter].Sealer.Seal(point)
		c.Signers = c.Signers.Add(voter)
		sigs = append(sigs, point.Sig)
	}
	aggregate, err := b.Config.Scheme.Aggregate(sigs)
	if err != nil {
		b.t.Fatal(err)
	}
	c.Aggregate = aggregate
	return c
}

// R18: what is kept of views to come, and of CHECKPOINTs, is bounded for each voter.
// PROTOCOL §3: B42.
func TestBoundsPerVoter(t *testing.T) {
	p := params()
	p.CheckpointEvery, p.Window = 512, 1024
	net := pbfttest.New(4, p)
	b := &bench{Network: net, t: t}
	b.Traitors[3] = true
	for seq := range uint64(300) {
		ref := message.Ref{Seq: seq + 1, Digest: crypto.Hash(fmt.Sprint(seq))}
		b.hand(3, 1, b.vote(crypto.KindPrepare, 3, 1, ref))
	}
	b.want(b.Nodes[1].Drops[pbft.DropVoteFlood], 300-256, "votes of the next view dropped")
	for k := range uint64(14) {
		c := &message.Checkpoint{Seq: 512 * (k + 1)}
		b.Nodes[3].Sealer.Seal(c)
		b.hand(3, 1, c)
	}
	for _, bound := range b.Nodes[1].Replica.Bounds() {
		if bound.Resource == "checkpoints" {
			b.want(int(bound.Used), 4, "CHECKPOINTs of replica 3 that are kept")
		}
	}
	c := &message.Checkpoint{Seq: 513}
	b.Nodes[3].Sealer.Seal(c)
	b.hand(3, 1, c)
	b.dropped(1, pbft.DropCheckpointPlace)
}

// R18: what a peer fetches is charged to it.
func TestFetchesAreCharged(t *testing.T) {
	b := newBench(t)
	b.Submit(0, "a")
	b.Run()
	served := 0
	b.Watch = func(i int, e pbft.Effect) {
		if _, is := e.(pbft.Serve); is && i == 1 {
			served++
		}
	}
	for range 1000 {
		b.hand(3, 1, &message.FetchDecided{})
	}
	if served == 0 || served > 64 {
		t.Errorf("%d of 1000 requests were served at once", served)
	}
	b.dropped(1, pbft.DropFetchThrottled)
	served = 0
	b.RunFor(1000)
	b.hand(3, 1, &message.FetchDecided{})
	b.want(served, 1, "served when time has passed")
}

// DESIGN §5 point 12: a replica that sees two commit certificates for one place keeps both and
// stops, also when the second comes as the proof of a later batch.
func TestTwoCertificatesRaiseAlarm(t *testing.T) {
	for _, way := range []string{"proof", "decided"} {
		t.Run(way, func(t *testing.T) {
			b := newBench(t)
			for i := range b.Nodes {
				b.Traitors[i] = true // more than f lie
			}
			b.Submit(0, "a")
			b.Run()
			fork := b.Nodes[1].Log[0].Header
			fork.TimeMS++
			top := fork
			if way == "decided" {
				top.Seq, top.Parent = 2, fork.Digest()
			}
			cert := b.certificate(message.Ref{Seq: top.Seq, Digest: top.Digest()})
			if way == "proof" {
				b.hand(0, 1, &message.Proof{Commit: cert})
			} else {
				b.hand(0, 1, &message.Decided{
					Proof: message.Proof{Commit: cert}, Headers: []message.Header{top},
				})
			}
			if b.Nodes[1].Halted == "" {
				t.Fatal("it goes on")
			}
			for _, rec := range b.Nodes[1].Records {
				if a := rec.Alarm; a != nil {
					if a.First == nil || a.First.Ref() == a.Second.Ref() || a.Second.Ref() != cert.Ref() {
						t.Errorf("the alarm does not hold both certificates: %+v", a)
					}
					return
				}
			}
			t.Error("no alarm on disk")
		})
	}
}

// certificate is a commit certificate that three liars made.
func (b *bench) certificate(ref message.Ref) *message.Certificate {
	c := &message.Certificate{Kind: crypto.KindCommit, Seq: ref.Seq, Digest: ref.Digest}
	var sigs [][]byte
	for _, voter := range []int{0, 2, 3} {
		c.Signers = c.Signers.Add(voter)
		sigs = append(sigs, b.vote(crypto.KindCommit, voter, 0, ref).Sig)
	}
	aggregate, err := b.Config.Scheme.Aggregate(sigs)
	if err != nil {
		b.t.Fatal(err)
	}
	c.Aggregate = aggregate
	return c
}

// R9: the head of every gateway's queue is in the next batch, however much another gateway has
// waiting.
func TestHeadsComeFirst(t *testing.T) {
	b := newBench(t)
	for k := range 400 {
		b.Submit(1, fmt.Sprint("x", k), fmt.Sprint("y", k))
	}
	b.Submit(2, "z")
	b.Submit(3, "w")
	b.Run()
	batch := b.Nodes[0].Log[0]
	gateways := map[int]bool{}
	for _, bundle := range batch.Bundles {
		gateways[bundle.Gateway] = true
	}
	if !gateways[1] || !gateways[2] || !gateways[3] {
		t.Errorf("the first batch of %d bundles serves gateways %v only",
			len(batch.Bundles), gateways)
	}
}
