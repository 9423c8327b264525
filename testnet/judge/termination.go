package judge

import (
	"cmp"
	"slices"

	"byzd/pbft/message"
)

// Live is what was seen of a running network over some time.
type Live struct {
	Nodes []Watched
	Notes []string // about correct nodes that were asked and did not answer
	Bound int64    // how long was watched at most, in milliseconds
	// Early says that the watch ended before the bound, since a node was late already: what the
	// others would have done in time is not known.
	Early bool
}

// Watched is what was seen of one node that runs and is not a traitor.
type Watched struct {
	Node     int
	Silent   bool // it did not answer to the end
	Target   uint64
	Executed uint64 // at the last look
	Pending  int
	OldestMS int64
	// Drained says that all that was pending at the first look was executed later.
	Drained bool
	// Late says that something was pending for longer than the bound.
	Late bool
}

// done reports whether the node did what was expected of it.
func (w *Watched) done() bool { return w.Drained && w.Executed >= w.Target }

// judgeTermination judges whether what was asked for gets executed.
func (h *History) judgeTermination(v *Verdict, replays []*replay, live *Live) {
	if live != nil && len(live.Nodes) > 0 {
		h.judgeLive(v, live)
		return
	}
	h.judgeStopped(v, replays)
}

// judgeLive: everything that is pending at a correct node that runs is executed within the bound,
// and all of them get as far as the first one was.
func (h *History) judgeLive(v *Verdict, live *Live) {
	v.Notes = append(v.Notes, live.Notes...)
	answering := 0
	for i := range live.Nodes {
		w := &live.Nodes[i]
		if w.Silent {
			v.note("%s does not answer any more", h.name(w.Node))
			continue
		}
		answering++
		if w.done() || live.Early && !w.Late {
			continue
		}
		v.say(Termination, Broken, "no progress within %.1f s: %s executed up to %d of %d, "+
			"%d operations are pending, the oldest for %.1f s", float64(live.Bound)/1000,
			h.name(w.Node), w.Executed, w.Target, w.Pending, float64(w.OldestMS)/1000)
	}
	if answering == 0 {
		v.say(Termination, Unknown, "no correct node that runs answers")
	}
}

// judgeStopped: every request that a correct node knows of is executed where the most is, nothing
// was pending when the nodes stopped, and all of them got as far as the first one did. What is not
// so may have been under way then, and would have been done in time: it is unknown, not broken. The
// journals alone do not say that it is so: what a gateway has not proposed yet is in none.
func (h *History) judgeStopped(v *Verdict, replays []*replay) {
	var unasked []*Log
	for _, l := range h.asked() {
		switch {
		case l.Gap != nil:
			v.say(Termination, Unknown, "what %s knew of is not known: %v", h.who(l), l.Gap)
		case l.Last == nil:
			unasked = append(unasked, l)
		case l.Last.Pending > 0:
			v.say(Termination, Unknown, "%d operations were pending at %s when it stopped, the "+
				"oldest for %.1f s", l.Last.Pending, h.who(l), float64(l.Last.OldestMS)/1000)
		}
	}
	if len(unasked) > 0 {
		v.say(Termination, Unknown, "what was pending when the network stopped is not known: "+
			"nobody asked %s then, and journals do not tell", h.nodes(unasked))
	}
	h.judgeBehind(v)
	waiting := h.waiting(replays)
	if len(waiting) > 0 {
		first := waiting[0]
		v.say(Termination, Unknown, "%d bundles were known and not executed when the nodes "+
			"stopped, among them %d of %s's gateway", len(waiting), first.bundle.Seq,
			h.name(first.era.node(first.bundle.Gateway)))
	}
}

// asked are the logs of the correct nodes of which something is expected: who is no member any more
// has told its clients that it does not know what becomes of their operations, and need not follow
// the others further than to where they go on without it; and nobody is asked who may have ended by
// itself.
func (h *History) asked() []*Log {
	now := h.latest()
	return slices.DeleteFunc(h.correct(), func(l *Log) bool {
		return l.Node >= 0 && !now.has(l.Node)
	})
}

// judgeBehind looks for correct nodes that executed less than others when they stopped. A node that
// said more than its journal holds has lost it.
func (h *History) judgeBehind(v *Verdict) {
	target := uint64(0)
	for _, l := range h.asked() {
		target = max(target, l.chain.Top())
		if l.Last != nil {
			target = max(target, l.Last.Sequence)
		}
	}
	for _, l := range h.asked() {
		if top := l.chain.Top(); l.Gap == nil && top < target {
			v.say(Termination, Unknown, "%s had executed up to %d of %d when it stopped: whether "+
				"it would have caught up is not known", h.who(l), top, target)
		}
	}
}

// waiting lists the bundles that correct nodes keep in batches and that are executed nowhere.
func (h *History) waiting(replays []*replay) []ordered {
	done := map[message.RequestKey]bool{}
	for _, o := range h.executedBundles() {
		done[o.bundle.Key()] = true
	}
	settled := func(b *message.Bundle) bool {
		for _, r := range replays {
			if r.ledger.settled(b) {
				return true
			}
		}
		return done[b.Key()]
	}
	var list []ordered
	for _, l := range h.correct() {
		for _, o := range h.undecided(l) {
			if !settled(o.bundle) && checkBundle(o.era.cfg, o.bundle) == nil {
				done[o.bundle.Key()] = true // listed once
				list = append(list, o)
			}
		}
	}
	slices.SortFunc(list, func(a, b ordered) int {
		return cmp.Or(cmp.Compare(a.bundle.Session, b.bundle.Session),
			cmp.Compare(a.bundle.Seq, b.bundle.Seq))
	})
	return list
}

// undecided lists the bundles in batches that a node keeps and did not execute.
func (h *History) undecided(l *Log) []ordered {
	var list []ordered
	for d := range l.bodies {
		b := h.batches[d]
		if b == nil || l.has(message.Ref{Seq: b.Header.Seq, Digest: d}) {
			continue
		}
		if e := h.eraOf(l, b.Header.Epoch); e != nil {
			for _, bundle := range b.Bundles {
				list = append(list, ordered{b.Header.Seq, e, bundle})
			}
		}
	}
	return list
}
