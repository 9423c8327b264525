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

// Reconfiguration: PROTOCOL §4.10 with rules R5, R17 and R19. What crosses two epochs is tested
// where epochs follow one another, in daemon/loop.

func upTo(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

// top returns the last batch that a node has executed.
func top(node *pbfttest.Node) *message.Batch { return node.Log[len(node.Log)-1] }

// begun is a network of four that has executed something.
func begun(t *testing.T) *bench {
	t.Helper()
	b := newBench(t)
	b.Submit(1, "before")
	b.Run()
	sameOrder(t, b.Network, 1)
	return b
}

// §4.10: the batch that changes the members is the last of its epoch: a CHECKPOINT follows it
// whatever its number, everybody ends the epoch with it, and what is submitted then waits.
// PROTOCOL §3: B54.
func TestReconfigurationEndsTheEpoch(t *testing.T) {
	b := begun(t)
	b.Reconfigure(1, upTo(7), upTo(7))
	b.Submit(2, "beside")
	b.RunFor(500)
	waits := b.Submit(2, "after")
	b.RunFor(5000)
	for i, node := range b.Nodes {
		at := top(node)
		if at.Header.Kind != message.Reconfig || at.Reconfiguration() == nil {
			t.Fatalf("node %d: the last batch is of kind %d", i, at.Header.Kind)
		}
		if node.Ended == nil || node.Ended.Digest != at.Header.Digest() {
			t.Errorf("node %d: the epoch ended with %v", i, node.Ended)
		}
		if st := node.Replica.State(); st.View != 0 {
			t.Errorf("node %d: view %d: %s", i, st.View, st.Reason)
		}
	}
	node := b.Nodes[3]
	next, err := top(node).Reconfiguration().NextConfig(b.Config, &top(node).Header)
	if err != nil {
		t.Fatal(err)
	}
	st := node.Replica.Handover(next)
	if st.Executed != next.Base || !slices.ContainsFunc(st.Waiting,
		func(b *message.Bundle) bool { return b.ID() == waits.ID() }) {
		t.Errorf("handed over at %v, base %v, %d bundles wait", st.Executed, next.Base,
			len(st.Waiting))
	}
	for i := range next.Members {
		if low, known := st.Clients.Low(next.Members[i].Session); !known || low != 0 {
			t.Errorf("member %d: session from %d, %t", i, low, known)
		}
	}
	r := pbft.New(next, 3, st)
	if got := r.State(); got.Executed != next.Base.Seq || got.View != 0 || !got.Fenced {
		t.Errorf("the next epoch begins with %+v", got)
	}
}

// R19: without every newcomer and a quorum of the next epoch ready, a change is announced and
// changes nothing; the epoch goes on.
func TestAnnouncedChangeChangesNothing(t *testing.T) {
	for name, ready := range map[string][]int{
		"nobody":                 nil,
		"not the newcomer":       {0, 1, 2, 3},
		"fewer than next quorum": {3, 4},
	} {
		b := begun(t)
		b.Reconfigure(2, upTo(5), ready)
		b.RunFor(500)
		b.Submit(1, "goes on")
		b.RunFor(500)
		sameOrder(t, b.Network, 3)
		for i, node := range b.Nodes {
			if node.Ended != nil || node.Applied[1] != "reconfiguration in a batch of kind 0" {
				t.Errorf("%s: node %d: %v", name, i, node.Applied)
			}
		}
	}
}

// R17: "tip is not a RECONFIG batch". Prepared and not committed when the view changes, the batch
// is the next view's base: it is certified again, nobody proposes above it, and the epoch ends.
func TestReconfigurationAcrossAViewChange(t *testing.T) {
	b := begun(t)
	b.Pass = func(e pbfttest.Envelope) bool {
		v, is := e.Msg.(*message.Vote)
		return !is || v.Kind != crypto.KindCommit
	}
	b.Reconfigure(1, upTo(5), upTo(5))
	b.Submit(2, "after")
	for k := 0; b.Nodes[1].Replica.Status().High.Seq < 2; k++ {
		if k == 1000 {
			t.Fatal("the reconfiguration is not prepared")
		}
		b.Run()
		b.Tick(10)
	}
	b.Crash(0)
	b.Pass = nil
	done := func() bool {
		return b.Nodes[1].Ended != nil && b.Nodes[2].Ended != nil && b.Nodes[3].Ended != nil
	}
	if !b.RunUntil(20_000, done) {
		t.Fatalf("the epoch did not end: %+v", b.Nodes[1].Replica.State())
	}
	for _, node := range b.Nodes[1:] {
		if at := top(node); at.Header.Kind != message.Reconfig || at.Header.PropView != 0 ||
			node.Replica.State().View == 0 {
			t.Errorf("it ended with a batch of view %d in view %d", at.Header.PropView,
				node.Replica.State().View)
		}
	}
}

// R17, B53: what a primary proposes above the last batch of an epoch is refused, before that batch
// is decided and after it is executed.
func TestNothingFollowsTheLastBatch(t *testing.T) {
	for _, executed := range []bool{false, true} {
		b := begun(t)
		b.Pass = func(e pbfttest.Envelope) bool {
			_, checkpoint := e.Msg.(*message.Checkpoint)
			_, vote := e.Msg.(*message.Vote)
			return !checkpoint && (executed || !vote)
		}
		b.Reconfigure(1, upTo(5), upTo(5))
		b.Run()
		tip := b.Nodes[2].Replica.State().Tip
		if tip != 2 || (b.Nodes[2].Replica.State().Executed == 2) != executed {
			t.Fatalf("the tip is %d", tip)
		}
		var parent message.Ref
		for _, v := range b.votes(2, crypto.KindPrepare) {
			parent = v.Ref()
		}
		bundle := b.Bundle(0, "above")
		m := b.proposal(0, 3, parent, bundle)
		b.told(2, m, bundle)
		b.dropped(2, pbft.DropPrePrepareEnd)
		if got := b.Nodes[2].Replica.State().Tip; got != 2 {
			t.Errorf("executed %t: the tip moved to %d", executed, got)
		}
	}
}

// R17: from the commit certificate of the last batch on, work that waits is no fault of the
// primary's, for as long as the longest view timeout.
func TestNoComplaintWhileTheEpochEnds(t *testing.T) {
	b := begun(t)
	b.Pass = func(e pbfttest.Envelope) bool {
		_, is := e.Msg.(*message.Checkpoint)
		return !is
	}
	b.Reconfigure(1, upTo(5), upTo(5))
	b.Run()
	b.Submit(2, "waits")
	b.RunFor(params().MaxViewTimeout - 2000)
	for i, node := range b.Nodes {
		if st := node.Replica.State(); st.View != 0 || st.Complaint != "" || st.Executed != 2 {
			t.Errorf("node %d: %+v", i, st)
		}
	}
	complains := func() bool { return b.Nodes[1].Replica.State().View > 0 }
	if !b.RunUntil(10_000, complains) {
		t.Errorf("nobody complains for ever: %+v", b.Nodes[1].Replica.State())
	}
	b.Pass = nil
	if !b.RunUntil(60_000, func() bool { return b.Nodes[2].Ended != nil }) {
		t.Errorf("the epoch does not end: %+v", b.Nodes[2].Replica.State())
	}
}

// §4.6: who crashed between the last batch and the record of the epoch's end ends it when it is
// back.
func TestEndIsReportedAfterARestart(t *testing.T) {
	b := begun(t)
	b.Reconfigure(1, upTo(5), upTo(5))
	b.RunFor(500)
	b.Crash(2)
	b.Restart(2)
	if !b.RunUntil(5000, func() bool { return b.Nodes[2].Ended != nil }) {
		t.Errorf("it does not end: %+v", b.Nodes[2].Replica.State())
	}
}

// A learner follows what is decided, and signs nothing whatever it is told (§4.10: "observe until
// listed").
func TestObserver(t *testing.T) {
	b := newBench(t)
	learner := pbft.New(b.Config, pbft.Observer, pbft.Restored{})
	var executed uint64
	feed := func(in pbft.Input) (asks []*message.FetchDecided) {
		for _, e := range learner.Step(in) {
			switch e := e.(type) {
			case pbft.Send:
				ask, is := e.Msg.(*message.FetchDecided)
				if !is {
					t.Errorf("a learner says %v", e.Msg.Type())
				}
				asks = append(asks, ask)
			case pbft.Execute:
				executed = e.Batch.Header.Seq
				if e.Checkpoint {
					ref := message.Ref{Seq: executed, Digest: e.Batch.Header.Digest()}
					learner.Step(pbft.Executed{Batch: ref})
				}
			case pbft.Persist:
				if e.Record.Type == message.RecordVote || e.Record.Type == message.RecordTarget ||
					e.Record.Type == message.RecordCheckpoint {
					t.Errorf("a learner records a %d", e.Record.Type)
				}
			}
		}
		return asks
	}
	// It hears everything that is said to replica 3, and answers to what it asks.
	b.Pass = func(e pbfttest.Envelope) bool {
		if e.To == 3 {
			v, err := message.Verify(b.Config, nothing{}, e.From, 0, e.Msg)
			if err == nil {
				feed(pbft.Received{Msg: v})
			}
		}
		return true
	}
	now := b.Now
	for k := range 30 {
		b.Submit(k%4, fmt.Sprint(k))
		b.RunFor(100)
		now += 100
		asks := feed(pbft.Tick{Now: now})
		for _, ask := range asks {
			b.hand(3, 1, ask)
		}
	}
	b.Crash(0)
	b.Submit(1, "with another primary")
	b.RunFor(5000)
	feed(pbft.Tick{Now: now + 10_000})
	if executed < 29 {
		t.Errorf("it executed %d batches", executed)
	}
}

type nothing struct{}

func (nothing) Has(crypto.Digest) bool { return false }
func (nothing) Add(crypto.Digest)      {}

// R3 across epochs: members that stay keep their sessions, newcomers have fresh ones, those who
// left have none; clients' sessions survive, and count against members that there are.
func TestRebase(t *testing.T) {
	b := begun(t)
	before := b.Config
	table := b.Nodes[0].Replica.Handover(before).Clients
	var clients []crypto.NodeID
	var used []*message.Bundle
	for g := range 4 {
		key := crypto.NewNetworkKey([crypto.SeedSize]byte{9, byte(g)})
		reg := &message.ClientRequest{Seq: 1}
		message.SealClientRequest(before.RequestDomain(), key, reg)
		bundle := b.Bundle(g, "x")
		bundle.Items[0] = message.Item{Signed: reg}
		table.Plan(&message.Batch{
			Header:  message.Header{Seq: uint64(10 + g)},
			Bundles: []*message.Bundle{bundle},
		})
		clients, used = append(clients, reg.Client), append(used, bundle)
	}
	rc := pbfttest.Reconfiguration(before, []int{5, 2, 0}, message.Header{})
	next, err := before.Next(rc.Change, message.Ref{Seq: 20})
	if err != nil {
		t.Fatal(err)
	}
	after := table.Rebase(before, next)
	for session, want := range map[uint64]bool{0: true, 1: false, 2: true, 3: false, 4: true} {
		if _, known := after.Low(session); known != want {
			t.Errorf("session %d: %t, want %t", session, known, want)
		}
	}
	for _, c := range clients {
		if id := after.Session(c); id == 0 || id != table.Session(c) {
			t.Errorf("a client's session %d became %d", table.Session(c), id)
		}
	}
	for _, b := range used { // what was executed in one epoch is not executed in the next
		if !after.Discharged(b) {
			t.Errorf("the place %v is free again", b.Key())
		}
	}
	again, err := pbft.RestoreClients(next, slices.Values(after.Rows()))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.EqualFunc(again.Rows(), after.Rows(), func(a, b pbft.Row) bool {
		return a.Session == b.Session && slices.Equal(a.Data, b.Data)
	}) {
		t.Error("the table does not come back from its rows")
	}
	if _, err := pbft.RestoreClients(next, slices.Values(table.Rows())); err == nil {
		t.Error("the table of the epoch before is one of the next")
	}
}
