package loop

import (
	"fmt"
	"maps"
	"slices"

	"byzd/crypto"
	"byzd/pbft"
	"byzd/pbft/message"
)

// Guard is the one place where this node's protocol statements are signed. It keeps its own account
// of what was said, apart from the replica's, and refuses to contradict it: a second PREPARE or
// COMMIT for a place, a vote off the chain of its view or below the view that was given up, a
// VIEW-CHANGE that hides a lock, a second NEW-VIEW. A refusal is this node's own broken invariant.
type Guard struct {
	sealer message.Sealer

	target  uint64
	votes   map[voteKey]crypto.Digest
	last    [2]chainEnd // the end of the chain of PREPAREs and of COMMITs in the highest view
	high    message.Rank
	commit  message.Rank // of the highest COMMIT
	change  *message.Tuple
	newView map[uint64]crypto.Digest
	parents map[crypto.Digest]message.Ref // of the batches staged lately
	order   []crypto.Digest               // of parents, oldest first

	executed message.Ref
	silent   bool // this node has forgotten what it said, and must say nothing (rule R15)
}

type voteKey struct {
	kind      crypto.Kind
	view, seq uint64
}

// chainEnd is the last vote of a kind in the highest view, and how far its chain is known to reach:
// along what is executed, which may have gone on for longer than parents are remembered.
//
// Invariant: reach descends from ref, or is ref.
type chainEnd struct {
	view  uint64
	ref   message.Ref
	reach message.Ref
	set   bool
}

// keptParents bounds the headers that the guard remembers: more than two windows.
const keptParents = 4096

// NewGuard returns a guard that continues from what a journal holds.
func NewGuard(sealer message.Sealer, st pbft.Restored) *Guard {
	g := &Guard{
		sealer: sealer, votes: map[voteKey]crypto.Digest{},
		newView: map[uint64]crypto.Digest{}, parents: map[crypto.Digest]message.Ref{},
	}
	for _, seq := range slices.Sorted(maps.Keys(st.History)) {
		if parent, known := st.History[seq-1]; known {
			g.learnParent(st.History[seq], message.Ref{Seq: seq - 1, Digest: parent})
		}
	}
	for _, b := range st.Batches {
		g.learn(b)
	}
	g.target, g.silent = max(st.View, st.Target), st.Forgot
	if st.High != nil {
		g.high = st.High.Rank()
	}
	if st.Change != nil {
		t := st.Change.Stmt.Tuple
		g.change = &t
	}
	if st.OwnNewView != nil {
		g.newView[st.OwnNewView.View] = st.OwnNewView.Statement(sealer.Config)
	}
	for _, v := range st.Votes {
		g.note(v)
	}
	return g
}

// Record lets the guard see a record that is being staged.
func (g *Guard) Record(rec *message.Record) {
	switch rec.Type {
	case message.RecordBatch:
		g.learn(rec.Batch)
	case message.RecordHigh:
		g.raise(rec.Cert.Rank())
	case message.RecordTarget:
		g.raise(rec.Change.High.Rank())
	case message.RecordView:
		g.target = max(g.target, rec.NewView.View)
	case message.RecordAmnesia:
		g.silent = !rec.Amnesia.End
		if rec.Amnesia.End {
			g.target = max(g.target, rec.Amnesia.Floor)
			g.raise(rec.Amnesia.Proof.Rank())
		}
	default:
	}
}

func (g *Guard) raise(r message.Rank) {
	if g.high.Less(r) {
		g.high = r
	}
}

func (g *Guard) learn(b *message.Batch) {
	g.learnParent(
		b.Header.Digest(), message.Ref{Seq: b.Header.Seq - 1, Digest: b.Header.Parent})
}

func (g *Guard) learnParent(d crypto.Digest, parent message.Ref) {
	if _, known := g.parents[d]; known {
		return
	}
	g.parents[d] = parent
	g.order = append(g.order, d)
	if len(g.order) > keptParents {
		delete(g.parents, g.order[0])
		g.order = g.order[1:]
	}
}

// Seal signs a message, or returns an error that names the statement that it contradicts.
func (g *Guard) Seal(m message.Message) (message.Verified, error) {
	if err := g.approve(m); err != nil {
		return message.Verified{}, fmt.Errorf("signing guard: %w", err)
	}
	return g.sealer.Seal(m), nil
}

func (g *Guard) approve(m message.Message) error {
	if g.silent && g.binds(m) {
		return fmt.Errorf("%v, but this node has forgotten what it said", m.Type())
	}
	switch m := m.(type) {
	case *message.PrePrepare:
		if p := g.sealer.Config.Primary(m.View); p != g.sealer.Self {
			return fmt.Errorf("pre-prepare of view %d, whose primary is replica %d", m.View, p)
		}
		return g.approveVote(m.Vote(g.sealer.Config))
	case *message.Vote:
		if m.Voter != g.sealer.Self && len(m.Sig) > 0 {
			return nil // somebody else's, passed on; it is not signed here
		}
		return g.approveVote(m)
	case *message.ViewChange:
		if m.Stmt.Voter != g.sealer.Self {
			return fmt.Errorf("VIEW-CHANGE of replica %d", m.Stmt.Voter)
		}
		return g.approveChange(&m.Stmt.Tuple)
	case *message.NewView:
		if p := g.sealer.Config.Primary(m.View); p != g.sealer.Self {
			return fmt.Errorf("NEW-VIEW %d, whose primary is replica %d", m.View, p)
		}
		return g.approveNewView(m)
	default:
	}
	return nil
}

// binds reports whether a message is a statement of this node's own that it could contradict.
func (g *Guard) binds(m message.Message) bool {
	switch m := m.(type) {
	case *message.Vote:
		return m.Voter == g.sealer.Self || len(m.Sig) == 0
	case *message.PrePrepare, *message.Checkpoint, *message.ViewChange, *message.NewView,
		*message.Recovery:
		return true
	default:
		return false
	}
}

func (g *Guard) approveVote(v *message.Vote) error {
	key := voteKey{v.Kind, v.View, v.Seq}
	if d, said := g.votes[key]; said {
		if d != v.Digest {
			return fmt.Errorf("second %v in view %d for %d", v.Kind, v.View, v.Seq)
		}
		return nil // the same again
	}
	if v.View < g.target {
		return fmt.Errorf("%v in view %d, but view %d was promised", v.Kind, v.View, g.target)
	}
	if v.Kind == crypto.KindCommit && g.high.Less(v.Rank()) {
		return fmt.Errorf("COMMIT (%d,%d) above the recorded certificate", v.View, v.Seq)
	}
	end := g.last[chainOf(v.Kind)]
	if end.set && end.view == v.View && !g.onChain(end, v.Ref()) {
		return fmt.Errorf("%v of %d in view %d is off the chain of %d",
			v.Kind, v.Seq, v.View, end.ref.Seq)
	}
	g.note(v)
	return nil
}

func chainOf(kind crypto.Kind) int {
	if kind == crypto.KindCommit {
		return 1
	}
	return 0
}

func (g *Guard) note(v *message.Vote) {
	g.votes[voteKey{v.Kind, v.View, v.Seq}] = v.Digest
	end := &g.last[chainOf(v.Kind)]
	if !end.set || end.view < v.View || end.view == v.View && end.ref.Seq <= v.Seq {
		reach := v.Ref()
		switch {
		case end.set && end.view == v.View && end.reach.Seq > v.Seq:
			reach = end.reach
		case g.executed.Seq > v.Seq && g.oneChain(v.Ref(), g.executed):
			reach = g.executed
		}
		*end = chainEnd{view: v.View, ref: v.Ref(), reach: reach, set: true}
	}
	if v.Kind == crypto.KindCommit && g.commit.Less(v.Rank()) {
		g.commit = v.Rank()
	}
	if len(g.votes) > 4*keptParents {
		g.forget(v)
	}
}

// forget drops votes far below the newest one: the chain rule covers them.
func (g *Guard) forget(v *message.Vote) {
	for key := range g.votes {
		if key.view < v.View || key.seq+keptParents < v.Seq {
			delete(g.votes, key)
		}
	}
}

// Executed lets the guard follow what is executed, in order.
func (g *Guard) Executed(ref message.Ref, parent crypto.Digest) {
	before := message.Ref{Seq: ref.Seq - 1, Digest: parent}
	for k := range g.last {
		if end := &g.last[k]; end.set && end.reach == before {
			end.reach = ref
		}
	}
	g.executed = ref
}

// jump tells the guard that a certified state was installed: what lies between is not known, so no
// chain of votes is known to reach there.
func (g *Guard) jump(executed message.Ref) { g.executed = executed }

// resume tells a guard that continues after a start what is executed; at looks up the digest of an
// executed batch.
func (g *Guard) resume(executed message.Ref, at func(seq uint64) (crypto.Digest, bool)) {
	g.executed = executed
	for k := range g.last {
		end := &g.last[k]
		if !end.set || end.ref.Seq >= executed.Seq {
			continue
		}
		if d, known := at(end.ref.Seq); known && d == end.ref.Digest {
			end.reach = executed
		}
	}
}

// onChain reports whether a vote for a batch stays on the chain of the votes before it.
func (g *Guard) onChain(end chainEnd, ref message.Ref) bool {
	return g.oneChain(end.ref, ref) || ref.Seq >= end.ref.Seq && g.oneChain(end.reach, ref)
}

// oneChain reports whether the known headers show that one batch descends from the other.
func (g *Guard) oneChain(a, b message.Ref) bool {
	if a.Seq > b.Seq {
		a, b = b, a
	}
	for b.Seq > a.Seq {
		parent, known := g.parents[b.Digest]
		if !known {
			return false
		}
		b = parent
	}
	return a == b
}

func (g *Guard) approveChange(t *message.Tuple) error {
	if g.change != nil && g.change.NewView == t.NewView {
		if *g.change != *t {
			return fmt.Errorf("second VIEW-CHANGE to view %d", t.NewView)
		}
		return nil
	}
	if t.NewView <= g.target {
		return fmt.Errorf("VIEW-CHANGE to %d, but view %d was promised", t.NewView, g.target)
	}
	if t.HighRank().Less(g.commit) {
		return fmt.Errorf("VIEW-CHANGE to %d hides the COMMIT (%d,%d)",
			t.NewView, g.commit.View, g.commit.Seq)
	}
	dup := *t
	g.change, g.target = &dup, t.NewView
	return nil
}

func (g *Guard) approveNewView(m *message.NewView) error {
	stmt := m.Statement(g.sealer.Config)
	if said, ok := g.newView[m.View]; ok {
		if said != stmt {
			return fmt.Errorf("second NEW-VIEW for view %d", m.View)
		}
		return nil
	}
	if m.View < g.target {
		return fmt.Errorf("NEW-VIEW %d, but view %d was promised", m.View, g.target)
	}
	if m.HoldsChain {
		if err := g.approveVote(&message.Vote{
			Kind: crypto.KindPrepare, View: m.View, Seq: m.Base.Seq, Digest: m.Base.Digest,
		}); err != nil {
			return err
		}
	}
	g.newView[m.View] = stmt
	return nil
}
