package sim

import "byzd/pbft/message"

// urges is O18's second half: nobody leaves a view alone, or because a few liars say so.
type urges struct {
	complained []uint64 // by replica, the view above the highest that it complained of
	wanted     []uint64 // by replica, the highest view that it sent a VIEW-CHANGE to
}

func (u *urges) init(n int) { u.complained, u.wanted = make([]uint64, n), make([]uint64, n) }

// urge notes what asks others to leave a view, whoever says it.
func (o *oracles) urge(from *node, m message.Message) {
	switch m := m.(type) {
	case *message.Complain:
		o.complained[from.replica] = max(o.complained[from.replica], m.View+1)
	case *message.ViewChange:
		if m.Stmt.Voter == from.replica {
			o.wanted[from.replica] = max(o.wanted[from.replica], m.Stmt.NewView)
		}
	}
}

// together is O18 for a VIEW-CHANGE that leaves a correct replica for the first time. It needs f+1
// who complain of the view before, itself included, or want this one; and where it never was in the
// view before, all count who wanted that. Planned changes are planned by everybody alone, and after
// a change of the members numbers begin anew: it looks where there are neither.
func (o *oracles) together(n *node, x uint64) {
	w := o.w
	if w.opts.Params.RotateEvery > 0 || len(w.opts.Changes) > 0 || !n.correct || w.beyond {
		return
	}
	view := n.loop.Replica().State().View
	if view >= x {
		return
	}
	count := 0
	for i := range w.opts.N {
		if o.complained[i] >= x || i != n.replica && o.wanted[i] >= x ||
			view+1 < x && o.wanted[i]+1 >= x {
			count++
		}
	}
	w.mark(markAskedTogether)
	if count < w.cfg.Sizes.Weak {
		w.fail("O18", "replica %d leaves view %d for view %d because of %d replicas; it takes %d",
			n.replica, view, x, count, w.cfg.Sizes.Weak)
	}
}
