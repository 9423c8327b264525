package pbft

import (
	"maps"
	"slices"

	"byzd/crypto"
	"byzd/pbft/message"
)

// statements remembers what the primaries told this replica: the first PREPARE of each primary for
// each place. It outlives the votes of a place, so that a primary that told others something else
// is convicted also when the batch has long been executed or the view is over (DESIGN §5 point 11).
type statements struct {
	votes map[message.Rank]*message.Vote
	order []message.Rank // as they came; the oldest gives way
}

// keptStatements bounds the memory: two default windows.
const keptStatements = 1024

func newStatements() statements { return statements{votes: map[message.Rank]*message.Vote{}} }

func (s *statements) note(v *message.Vote) {
	if s.votes[v.Rank()] != nil {
		return
	}
	s.votes[v.Rank()] = v
	s.order = append(s.order, v.Rank())
	if len(s.order) > keptStatements {
		delete(s.votes, s.order[0])
		s.order = slices.Delete(s.order, 0, 1)
	}
}

func (s *statements) clone() statements {
	return statements{votes: maps.Clone(s.votes), order: slices.Clone(s.order)}
}

// isStatement reports whether a vote is a primary's word on what is proposed for a place.
func (r *Replica) isStatement(v *message.Vote) bool {
	return v.Kind == crypto.KindPrepare && v.Voter == r.cfg.Primary(v.View)
}

// toldOtherwise proves E1 if a primary's statement contradicts what it told this replica.
func (r *Replica) toldOtherwise(v *message.Vote) bool {
	if !r.isStatement(v) {
		return false
	}
	first := r.told.votes[v.Rank()]
	if first == nil || first.Digest == v.Digest {
		return false
	}
	r.prove(message.ContradictingVotes(first, v))
	return true
}

// onStatement looks at a primary's statement that a COMPLAIN or a VIEW-CHANGE carries. It may
// contradict what this replica was told; if it was told nothing, it is told now.
func (r *Replica) onStatement(from int, v *message.Vote) {
	if !r.isStatement(v) || v.Voter == r.self || r.toldOtherwise(v) || r.misplaced(v) != "" {
		return
	}
	if r.slot(v.Kind, v.View, v.Seq).votes[v.Voter] == nil {
		r.onVote(from, v)
	}
}

// primarysStatements gathers what the primary of this view signed for batches that did not commit
// (DESIGN §5 point 11).
func (r *Replica) primarysStatements() []*message.Vote {
	return r.statementsOf(r.view, r.decided.Seq)
}

// statementsOf gathers what the primary of a view told this replica about places above a sequence
// number.
func (r *Replica) statementsOf(view, above uint64) []*message.Vote {
	var list []*message.Vote
	for seq := above + 1; seq <= above+2*maxAhead && len(list) < message.MaxStatements; seq++ {
		if v := r.told.votes[message.Rank{View: view, Seq: seq}]; v != nil && v.Voter != r.self {
			list = append(list, v)
		}
	}
	return list
}

// cross compares a vote that just came with what the primary said about its place. Whatever differs
// is passed on to all, together with the primary's own word: if the primary told somebody else
// something else, or the voter voted differently elsewhere, some correct replica now holds both.
func (r *Replica) cross(v *message.Vote) {
	said := r.told.votes[v.Rank()]
	if said == nil {
		return
	}
	if v != said {
		if v.Digest != said.Digest {
			r.passOn(v)
			r.passOn(said)
		}
		return
	}
	for _, kind := range []crypto.Kind{crypto.KindPrepare, crypto.KindCommit} {
		s := r.slotIf(kind, v.View, v.Seq)
		if s == nil {
			continue
		}
		for _, other := range s.votes {
			if other != nil && other.Digest != said.Digest {
				r.passOn(other)
				r.passOn(said)
			}
		}
	}
}

// crossCertified passes on the primary's word if a quorum certified something else in its place.
func (r *Replica) crossCertified(view uint64, ref message.Ref) {
	said := r.told.votes[message.Rank{View: view, Seq: ref.Seq}]
	if said != nil && said.Digest != ref.Digest {
		r.passOn(said)
	}
}

// Passing on is limited for each author, so that a liar that votes at random costs its peers
// little.
const (
	passEvery = 50             // milliseconds between two statements of one author, in the long run
	passBurst = 16 * passEvery // as many at once
)

// passOn sends all others somebody else's statement, unless its author is convicted of
// contradicting itself already.
func (r *Replica) passOn(v *message.Vote) {
	kind := message.EvidencePrepares
	if v.Kind == crypto.KindCommit {
		kind = message.EvidenceCommits
	}
	known := &message.Evidence{Culprit: v.Voter, Kind: kind}
	p := &r.peers[v.Voter]
	if v.Voter == r.self || r.proofs[known.Key()] != nil || p.passedAt > r.now+passBurst {
		return
	}
	p.passedAt = max(p.passedAt, r.now) + passEvery
	r.send(All, v)
}

// keptNewViews bounds the NEW-VIEWs that are remembered for comparison.
const keptNewViews = 8

// crossNewView compares a NEW-VIEW with the others of its view (E3), and what it cites with what
// its authors told this replica (E5, E10).
func (r *Replica) crossNewView(m *message.NewView) {
	for i := range m.Stmts {
		r.crossChange(&m.Stmts[i])
	}
	for _, other := range r.newViews {
		if other.View == m.View {
			if other.Statement(r.cfg) != m.Statement(r.cfg) {
				r.prove(message.ContradictingNewViews(r.cfg, other, m))
			}
			return
		}
	}
	r.newViews = append(r.newViews, m)
	slices.SortFunc(r.newViews, func(a, b *message.NewView) int {
		if a.View < b.View {
			return -1
		}
		return 1
	})
	if len(r.newViews) > keptNewViews {
		r.newViews = slices.Delete(r.newViews, 0, 1)
	}
}

// crossChange compares a VIEW-CHANGE statement with what its author said before.
func (r *Replica) crossChange(s *message.VcStmt) {
	if commit := r.newest[chainOf(crypto.KindCommit)][s.Voter]; commit != nil {
		r.prove(message.Hiding(commit, s))
	}
	if last := r.changes[s.Voter]; last != nil && last.Stmt.NewView == s.NewView &&
		last.Stmt.Tuple != s.Tuple {
		r.prove(message.ContradictingChanges(&last.Stmt, s))
	}
}
