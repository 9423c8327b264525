package traitor

import (
	"fmt"
	"slices"
	"sync/atomic"

	"byzd/crypto"
	"byzd/pbft"
	"byzd/pbft/message"
)

// Forger makes lies about the results of operations. The store's room implements it, since only
// it knows what a plausible result looks like.
type Forger interface {
	// Ack returns a plausible good result for an operation that is never executed.
	Ack(op []byte) (result []byte)
	// Twist returns a plausible result other than the given one. op is nil where it is not known.
	// Different salts give different lies.
	Twist(op, result []byte, salt uint64) []byte
}

// Config is what a traitor is made of.
type Config struct {
	Cluster *message.Config
	Self    int
	Sealer  message.Sealer // of its own; the honest node's signing guard is never asked
	Specs   []Spec
	// Coalition are the node numbers of all traitors of the testnet. Itself may be left out. It
	// counts for the specs that do not say with=.
	Coalition []int
	// Seed is the seed of specs that give none. It must be the same at all accomplices: they plan
	// without talking.
	Seed  uint64
	Forge Forger
}

// Traitor is an [Adversary] that behaves as its specs say. One goroutine owns it; only Fired and
// Status may be called by others.
type Traitor struct {
	cfg    Config
	lies   []*armed
	view   atomic.Uint64
	seen   witness
	splits splits
	gossip []GossipLie
}

var _ Adversary = (*Traitor)(nil)

// New arms the specs. It refuses specs that contradict each other and node numbers that do not
// exist; the error is a [SpecError].
func New(cfg Config) (*Traitor, error) {
	if err := Check(cfg.Specs); err != nil {
		return nil, err
	}
	t := &Traitor{cfg: cfg, splits: splits{}}
	t.seen = newWitness(cfg.Cluster, cfg.Self)
	for i := range cfg.Specs {
		s := &cfg.Specs[i]
		b, found := behaviour(s.Behaviour)
		if !found {
			_, err := Explain(s.Behaviour)
			return nil, err
		}
		if err := s.fits(cfg.Self, len(cfg.Cluster.Members)); err != nil {
			return nil, err
		}
		a := newArmed(t, b, s)
		a.trick = b.make(a)
		t.lies = append(t.lies, a)
	}
	return t, nil
}

// Fired counts the lies told, by behaviour. A behaviour that is armed and has not fired counts 0.
func (t *Traitor) Fired() map[string]uint64 {
	fired := make(map[string]uint64, len(t.lies))
	for _, a := range t.lies {
		fired[a.about.Name] += a.count()
	}
	return fired
}

// Armed says how one spec fares.
type Armed struct {
	Spec      string `json:"spec"`
	Behaviour string `json:"behaviour"`
	Fired     uint64 `json:"fired"`
	// Waits says what has to happen before it can fire; empty once it has.
	Waits string `json:"waits,omitempty"`
}

// Status says how each spec fares, in the order of the specs.
func (t *Traitor) Status() []Armed {
	list := make([]Armed, len(t.lies))
	for i, a := range t.lies {
		list[i] = Armed{Spec: a.spec.String(), Behaviour: a.about.Name, Fired: a.count()}
		if list[i].Fired == 0 {
			list[i].Waits = a.waits(t.view.Load())
		}
	}
	return list
}

// GossipLie is a lie that the membership agent tells. The daemon arms it there, and registers with
// Count where its lies are counted.
type GossipLie struct {
	Behaviour string
	Spec      Spec
	Victims   []int // node numbers, ascending
	Listeners []int // node numbers, ascending; nil for whoever listens
}

// Gossip lists the lies that the membership agent is to tell.
func (t *Traitor) Gossip() []GossipLie { return t.gossip }

// Count registers the counter of a behaviour whose lies are told elsewhere. It is called before
// the traitor is given to the loop; read may be called from any goroutine.
func (t *Traitor) Count(name string, read func() uint64) {
	for _, a := range t.lies {
		if a.about.Name == name {
			a.elsewhere = read
		}
	}
}

// In implements [Adversary].
func (t *Traitor) In(now int64, v message.Verified) []message.Verified {
	if _, is := v.Message().(*message.Spoilt); is {
		return []message.Verified{v} // its own door's word, which does not travel: no lie is in it
	}
	t.seen.heard(v)
	kept, ok := t.protect(v)
	if !ok {
		return nil
	}
	list := []message.Verified{kept}
	for _, a := range t.lies {
		a.start(now)
		var next []message.Verified
		for _, m := range list {
			next = append(next, a.trick.hear(now, m)...)
		}
		list = next
	}
	return list
}

// protect keeps from the honest replica what would stop it: the proof that it lies, and, after a
// restart, its own lies in the hands of others.
func (t *Traitor) protect(v message.Verified) (message.Verified, bool) {
	switch m := v.Message().(type) {
	case *message.Evidence:
		return v, !t.accomplice(m.Culprit)
	case *message.FenceAnswer:
		bare := &message.FenceAnswer{Nonce: m.Nonce}
		again, err := message.Verify(t.cfg.Cluster, nil, v.From(), t.cfg.Cluster.Epoch, bare)
		return again, err == nil
	case *message.PrePrepare:
		if v.From() != t.cfg.Self && t.accomplice(t.cfg.Cluster.Primary(m.View)) {
			return v, t.splits.add(place{m.View, m.Header.Seq}, m.Header)
		}
	default:
		own := func(s *versions) crypto.Digest { return s.own }
		return v, !t.colludes() || !t.splits.reveals(m, own)
	}
	return v, true
}

// colludes reports whether its coalition can split the others. Then its honest replica would see
// two certificates for one place, and stop.
func (t *Traitor) colludes() bool {
	return slices.ContainsFunc(t.lies, func(a *armed) bool {
		return a.about.Group == Equivocation && a.strong()
	})
}

// accomplice reports whether a node is in any of its coalitions; it is itself.
func (t *Traitor) accomplice(node int) bool {
	return node == t.cfg.Self ||
		slices.ContainsFunc(t.lies, func(a *armed) bool { return a.friend(node) })
}

// Out implements [Adversary].
func (t *Traitor) Out(now int64, to int, v message.Verified) []Outgoing {
	m := v.Message()
	t.seen.said(m)
	t.view.Store(t.seen.view)
	if e, is := m.(*message.Evidence); is && t.accomplice(e.Culprit) {
		return nil
	}
	var list []Outgoing
	for peer := range t.cfg.Cluster.Members {
		if peer != t.cfg.Self && (to == pbft.All || to == peer) {
			list = append(list, Outgoing{To: peer, Msg: m})
		}
	}
	honest := len(list)
	for _, a := range t.lies {
		a.start(now)
		var next []Outgoing
		for _, o := range list {
			if o.Frame != nil {
				next = append(next, o)
				continue
			}
			next = append(next, a.trick.say(now, o)...)
		}
		list = next
	}
	untouched := len(list) == honest && !slices.ContainsFunc(list, func(o Outgoing) bool {
		return o.Msg != m || o.Frame != nil
	})
	if to == pbft.All && untouched {
		return []Outgoing{{To: pbft.All, Msg: m}} // one encoding for all
	}
	return list
}

// Tick implements [Adversary].
func (t *Traitor) Tick(now int64) []Outgoing {
	var list []Outgoing
	for _, a := range t.lies {
		a.start(now)
		list = append(list, a.trick.act(now)...)
	}
	return list
}

// Submitted implements [Adversary]. The first lie that takes the operation has it.
func (t *Traitor) Submitted(now int64, client string, item *message.Item) Taken {
	for _, a := range t.lies {
		a.start(now)
		if taken := a.trick.take(client, item); taken.Forget {
			return taken
		}
	}
	return Taken{}
}

// Answered implements [Adversary].
func (t *Traitor) Answered(
	now int64, client string, item *message.Item, result []byte,
) (answer []byte, send bool) {
	for _, a := range t.lies {
		a.start(now)
		if result, send = a.trick.answer(client, item, result); !send {
			return nil, false
		}
	}
	return result, true
}

// Replied implements [Adversary].
func (t *Traitor) Replied(now int64, r *message.Reply) *message.Reply {
	for _, a := range t.lies {
		a.start(now)
		if r = a.trick.reply(r); r == nil {
			return nil
		}
	}
	return r
}

// leads reports whether its node is the primary of a view.
func (t *Traitor) leads(view uint64) bool {
	return t.cfg.Cluster.Primary(view) == t.cfg.Self
}

// String names the traitor in logs.
func (t *Traitor) String() string {
	return fmt.Sprintf("traitor %d %v", t.cfg.Self, t.Fired())
}
