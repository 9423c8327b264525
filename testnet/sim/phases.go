package sim

import (
	"fmt"

	"byzd/pbft/quorum"
)

// The lengths of the phases, in µs. The phase with faults has the length that was drawn.
const (
	warmUp     = 400_000
	checkEvery = 50_000
	liveOps    = 2 // operations that each client still begins in the liveness phase
)

// nextPhase ends a phase, or looks whether it can end.
func (w *World) nextPhase() {
	switch w.phase {
	case phaseWarm:
		w.phase = phaseFaults
		w.tracef("phase %v", w.phase)
		w.startClients()
		w.startFaults()
		w.startAdmin()
		w.keepApart()
		w.later(evPhase, w.opts.Safety*1000, 0)
	case phaseFaults:
		if w.beyond {
			w.phase = phaseDone // there is no healing this
			return
		}
		w.heal()
		w.later(evPhase, checkEvery, 0)
	case phaseLive:
		if w.coreDone() {
			w.oracles.live()
			w.drain()
		} else if w.now-w.healed > w.bound() {
			w.fail("O13", "%s", w.stuck())
			return
		}
		w.later(evPhase, checkEvery, 0)
	case phaseDrain:
		if w.drained() {
			w.phase = phaseDone
			return
		}
		if w.now-w.healed > w.bound() {
			w.fail("O13", "while everybody drains: %s", w.stuck())
			return
		}
		w.later(evPhase, checkEvery, 0)
	case phaseDone:
	}
}

// bound is how long after the healing everything must be done, in µs (VERIFY P5): f+1 view timeouts
// of what they can have grown to, and what it takes to start, to be let in and to catch up.
func (w *World) bound() int64 {
	f, epochs := int64(w.newest().cfg.Sizes.F), int64(len(w.opts.Changes)) // that may end meanwhile
	return (1 + epochs) * (5_000 + (f+2)*3*w.opts.Params.MaxViewTimeout) * 1000
}

// heal chooses a core of a quorum of correct nodes and frees it from every fault. The other correct
// nodes are stopped or cut off for good; traitors, and what is charged to f, go on.
func (w *World) heal() {
	w.phase, w.healed = phaseLive, w.now
	if w.opts.slow() {
		w.mark(markSlow)
	}
	w.tracef("phase %v", w.phase)
	w.mendAll()
	r := w.rnd[streamHeal]
	w.oracles.noteHeal()
	left := w.quorums()
	for _, i := range r.Perm(len(w.nodes)) {
		n := w.nodes[i]
		if n.absent || n.gone {
			continue
		}
		n.paused, n.fuse = 0, 0
		n.mem.Full(false)
		n.mem.Fail(0)
		n.mem.FailSync(0)
		if n.disk != nil { // else it has not started yet
			n.disk.misplace = 0
		}
		switch {
		case !n.correct:
			n.comeBack()
		case left.needs(n.replica):
			w.core[i] = true
			n.rightClock()
			n.comeBack()
		case r.IntN(2) == 0:
			w.stop(n)
		default:
			w.isolate(n)
		}
	}
	if lacking := left.lacking(); lacking > 0 {
		w.fail("O13", "%d of a quorum of correct nodes are lacking", lacking)
	}
	for i, c := range w.clients {
		if c == w.liar {
			continue
		}
		c.left = liveOps
		if o := c.doing; o != nil {
			o.live = true
			w.pending++
			if o.request == nil { // its node may be gone: nobody knows what became of it
				o.live = false
				w.pending--
				o.gaveUp = true
				c.doing = nil
			} else {
				o.ask()
			}
		}
		w.later(evClient, int64(i)*1000, int64(i))
	}
}

// rightClock sets a clock right. A daemon sees the wall clock only when its process starts.
func (n *node) rightClock() {
	if n.up && (n.offset > clockSlack || n.offset < -clockSlack || n.drift != 0) {
		n.w.crash(n, false)
	}
	n.offset, n.drift, n.nextJump = 0, 0, 0
}

// clockSlack is how wrong the clocks of a fault-free core may be, in ms (rule R10: less than 5 s).
const clockSlack = 2000

// comeBack starts a node that is down.
func (n *node) comeBack() {
	n.held = false
	if !n.up && n.may() {
		n.w.plan(event{at: n.w.now + 1, kind: evRestart}, n)
	}
}

// stop ends a node's process until the drain.
func (w *World) stop(n *node) {
	n.held = true
	w.crash(n, true)
	w.mark(markStopped)
}

// isolate cuts all links of a node until the drain.
func (w *World) isolate(n *node) {
	var links []int
	for k := range w.nodes {
		if k != n.index {
			links = append(links, n.index*len(w.nodes)+k, k*len(w.nodes)+n.index)
		}
	}
	for _, k := range links {
		w.walls[k]++
	}
	w.remember(cut{links: links})
	w.mark(markIsolatedCore)
	n.comeBack()
}

// coreDone reports whether all that the liveness phase waits for is done.
func (w *World) coreDone() bool {
	if w.pending > 0 {
		return false
	}
	for _, c := range w.clients {
		if c != w.liar && (c.left > 0 || c.doing != nil) {
			return false
		}
	}
	return w.level(w.core)
}

// level reports whether nodes are up, idle and at one place.
func (w *World) level(which []bool) bool {
	var top executed
	first := true
	for i, n := range w.nodes {
		if !which[i] || !w.newest().has(n.replica) {
			continue
		}
		if n.up && n.era() != w.newest() {
			return false
		}
		if !n.up || !n.loop.Idle() || len(n.inbox) > 0 || n.loop.Waiting() > 0 {
			return false
		}
		if first {
			top, first = n.top, false
		} else if n.top != top {
			return false
		}
	}
	return true
}

// drain lets the rest come back.
func (w *World) drain() {
	w.phase = phaseDrain
	w.healed = w.now
	w.tracef("phase %v", w.phase)
	w.mendAll()
	for _, n := range w.nodes {
		if n.correct {
			n.rightClock()
		}
		n.comeBack()
	}
}

// drained reports whether all correct nodes are at one place.
func (w *World) drained() bool {
	all := make([]bool, len(w.nodes))
	for i, n := range w.nodes {
		all[i] = n.correct
	}
	return w.level(all) && w.released()
}

// released reports whether all correct nodes that were removed know that they were.
func (w *World) released() bool {
	for _, n := range w.nodes {
		if !n.correct || n.absent || n.gone || !w.wasMember(n) {
			continue
		}
		if !n.up {
			return false
		}
		if retired, _ := n.loop.Retired(); !retired {
			return false
		}
	}
	return true
}

// wasMember reports whether a node was a member once, and is none any more.
func (w *World) wasMember(n *node) bool {
	was := false
	for _, e := range w.eras {
		was = was || e.has(n.replica)
	}
	return was && !w.newest().has(n.replica)
}

// quorums are how many correct members are still to be chosen of each epoch: of the last one, of
// those that may follow, and of those before, whose members lead the others on.
type quorums []quorumLeft

type quorumLeft struct {
	members uint64 // by replica
	left    int
}

func (w *World) quorums() quorums {
	var list quorums
	for _, e := range w.eras {
		q := quorumLeft{left: e.cfg.Sizes.Quorum}
		for _, r := range e.replicas {
			q.members |= 1 << r
			if w.nodes[r].gone { // it is needed by nobody
				q.left = min(q.left, 0)
			}
		}
		list = append(list, q)
	}
	for _, seats := range w.openChanges() {
		sizes, err := quorum.Of(len(seats))
		if err != nil {
			panic(fmt.Sprintf("sim: %v", err))
		}
		q := quorumLeft{left: sizes.Quorum}
		for _, s := range seats {
			q.members |= 1 << s.Replica
		}
		list = append(list, q)
	}
	return list
}

// needs reports whether a replica is needed, and counts it where it is a member.
func (q quorums) needs(replica int) bool {
	needed := false
	for i := range q {
		needed = needed || q[i].left > 0 && q[i].members&(1<<replica) != 0
	}
	for i := range q {
		if needed && q[i].members&(1<<replica) != 0 {
			q[i].left--
		}
	}
	return needed
}

func (q quorums) lacking() int {
	most := 0
	for i := range q {
		most = max(most, q[i].left)
	}
	return most
}
