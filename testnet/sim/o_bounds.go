package sim

import (
	"fmt"
	"strings"

	"byzd/pbft"
	"byzd/pbft/message"
)

// bounds is O13 and O15: how much and how long.
type bounds struct {
	votes uint64 // single messages of agreement, by correct replicas
}

// noteTraffic counts the messages of agreement.
func (o *oracles) noteTraffic(_ *node, to int, m message.Message) {
	count := uint64(1)
	if to == pbft.All {
		count = uint64(o.w.newest().cfg.Sizes.N - 1) //nolint:gosec // small
	}
	switch m.(type) {
	case *message.PrePrepare, *message.Vote:
		o.votes += count
	default:
	}
}

// cheap is O15: where nothing went wrong, a commit costs at most 2n² messages.
func (o *oracles) cheap() {
	w := o.w
	for _, count := range w.faults {
		if count > 0 {
			return
		}
	}
	if len(w.liars()) > 0 || len(w.opts.Twins) > 0 || len(w.opts.Changes) > 0 ||
		w.marks[markViewChange]+w.marks[markPlannedChange] > 0 {
		return
	}
	n, commits := uint64(w.opts.N), uint64(len(o.log)) //nolint:gosec // small
	if commits < 8 {
		return
	}
	w.mark(markCheapChecked)
	if limit := 2*n*n*commits + 64*n*n; o.votes > limit {
		w.fail("O15", "%d messages for %d commits of %d replicas; %d are allowed",
			o.votes, commits, n, limit)
	}
}

// stuck says why a run does not come to its end.
func (w *World) stuck() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d operations of the core are not done %d ms after the healing (bound %d ms):",
		w.pending, (w.now-w.healed)/1000, w.bound()/1000)
	for i, n := range w.nodes {
		fmt.Fprintf(&b, "\n  %s core=%t correct=%t up=%t %s", n.name(), w.core[i], n.correct, n.up,
			n.broken)
		if n.up {
			s := n.loop.Replica().State()
			fmt.Fprintf(&b, " epoch=%d", n.loop.Cluster().Epoch)
			fmt.Fprintf(&b, " view=%d/%d open=%t exec=%d decided=%d stable=%d tip=%d high=%v "+
				"pending=%d oldest=%dms waiting=%d tau=%d complaint=%q reason=%q idle=%t full=%t",
				s.View, s.Target, s.Open, s.Executed, s.Decided, s.Stable, s.Tip, s.High, s.Pending,
				s.OldestMS, n.loop.Waiting(), s.Tau, s.Complaint, s.Reason, n.loop.Idle(), n.full)
		}
	}
	for _, c := range w.clients {
		if o := c.doing; o != nil {
			fmt.Fprintf(&b, "\n  c%d waits for operation %d, register=%t signed=%t, left %d",
				c.index, o.tag, o.register, c.signed, c.left)
		}
	}
	return b.String()
}
