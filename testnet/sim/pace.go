package sim

import (
	"math/rand/v2"

	"byzd/pbft/traitor"
)

// drawPace makes some runs slow, and others busy to the end. It comes after everything else is
// drawn, from a stream of its own.
//
//   - Slow: the network needs several times the shortest view timeout for what a view must do in
//     it. Nothing is ever done there unless timeouts grow (rule R11).
//   - Steady: clients who have done their work after the healing go on asking until all have. Where
//     others make progress, nobody must be made to wait for ever (B50); half of the traitors that
//     lead at first keep a gateway waiting.
func (o *Options) drawPace(r *rand.Rand) {
	rough := false
	for _, rate := range o.Rates {
		rough = rough || rate > 0
	}
	slow, steady, censor := r.IntN(24) == 0, r.IntN(4) == 0, r.IntN(2) == 0
	if slow && rough && o.N <= 7 && len(o.Changes) == 0 {
		o.Params.ViewTimeout = 150 + r.Int64N(150)
		o.Params.MaxViewTimeout = 16 * o.Params.ViewTimeout
		o.Delay = o.Params.ViewTimeout * (280 + r.Int64N(150))
	}
	o.Steady = steady
	if !steady || !censor || len(o.Traitors) == 0 {
		return
	}
	t := &o.Traitors[0]
	var specs []traitor.Spec
	for _, text := range append([]string{"censor"}, t.Specs...) {
		if spec, err := traitor.Parse(text); err == nil {
			specs = append(specs, spec)
		}
	}
	if traitor.Check(specs) == nil {
		t.Specs = append([]string{"censor"}, t.Specs...)
	} else {
		t.Specs = []string{"censor"}
	}
}

// slow reports whether the network needs timeouts that have grown.
func (o *Options) slow() bool { return 4*o.Delay > 1000*o.Params.ViewTimeout }

// owes reports whether a client waits at a node for what the core owes it.
func (w *World) owes(n *node) bool {
	for _, c := range w.clients {
		if o := c.doing; o != nil && o.live && o.at == n {
			return true
		}
	}
	return false
}

// steady reports whether a client goes on although its work is done.
func (w *World) steady(c *client) bool {
	return w.opts.Steady && w.phase == phaseLive && w.pending > 0 && c != w.liar
}
