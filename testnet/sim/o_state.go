package sim

import (
	"byzd/crypto"
	"byzd/pbft/message"
)

// positions is O8, O14 and what O9 and O18 need: where each replica stands.
type positions struct {
	last        []standing
	roots       map[uint64]crypto.Digest // by sequence number, as CHECKPOINTs claimed first
	viewAtHeal  uint64
	epochAtHeal uint64
}

// standing is where a replica stood when it was last looked at.
type standing struct {
	boot                                  int32
	epoch, view, target, stable, executed uint64
}

func (p *positions) init(n int) {
	p.last, p.roots = make([]standing, n), map[uint64]crypto.Digest{}
}

// restarted is O8 across a start: what left this replica binds it still.
func (o *oracles) restarted(n *node) {
	if !n.correct {
		return
	}
	st, i, epoch := n.loop.Replica().State(), n.replica, n.era().cfg.Epoch
	switch p := &o.made[i]; {
	case epoch < p.epoch:
		o.w.fail("O8", "replica %d restarts in epoch %d, but voted in epoch %d", i, epoch, p.epoch)
	case epoch > p.epoch:
	case st.Target < p.target:
		o.w.fail("O8", "replica %d restarts bound to view %d, but sent a VIEW-CHANGE to view %d",
			i, st.Target, p.target)
	case st.View < p.viewed:
		o.w.fail("O8", "replica %d restarts in view %d, but voted in view %d",
			i, st.View, p.viewed)
	case st.Stable < p.stable:
		o.w.fail("O8", "replica %d restarts at checkpoint %d, but cited %d",
			i, st.Stable, p.stable)
	}
}

// ticked is O8 within one process, and O14.
func (o *oracles) ticked(n *node) {
	if !n.correct || !n.up {
		return
	}
	st := n.loop.Replica().State()
	was := &o.last[n.index]
	now := standing{n.boot, n.era().cfg.Epoch, st.View, st.Target, st.Stable, st.Executed}
	if was.boot == now.boot && (now.epoch < was.epoch || now.stable < was.stable ||
		now.executed < was.executed ||
		now.epoch == was.epoch && (now.view < was.view || now.target < was.target)) {
		o.w.fail("O8", "replica %d went back from %+v to %+v", n.replica, *was, now)
	}
	*was = now
	if p := &o.w.opts.Params; st.Tip > max(st.Stable, st.Executed)+2*p.Window+1 {
		o.w.fail("O14", "replica %d has a tip of %d, with checkpoint %d and window %d",
			n.replica, st.Tip, st.Stable, p.Window)
	}
	if st.Pending > pendingMax {
		o.w.fail("O14", "replica %d keeps %d pending operations", n.replica, st.Pending)
	}
	if size := n.journal.Size(); size > journalMax {
		o.w.fail("O14", "replica %d has a journal of %d bytes", n.replica, size)
	}
}

// pendingMax is far above what the clients of a run can ask for at once.
const pendingMax = 4096

// journalMax is, in bytes, far above what a whole run writes even if no journal is ever cut: some
// hundred thousand.
const journalMax = 8 << 20

// sameState is O9 at the end: all correct nodes are at one place, so their stores are equal.
func (o *oracles) sameState() {
	var root crypto.Digest
	var first *node
	for _, n := range o.w.nodes {
		if !n.correct || !o.w.newest().has(n.replica) {
			continue
		}
		if first == nil {
			first, root = n, n.store.Root()
		} else if n.store.Root() != root {
			o.w.fail("O9", "replicas %d and %d have executed batch %d and differ",
				first.replica, n.replica, n.top.seq)
		}
	}
}

// claimed is O9 on the way: CHECKPOINTs of correct replicas agree.
func (o *oracles) claimed(n *node, seq uint64, root crypto.Digest) {
	if before, known := o.roots[seq]; known && before != root {
		o.w.fail("O9", "replica %d has root %s after batch %d, another one %s",
			n.replica, root.Short(), seq, before.Short())
		return
	}
	o.roots[seq] = root
}

// fewViews is O18: after the healing a core needs f+2 views at most. Planned rotations and the
// views that a forgetful replica asks for do not count: it looks where there are none.
func (o *oracles) fewViews() {
	w := o.w
	if w.opts.Params.RotateEvery > 0 || w.opts.Charged >= 0 || len(w.opts.Twins) > 0 ||
		w.opts.slow() || w.topView <= o.viewAtHeal || w.newest().cfg.Epoch != o.epochAtHeal {
		return
	}
	w.mark(markViewsChecked)
	w.viewsUsed = w.topView - o.viewAtHeal
	limit := uint64(w.newest().cfg.Sizes.F) + 2 //nolint:gosec // not negative
	if w.viewsUsed > limit {
		w.fail("O18", "the core went from view %d to view %d after the healing; %d are enough",
			o.viewAtHeal, w.topView, limit)
	}
}

// noteHeal remembers the highest view that a correct replica is bound to when all is healed.
func (o *oracles) noteHeal() {
	o.viewAtHeal, o.epochAtHeal = o.w.topView, o.w.newest().cfg.Epoch
	for _, n := range o.w.nodes {
		if p := &o.made[n.replica]; n.correct && p.epoch == o.epochAtHeal {
			o.viewAtHeal = max(o.viewAtHeal, p.target)
		}
	}
}

// installed is O10: a state is put in place only where a quorum certified it.
func (o *oracles) installed(n *node, ref message.Ref) {
	if o.decided[ref.Seq] != ref.Digest {
		o.w.fail("O10", "replica %d installed the state after batch %d %s, which nobody certified",
			n.replica, ref.Seq, ref.Digest.Short())
	}
}
