package pbft_test

import (
	"flag"
	"fmt"
	"testing"

	"byzd/crypto"
	"byzd/pbft"
	"byzd/pbft/message"
	"byzd/pbft/pbfttest"
)

var (
	forgetSeeds = flag.Int("forget-seeds", 60, "random walks with lost disks to take")
	forgetStep  = flag.Uint64("forget-step", 1, "what separates two seeds; 20 takes large walks only")
	forgetSeed  = flag.Uint64("forget-seed", 0, "the one seed to replay; 0 takes them all")
)

// TestForgetfulWalks takes seeded walks in which replicas lose their disks (rule R15), together
// with all that the other walks do. What a replica signed in an earlier life binds it in all later
// ones: the ledger outlives the disks. With at most f faults at once every replica is back and
// votes in the end; with more, nothing is promised but that nobody contradicts itself.
// PROTOCOL §3: B30.
func TestForgetfulWalks(t *testing.T) {
	if *forgetSeed != 0 {
		newForgetful(*forgetSeed).run(t)
		return
	}
	wiped, recovered := 0, 0
	for k := range uint64(*forgetSeeds) {
		if t.Failed() {
			break
		}
		// 15 is the first seed of seven replicas of which more than two may be faulty at once.
		w := newForgetful(max(1, 15*min(1, *forgetStep-1)) + k**forgetStep)
		w.run(t)
		if !w.beyond {
			wiped, recovered = wiped+w.wiped, recovered+w.recovered
		}
	}
	t.Logf("%d walks, %d disks lost, %d recoveries", *forgetSeeds, wiped, recovered)
	if recovered == 0 || recovered < wiped/3 {
		t.Errorf("%d disks were lost and %d recoveries ended: the walks show little", wiped, recovered)
	}
}

// forgetful is a walk with lost disks.
type forgetful struct {
	*walk

	beyond           bool // more may be lost at once than the cluster withstands
	lost             []int
	wiped, recovered int
}

func newForgetful(seed uint64) *forgetful {
	w := &forgetful{walk: newWalk(seed), beyond: seed%4 == 3}
	w.strayed = 0 // no other disk fault
	w.lost = make([]int, w.n)
	spare := (w.n - 1) / 3
	for i := range w.n { // at least one fault is left for a lost disk
		if w.net.Traitors[i] {
			spare--
			if spare < 1 {
				delete(w.net.Traitors, i)
				delete(w.lies, i)
			}
		}
	}
	w.net.Twist, w.net.Watch = w.inflate, w.count
	return w
}

func (w *forgetful) count(i int, e pbft.Effect) {
	w.watch(i, e)
	if o, is := e.(pbft.Observed); is && o.Event == pbft.EventRecovered {
		w.recovered++
	}
}

// inflate lets a traitor answer whoever recovers with views that nobody is in, or as if it were in
// none.
func (w *forgetful) inflate(e pbfttest.Envelope) []message.Message {
	if m, is := e.Msg.(*message.Recovery); is {
		far := *m
		if far.Target = 1 << 50; w.beyond {
			far.View, far.Target = 0, 0
		}
		w.seal(e.From, &far)
		return []message.Message{&far}
	}
	return w.twist(e)
}

func (w *forgetful) run(t *testing.T) {
	t.Helper()
	for step := range 400 {
		switch dice := w.rng.IntN(100); {
		case dice < 2:
			w.wipe(w.rng.IntN(w.n))
		case dice < 4:
			w.pretend()
		default:
			w.step(step)
		}
		if w.failed(t) {
			return
		}
	}
	if w.beyond {
		clear(w.cut)
		w.net.RunFor(3000)
		w.failed(t)
		return
	}
	w.heal(t)
	w.back(t)
}

func (w *forgetful) failed(t *testing.T) bool {
	t.Helper()
	if w.check(t) {
		t.Logf("replay with: go test ./pbft -run TestForgetfulWalks -forget-seed=%d", w.seed)
	}
	return t.Failed()
}

// wipe loses a disk, if that is one fault that the cluster withstands.
func (w *forgetful) wipe(i int) {
	faults := len(w.lies)
	for k, node := range w.net.Nodes {
		if k != i && node.Forgot() {
			faults++
		}
	}
	if w.net.Traitors[i] || !w.beyond && (faults >= w.net.Config.Sizes.F || w.lost[i] > 1) {
		return
	}
	w.lost[i]++
	w.wiped++
	clear(w.heard[i])
	w.net.Wipe(i)
	if w.rng.IntN(2) == 0 {
		w.net.Restart(i)
	}
}

// pretend lets a traitor say that it recovers, and needs views far away.
func (w *forgetful) pretend() {
	for i := range w.n {
		if w.net.Traitors[i] {
			w.net.Inject(pbfttest.Envelope{
				From: i, To: (i + 1 + w.rng.IntN(w.n-1)) % w.n,
				Msg: &message.Recover{Nonce: 1, Floor: 1 << 40},
			})
		}
	}
}

// back waits until every replica votes again, and sees that it does.
func (w *forgetful) back(t *testing.T) {
	t.Helper()
	voting := func() bool {
		for i, node := range w.net.Nodes {
			if st := node.Replica.State(); !w.net.Traitors[i] && st.Recovering {
				return false
			}
		}
		return true
	}
	for start := w.net.Now; !voting() && w.net.Now < start+700_000 && !w.failed(t); {
		w.net.RunFor(500)
	}
	if !voting() {
		for i, node := range w.net.Nodes {
			t.Logf("replica %d: %+v", i, node.Replica.State())
		}
		t.Errorf("seed %d: somebody does not recover", w.seed)
	}
	for i := range w.n {
		w.net.Submit(i, fmt.Sprintf("recovered-%d", i))
	}
	for start := w.net.Now; !w.whole() && w.net.Now < start+60_000 && !w.failed(t); {
		w.net.RunFor(500)
	}
	if !w.whole() {
		t.Errorf("seed %d: nothing is agreed on after the recovery", w.seed)
	}
	w.failed(t)
}

// R15: what a replica has recovered from is not held against it when it starts again: a vote of an
// earlier life, in a view below the one that its journal knows, is nothing that it forgot. (Found
// by seed 1920 of the walks, where a traitor showed one.)
func TestWordsOfAnEarlierLife(t *testing.T) {
	b := newBench(t)
	b.Submit(0, "a")
	b.Run()
	vote := b.votes(3, crypto.KindPrepare)[0]
	b.Wipe(3)
	b.Restart(3)
	if !b.RunUntil(10_000, func() bool { return !b.Nodes[3].Replica.State().Recovering }) {
		t.Fatal("it does not recover")
	}
	b.Crash(3)
	b.Restart(3)
	b.hand(1, 3, vote)
	b.RunFor(1000)
	if s := b.Nodes[3].Replica.State(); s.Recovering || s.Fenced {
		t.Errorf("after another start: %+v", s)
	}
}

// R14: what is not signed by the replica that starts tells it nothing, and a few that keep silent
// do not keep it from starting.
func TestLiarsCannotForceAmnesia(t *testing.T) {
	b := newBench(t)
	b.Submit(0, "a")
	b.Run()
	b.Traitors[1] = true
	b.Twist = func(e pbfttest.Envelope) []message.Message {
		m, is := e.Msg.(*message.FenceAnswer)
		if !is {
			return []message.Message{e.Msg}
		}
		lie := *m
		v := &message.Vote{Kind: crypto.KindPrepare, View: 7, Seq: 1, Digest: crypto.Hash("x")}
		b.Nodes[1].Sealer.Seal(v) // it has no other key
		v.Voter = e.To
		lie.Votes = append(lie.Votes, v)
		return []message.Message{&lie}
	}
	b.Crash(3)
	b.Restart(3)
	b.RunFor(1000)
	if s := b.Nodes[3].Replica.State(); s.Recovering || s.Fenced {
		t.Errorf("a forged statement: %+v", s)
	}
	b.Twist = func(pbfttest.Envelope) []message.Message { return nil }
	b.Crash(3)
	b.Restart(3)
	b.RunFor(1000)
	if s := b.Nodes[3].Replica.State(); s.Recovering || s.Fenced {
		t.Errorf("a silent traitor: %+v", s)
	}
}

// R15: a liar that says for ever that it recovers deposes primaries a few times in ten minutes, and
// that is all; one that inflates its view delays no recovery beyond the answers of the correct.
func TestLiarsRecoverForEver(t *testing.T) {
	b := newBench(t)
	b.Traitors[3] = true
	for range 600 {
		for to := range 3 {
			b.Inject(pbfttest.Envelope{
				From: 3, To: to, Msg: &message.Recover{Nonce: 5, Floor: 1 << 50},
			})
		}
		b.RunFor(500)
	}
	// In five minutes twelve views, and those that the liar would have led itself.
	if s := b.Nodes[0].Replica.State(); s.View < 8 || s.View > 16 {
		t.Errorf("view %d after five minutes", s.View)
	}
}
