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
	if r.fence.raised || r.halted != "" {
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
	r.observe(EventViewChange, r.high.Ref(), fmt.Sprintf("to view %d", x))
	r.send(All, r.change)
}

// primarysStatements gathers what the primary of this view signed for batches that did not commit
// (DESIGN §5 point 11).
func (r *Replica) primarysStatements() []*message.Vote {
	var statements []*message.Vote
	primary := r.Primary()
	for seq := r.decided.Seq + 1; len(statements) < message.MaxStatements; seq++ {
		s := r.slotIf(crypto.KindPrepare, r.view, seq)
		if s == nil || s.votes[primary] == nil {
			break
		}
		statements = append(statements, s.votes[primary])
	}
	return statements
}

func (r *Replica) onViewChange(from int, m *message.ViewChange) {
	r.learnPrepared(m.High)
	r.learnStable(m.Stable)
	for _, v := range m.Statements {
		r.onStatement(v)
	}
	voter := m.Stmt.Voter
	if commit := r.newest[1][voter]; commit != nil {
		r.prove(message.Hiding(commit, &m.Stmt))
	}
	last := r.changes[voter]
	if last != nil && m.Stmt.NewView <= last.Stmt.NewView {
		if m.Stmt.NewView == last.Stmt.NewView && m.Stmt.Tuple != last.Stmt.Tuple {
			r.prove(message.ContradictingChanges(&last.Stmt, &m.Stmt))
		}
		if from != r.self {
			r.drop(from, DropViewChangeOld)
		}
		return
	}
	r.changes[voter] = m
	r.join()
	r.tryNewView()
}

// onStatement looks at a primary's statement that others pass on: it may contradict what this
// replica was told.
func (r *Replica) onStatement(v *message.Vote) {
	s := r.slotIf(v.Kind, v.View, v.Seq)
	if s == nil || s.votes[v.Voter] == nil || s.votes[v.Voter].Digest == v.Digest {
		return
	}
	r.prove(message.ContradictingVotes(s.votes[v.Voter], v))
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

// tryNewView arms the new view's timer when a quorum wants it (PBFT's first liveness rule: never
// before, so that views cannot run away) and, as its primary, starts it.
func (r *Replica) tryNewView() {
	if r.target <= r.view {
		return
	}
	var supporters []*message.ViewChange
	for _, c := range r.changes {
		if c != nil && c.Stmt.NewView == r.target {
			supporters = append(supporters, c)
		}
	}
	if len(supporters) < r.cfg.Sizes.Quorum {
		return
	}
	r.monitor.arm(r.target, r.now)
	made := r.ownNewView != nil && r.ownNewView.View >= r.target
	if r.cfg.Primary(r.target) == r.self && !made && !r.fence.raised && r.halted == "" {
		r.makeNewView(supporters)
	}
}

// makeNewView builds the NEW-VIEW from a quorum whose highest prepared certificate reaches its
// highest checkpoint; if there is none, the view is dead or more must be heard (rule R16).
func (r *Replica) makeNewView(supporters []*message.ViewChange) {
	q := r.cfg.Sizes.Quorum
	best := supporters[0]
	for _, c := range supporters {
		if best.Stmt.HighRank().Less(c.Stmt.HighRank()) {
			best = c
		}
	}
	chosen := []*message.ViewChange{best}
	stable := best.Stable
	for _, c := range supporters {
		if c != best && len(chosen) < q && c.Stmt.Stable.Seq <= best.Stmt.High.Seq {
			chosen = append(chosen, c)
			if c.Stable.Seq > stable.Seq {
				stable = c.Stable
			}
		}
	}
	if len(chosen) < q || stable.Seq > best.Stmt.High.Seq {
		return
	}
	m := &message.NewView{
		View: r.target, Base: best.High, Stable: stable, HoldsChain: r.holds(best.High.Ref()),
	}
	for _, c := range chosen {
		m.Stmts = append(m.Stmts, c.Stmt)
	}
	slices.SortFunc(m.Stmts, func(a, b message.VcStmt) int { return a.Voter - b.Voter })
	if m.CheckContent(r.cfg) != "" { // more than f liars showed two certificates of one rank
		return
	}
	r.ownNewView = m
	if m.HoldsChain {
		r.makeDurable(m.Base.Ref())
	}
	r.persist(&message.Record{Type: message.RecordNewView, NewView: m})
	r.send(All, m)
}

// onNewView enters the view. At most one NEW-VIEW is accepted per view, whoever passes it on.
func (r *Replica) onNewView(from int, m *message.NewView) {
	if r.newView != nil && m.View == r.newView.View {
		if m.Statement(r.cfg) != r.newView.Statement(r.cfg) {
			r.drop(from, DropNewViewSecond)
			r.prove(message.ContradictingNewViews(r.cfg, r.newView, m))
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
	if v := m.Prepare(r.cfg); v != nil {
		r.onVote(from, v)
	}
}

func (r *Replica) enter(m *message.NewView) {
	r.persist(&message.Record{Type: message.RecordView, NewView: m})
	r.learnPrepared(m.Base)
	r.learnStable(m.Stable)
	r.newView, r.view, r.target = m, m.View, m.View
	r.base = m.Base.Ref()
	r.tip, r.prepared, r.lastCmt = r.base, message.Ref{}, message.Ref{}
	r.frozen = false
	r.open = r.settled()
	clear(r.ahead)
	for key := range r.slots {
		if key.view < r.view {
			delete(r.slots, key)
		}
	}
	r.monitor.enter(r.view, r.now)
	r.pool.restart(r.now)
	r.observe(EventNewView, r.base, "")
	if d, ok := r.history[r.base.Seq]; r.base.Seq <= r.executed.Seq && (!ok || d != r.base.Digest) {
		r.freeze(m) // a dead view: its base is not on the executed chain (rule R17)
	}
	r.collect()
}

// freeze stops PREPAREs in this view; learning, COMMITs and execution go on (rule R6).
func (r *Replica) freeze(m *message.NewView) {
	r.frozen = true
	r.observe(EventFrozen, r.base, "")
	if m != nil && r.committed != nil && !m.Base.Rank().Less(r.committed.Rank()) &&
		m.Base.Seq == r.committed.Seq {
		r.alarm(&message.Alarm{First: r.committed, Second: m.Base}, m.Base.Seq)
	}
}

// prepareBase PREPAREs the view's base, always, also when it is executed or below the watermark:
// the view opens by certifying it again (rule R2).
func (r *Replica) prepareBase() {
	if r.view == 0 || r.prepared != (message.Ref{}) || r.frozen || !r.mayVote() || r.settled() ||
		!r.holds(r.base) {
		return
	}
	if r.ownNewView != nil && r.ownNewView.View == r.view && r.ownNewView.HoldsChain {
		// The NEW-VIEW carried the PREPARE, and its record was staged with it.
		r.prepared = r.base
		entries, _, _ := r.path(r.base)
		for _, e := range entries {
			e.voted, e.view = true, r.view
		}
		return
	}
	r.vote(r.base, r.ballot(crypto.KindPrepare, r.base))
}

// moveTip lets the tip follow what is decided beyond it, as long as this replica's own PREPAREs stay
// on that chain; else it is frozen (rule R6).
func (r *Replica) moveTip() {
	if r.frozen || r.decided.Seq <= r.tip.Seq {
		return
	}
	from := r.prepared
	if from == (message.Ref{}) {
		from = r.base
	}
	at, known := r.ancestor(r.decided, from.Seq)
	switch {
	case known && at == from, !known && r.prepared == (message.Ref{}):
		// Without a PREPARE in this view there is nothing to contradict.
		r.tip = r.decided
	case known:
		r.freeze(nil)
	}
}
