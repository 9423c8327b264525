package pbft

import (
	"fmt"

	"byzd/crypto"
	"byzd/pbft/message"
)

// maxAhead is how far beyond the tip proposals are buffered, in batches (rule R18).
const maxAhead = 2 * message.MaxInFlight

// propose makes one batch of everything that has arrived, if this replica leads and may (PROTOCOL
// §4.4 with rules R2, R6 and R17).
func (r *Replica) propose() {
	if !r.mayVote() || !r.leads() || !r.open || r.frozen || r.pool.empty() {
		return
	}
	seq := r.tip.Seq + 1
	if seq <= r.stable.Seq || seq > r.stable.Seq+r.cfg.Params.Window || !r.holds(r.tip) ||
		r.tip.Seq >= r.decided.Seq+uint64(r.cfg.Params.InFlight) { //nolint:gosec // positive
		return
	}
	parent, taken := r.sinceExecuted()
	if r.closes(r.tip) {
		return // nothing follows the last batch of an epoch (rule R17)
	}
	bundles := r.pool.choose(r.cfg.Params, r.rr, taken)
	if len(bundles) == 0 {
		return
	}
	r.rr = (r.rr + 1) % len(r.cfg.Members)
	b := &message.Batch{Header: message.Header{
		Cluster: r.cfg.Cluster, Epoch: r.cfg.Epoch, Seq: seq, Parent: r.tip.Digest,
		TimeMS: max(parent, r.wall), PropView: r.view,
	}}
	bundles = r.kindOf(&b.Header, bundles)
	b.Bundles = bundles
	for _, bundle := range bundles {
		b.Header.Requests += uint32(len(bundle.Items)) //nolint:gosec // within the batch's limits
		b.Header.Bytes += uint32(bundle.Size())        //nolint:gosec // within the batch's limits
	}
	b.Header.Root = message.BatchRoot(b.IDs())
	e := r.learnBatch(b)
	if e.bad != "" {
		panic("pbft: proposed a batch that breaks " + string(e.bad))
	}
	r.observe(EventProposed, e.ref, "")
	r.vote(e.ref, &message.PrePrepare{View: r.view, Header: b.Header, IDs: e.ids})
}

// sinceExecuted returns the tip's header time, and the places that batches above the executed one
// take already.
func (r *Replica) sinceExecuted() (time int64, taken map[message.RequestKey]bool) {
	time = r.executedTime
	taken = map[message.RequestKey]bool{}
	entries, _, _ := r.path(r.tip)
	for _, e := range entries {
		time = e.header.TimeMS
		for _, b := range e.bundles {
			taken[b.Key()] = true
		}
	}
	return time, taken
}

// vote PREPAREs a batch: it stages the bodies and the vote, moves the tip, and sends m, which
// carries the vote. The vote counts here when it comes back durable (rule R1).
func (r *Replica) vote(ref message.Ref, m message.Message) {
	if e := r.entries[ref.Digest]; r.prepared != (message.Ref{}) &&
		(e == nil || e.header.Parent != r.tip.Digest || e.header.Seq != r.tip.Seq+1) {
		panic(fmt.Sprintf("pbft: PREPARE of batch %d in view %d does not extend the tip %d",
			ref.Seq, r.view, r.tip.Seq)) // rule R6
	}
	r.makeDurable(ref)
	r.markVoted(ref)
	r.prepared, r.tip = ref, ref
	r.say(r.ballot(crypto.KindPrepare, ref))
	r.send(All, m)
}

// say stages a vote of this replica's own, before it leaves.
func (r *Replica) say(v *message.Vote) {
	if last := r.said[chainOf(v.Kind)]; last == nil || last.Rank().Less(v.Rank()) {
		r.said[chainOf(v.Kind)] = v
	}
	r.persist(&message.Record{Type: message.RecordVote, Vote: v})
}

// markVoted notes that this replica's PREPARE in this view covers a batch and its ancestors (rule
// R2, part B).
func (r *Replica) markVoted(ref message.Ref) {
	entries, _, _ := r.path(ref)
	for _, e := range entries {
		e.voted, e.view = true, r.view
	}
}

func (r *Replica) ballot(kind crypto.Kind, ref message.Ref) *message.Vote {
	return &message.Vote{
		Kind: kind, View: r.view, Seq: ref.Seq, Digest: ref.Digest, Voter: r.self,
	}
}

func (r *Replica) onPrePrepare(from int, m *message.PrePrepare) {
	h := &m.Header
	switch {
	case m.View != r.view:
		r.drop(from, DropPrePrepareView)
		return
	case from != r.Primary():
		r.drop(from, DropPrePrepareSender)
		return
	case h.Seq <= r.stable.Seq || h.Seq > r.stable.Seq+r.cfg.Params.Window:
		r.drop(from, DropPrePrepareWindow)
		return
	case h.Seq > max(r.tip.Seq, r.decided.Seq)+maxAhead:
		r.drop(from, DropPrePrepareFar)
		return
	}
	vote := m.Vote(r.cfg)
	if from != r.self {
		r.monitor.proposed(r.now)
	}
	s := r.slotIf(crypto.KindPrepare, m.View, h.Seq)
	if s != nil && s.votes[from] != nil && s.votes[from].Digest != vote.Digest {
		r.drop(from, DropPrePrepareSecond)
	} else if h.Seq > r.executed.Seq {
		r.learnHeader(*h, m.IDs)
	}
	r.onVote(from, vote)
}

// accept PREPAREs the primary's proposals that extend the tip, in order. Whatever holds one back is
// looked at again with every input.
func (r *Replica) accept() {
	for r.mayVote() && r.open && !r.frozen {
		first := r.slotIf(crypto.KindPrepare, r.view, r.tip.Seq+1)
		if first == nil || first.votes[r.Primary()] == nil {
			return
		}
		e := r.entries[first.votes[r.Primary()].Digest]
		if e == nil || !r.acceptable(e) {
			return
		}
		r.observe(EventAccepted, e.ref, "")
		r.vote(e.ref, r.ballot(crypto.KindPrepare, e.ref))
	}
}

// acceptable judges a proposal at tip+1. Only pure functions of the batch may refuse it; the clock
// and this replica's own progress may hold it (DESIGN §5 point 7).
func (r *Replica) acceptable(e *entry) bool {
	if e.bad != "" {
		r.refuse(e, DropPrePrepareBody)
		return false
	}
	// The primary's vote names a place and a digest; the number in the header is its own affair.
	if e.header.Parent != r.tip.Digest || e.header.Seq != r.tip.Seq+1 ||
		e.header.PropView != r.view {
		r.refuse(e, DropPrePrepareParent)
		return false
	}
	if r.closes(r.tip) {
		r.refuse(e, DropPrePrepareEnd) // the last batch of the epoch (rule R17)
		return false
	}
	if !e.complete() || !r.holds(r.tip) {
		return false
	}
	parent := r.executedTime
	if p := r.entries[r.tip.Digest]; p != nil && r.tip.Seq > r.executed.Seq {
		parent = p.header.TimeMS
	}
	if !r.timely(e, parent) {
		return false
	}
	seq, p := e.ref.Seq, &r.cfg.Params
	return seq <= r.stable.Seq+p.Window && seq <= r.executed.Seq+p.Window/2 &&
		seq <= r.decided.Seq+maxAhead
}

// refuse reports a proposal that this view will never accept, once.
func (r *Replica) refuse(e *entry, why Drop) {
	if r.monitor.refused != e.ref {
		r.monitor.refused = e.ref
		r.drop(r.Primary(), why)
	}
}

// clockLead is how far a header's time may run ahead of a replica's clock, in milliseconds.
const clockLead = 5000

// timely applies rule R10: a header's time never steps back and never runs far ahead; a proposal
// that breaks this is held, and complained about, never called invalid.
func (r *Replica) timely(e *entry, parent int64) bool {
	t := e.header.TimeMS
	if t >= parent && t <= max(parent, r.wall+clockLead) {
		r.monitor.clock(t < r.wall-clockLead-r.monitor.tau, e.ref)
		return true
	}
	r.monitor.heldByClock(r.now)
	return false
}

// learnPrepared adopts a prepared certificate that ranks above the one held. It is kept for ever
// after: what this replica reports in a VIEW-CHANGE only grows (DESIGN §5 point 2). Who recovered
// from forgotten votes shows a commit certificate instead (rule R15), which tells more.
func (r *Replica) learnPrepared(c *message.Certificate) {
	if c.Kind == crypto.KindCommit {
		r.learnCommit(c)
		if r.halted != "" {
			return
		}
	}
	r.crossCertified(c.View, c.Ref())
	switch {
	case r.high.Rank().Less(c.Rank()):
		r.high = c
		if c.View == r.view {
			r.monitor.certified(r.now)
		}
	case r.high.Rank() == c.Rank() && r.high.Digest != c.Digest:
		r.alarm(&message.Alarm{First: r.high, Second: c}, c.Seq)
		return
	}
	h, window := r.stable.Seq, r.cfg.Params.Window
	reopens := c.Seq == r.base.Seq && !r.settled()
	outside := c.Seq <= h || c.Seq > h+window
	if c.View != r.view || len(c.Aggregate) == 0 || c.Kind != crypto.KindPrepare ||
		outside && !reopens {
		return
	}
	if s := r.slot(crypto.KindPrepare, c.View, c.Seq); s.cert == nil {
		s.cert = c // it lets this replica COMMIT, whoever gathered it
	}
}

// commit sends COMMITs for the batches that are prepared in this view and held whole, lowest first.
func (r *Replica) commit() {
	if !r.mayVote() {
		return
	}
	low := r.base.Seq
	if r.settled() {
		low = max(low, r.committed.Seq)
	}
	top := min(max(r.tip.Seq, r.high.Seq), r.stable.Seq+r.cfg.Params.Window)
	for seq := low; seq <= max(top, r.base.Seq); seq++ {
		s := r.slotIf(crypto.KindPrepare, r.view, seq)
		if s == nil || s.cert == nil || s.committed {
			continue
		}
		ref := s.cert.Ref()
		if !r.holds(ref) || !r.oneChain(ref) {
			continue
		}
		s.committed = true
		if r.lastCmt.Seq < ref.Seq {
			r.lastCmt = ref
		}
		r.makeDurable(ref)
		if r.highLogged.Less(r.high.Rank()) {
			r.highLogged = r.high.Rank()
			r.persist(&message.Record{Type: message.RecordHigh, Cert: r.high})
		}
		vote := r.ballot(crypto.KindCommit, ref)
		r.say(vote)
		r.send(All, vote)
	}
}

// oneChain keeps this replica's COMMITs of one view on one chain (rule R6).
func (r *Replica) oneChain(ref message.Ref) bool {
	if r.lastCmt == (message.Ref{}) {
		return true
	}
	if r.lastCmt.Seq <= ref.Seq {
		return r.extends(ref, r.lastCmt)
	}
	return r.extends(r.lastCmt, ref)
}

// learnCommit takes in a commit certificate that somebody shows, new or old.
func (r *Replica) learnCommit(c *message.Certificate) {
	if r.committed == nil || r.committed.Rank().Less(c.Rank()) {
		r.learnCommitted(c)
	} else if !r.learnDecided(c.Ref()) {
		r.alarm(r.conflict(c), c.Seq)
	}
}

// learnCommitted adopts a commit certificate. It needs no vote of this replica and no open view.
func (r *Replica) learnCommitted(c *message.Certificate) {
	r.observe(EventCommitted, c.Ref(), "")
	r.crossCertified(c.View, c.Ref())
	if !r.learnDecided(c.Ref()) {
		r.alarm(r.conflict(c), c.Seq)
		return
	}
	if r.committed == nil || r.committed.Rank().Less(c.Rank()) {
		r.committed = c
		if c.View >= r.view {
			r.monitor.certified(r.now)
		}
	}
	if !r.open && r.settled() {
		r.open = true
		r.observe(EventOpen, c.Ref(), "")
		r.monitor.opened(r.view, r.now)
		r.pool.restart(r.now)
	}
}

// learnDecided notes that a batch is certified for ever. It reports false if something else was
// certified in its place.
func (r *Replica) learnDecided(ref message.Ref) bool {
	if d, ok := r.history[ref.Seq]; ok && ref.Seq <= r.executed.Seq && d != ref.Digest ||
		ref.Seq == r.decided.Seq && ref.Digest != r.decided.Digest {
		return false
	}
	if ref.Seq > r.decided.Seq {
		r.decided = ref
	}
	return true
}

// conflict pairs a certificate with the one that this replica holds for the other chain: its commit
// certificate, or the stable checkpoint if that decided more.
func (r *Replica) conflict(c *message.Certificate) *message.Alarm {
	if r.committed == nil || r.committed.Seq < r.stable.Seq {
		return &message.Alarm{FirstCheckpoint: r.stable, Second: c}
	}
	return &message.Alarm{First: r.committed, Second: c}
}
