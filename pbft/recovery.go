package pbft

import (
	"fmt"
	"slices"

	"byzd/pbft/message"
)

// recovery is what a replica does that has forgotten what it said: its disk was lost, damaged or
// put back to an older state (rule R15). It says nothing that binds, learns and executes like
// everybody else, and asks the others in which views its forgotten words can have been.
//
// Let V be the highest view that q others are bound to. It voted in no view above V: for each view
// that it voted in a quorum had sent VIEW-CHANGEs, and any q others meet one of them that is
// correct. It sent no VIEW-CHANGE beyond V+1: the first correct one to a view needs a quorum that
// wants the view before. So what it says in views from V+2 on contradicts nothing; and a commit
// certificate of a view above V outranks every COMMIT that it forgot, so its VIEW-CHANGEs hide
// none.
type recovery struct {
	active bool
	why    string
	nonce  uint64
	askAt  int64
	bounds []bound // what the others answered
	floor  uint64  // V+2: the lowest view to vote in; 0 while V is not known
	proof  *message.Certificate
}

// bound is a replica's answer: the highest view that it is bound to.
type bound struct {
	known bool
	view  uint64
}

// What others do for a replica that recovers: it needs two view changes, one for a certificate
// above V and one for a view that it may vote in. Each replica complains of so many views for a
// requester in so long, so that a liar cannot depose primaries without bound: enough for a few
// recoveries, and for crashes in the middle of them.
const (
	helpViews  = 12
	helpWindow = 10 * 60_000
	// recoversFor is how long a replica counts as recovering after it last said so, in
	// milliseconds.
	recoversFor = 2000
)

// help is what this replica does for one that recovers.
type help struct {
	heard  int64  // when it last said that it recovers; 0 if it never did
	to     uint64 // the view that it needs
	raised int64  // when that was last raised
	since  int64  // when the present window of help began
	views  int    // how many views were complained of for it since
	last   uint64 // 1 + the last of them; 0 if there is none
}

// due reports whether a view may be complained of for this requester.
func (h *help) due(view uint64, now int64) bool {
	return h.last == view+1 || h.views < helpViews || now-h.since >= helpWindow
}

// spend notes that a view is complained of for it.
func (h *help) spend(view uint64, now int64) {
	if h.last == view+1 {
		return
	}
	if now-h.since >= helpWindow {
		h.since, h.views = now, 0
	}
	h.views, h.last = h.views+1, view+1
}

// forgetful begins the recovery of a replica that finds out that it has forgotten what it said.
// What is on its disk stays: it is true, only not all.
func (r *Replica) forgetful(why string) {
	if r.recovery.active || r.halted != "" {
		return
	}
	r.persist(&message.Record{Type: message.RecordAmnesia, Amnesia: &message.Amnesia{}})
	r.observe(EventForgot, r.executed, why)
	r.beginRecovery(why)
}

func (r *Replica) beginRecovery(why string) {
	r.fence.raised = false
	r.restored = nil
	r.monitor.complaint = 0
	r.recovery = recovery{active: true, why: why, bounds: make([]bound, len(r.cfg.Members))}
	if q := r.cfg.Sizes.Quorum; len(r.cfg.Members)-1 < q {
		r.halt(fmt.Sprintf("AMNESIA: %s; of %d members no %d others are left to tell in which "+
			"views it may vote", why, len(r.cfg.Members), q))
	}
}

func (r *Replica) tickRecovery() {
	m := &r.recovery
	if !m.active || r.halted != "" || r.now < m.askAt {
		return
	}
	if m.nonce == 0 {
		m.nonce = r.newNonce()
	}
	m.askAt = r.now + fenceRepeat
	r.send(All, &message.Recover{Nonce: m.nonce, Floor: m.floor})
}

// onRecover answers a replica that has forgotten what it said, and helps it. A replica that does
// not know all that it said itself must not answer.
func (r *Replica) onRecover(from int, m *message.Recover) {
	if from == r.self {
		return
	}
	h := &r.peers[from].help
	known := h.heard
	h.heard = r.now
	if r.fence.raised || r.recovery.active || r.halted != "" {
		r.drop(from, DropRecoverSilent)
		return
	}
	if known > 0 && r.now < known+serveEvery && m.Floor <= h.to {
		r.drop(from, DropRecoverThrottled)
		return
	}
	r.send(from, &message.Recovery{Nonce: m.Nonce, To: from, View: r.view, Target: r.target})
	if m.Floor > h.to {
		h.raised = r.now
	}
	h.to = m.Floor
}

func (r *Replica) onRecovery(from int, m *message.Recovery) {
	v := &r.recovery
	if !v.active || m.Nonce != v.nonce || v.nonce == 0 || m.Voter != from || m.To != r.self ||
		from == r.self {
		r.drop(from, DropRecoveryStale)
		return
	}
	b := &v.bounds[from]
	if view := m.Bound(); view < message.MaxNumber-2 && (!b.known || view < b.view) {
		*b = bound{true, view}
		v.setFloor(r.cfg.Sizes.Quorum)
	}
}

// setFloor takes the q lowest answers: any q will do, and what liars inflate falls away when all
// correct replicas have answered.
func (v *recovery) setFloor(q int) {
	var views []uint64
	for _, b := range v.bounds {
		if b.known {
			views = append(views, b.view)
		}
	}
	if len(views) < q {
		return
	}
	slices.Sort(views)
	v.floor = views[q-1] + 2
}

// answered counts the answers.
func (v *recovery) answered() int {
	count := 0
	for _, b := range v.bounds {
		if b.known {
			count++
		}
	}
	return count
}

// recover ends the recovery when this replica is in a view that it has said nothing in, holds a
// commit certificate that outranks all that it forgot, and has executed what that decides.
func (r *Replica) recover() {
	m := &r.recovery
	if !m.active || m.floor == 0 || r.halted != "" {
		return
	}
	if m.proof == nil || m.proof.View+1 < m.floor {
		if r.committed == nil || r.committed.View+1 < m.floor {
			return
		}
		m.proof = r.committed
	}
	if r.view < m.floor || r.target != r.view || r.executed.Seq < m.proof.Seq {
		return
	}
	if r.high.Rank().Less(m.proof.Rank()) {
		r.high = m.proof
	}
	r.persist(&message.Record{Type: message.RecordAmnesia, Amnesia: &message.Amnesia{
		End: true, Floor: m.floor, Proof: m.proof,
	}})
	r.observe(EventRecovered, m.proof.Ref(), fmt.Sprintf("from view %d on", m.floor))
	r.recovery = recovery{}
	r.resume()
}

// recovers reports whether a peer says that it has forgotten what it said.
func (r *Replica) recovers(i int) bool {
	h := &r.peers[i].help
	return i != r.self && h.heard > 0 && r.now-h.heard < recoversFor
}

// presses reports whether a replica that recovers needs the next view. There is no hurry: it waits
// for the next stable checkpoint, but not for longer than the shortest view timeout, since none may
// come while nothing is ordered.
func (r *Replica) presses(i int) bool {
	h := &r.peers[i].help
	since := max(h.raised, r.monitor.openedAt)
	return r.open && r.recovers(i) && r.view < h.to && h.due(r.view, r.now) &&
		(r.monitor.stableAt > since || r.now-since >= r.monitor.tau0)
}

// pressed reports whether any replica presses, and notes what is done for it.
func (r *Replica) pressed() bool {
	needed := false
	for i := range r.peers {
		if r.presses(i) {
			r.peers[i].help.spend(r.view, r.now)
			needed = true
		}
	}
	return needed
}

// forgetting counts the replicas that recover, this one included.
func (r *Replica) forgetting() int {
	count := 0
	for i := range r.peers {
		if r.recovers(i) || i == r.self && r.recovery.active {
			count++
		}
	}
	return count
}

// recoveryReason says for people how far the recovery is.
func (r *Replica) recoveryReason() string {
	m, q := &r.recovery, r.cfg.Sizes.Quorum
	if lost := r.forgetting(); m.floor == 0 && lost > r.cfg.Sizes.F && lost > 1 {
		return fmt.Sprintf("it has forgotten what it said (%s), and so have %d others: this "+
			"cluster withstands %d, and agrees on nothing until enough of them have their newest "+
			"data directory back", m.why, lost-1, r.cfg.Sizes.F)
	}
	switch {
	case m.floor == 0:
		return fmt.Sprintf("it has forgotten what it said (%s), and asks the others in which "+
			"views that was: %d of %d have answered", m.why, m.answered(), q)
	case m.proof == nil:
		return fmt.Sprintf("it has forgotten what it said (%s), and votes again from view %d on, "+
			"when it has seen a batch committed in view %d or later", m.why, m.floor, m.floor-1)
	case r.executed.Seq < m.proof.Seq:
		return fmt.Sprintf("it has forgotten what it said (%s), and votes again from view %d on, "+
			"when it has executed batch %d; it is at %d",
			m.why, m.floor, m.proof.Seq, r.executed.Seq)
	}
	return fmt.Sprintf("it has forgotten what it said (%s), and votes again from view %d on",
		m.why, m.floor)
}
