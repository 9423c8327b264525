package pbft

import (
	"fmt"
	"slices"

	"byzd/crypto"
	"byzd/pbft/message"
)

// startViewChange binds this replica to a higher view: it votes no more in lower ones. backoff says
// whether the view that it leaves had failed, so that the next one gets more time (rule R11).
func (r *Replica) startViewChange(x uint64, backoff bool) {
	if x <= r.target {
		panic(fmt.Sprintf("pbft: view change to %d below target %d", x, r.target))
	}
	if r.silent() {
		return
	}
	// A prepared certificate of view x or of a later one proves that a quorum has been there. A
	// VIEW-CHANGE to x could not show it: everybody would refuse it, and this replica would have
	// bound itself for nothing. Those who were there hold the NEW-VIEW, and answer STATUS with it.
	if x <= r.high.View {
		return
	}
	if backoff {
		r.monitor.backOff()
	}
	r.target = x
	r.change = &message.ViewChange{
		Stmt: message.VcStmt{
			Tuple: message.Tuple{
				NewView: x, High: r.high.Ref(), HighView: r.high.View,
				Stable: r.stable.Ref(), Root: r.stable.Root,
			},
			Voter: r.self,
		},
		High: r.high, Stable: r.stable, Statements: r.primarysStatements(),
	}
	r.persist(&message.Record{Type: message.RecordTarget, Change: r.change})
	r.monitor.leave(r.now)
	r.forgetViews()
	r.observe(EventViewChange, r.high.Ref(), fmt.Sprintf("to view %d", x))
	r.send(All, r.change)
}

// forgetViews drops the votes of views that are of no interest any more, so that what is buffered
// of views to come stays bounded however often the target moves (rule R18).
func (r *Replica) forgetViews() {
	clear(r.ahead)
	for key, s := range r.slots { // any order: each is judged alone
		switch {
		case key.view < r.view, key.view > r.view+1 && key.view != r.target:
			delete(r.slots, key)
		case key.view > r.view:
			for voter, v := range s.votes {
				if v != nil {
					r.ahead[voter]++
				}
			}
		}
	}
}

func (r *Replica) onViewChange(from int, m *message.ViewChange) {
	r.learnPrepared(m.High)
	r.learnStable(m.Stable)
	for _, v := range m.Statements {
		r.onStatement(from, v)
	}
	voter := m.Stmt.Voter
	if (voter == r.self) != (from == r.self) { // only its own hand gives a replica its own words
		r.drop(from, DropViewChangeEcho)
		return
	}
	r.crossChange(&m.Stmt)
	if last := r.changes[voter]; last != nil && m.Stmt.NewView <= last.Stmt.NewView {
		if from != r.self {
			r.drop(from, DropViewChangeOld)
		}
		return
	}
	r.changes[voter] = m
	r.join()
	r.tryNewView()
}

// join follows f+1 others: at least one correct replica wants that view or a higher one (PBFT's
// second liveness rule, generalised to different targets).
func (r *Replica) join() {
	var wanted []uint64
	for i, c := range r.changes {
		if i != r.self && c != nil {
			wanted = append(wanted, c.Stmt.NewView)
		}
	}
	if len(wanted) < r.cfg.Sizes.Weak {
		return
	}
	slices.Sort(wanted)
	x := wanted[len(wanted)-r.cfg.Sizes.Weak]
	if x > r.target {
		r.startViewChange(x, true)
	}
}

// tryNewView arms the new view's timer when a quorum wants it or a later one (PBFT's first liveness
// rule: never before, so that views cannot run away) and, as its primary, starts it.
//
// Those who want a later view count for the timer: only everybody's highest VIEW-CHANGE is kept and
// repeated, so of a quorum that wanted this view some may have moved on before their word for it
// arrived. Waiting for exactly this view, the others would wait for ever.
func (r *Replica) tryNewView() {
	if r.target <= r.view {
		return
	}
	var supporters []*message.ViewChange
	later := 0
	for _, c := range r.changes {
		switch {
		case c == nil || c.Stmt.NewView < r.target:
		case c.Stmt.NewView == r.target:
			supporters = append(supporters, c)
		default:
			later++
		}
	}
	if len(supporters)+later >= r.cfg.Sizes.Quorum {
		r.monitor.arm(r.target, r.now)
	}
	if len(supporters) < r.cfg.Sizes.Quorum {
		return
	}
	made := r.ownNewView != nil && r.ownNewView.View >= r.target
	if r.cfg.Primary(r.target) == r.self && !made && !r.silent() {
		r.makeNewView(supporters)
	}
}

// makeNewView builds the NEW-VIEW from a quorum whose highest prepared certificate reaches its
// highest checkpoint; if there is none, the view is dead or more must be heard (rule R16).
func (r *Replica) makeNewView(supporters []*message.ViewChange) {
	best, chosen := r.chooseChanges(supporters)
	if best == nil {
		return
	}
	base, stable := best.High.Ref(), best.Stable
	m := &message.NewView{View: r.target, Base: best.High, HoldsChain: r.holds(base)}
	for _, c := range chosen {
		m.Stmts = append(m.Stmts, c.Stmt)
		if c.Stable.Seq > stable.Seq {
			stable = c.Stable
		}
	}
	m.Stable = stable
	slices.SortFunc(m.Stmts, func(a, b message.VcStmt) int { return a.Voter - b.Voter })
	if m.CheckContent(r.cfg) != "" { // more than f liars showed two certificates of one rank
		return
	}
	r.ownNewView = m
	if m.HoldsChain {
		r.makeDurable(base)
	}
	r.persist(&message.Record{Type: message.RecordNewView, NewView: m})
	if m.HoldsChain { // it carries this replica's PREPARE of the base
		vote := r.ballot(crypto.KindPrepare, base)
		vote.View = m.View
		r.say(vote)
	}
	r.send(All, m)
}

// chooseChanges picks a quorum of VIEW-CHANGEs and the one of them whose certificate is the base:
// the highest that reaches the checkpoints of q−1 others which rank no higher.
func (r *Replica) chooseChanges(
	supporters []*message.ViewChange,
) (best *message.ViewChange, chosen []*message.ViewChange) {
	ranked := slices.Clone(supporters)
	slices.SortStableFunc(ranked, func(a, b *message.ViewChange) int {
		switch {
		case b.Stmt.HighRank().Less(a.Stmt.HighRank()):
			return -1
		case a.Stmt.HighRank().Less(b.Stmt.HighRank()):
			return 1
		}
		return 0
	})
	for i, top := range ranked {
		chosen = chosen[:0]
		for _, c := range ranked[i:] {
			if c.Stmt.Stable.Seq <= top.Stmt.High.Seq && len(chosen) < r.cfg.Sizes.Quorum {
				chosen = append(chosen, c)
			}
		}
		if len(chosen) == r.cfg.Sizes.Quorum && chosen[0] == top {
			return top, chosen
		}
	}
	return nil, nil
}

// onNewView enters the view. At most one NEW-VIEW is accepted per view, whoever passes it on.
func (r *Replica) onNewView(from int, m *message.NewView) {
	r.crossNewView(m)
	if r.newView != nil && m.View == r.newView.View {
		if m.Statement(r.cfg) != r.newView.Statement(r.cfg) {
			r.drop(from, DropNewViewSecond)
		} else if from != r.self {
			r.drop(from, DropNewViewOld)
		}
		return
	}
	if m.View < r.target || m.View <= r.view {
		r.drop(from, DropNewViewOld)
		return
	}
	if r.halted != "" {
		r.drop(from, DropHalted)
		return
	}
	r.enter(m)
	if v := m.Prepare(r.cfg); v != nil && (from == r.self || v.Voter != r.self) {
		r.onVote(from, v)
	}
	r.relayNewView(m)
}

// relayNewView passes the NEW-VIEW on to f+1 others. Of f+1 neighbours one is correct, so, going
// round, it reaches every correct replica, and two that were given different ones meet (E3).
func (r *Replica) relayNewView(m *message.NewView) {
	n, primary := len(r.cfg.Members), r.cfg.Primary(m.View)
	for k := 1; k <= r.cfg.Sizes.Weak && k < n && r.self != primary; k++ {
		if to := (r.self + k) % n; to != primary {
			r.send(to, &message.Proof{NewView: m})
		}
	}
}

func (r *Replica) enter(m *message.NewView) {
	r.persist(&message.Record{Type: message.RecordView, NewView: m})
	left := r.view
	r.newView, r.view, r.target = m, m.View, m.View
	r.base = m.Base.Ref()
	r.tip, r.prepared, r.lastCmt = r.base, message.Ref{}, message.Ref{}
	r.frozen = false
	r.learnPrepared(m.Base)
	r.learnStable(m.Stable)
	r.open = r.settled()
	r.forgetViews()
	r.monitor.enter(r.view, r.now)
	if r.open {
		r.monitor.opened(r.view, r.now)
	}
	r.pool.restart(r.now)
	r.observe(EventNewView, r.base, "")
	if d, ok := r.history[r.base.Seq]; r.base.Seq <= r.executed.Seq && (!ok || d != r.base.Digest) {
		r.freeze() // a dead view: its base is not on the executed chain (rule R17)
		if ok && r.committed != nil && !m.Base.Rank().Less(r.committed.Rank()) {
			r.alarm(r.conflict(m.Base), m.Base.Seq)
		}
	}
	// What the primaries of the views that ended said in vain is compared once more.
	for view := left; view < r.view && view < left+keptNewViews; view++ {
		for _, v := range r.statementsOf(view, max(r.decided.Seq, r.base.Seq)) {
			r.passOn(v)
		}
	}
	r.collect()
}

// freeze stops PREPAREs in this view; learning, COMMITs and execution go on (rule R6).
func (r *Replica) freeze() {
	r.frozen = true
	r.observe(EventFrozen, r.base, "")
}

// prepareBase PREPAREs the view's base, always, also when it is executed or below the watermark:
// the view opens by certifying it again (rule R2).
func (r *Replica) prepareBase() {
	if r.view == 0 || r.prepared != (message.Ref{}) || r.frozen || !r.mayVote() || r.settled() ||
		!r.holds(r.base) {
		return
	}
	if s := r.slotIf(crypto.KindPrepare, r.view, r.base.Seq); s != nil && s.votes[r.self] != nil {
		r.prepared = r.base // by the NEW-VIEW that this replica made
		r.markVoted(r.base)
		return
	}
	r.vote(r.base, r.ballot(crypto.KindPrepare, r.base))
}

// maxJump is how far beyond this replica's last PREPARE the tip may move, in batches: no further
// than a signing guard remembers headers to check it by.
const maxJump = 2048

// moveTip lets the tip follow what is decided beyond it, as long as headers show that it stays on
// the chain of this replica's own PREPAREs; else it is frozen (rule R6). The tip itself is on that
// chain always, so it is enough to look from there.
func (r *Replica) moveTip() {
	if r.frozen || max(r.decided.Seq, r.executed.Seq) <= r.tip.Seq {
		return
	}
	for _, to := range []message.Ref{r.decided, r.executed} {
		if to.Seq <= r.tip.Seq {
			continue
		}
		at, known := r.ancestor(to, r.tip.Seq)
		if !known {
			continue
		}
		if at != r.tip || r.prepared != (message.Ref{}) && to.Seq > r.prepared.Seq+maxJump {
			r.freeze()
			return
		}
		r.jump(to)
		return
	}
	switch {
	case r.prepared == (message.Ref{}): // there is nothing to contradict
		r.jump(r.decided)
	case r.tip.Seq < r.executed.Seq: // the headers between are forgotten: it cannot be shown
		r.freeze()
	}
}

// jump moves the tip to what others decided. A proposal that the clock held back is overtaken.
func (r *Replica) jump(to message.Ref) {
	r.tip = to
	r.monitor.lastClock = -1
}
