package nemesis

import (
	"math/rand/v2"
	"slices"
	"time"

	"byzd/pbft/quorum"
	"byzd/testnet"
)

// plan is the schedule of a run. It follows from the options alone.
type plan struct {
	sizes   quorum.Sizes
	charged []int // the nodes that may be charged to f
	strikes []*strike
	kills   *KillsReport  // of a run with a series of kills
	lies    []testnet.Lie // those that are told from the beginning
}

// groups is the group of node 0, if the kernel has to tell who sends what; 0 if not.
func (p *plan) groups() uint32 {
	for _, s := range p.strikes {
		if s.byPacket && s.event.Skipped == "" {
			return groupBase
		}
	}
	return 0
}

// slotTime is what a fault takes besides the time that it lasts, as a rule.
const slotTime = 3 * time.Second

// makePlan draws the schedule. Faults that charge nodes come last: those before find all n nodes in
// order.
func makePlan(o *Options) (*plan, error) {
	sizes, err := quorum.Of(o.Nodes)
	if err != nil {
		return nil, err
	}
	random := rand.New(rand.NewPCG(o.Seed, 0)) //nolint:gosec // a schedule is no secret
	p := &plan{sizes: sizes, lies: o.Lies}
	if o.Kills > 0 {
		killsPlan(o, p)
		return p, nil
	}
	for _, l := range o.Lies {
		if !slices.Contains(p.charged, l.Node) {
			p.charged = append(p.charged, l.Node)
		}
	}
	for _, i := range random.Perm(o.Nodes) {
		if len(p.charged) < sizes.F && !slices.Contains(p.charged, i) {
			p.charged = append(p.charged, i)
		}
	}
	if o.Traitors {
		for _, i := range p.charged {
			p.lies = append(p.lies, testnet.Lie{Node: i, Spec: lies()[random.IntN(len(lies()))]})
		}
	}
	for i, f := range draw(o, random) {
		p.strikes = append(p.strikes, &strike{
			Fault: f, lasts: o.Hold, event: &Event{Fault: f.Name},
			random: rand.New(rand.NewPCG(o.Seed, uint64(i+1))), //nolint:gosec // as above
		})
	}
	p.choose(random)
	return p, nil
}

// draw chooses the faults and their order. Those that were named all happen, as often as there is
// time for; of all, as many as there is time for.
func draw(o *Options, random *rand.Rand) []*Fault {
	pool := o.Faults
	if len(pool) == 0 {
		pool = names()
	}
	count := max(1, int(o.For/(o.Hold+slotTime)))
	if len(o.Faults) > 0 {
		count = max(count, len(pool))
	}
	var gentle, harsh []*Fault
	for round := 0; len(gentle)+len(harsh) < count; round++ {
		added := false
		for _, at := range random.Perm(len(pool)) {
			f := find(pool[at])
			switch {
			case len(gentle)+len(harsh) == count, round > 0 && (f.Charges || f.Unable() != ""):
			case f.Charges:
				harsh, added = append(harsh, f), true
			default:
				gentle, added = append(gentle, f), true
			}
		}
		if !added {
			break
		}
	}
	slices.SortStableFunc(harsh, func(a, b *Fault) int { return a.severity() - b.severity() })
	return append(gentle, harsh...)
}

// severity orders the faults that charge nodes: a node comes back from the first, may be convicted
// after the second, and may not even start after the last.
func (f *Fault) severity() int {
	switch {
	case !f.Charges:
		return 0
	case f.Returns:
		return 1
	case f.Name == traitorSwap:
		return 2
	default:
		return 3
	}
}

// staysOut reports whether a node that it hits may not start any more in this run.
func (f *Fault) staysOut() bool { return f.severity() == 3 }

// choose finds the victims, as far as they do not depend on what happens, and leaves out what f
// does not allow.
func (p *plan) choose(random *rand.Rand) {
	var healthy []int
	for i := range p.sizes.N {
		if !slices.Contains(p.charged, i) {
			healthy = append(healthy, i)
		}
	}
	some := func(from []int, count int) []int {
		var list []int
		for _, at := range random.Perm(len(from))[:min(count, len(from))] {
			list = append(list, from[at])
		}
		slices.Sort(list)
		return list
	}
	out := 0
	for _, s := range p.strikes {
		switch s.hits {
		case one:
			s.nodes = some(healthy, 1)
		case few:
			s.nodes = some(healthy, p.sizes.F)
		case many:
			s.nodes = some(healthy, p.sizes.F+1)
		case all:
			s.nodes = some(append(slices.Clone(healthy), p.charged...), p.sizes.N)
		case guilty:
			s.nodes = some(p.charged, 1)
		case nobody, primary:
		}
		s.event.Skipped = s.Unable()
		if s.event.Skipped != "" || !s.staysOut() {
			continue
		}
		if out == len(p.charged) {
			s.event.Skipped = "f nodes of this run are out already; it would be one too many"
			continue
		}
		s.nodes = []int{p.charged[out]}
		out++
	}
}
