package pbft_test

import (
	"fmt"
	"testing"

	"byzd/crypto"
	"byzd/pbft"
	"byzd/pbft/message"
	"byzd/pbft/pbfttest"
)

// R8: a replica that holds certificates above what it has executed first catches up, but for one
// more timeout only; then it complains of what waits.
// PROTOCOL §3: B51.
func TestLagSuppressesNoComplaint(t *testing.T) {
	b := newBench(t)
	b.Pass = func(e pbfttest.Envelope) bool {
		switch e.Msg.(type) {
		case *message.PrePrepare, *message.BatchReply, *message.Decided, *message.Submission:
			return e.To != 1
		}
		return true
	}
	b.Submit(1, "x")
	b.RunFor(params().ViewTimeout * 3 / 2)
	st := b.Nodes[1].Replica.State()
	if st.High.Seq == 0 || st.Executed != 0 {
		t.Fatalf("it is not behind: %+v", st)
	}
	complains := func() bool {
		return b.Nodes[1].Replica.State().Complaint == message.ReasonRequestAge.String()
	}
	if complains() {
		t.Error("it complains before it had time to catch up")
	}
	if !b.RunUntil(params().ViewTimeout*2, complains) {
		t.Errorf("it does not complain: %+v", b.Nodes[1].Replica.State())
	}
}

// A next primary that is proven a liar is not waited for: the view after it begins at once.
func TestProvenLiarIsNotWaitedFor(t *testing.T) {
	b := newBenchOf(t, 7)
	b.Traitors[1] = true
	for i := range b.Nodes { // everybody has the proof
		for _, what := range []string{"this", "that"} {
			ref := message.Ref{Seq: 1, Digest: crypto.Hash(what)}
			b.hand((i+1)%7, i, b.vote(crypto.KindPrepare, 1, 0, ref))
		}
	}
	b.Crash(0)
	b.Crash(1)
	b.Submit(2, "a")
	if !b.RunUntil(5000, func() bool { return b.target(3) >= 1 }) {
		t.Fatal("no view change")
	}
	start := b.Now
	b.RunUntil(20_000, func() bool { return b.Nodes[3].Replica.State().View == 2 })
	if waited := b.Now - start; waited > 500 {
		t.Errorf("view 2 began after %d ms", waited)
	}
}

// Whatever the timeout has grown to, a next primary to which the connection is lost, and which
// gossip believes dead too, is waited for no longer than the shortest timeout.
func TestLostPrimaryIsNotWaitedFor(t *testing.T) {
	b := newBench(t)
	b.Pass = func(e pbfttest.Envelope) bool { // views fail until the timeout is at its highest
		switch e.Msg.(type) {
		case *message.NewView, *message.Proof, *message.PrePrepare:
			return false
		}
		return true
	}
	b.Submit(1, "a")
	grown := func() bool {
		return b.Nodes[2].Replica.State().Tau == params().MaxViewTimeout && b.target(2)%4 == 0
	}
	if !b.RunUntil(400_000, grown) {
		t.Fatalf("the timeout grew to %d ms only", b.Nodes[2].Replica.State().Tau)
	}
	b.Crash(0) // which all wait for
	for _, i := range []int{1, 2, 3} {
		b.Step(i, pbft.Hint{Peer: 0})
	}
	b.Pass = nil
	start := b.Now
	b.RunUntil(60_000, func() bool { return len(b.Nodes[2].Applied) > 0 })
	if waited := b.Now - start; waited > 5000 {
		t.Errorf("work resumed after %d ms", waited)
	}
}

// A small view timeout must not make an idle primary look dead between two STATUS messages.
func TestIdlePrimaryWithShortTimeout(t *testing.T) {
	p := params()
	p.ViewTimeout = 100
	net := pbfttest.New(4, p)
	net.RunFor(20_000)
	if st := net.Nodes[1].Replica.State(); st.View != 0 || st.Complaint != "" {
		t.Errorf("idle for 20 s: %+v", st)
	}
}

// A clock that is set forward, or a process that was stopped, ends no view.
func TestLeapingClock(t *testing.T) {
	net := pbfttest.New(4, params())
	net.RunFor(1000)
	for _, leap := range []int64{3_600_000, -7_200_000} {
		for i := range net.Nodes {
			net.Skew[i] += leap
		}
		net.RunFor(1000)
	}
	net.Submit(1, "a")
	net.RunFor(500)
	sameOrder(t, net, 1)
	if st := net.Nodes[1].Replica.State(); st.View != 0 {
		t.Errorf("the view ended: %+v", st)
	}
}

// P5 of the design: after an outage of any kind heals, work resumes within a few seconds, whatever
// the timers have grown to, and nobody restarts anything.
// PROTOCOL §3: B48.
func TestWorkResumesAfterHeal(t *testing.T) {
	half := func(e pbfttest.Envelope) bool { return e.From/2 == e.To/2 }
	for name, pass := range map[string]func(now int64) func(pbfttest.Envelope) bool{
		"halves": func(int64) func(pbfttest.Envelope) bool { return half },
		"everybody alone": func(int64) func(pbfttest.Envelope) bool {
			return func(pbfttest.Envelope) bool { return false }
		},
		"the primary alone": func(int64) func(pbfttest.Envelope) bool {
			return func(e pbfttest.Envelope) bool { return e.From != 0 && e.To != 0 }
		},
		"one way": func(int64) func(pbfttest.Envelope) bool {
			return func(e pbfttest.Envelope) bool { return e.From < e.To }
		},
		"changing halves": func(now int64) func(pbfttest.Envelope) bool {
			if now/700%2 == 0 {
				return half
			}
			return func(e pbfttest.Envelope) bool { return e.From%2 == e.To%2 }
		},
		"now and then": func(now int64) func(pbfttest.Envelope) bool {
			return func(pbfttest.Envelope) bool { return now/150%5 == 0 }
		},
	} {
		for _, n := range []int{4, 7} {
			t.Run(fmt.Sprint(name, " of ", n), func(t *testing.T) {
				b := newBenchOf(t, n)
				for start := b.Now; b.Now < start+60_000; {
					b.Pass = pass(b.Now)
					if b.Now%1000 == 1 {
						b.Submit(int(b.Now/1000)%n, fmt.Sprint(b.Now))
					}
					b.RunFor(10)
				}
				b.Pass = nil
				start := b.Now
				whole := func() bool {
					for i := range n {
						for k := range n {
							if b.Waiting(i, k) > 0 {
								return false
							}
						}
					}
					return true
				}
				for b.Now < start+30_000 && !whole() {
					for i := range n {
						b.Rebroadcast(i)
					}
					b.RunFor(500)
				}
				took := b.Now - start
				t.Logf("whole after %d ms, view %d", took, b.Nodes[1].Replica.State().View)
				if took > 5000 {
					t.Errorf("whole after %d ms: %+v", took, b.Nodes[1].Replica.State())
				}
				if len(b.Violations) > 0 {
					t.Error(b.Violations)
				}
			})
		}
	}
}

// What State tells of the oldest pending work is how long it waits, not how long it has headed its
// queue, nor how long in this view: an outsider who watches must be able to see a standstill in
// which view follows view.
func TestAgeOfPendingWorkOutlivesViews(t *testing.T) {
	net := pbfttest.New(4, params())
	net.Submit(1, "done")
	net.RunFor(1000)
	net.Pass = func(e pbfttest.Envelope) bool { // no batch gets through
		_, is := e.Msg.(*message.PrePrepare)
		return !is
	}
	net.Submit(1, "a")
	net.RunFor(100)
	net.Submit(1, "b")
	start := net.Now - 100
	for net.Now < start+30_000 {
		net.RunFor(500)
		st := net.Nodes[2].Replica.State()
		if age := net.Now - start; st.OldestMS < age-50 || st.OldestMS > age+50 || st.Pending != 2 {
			t.Fatalf("view %d: %d operations, the oldest for %d ms, want 2 for %d ms",
				st.View, st.Pending, st.OldestMS, age)
		}
	}
	if st := net.Nodes[2].Replica.State(); st.View < 2 {
		t.Errorf("the view is %d", st.View)
	}
	net.Pass = nil
	for k := 0; net.Nodes[2].Replica.State().Pending > 0; k++ {
		if k == 100 {
			t.Fatal("the work is not done")
		}
		net.RunFor(500)
	}
	if st := net.Nodes[2].Replica.State(); st.OldestMS != 0 {
		t.Errorf("nothing waits, for %d ms", st.OldestMS)
	}
}
