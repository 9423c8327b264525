package pbft_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"

	"byzd/crypto"
	"byzd/pbft"
	"byzd/pbft/message"
	"byzd/pbft/pbfttest"
)

var (
	walkSeeds = flag.Int("walk-seeds", 120, "random walks to take")
	walkSeed  = flag.Uint64("walk-seed", 0, "the one seed to replay; 0 takes them all")
)

// TestRandomWalks takes seeded walks through everything that a network, disks and one traitor of
// four may do (two of seven), holds honest replicas to account for every signature and every batch,
// and at last heals everything and waits until all that was submitted is executed.
// PROTOCOL §3: B15.
func TestRandomWalks(t *testing.T) {
	if *walkSeed != 0 {
		newWalk(*walkSeed).run(t)
		return
	}
	slowest, cuts, moved, fixed := int64(0), 0, 0, 0
	for seed := uint64(1); seed <= uint64(*walkSeeds) && !t.Failed(); seed++ {
		w := newWalk(seed)
		w.run(t)
		slowest = max(slowest, w.healed)
		cuts, moved, fixed = cuts+w.cuts, moved+w.moved, fixed+w.fixed
	}
	t.Logf("%d walks; the slowest was whole again %d ms after the heal; "+
		"%d logs cut, %d states fetched, %d found wrong", *walkSeeds, slowest, cuts, moved, fixed)
	if *walkSeed == 0 && *walkSeeds >= 100 && (cuts == 0 || moved == 0 || fixed == 0) {
		t.Error("no log was cut, no state was fetched, or none was found wrong")
	}
}

// walk is one random run. What it does follows from its seed.
type walk struct {
	seed   uint64
	rng    *rand.Rand
	net    *pbfttest.Network
	n      int
	lies   map[int]int                      // of each traitor
	twins  map[crypto.Digest]message.Header // what a traitor shows to others in place of a batch
	heard  []map[message.Rank]crypto.Digest // what each replica was told by equivocating primaries
	cut    []int                            // the side of each replica; sides do not hear each other
	healed int64
	cuts   int // logs that were cut off below a stable checkpoint
	moved  int // states that were fetched
	fixed  int // states that were found to be wrong

	strayed int // whose state was damaged, or -1
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// The lies of a traitor.
const (
	lieNone       = iota
	lieEquivocate // tells replicas of odd numbers of other batches, and votes for them there
	lieHide       // hides its lock from every second replica
	lieVotes      // votes at random for something else
	lieMute       // withholds half of what it should say
	lieKinds
)

func newWalk(seed uint64) *walk { return newWalkOf(seed, rand.NewPCG(seed, 0)) }

// newWalkOf is a walk of a seed's kind whose every turn is drawn from a source.
func newWalkOf(seed uint64, source rand.Source) *walk {
	w := &walk{
		seed: seed, rng: rand.New(source), n: 4,
		strayed: -1, lies: map[int]int{}, twins: map[crypto.Digest]message.Header{},
	}
	if seed%5 == 0 {
		w.n = 7
	}
	w.cut, w.heard = make([]int, w.n), make([]map[message.Rank]crypto.Digest, w.n)
	for i := range w.heard {
		w.heard[i] = map[message.Rank]crypto.Digest{}
	}
	p := params()
	p.CheckpointEvery, p.Window = 4, 16
	p.InFlight = 1 + int(seed%4)
	if seed%3 == 0 {
		p.RotateEvery = 8
	}
	w.net = pbfttest.New(w.n, p)
	w.net.Twist = w.twist
	w.net.Watch = w.watch
	for range (w.n - 1) / 3 {
		lie, traitor := w.rng.IntN(lieKinds), w.rng.IntN(w.n)
		if lie == lieEquivocate {
			traitor = w.rng.IntN(2) // it must lead to have anything to say
		}
		if lie != lieNone {
			w.net.Traitors[traitor], w.lies[traitor] = true, lie
		}
	}
	w.net.Pass = func(e pbfttest.Envelope) bool { return w.cut[e.From] == w.cut[e.To] }
	return w
}

// watch counts what is rare.
func (w *walk) watch(_ int, e pbft.Effect) {
	if o, is := e.(pbft.Observed); is {
		w.moved += count(o.Event == pbft.EventInstalled)
		w.fixed += count(o.Event == pbft.EventDiverged)
	}
}

func (w *walk) run(t *testing.T) {
	t.Helper()
	steps := 250
	if w.seed%4 == 1 {
		steps = 800 // long enough for logs to end above what somebody lacks
	}
	for step := range steps {
		w.step(step)
		if w.check(t) {
			return
		}
	}
	w.heal(t)
}

// check reports whether the walk failed.
func (w *walk) check(t *testing.T) bool {
	t.Helper()
	for _, v := range w.net.Violations {
		t.Errorf("seed %d: %s", w.seed, v)
	}
	for i, node := range w.net.Nodes {
		for _, b := range node.Replica.Bounds() {
			if b.Used > b.Limit {
				t.Errorf("seed %d: replica %d holds %d %s, at most %d", w.seed, i, b.Used, b.Resource,
					b.Limit)
			}
		}
		if node.Halted != "" && !w.net.Traitors[i] {
			t.Errorf("seed %d: replica %d halted: %s", w.seed, i, node.Halted)
		}
	}
	if t.Failed() {
		t.Logf("replay with: go test ./pbft -run TestRandomWalks -walk-seed=%d", w.seed)
	}
	return t.Failed()
}

func (w *walk) step(step int) {
	i := w.rng.IntN(w.n)
	node := w.net.Nodes[i]
	switch dice := w.rng.IntN(100); {
	case dice < 8 && !node.Down:
		w.net.Submit(i, fmt.Sprintf("%d-%d", step, i))
	case dice < 70:
		w.deliver(1 + w.rng.IntN(30))
	case dice < 85:
		w.net.Tick(int64(1 + w.rng.IntN(120)))
	case dice < 88:
		w.net.Tick(int64(500 + w.rng.IntN(3000)))
	case dice < 91:
		for k := range w.cut {
			w.cut[k] = w.rng.IntN(3) / 2
		}
	case dice < 93:
		clear(w.cut)
	case dice < 95 && !node.Down:
		node.NoSync = !node.NoSync
		if !node.NoSync {
			w.net.Sync(i)
		}
	case dice < 96 && !node.Down:
		for k := range w.net.Nodes {
			w.cuts += count(w.net.Cut(k))
		}
		if len(w.lies) == 0 && w.strayed < 0 && len(node.Log) > 0 {
			w.strayed = i // the one fault of this walk
			w.net.Stray(i)
		}
	case dice < 97 && !node.Down:
		w.net.Crash(i, w.rng.IntN(1+len(node.Staged)))
	case node.Down:
		clear(w.heard[i]) // it forgets what it was told
		w.net.Restart(i)
	default:
		w.net.Rebroadcast(i)
	}
}

// deliver hands over some of the waiting messages, in any order; a few are lost, a few come twice.
func (w *walk) deliver(count int) {
	for range count {
		if len(w.net.Queue) == 0 {
			w.net.EndTurns()
			return
		}
		k := w.rng.IntN(min(len(w.net.Queue), 12))
		e := w.net.Queue[k]
		w.net.Queue = append(w.net.Queue[:k:k], w.net.Queue[k+1:]...)
		if e.From == e.To { // a statement on its way back to its author is never lost
			w.net.Hand(e)
			continue
		}
		if dice := w.rng.IntN(40); dice != 0 {
			w.note(e)
			w.net.Hand(e)
			if dice == 1 {
				w.net.Hand(e)
			}
		}
	}
}

// note remembers what an honest replica is told by an equivocating primary of its view.
func (w *walk) note(e pbfttest.Envelope) {
	m, is := e.Msg.(*message.PrePrepare)
	node := w.net.Nodes[e.To]
	if !is || w.lies[e.From] != lieEquivocate || w.net.Traitors[e.To] || node.Down {
		return
	}
	st := node.Replica.State()
	at := message.Rank{View: m.View, Seq: m.Header.Seq}
	if _, known := w.heard[e.To][at]; !known && st.View == m.View && m.Header.Seq > st.Stable {
		w.heard[e.To][at] = m.Header.Digest()
	}
}

// caught fails unless a primary that told two honest replicas different things is convicted by an
// honest one, however the place and the view ended.
func (w *walk) caught(t *testing.T) {
	t.Helper()
	convicted := map[int]bool{}
	for i, node := range w.net.Nodes {
		for _, e := range node.Proofs {
			convicted[e.Culprit] = convicted[e.Culprit] || !w.net.Traitors[i]
		}
	}
	for i := range w.heard {
		for at, d := range w.heard[i] {
			for k := range i {
				liar := w.net.Config.Primary(at.View)
				if other, told := w.heard[k][at]; told && other != d && !convicted[liar] {
					t.Errorf("seed %d: %d told %d and %d different things at %v, and nobody has a proof",
						w.seed, liar, i, k, at)
				}
			}
		}
	}
}

// heal ends all faults but the traitor's lies, and waits until everything is executed everywhere.
func (w *walk) heal(t *testing.T) {
	t.Helper()
	clear(w.cut)
	for i, node := range w.net.Nodes {
		if node.Down {
			clear(w.heard[i])
			w.net.Restart(i)
		}
		node.NoSync = false
		w.net.Sync(i)
	}
	for i := range w.net.Nodes {
		w.net.Submit(i, fmt.Sprintf("healed-%d", i))
	}
	start := w.net.Now
	for w.net.Now < start+60_000 && !w.whole() && !w.check(t) {
		for i := range w.net.Nodes {
			w.net.Rebroadcast(i)
		}
		w.net.RunFor(200)
	}
	w.healed = w.net.Now - start
	w.net.RunFor(3000)
	w.caught(t)
	if !w.check(t) && !w.whole() {
		for i, node := range w.net.Nodes {
			t.Logf("replica %d: %+v\n%v", i, node.Replica.State(), node.Drops)
		}
		t.Errorf("seed %d: traitors and lies %v: not whole after %d ms; replay with -walk-seed=%d",
			w.seed, w.lies, w.healed, w.seed)
	}
}

// whole reports whether every honest replica has executed all that honest gateways submitted.
func (w *walk) whole() bool {
	for i := range w.net.Nodes {
		for k := range w.net.Nodes {
			if !w.net.Traitors[i] && !w.net.Traitors[k] && w.net.Waiting(i, k) > 0 {
				return false
			}
		}
	}
	return true
}

// twist is what the traitor says instead.
func (w *walk) twist(e pbfttest.Envelope) []message.Message {
	odd := e.To%2 == 1
	switch w.lies[e.From] {
	case lieEquivocate:
		if odd {
			return []message.Message{w.equivocate(e.From, e.Msg)}
		}
	case lieHide:
		if m, is := e.Msg.(*message.ViewChange); is && odd {
			base := w.net.Config.BaseCertificate()
			hidden := *m
			hidden.High, hidden.Stable = base, w.net.Config.BaseCheckpoint()
			hidden.Stmt.Tuple = message.Tuple{
				NewView: m.Stmt.NewView, High: base.Ref(), Stable: hidden.Stable.Ref(),
			}
			w.seal(e.From, &hidden)
			return []message.Message{&hidden}
		}
	case lieVotes:
		if m, is := e.Msg.(*message.Vote); is && m.Voter == e.From && w.rng.IntN(3) == 0 {
			other := *m
			other.Sig, other.Digest = nil, crypto.Hash("other", m.Digest[:])
			w.seal(e.From, &other)
			return []message.Message{&other}
		}
	case lieMute:
		if w.rng.IntN(2) == 0 {
			return nil
		}
	}
	return []message.Message{e.Msg}
}

func (w *walk) seal(traitor int, m message.Message) { w.net.Nodes[traitor].Sealer.Seal(m) }

// equivocate replaces a traitor's proposals, and its votes for them, by those of a twin chain.
func (w *walk) equivocate(traitor int, m message.Message) message.Message {
	switch m := m.(type) {
	case *message.PrePrepare:
		twin := *m
		twin.Sig = nil
		twin.Header.TimeMS++
		if parent, known := w.twins[m.Header.Parent]; known {
			twin.Header.Parent = parent.Digest()
		}
		w.twins[m.Header.Digest()] = twin.Header
		w.seal(traitor, &twin)
		return &twin
	case *message.Vote:
		if h, known := w.twins[m.Digest]; known && m.Voter == traitor {
			twin := *m
			twin.Sig, twin.Digest = nil, h.Digest()
			w.seal(traitor, &twin)
			return &twin
		}
	}
	return m
}
