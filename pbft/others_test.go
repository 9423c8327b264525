package pbft_test

import (
	"fmt"
	"testing"

	"byzd/crypto"
	"byzd/pbft/message"
	"byzd/pbft/pbfttest"
)

// Tests that the catalogue of other systems' bugs asked for: each names the bug that it would catch.
// BUGS.md has the whole list.

// B20: news of the height where a replica stands already changes nothing, and the next batch is
// agreed upon as ever.
func TestOldNewsChangesNothing(t *testing.T) {
	b := newBench(t)
	for k := range 8 {
		b.Submit(0, fmt.Sprint(k))
		b.Run()
	}
	var news []message.Message
	for i := range b.Nodes {
		for _, m := range b.sent[i] {
			switch m.(type) {
			case *message.Vote, *message.Checkpoint, *message.PrePrepare:
				news = append(news, m)
			}
		}
	}
	before := *b.Nodes[1].Replica.Status()
	for _, m := range news {
		for from := range b.Nodes {
			if from != 1 {
				b.hand(from, 1, m)
			}
		}
	}
	if after := *b.Nodes[1].Replica.Status(); after != before {
		t.Errorf("it stood at %+v, and stands at %+v", before, after)
	}
	b.Submit(0, "more")
	b.Run()
	sameOrder(t, b.Network, 9)
}

// B32: one replica that wants the last view that there is moves nobody.
func TestHugeViewMovesNobody(t *testing.T) {
	for _, view := range []uint64{1 << 31, 1 << 32, 1 << 61, message.MaxNumber - 1} {
		b := newBench(t)
		b.Traitors[3] = true
		b.Crash(3)
		for i := range 3 {
			b.hand(3, i, b.change(3, view))
			complain := &message.Complain{View: view, Reason: message.ReasonSilent}
			b.Nodes[3].Sealer.Seal(complain)
			b.hand(3, i, complain)
			b.hand(3, i, b.vote(crypto.KindPrepare, 3, view, message.Ref{Seq: 1}))
		}
		b.Submit(1, "a")
		b.RunFor(5000)
		sameOrder(t, b.Network, 1)
		for i := range 3 {
			b.want(int(b.target(i)), 0, fmt.Sprintf("view that replica %d wants", i))
		}
		b.Crash(0) // and whoever wants another view wants the next
		b.Restart(0)
		b.RunFor(5000)
		b.want(int(b.target(1)), 0, "view after a restart")
	}
}

// B41: replicas that hear different quorums have one state: their CHECKPOINTs are alike.
func TestStateDoesNotDependOnWhoWasHeard(t *testing.T) {
	b := newBench(t)
	b.Pass = func(e pbfttest.Envelope) bool { // everybody lacks another one's votes
		_, vote := e.Msg.(*message.Vote)
		return !vote || e.From != (e.To+1)%4 || e.From == e.To
	}
	for k := range 8 {
		b.Submit(k%4, fmt.Sprint(k))
		b.Run()
	}
	said := map[[2]crypto.Digest]int{}
	for i := range b.Nodes {
		for _, m := range b.sent[i] {
			if c, is := m.(*message.Checkpoint); is && c.Voter == i {
				said[[2]crypto.Digest{c.Digest, c.Root}]++
			}
		}
	}
	if len(said) != 1 {
		t.Errorf("%d different CHECKPOINTs, want 1", len(said))
	}
	sameOrder(t, b.Network, 8)
}

// B49: f silent primaries in a row are each left behind.
func TestSilentPrimariesInARow(t *testing.T) {
	for n, f := range map[int]int{4: 1, 7: 2, 10: 3} { // any order: each is its own network
		b := newBenchOf(t, n)
		for i := range f {
			b.Crash(i)
		}
		b.Submit(f, "a")
		if !b.RunUntil(60_000, func() bool { return len(b.Nodes[n-1].Applied) == 1 }) {
			t.Errorf("n=%d: nothing is executed behind %d silent primaries", n, f)
		}
		sameOrder(t, b.Network, 1)
	}
}

// B50: a request that arrives after its batch was executed, however often, starts no timer, and is
// not ordered again.
func TestLateRequestStartsNoTimer(t *testing.T) {
	b := newBench(t)
	b.Pass = func(e pbfttest.Envelope) bool { // its gateway does not tell replica 3
		s, is := e.Msg.(*message.Submission)
		return !is || e.To != 3 || s.Bundle.Gateway != 1 || e.From != 1
	}
	bundle := b.Submit(1, "a")
	b.RunFor(2000)
	b.want(len(b.Nodes[3].Applied), 1, "operations executed by replica 3")
	b.Pass = nil
	for range 20 {
		b.Broadcast(bundle)
		b.RunFor(500)
	}
	for i := range b.Nodes {
		for _, m := range b.sent[i] {
			if _, is := m.(*message.Complain); is {
				t.Fatalf("replica %d complains of what is executed", i)
			}
		}
		b.want(int(b.target(i)), 0, "view")
		b.want(len(b.Nodes[i].Log), 1, "batches")
	}
	sameOrder(t, b.Network, 1)
}

// B56: a deposed primary that comes back to the others learns that it is deposed.
func TestDeposedPrimaryLearnsOfIt(t *testing.T) {
	b := newBench(t)
	b.Pass = func(e pbfttest.Envelope) bool { return e.From != 0 && e.To != 0 || e.From == e.To }
	b.Submit(1, "a")
	if !b.RunUntil(20_000, func() bool { return len(b.Nodes[1].Applied) == 1 }) {
		t.Fatal("nothing is executed without replica 0")
	}
	b.want(int(b.Nodes[0].Replica.State().View), 0, "view of the deposed primary")
	b.Pass = nil
	b.Submit(0, "b") // it would propose this itself, if it still led
	b.RunFor(10_000)
	b.want(int(b.Nodes[0].Replica.State().View), 1, "view of the deposed primary")
	for _, m := range b.sent[0] {
		if p, is := m.(*message.PrePrepare); is && p.View != 0 {
			t.Errorf("it proposes in view %d", p.View)
		}
	}
	sameOrder(t, b.Network, 2)
}

// B57: agreement on a large bundle costs no copies of it: what replicas tell each other grows with
// their number, and not with the operation. Each gets the body once, from its gateway.
func TestAgreementSendsNoBodies(t *testing.T) {
	for _, n := range []int{4, 7, 10} {
		b := newBenchOf(t, n)
		body := string(make([]byte, 200_000))
		b.Submit(1, body)
		b.RunFor(1000)
		sameOrder(t, b.Network, 1)
		for i := range b.Nodes {
			total := 0
			for _, m := range b.sent[i] {
				total += len(message.Encode(b.Config.Epoch, m))
			}
			if total == 0 || total > len(body)/4 {
				t.Errorf("n=%d: replica %d sent %d bytes for a bundle of %d", n, i, total, len(body))
			}
		}
	}
}

// B35: the primaries of the next views are all proven liars, as many as there can be. Each is passed
// over, and the search for another ends; a replica that is proven one itself halts, and says why.
func TestAllProvenLiarsArePassedOver(t *testing.T) {
	b := newBenchOf(t, 7)
	for liar := range 2 {
		b.Traitors[liar] = true
		for i := range b.Nodes {
			for _, what := range []string{"this", "that"} {
				ref := message.Ref{Seq: 30, Digest: crypto.Hash(what)}
				if i != liar {
					b.hand(liar, i, b.vote(crypto.KindPrepare, liar, 0, ref))
				}
			}
		}
	}
	b.Submit(3, "a")
	start := b.Now
	if !b.RunUntil(60_000, func() bool { return len(b.Nodes[6].Applied) == 1 }) {
		t.Fatal("nobody leads any more")
	}
	if waited := b.Now - start; waited > params().ViewTimeout {
		t.Errorf("the proven liars were waited for, %d ms", waited)
	}
	b.want(int(b.Nodes[6].Replica.State().View), 2, "view")
	for liar := range 2 {
		if b.Nodes[liar].Halted == "" {
			t.Errorf("replica %d goes on, though it is proven to have signed contradictions", liar)
		}
	}
}
