package twins

import (
	"fmt"

	"byzd/crypto"
	"byzd/pbft/message"
)

// ledger is the account of what correct replicas signed (O7): each may say one thing in one place.
type ledger struct {
	said    map[slot]crypto.Digest
	commits map[int]message.Rank // the highest COMMIT of each
	targets map[int]uint64       // the highest VIEW-CHANGE of each
}

type slot struct {
	voter     int
	kind      crypto.Kind
	view, seq uint64
}

func newLedger() ledger {
	return ledger{
		said: map[slot]crypto.Digest{}, commits: map[int]message.Rank{},
		targets: map[int]uint64{},
	}
}

// signed enters a statement of a correct replica and returns what is wrong with it, or "".
func (l *ledger) signed(cfg *message.Config, i int, m message.Message) string {
	switch m := m.(type) {
	case *message.PrePrepare:
		return l.vote(m.Vote(cfg))
	case *message.Vote:
		if m.Voter == i {
			return l.vote(m)
		}
	case *message.Checkpoint:
		return l.enter(slot{i, crypto.KindCheckpoint, 0, m.Seq},
			crypto.Hash("twins/checkpoint", m.Digest[:], m.Root[:]))
	case *message.ViewChange:
		return l.change(&m.Stmt)
	case *message.NewView:
		if bad := l.enter(slot{i, crypto.KindNewView, m.View, 0}, m.Statement(cfg)); bad != "" {
			return bad
		}
		if v := m.Prepare(cfg); v != nil {
			return l.vote(v)
		}
	}
	return ""
}

func (l *ledger) enter(at slot, d crypto.Digest) string {
	if other, said := l.said[at]; said && other != d {
		return fmt.Sprintf("replica %d signed two %vs for view %d, sequence number %d", at.voter,
			at.kind, at.view, at.seq)
	}
	l.said[at] = d
	return ""
}

func (l *ledger) vote(v *message.Vote) string {
	at := slot{v.Voter, v.Kind, v.View, v.Seq}
	if _, said := l.said[at]; !said && v.View < l.targets[v.Voter] {
		return fmt.Sprintf("replica %d signed a %v of view %d after its VIEW-CHANGE to %d", v.Voter,
			v.Kind, v.View, l.targets[v.Voter])
	}
	if v.Kind == crypto.KindCommit && l.commits[v.Voter].Less(v.Rank()) {
		l.commits[v.Voter] = v.Rank()
	}
	return l.enter(at, v.Digest)
}

func (l *ledger) change(s *message.VcStmt) string {
	commit := l.commits[s.Voter]
	if commit.View < s.NewView && s.HighRank().Less(commit) {
		return fmt.Sprintf("replica %d hides its COMMIT %v in its VIEW-CHANGE to %d", s.Voter,
			commit, s.NewView)
	}
	l.targets[s.Voter] = max(l.targets[s.Voter], s.NewView)
	return l.enter(slot{s.Voter, crypto.KindViewChange, s.NewView, 0},
		crypto.Hash("twins/change", fmt.Append(nil, s.Tuple)))
}
