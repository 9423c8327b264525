package traitor

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"

	"byzd/crypto"
	"byzd/pbft/message"
)

// trick is how a behaviour does what it does. Each hook sees what the honest node says or hears,
// and says what becomes of it; [honest] leaves everything as it is.
type trick interface {
	// hear returns what of a message reaches the replica.
	hear(now int64, v message.Verified) []message.Verified
	// say returns what is sent in place of one message to one replica.
	say(now int64, o Outgoing) []Outgoing
	// act returns what is sent of its own accord.
	act(now int64) []Outgoing
	take(client string, item *message.Item) Taken
	answer(client string, item *message.Item, result []byte) ([]byte, bool)
	reply(r *message.Reply) *message.Reply
}

// honest is the trick that is none.
type honest struct{}

func (honest) hear(_ int64, v message.Verified) []message.Verified { return []message.Verified{v} }
func (honest) say(_ int64, o Outgoing) []Outgoing                  { return []Outgoing{o} }
func (honest) act(int64) []Outgoing                                { return nil }
func (honest) take(string, *message.Item) Taken                    { return Taken{} }
func (honest) reply(r *message.Reply) *message.Reply               { return r }

func (honest) answer(_ string, _ *message.Item, result []byte) ([]byte, bool) {
	return result, true
}

// armed is a behaviour with its conditions and its counter.
type armed struct {
	traitor *Traitor
	about   *Behaviour
	spec    *Spec
	trick   trick

	seed       uint64
	coalition  []int // ascending, itself included
	correct    []int // those outside the coalition, ascending
	audience   []int // whom lies may be told to, ascending
	now, since int64 // since: when it was armed; 0 before the first hook
	told       place // of the first lie, for once
	fired      atomic.Uint64
	elsewhere  func() uint64 // counts lies that are not told here
}

// place is where in the protocol something is said.
type place struct{ view, seq uint64 }

func newArmed(t *Traitor, about *Behaviour, spec *Spec) *armed {
	a := &armed{
		traitor: t, about: about, spec: spec, seed: t.cfg.Seed,
		coalition: spec.accomplices(t.cfg.Self, t.cfg.Coalition),
	}
	if spec.Seeded {
		a.seed = spec.Seed
	}
	for i := range t.cfg.Cluster.Members {
		if !a.friend(i) {
			a.correct = append(a.correct, i)
		}
		if i != t.cfg.Self && (!about.spares || !a.friend(i)) {
			a.audience = append(a.audience, i)
		}
	}
	return a
}

func (a *armed) friend(node int) bool { return slices.Contains(a.coalition, node) }

func (a *armed) count() uint64 {
	if a.elsewhere != nil {
		return a.elsewhere()
	}
	return a.fired.Load()
}

// start notes the time, and when the behaviour was armed.
func (a *armed) start(now int64) {
	if a.since == 0 {
		a.since = now
	}
	a.now = now
}

// fire counts one lie.
func (a *armed) fire(at place) {
	if a.fired.Add(1) == 1 {
		a.told = at
	}
}

// when reports whether a lie may be told in a place. id tells things apart that are said in one
// place. The same question has the same answer: what is said again is said as before.
func (a *armed) when(at place, id uint64) bool {
	s := a.spec
	switch {
	case a.now-a.since < s.After,
		at.seq < s.FromSeq, s.ToSeq > 0 && at.seq > s.ToSeq,
		at.view < s.FromView, s.EndsInView && at.view > s.ToView,
		s.Once && a.fired.Load() > 0 && at != a.told:
		return false
	}
	return s.P == 0 || a.draw(at, id).Float64() < s.P
}

// draw returns the random numbers of a place. They follow from the seed and the place alone, so
// that accomplices draw the same, and that a run can be repeated.
func (a *armed) draw(at place, id uint64) *rand.Rand {
	var b [32]byte
	binary.BigEndian.PutUint64(b[0:], a.seed)
	binary.BigEndian.PutUint64(b[8:], at.view)
	binary.BigEndian.PutUint64(b[16:], at.seq)
	binary.BigEndian.PutUint64(b[24:], id)
	d := crypto.Hash("byzd/traitor/draw", a.traitor.cfg.Cluster.Cluster[:], b[:])
	return rand.New(rand.NewPCG( //nolint:gosec // lies must be repeatable, not unpredictable
		binary.BigEndian.Uint64(d[:8]), binary.BigEndian.Uint64(d[8:16])))
}

// targets returns whom the behaviour aims at in a view, ascending. The choice holds for the whole
// view: a side that was told one story must be told its continuation.
func (a *armed) targets(view uint64) []int {
	return a.choose(a.spec.To, a.about.to, view)
}

func (a *armed) choose(t Targets, byDefault Choice, view uint64) []int {
	choice := t.Choice
	if choice == Default {
		choice = byDefault
	}
	switch choice {
	case Half, One:
		n := 1
		if choice == Half {
			n = max(1, len(a.audience)/2)
		}
		return a.some(view, n)
	case Only, Except:
		return slices.DeleteFunc(slices.Clone(a.audience), func(node int) bool {
			return slices.Contains(t.Nodes, node) != (choice == Only)
		})
	case All, Listeners, Default:
	}
	return a.audience
}

// some returns n of the audience, ascending, as the seed and the view will have it.
func (a *armed) some(view uint64, n int) []int {
	nodes := a.lineUp(a.audience, view)
	nodes = nodes[:min(n, len(nodes))]
	slices.Sort(nodes)
	return nodes
}

// lineUp returns nodes in an order that follows from the seed, the view and the coalition.
func (a *armed) lineUp(nodes []int, view uint64) []int {
	nodes = slices.Clone(nodes)
	r := a.draw(place{view: view}, uint64(len(a.coalition)))
	r.Shuffle(len(nodes), func(i, k int) { nodes[i], nodes[k] = nodes[k], nodes[i] })
	return nodes
}

// at reports whether a lie may be told to a node in a place.
func (a *armed) at(to int, at place, id uint64) bool {
	return slices.Contains(a.targets(at.view), to) && a.when(at, id)
}

// waits says what has to happen before the behaviour can fire, in a view.
func (a *armed) waits(view uint64) string {
	s := a.spec
	switch {
	case a.about.NeedsPrimary && a.about.NeedsViewChange:
		return fmt.Sprintf(
			"armed, not fired: waits for a view change that makes node %d the primary",
			a.traitor.cfg.Self)
	case a.about.NeedsPrimary && !a.traitor.leads(view):
		return fmt.Sprintf(
			"armed, not fired: waits until node %d is the primary (view %d is led by %d)",
			a.traitor.cfg.Self, view, a.traitor.cfg.Cluster.Primary(view))
	case a.about.NeedsTransfer:
		return "armed, not fired: waits for a node that fetches the state"
	case a.about.NeedsViewChange:
		return "armed, not fired: waits for a view change"
	case s.FromSeq > 0 || s.FromView > 0 || s.After > 0:
		return "armed, not fired: its window has not come"
	case a.about.Group == Clients:
		return "armed, not fired: waits for a client of its node"
	}
	return "armed, not fired"
}
