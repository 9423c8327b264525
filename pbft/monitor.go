package pbft

import (
	"byzd/pbft/message"
)

// monitor watches the primary. All times are in milliseconds; every limit that may end a view is a
// multiple of tau, which grows when views fail and decays while they work (rule R11).
type monitor struct {
	tau, tau0, tauMax int64

	entered   int64 // the view
	openedAt  int64 // -1 while the view is not open
	halvedAt  int64 // when tau was last halved, or the view opened
	commits   bool  // something was executed since halvedAt
	lastProp  int64 // the last proposal of the primary
	lastExec  int64
	lastCert  int64 // the last certificate of this view
	lastClock int64 // since when a proposal is held by its time; -1 if none is
	slowClock int   // successive fresh proposals whose time lags
	clockSeen message.Ref
	refused   message.Ref

	// The timer of a new view (rule R12): armed with a quorum for armed, discharged by a commit
	// certificate of that view or a higher one.
	armed    uint64
	armedAt  int64
	deadline int64 // -1 while not armed

	// This replica's own complaint, and everybody's live ones.
	complaint message.Reason // 0 if it has none
	refreshAt int64
	live      []complaint

	caughtUp  int64  // until when a lagging replica catches up before it complains; -1
	caughtSeq uint64 // (rule R8)

	resendAt    int64 // the own VIEW-CHANGE
	resendDelay int64
	statusAt    int64

	stableAt int64 // when the last stable checkpoint was learned
}

// complaint is a replica's word against a primary, while it lives. The zero value does not.
type complaint struct {
	view   uint64
	until  int64 // a time
	reason message.Reason
}

// minGap bounds the wait for a proposal from below.
const minGap = 250

// maxResend bounds the back-off of a VIEW-CHANGE's repetition: what heals must be noticed soon,
// whatever the timers have grown to.
const maxResend = 1000

func newMonitor(cfg *message.Config) monitor {
	p := &cfg.Params
	return monitor{
		tau: p.ViewTimeout, tau0: p.ViewTimeout, tauMax: p.MaxViewTimeout,
		openedAt: 0, lastClock: -1, deadline: -1, caughtUp: -1,
		live: make([]complaint, len(cfg.Members)),
	}
}

func (m *monitor) proposed(now int64) { m.lastProp = now }

func (m *monitor) progress(now int64) { m.lastExec, m.commits = now, true }

func (m *monitor) certified(now int64) { m.lastCert = now }

func (m *monitor) backOff() { m.tau = min(2*m.tau, m.tauMax) }

// leave notes that this replica gave the view up.
func (m *monitor) leave(now int64) {
	m.complaint, m.caughtUp, m.lastClock = 0, -1, -1
	m.deadline = -1
	m.resendDelay = 200
	m.resendAt = now + m.resendDelay
}

// enter notes that a view began.
func (m *monitor) enter(view uint64, now int64) {
	m.arm(view, now)
	m.entered, m.openedAt = now, -1
	m.lastProp, m.lastExec = now, now
	m.complaint, m.caughtUp, m.lastClock, m.slowClock = 0, -1, -1, 0
	m.refused, m.refreshAt = message.Ref{}, 0
}

// opened notes that the view has a commit certificate: its timer is discharged.
func (m *monitor) opened(view uint64, now int64) {
	m.openedAt, m.halvedAt, m.commits = now, now, false
	if m.armed <= view { // the timer of a later view, which a quorum wants, goes on
		m.deadline = -1
	}
	m.lastProp = now
}

// arm starts the timer of a view that a quorum wants, once.
func (m *monitor) arm(view uint64, now int64) {
	if m.armed != view || m.deadline < 0 {
		m.armed, m.armedAt, m.deadline = view, now, now+m.tau
	}
}

// gap is the longest that work may wait for the next proposal.
func (m *monitor) gap() int64 { return max(minGap*m.tau/m.tau0, minGap) }

// decay halves tau after ten good seconds in one open view.
func (m *monitor) decay(now int64) {
	if m.openedAt < 0 || m.complaint != 0 || now-m.halvedAt < 10_000 {
		return
	}
	if m.commits {
		m.tau = max(m.tau0, m.tau/2)
	}
	m.halvedAt, m.commits = now, false
}

// served halves tau when an open view has lasted until its planned end: with a short rotation no
// view lasts for ten seconds, and a single bad primary among the n would let tau grow at each
// round.
func (m *monitor) served() {
	if m.openedAt >= 0 && m.complaint == 0 {
		m.tau = max(m.tau0, m.tau/2)
	}
}

// clock counts proposals whose time lags behind this replica's clock.
func (m *monitor) clock(slow bool, ref message.Ref) {
	m.lastClock = -1
	if m.clockSeen == ref {
		return
	}
	m.clockSeen = ref
	if slow {
		m.slowClock++
	} else {
		m.slowClock = 0
	}
}

func (m *monitor) heldByClock(now int64) {
	if m.lastClock < 0 {
		m.lastClock = now
	}
}

// slowProposals is how many lagging proposals in a row are too many (rule R10).
const slowProposals = 16

// maxLeap is how far one tick moves the timers at most. Who was stopped for longer has not waited
// in vain: what others said meanwhile is still to be read.
const maxLeap = 1000

func (r *Replica) onTick(wall int64) {
	passed := min(max(wall-r.wall, 0), maxLeap)
	first := r.wall == 0
	r.wall = wall
	if first {
		r.now = wall
		r.begin()
	}
	r.now += passed
	r.tickFence()
	r.tickRecovery()
	r.tickViewChange()
	r.tickComplaint()
	r.monitor.decay(r.now)
	r.tickRepair()
	r.tickTransfer()
	r.tickFrozen()
	r.tickStatus()
	r.advance()
}

// begin sets every clock to the first tick.
func (r *Replica) begin() {
	m := &r.monitor
	m.entered, m.lastProp, m.lastExec, m.halvedAt = r.now, r.now, r.now, r.now
	if r.open {
		m.openedAt = r.now
	} else if r.view > 0 {
		m.enter(r.view, r.now)
	}
	for i := range r.peers {
		r.peers[i].heard = r.now
	}
	r.pool.begin(r.now)
	if !r.silent() {
		r.resume() // alone there is nobody to ask, and what was under way must still be said again
	}
}

// tickViewChange repeats the own VIEW-CHANGE and lets a new view that does not start give way.
func (r *Replica) tickViewChange() {
	m := &r.monitor
	if r.silent() {
		return
	}
	r.join() // it may not have been able to when the VIEW-CHANGEs came
	if r.target > r.view && r.now >= m.resendAt {
		m.resendDelay = min(2*m.resendDelay, maxResend)
		m.resendAt = r.now + m.resendDelay
		r.send(All, r.change)
	}
	if m.deadline < 0 || r.view >= m.armed || r.target != m.armed {
		return
	}
	switch next := r.cfg.Primary(m.armed); {
	case next == r.self && r.now < m.deadline:
	case r.dismissed(next), r.recovers(next):
		r.startViewChange(m.armed+1, false)
	case r.now >= m.deadline, r.lost(next, m.armedAt):
		r.startViewChange(m.armed+1, true)
	}
}

// dismissed reports whether a replica is proven a liar, and so few are that somebody else may lead
// (rule R7.10).
func (r *Replica) dismissed(primary int) bool {
	return r.convicted.Has(primary) && r.convicted.Count() <= r.cfg.Sizes.F
}

// lost reports whether a peer cannot be reached, this replica's own connection being lost too, and
// nothing was heard of it for the shortest view timeout. To wait any longer, whatever the timers
// have grown to, would wait for nothing (DESIGN §5 point 9).
func (r *Replica) lost(peer int, since int64) bool {
	p := &r.peers[peer]
	return peer != r.self && p.unreachable && r.now-max(p.heard, since) >= r.monitor.tau0
}

// tickComplaint complains while there is a reason, and counts who else does.
func (r *Replica) tickComplaint() {
	m := &r.monitor
	if !r.mayVote() {
		return
	}
	reason := r.grievance()
	if reason != 0 && m.complaint == 0 {
		r.observe(EventComplained, r.tip, reason.String())
	}
	proven := reason == message.ReasonEvidence && m.complaint != reason
	m.complaint = reason
	if reason == 0 {
		return
	}
	r.depose()
	if r.target > r.view || r.now < m.refreshAt && !proven {
		return
	}
	m.refreshAt = r.now + min(m.tau/2, maxResend)
	if reason == message.ReasonEvidence {
		r.repeatProofs(r.Primary())
	}
	r.send(All, &message.Complain{
		View: r.view, Reason: reason, Lifetime: 2 * m.tau, Voter: r.self,
		Statements: r.primarysStatements(),
	})
}

func (r *Replica) onComplain(from int, c *message.Complain) {
	for _, v := range c.Statements {
		r.onStatement(from, v)
	}
	if c.View != r.view || r.target != r.view {
		r.drop(from, DropComplainView)
		return
	}
	r.monitor.live[c.Voter] = complaint{
		view: c.View, until: r.now + c.Lifetime, reason: c.Reason,
	}
	r.depose()
}

// depose starts a view change when f+1 replicas complain: one of them is correct. Who has given
// this view up altogether does not complain any more. A replica that complains itself counts those
// too: else a few that left early, and the few that are left, could wait for each other for ever.
func (r *Replica) depose() {
	alive := func(i int) bool {
		c := &r.monitor.live[i]
		return c.view == r.view && c.until > r.now
	}
	count, backOff := 0, false
	for i := range r.monitor.live {
		switch {
		case alive(i):
			count++
			backOff = backOff || !planned(r.monitor.live[i].reason)
		case alive(r.self) && r.changes[i] != nil && r.changes[i].Stmt.NewView > r.view:
			count++
		}
	}
	if count >= r.cfg.Sizes.Weak {
		r.startViewChange(r.view+1, backOff)
	}
}

// planned reports whether a complaint says nothing about how long things take: then the next view
// needs no more time than this one.
func planned(reason message.Reason) bool {
	return reason == message.ReasonEvidence || reason == message.ReasonRecovery
}

// grievance returns what is wrong with the primary, or 0.
func (r *Replica) grievance() message.Reason {
	m := &r.monitor
	primary := r.Primary()
	if primary == r.self {
		if r.pressed() {
			return message.ReasonRecovery
		}
		return 0
	}
	switch {
	case r.dismissed(primary):
		return message.ReasonEvidence
	case r.recovers(primary):
		return message.ReasonRecovery
	case !r.open:
		if m.armed == r.view && m.deadline >= 0 && r.now >= m.deadline {
			return message.ReasonBase
		}
		return 0
	case !r.closing() && r.starved():
		return message.ReasonRequestAge
	case m.lastClock >= 0 && r.now-m.lastClock >= m.gap(), m.slowClock >= slowProposals:
		return message.ReasonClock
	case !r.closing() && r.stalled():
		return message.ReasonStall
	case r.now-r.peers[primary].heard >= 3*m.tau, r.lost(primary, m.entered):
		return message.ReasonSilent
	case r.pressed():
		return message.ReasonRecovery
	}
	return 0
}

// starved reports whether the head of some gateway's queue has waited for longer than tau (rule
// R9). A replica that knows it is behind first catches up, for at most another tau (rule R8).
func (r *Replica) starved() bool {
	m := &r.monitor
	oldest := false
	for g := range r.pool.queues {
		q := &r.pool.queues[g]
		if q.since < 0 {
			continue
		}
		since := max(q.since, m.entered, q.told)
		if r.now-since >= m.tau {
			oldest = true
		}
	}
	if !oldest {
		m.caughtUp = -1
		return false
	}
	if m.caughtUp < 0 {
		known := max(r.decided.Seq, r.high.Seq)
		if known <= r.executed.Seq {
			return true
		}
		m.caughtUp, m.caughtSeq = r.now+m.tau, known
	}
	return r.executed.Seq >= m.caughtSeq || r.now >= m.caughtUp
}

// stalled reports whether work is known to the primary and no proposal comes (PP gap).
func (r *Replica) stalled() bool {
	m := &r.monitor
	if r.pool.empty() || r.tip.Seq >= r.stable.Seq+r.cfg.Params.Window ||
		r.tip.Seq >= r.decided.Seq+uint64(r.cfg.Params.InFlight) { //nolint:gosec // positive
		return false
	}
	told := int64(-1)
	for g := range r.pool.queues {
		q := &r.pool.queues[g]
		if q.told >= 0 && !r.named(q) && (told < 0 || q.told < told) {
			told = q.told
		}
	}
	if told < 0 {
		return false
	}
	return r.now-max(told, m.lastProp, m.openedAt, m.lastExec, m.lastCert) >= m.gap()
}

// named reports whether a batch that is not executed yet names the head of a queue.
func (r *Replica) named(q *queue) bool {
	key := q.bundles[q.head].Key()
	entries, _, _ := r.path(r.tip)
	for _, e := range entries {
		for _, b := range e.bundles {
			if b != nil && b.Key() == key {
				return true
			}
		}
	}
	return false
}
