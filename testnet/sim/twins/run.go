package twins

import (
	"fmt"

	"byzd/crypto"
	"byzd/pbft"
	"byzd/pbft/message"
	"byzd/pbft/pbfttest"
)

// Times of a run, in milliseconds.
const (
	clockStart = 1_000_000
	tick       = 50
	// window is how long a view's cuts last at most: a view that cannot end by itself, because
	// nobody has a quorum, gives way to the next cuts.
	window = 600
	// healLimit is how long everything may take once nobody is cut off. It is many times the
	// longest that was seen.
	healLimit = 60_000
	again     = 200 // between two repetitions of what gateways wait for
	// maxRounds bounds the turns without a pause: a run that does not come to rest is stuck.
	maxRounds = 20_000
)

// Outcome is what came of a scenario.
type Outcome struct {
	Unsafe   []string // what correct replicas did that none may do; empty if safe
	Stuck    string   // what was not executed in time after the cuts; empty if live
	Healed   int64    // how many milliseconds after the cuts everything was executed everywhere
	Views    uint64   // the highest view that a correct replica was in
	Executed int      // batches that a correct replica executed
	Sent     int      // messages
	Caught   bool     // a twin was convicted
}

// Safe reports whether no correct replica did what none may do.
func (o *Outcome) Safe() bool { return len(o.Unsafe) == 0 }

// OK reports whether the scenario was safe and live.
func (o *Outcome) OK() bool { return o.Safe() && o.Stuck == "" }

// Lab makes runs. It holds the keys and fresh replicas of one number of members. Runs of one lab
// share nothing that changes.
type Lab struct {
	cfg   *message.Config
	sign  []crypto.Signer
	fresh []*pbft.Replica
	wire  bool // every message is encoded, decoded and verified
}

// Fidelity says how much of the real thing a lab takes. What comes of a scenario does not depend on
// it; how long it takes does.
type Fidelity int

// The fidelities.
const (
	Fast Fidelity = iota // messages by pointer, tags for signatures
	Wire                 // every message encoded and decoded, tags for signatures
	Real                 // and with Ed25519
)

// NewLab returns a lab for so many members.
func NewLab(members int, f Fidelity) *Lab {
	p := message.DefaultParams()
	p.MaxBatchRequests, p.InFlight, p.CheckpointEvery, p.Window = 1, 2, 2, 8
	p.ViewTimeout, p.MaxViewTimeout = 100, 1600
	cfg, signers := pbfttest.Config(members, crypto.SchemeEd25519, p)
	lab := &Lab{cfg: cfg, sign: signers, wire: f != Fast}
	if f != Real {
		cfg.Scheme, lab.sign = newTagScheme(cfg.Scheme, signers)
	}
	lab.lift()
	return lab
}

// lift makes fresh replicas whose fences are lifted.
func (lab *Lab) lift() {
	type post struct {
		to  int
		msg message.Verified
	}
	var queue []post
	step := func(i int, in pbft.Input) {
		sealer := message.Sealer{Config: lab.cfg, Self: i, Signer: lab.sign[i]}
		for _, e := range lab.fresh[i].Step(in) {
			if s, is := e.(pbft.Send); is {
				for to := range lab.fresh {
					if to != i && (s.To == pbft.All || s.To == to) {
						queue = append(queue, post{to, sealer.Seal(s.Msg)})
					}
				}
			}
		}
	}
	for i := range lab.cfg.Members {
		lab.fresh = append(lab.fresh, pbft.New(lab.cfg, i, pbft.Restored{}))
	}
	for i := range lab.fresh {
		step(i, pbft.Tick{Now: clockStart})
	}
	for ; len(queue) > 0; queue = queue[1:] {
		step(queue[0].to, pbft.Received{Msg: queue[0].msg})
	}
}

// run is one scenario under way.
type run struct {
	*Lab

	sc      *Scenario
	nodes   []*node
	now     int64
	liar    []bool // by member
	ledger  ledger
	decided map[uint64]crypto.Digest
	accused map[int]bool
	cache   bundles
	unsafe  []string
	sent    int
}

// Run plays a scenario to its end.
func (lab *Lab) Run(sc *Scenario) Outcome {
	r := &run{
		Lab: lab, sc: sc, now: clockStart, liar: make([]bool, sc.Members), ledger: newLedger(),
		decided: map[uint64]crypto.Digest{}, accused: map[int]bool{}, cache: bundles{},
	}
	for _, t := range sc.Twins {
		r.liar[t] = true
	}
	for k := range sc.instances() {
		i := sc.identity(k)
		n := &node{
			run: r, instance: k, self: i, twin: r.liar[i], replica: lab.fresh[i].Clone(),
			sealer: message.Sealer{Config: lab.cfg, Self: i, Signer: lab.sign[i]},
			done:   map[message.RequestKey]bool{},
		}
		if k >= sc.Members {
			n.skew = 1 // so that the copies propose different batches
		}
		r.nodes = append(r.nodes, n)
	}
	o := r.play()
	o.Unsafe, o.Sent = r.unsafe, r.sent
	if !o.Safe() {
		o.Stuck = "" // it was not looked at any further
	}
	for _, t := range sc.Twins {
		o.Caught = o.Caught || r.accused[t]
	}
	return o
}

// play goes through the cuts and then heals.
func (r *run) play() Outcome {
	o := Outcome{}
	end := clockStart + int64(r.sc.views())*window
	for k := 0; r.now < end && len(r.unsafe) == 0; k++ {
		if (r.now-clockStart)%window == 0 {
			r.gateway(k).submit()
		}
		if o.Stuck = r.pass(); o.Stuck != "" {
			return o
		}
	}
	for len(r.unsafe) == 0 && !r.whole() {
		if r.now >= end+healLimit {
			o.Stuck = r.lacking()
			break
		}
		if o.Stuck = r.pass(); o.Stuck != "" {
			break
		}
	}
	o.Healed = r.now - end
	for _, n := range r.nodes {
		if !n.twin {
			o.Views, o.Executed = max(o.Views, n.replica.Status().View), max(o.Executed, len(n.log))
		}
	}
	return o
}

// gateway picks a correct replica whose gateway orders the next operation.
func (r *run) gateway(k int) *node {
	for i := range r.sc.Members {
		if n := r.nodes[(k+i)%r.sc.Members]; !n.twin {
			return n
		}
	}
	panic("twins: no member is correct")
}

// pass lets everybody work until nothing moves, and then a tick of time pass. It returns why that
// never ends, or "".
func (r *run) pass() string {
	for round := 0; ; round++ {
		quiet := true
		for _, n := range r.nodes {
			if len(n.inbox) > 0 {
				n.turn()
				quiet = false
			}
		}
		if quiet {
			break
		}
		if round > maxRounds {
			return "the replicas do not come to rest"
		}
	}
	r.now += tick
	for _, n := range r.nodes {
		n.step(pbft.Tick{Now: r.now + n.skew})
		if !n.twin && (r.now-clockStart)%again == 0 {
			n.rebroadcast()
		}
		n.turn()
	}
	return ""
}

// connected reports whether what one instance says reaches another. A message of a view passes by
// that view's cuts, until time has moved on to later ones.
func (r *run) connected(from, to int, view uint64, phase int) bool {
	k := max(view, uint64((r.now-clockStart)/window)) //nolint:gosec // never negative
	if k >= uint64(r.sc.views()) {                    //nolint:gosec // never negative
		return true
	}
	at := int(k)*r.sc.Phases + phase%r.sc.Phases //nolint:gosec // below the number of cuts
	cut := r.sc.Cuts[at]
	return cut[from] == cut[to]
}

// carry verifies a message, once for all its receivers, and returns what arrives of it: itself, or
// what is decoded from its encoding.
func (n *node) carry(v message.Verified) (message.Verified, bool) {
	epoch, m, err := n.cfg.Epoch, v.Message(), error(nil)
	if n.wire {
		epoch, m, err = message.Decode(message.Encode(epoch, m))
	}
	if err == nil {
		v, err = message.Verify(n.cfg, n.cache, v.From(), epoch, m)
	}
	if err != nil { // also of a twin: its copies run the same code
		n.unsafe = append(n.unsafe, fmt.Sprintf("instance %d sends a %v that others refuse: %v",
			n.instance, m.Type(), err))
	}
	return v, err == nil
}

// bundles remembers the bundles whose signatures held, as a daemon does.
type bundles map[crypto.Digest]bool

func (b bundles) Has(id crypto.Digest) bool { return b[id] }
func (b bundles) Add(id crypto.Digest)      { b[id] = true }

// whole reports whether every correct replica has executed all that correct gateways ordered.
func (r *run) whole() bool { return r.lacking() == "" }

func (r *run) lacking() string {
	for _, n := range r.nodes {
		for _, other := range r.nodes {
			if n.twin || other.twin {
				continue
			}
			for _, b := range n.bundles {
				if !other.done[b.Key()] {
					return fmt.Sprintf("replica %d has not executed bundle %v; it stands at %+v",
						other.self, b.Key(), other.replica.State())
				}
			}
		}
	}
	return ""
}
