package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"byzd/pbft/quorum"
)

// DrawBeyond returns the options of a seed with one traitor more than the cluster bears, all of one
// coalition. Nothing is promised then but that nobody correct is named, and that a fork names f+1:
// the other oracles are there to be tripped (control C2 of VERIFY §10). Faults strike as in any
// seed.
func DrawBeyond(seed uint64) Options {
	o := Draw(seed)
	r := newStreams(seed)[streamTraitor]
	if o.N != 7 {
		o.N = 4
	}
	o.Beyond = true
	o.Traitors, o.Twins, o.Charged, o.Changes = nil, nil, -1, nil
	for c, d := range classes() {
		if d.charged {
			o.Rates[c] = 0
		}
	}
	sizes, err := quorum.Of(o.N)
	if err != nil {
		panic(err)
	}
	order := r.Perm(o.N - 1)
	liars, others := []int{0}, []int{}
	for k, i := range order {
		if k < sizes.F {
			liars = append(liars, i+1)
		} else {
			others = append(others, i+1)
		}
	}
	slices.Sort(liars)
	specs := o.drawPlot(r, others)
	for k, i := range liars {
		o.Traitors = append(o.Traitors, Traitor{Node: i, Specs: specs(k, i)})
	}
	return o
}

// drawPlot draws what a coalition is up to: a fork in one view, one across views, which takes a
// network that keeps two halves of the others apart, or any lies.
func (o *Options) drawPlot(r *rand.Rand, others []int) func(k, node int) []string {
	switch r.IntN(5) {
	case 0, 1:
		return func(k, _ int) []string {
			if k == 0 {
				return []string{"equivocate-preprepare"}
			}
			return []string{"equivocate-votes"}
		}
	case 2, 3:
		var victims []string
		for _, i := range others[:len(others)/2] {
			o.Apart |= 1 << i
			victims = append(victims, fmt.Sprint(i))
		}
		spec := "fork-views:to=" + strings.Join(victims, "+")
		return func(int, int) []string { return []string{spec} }
	default:
		return func(_, node int) []string { return drawSpecs(r, node, o.N) }
	}
}

// keepApart cuts, for good, every link between the correct nodes of Apart and the other ones.
func (w *World) keepApart() {
	side := func(i int) bool { return w.opts.Apart>>w.nodes[i].replica&1 == 1 }
	n := len(w.nodes)
	for i := range n {
		for k := range n {
			if w.nodes[i].correct && w.nodes[k].correct && side(i) != side(k) {
				w.walls[i*n+k]++
			}
		}
	}
}
