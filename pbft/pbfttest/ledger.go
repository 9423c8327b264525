package pbfttest

import (
	"fmt"

	"byzd/crypto"
	"byzd/pbft/message"
)

// ledger is the account of what honest replicas signed and executed, over all their lives: what one
// of them said before a crash binds it afterwards.
type ledger struct {
	votes    map[place]crypto.Digest
	changes  map[place]message.Tuple
	newViews map[place]crypto.Digest
	points   map[place]message.Checkpoint
	commits  map[int]message.Rank // the highest COMMIT of each
	targets  map[int]uint64       // the highest VIEW-CHANGE of each
	decided  map[uint64]crypto.Digest
}

// place is where one replica may say one thing only.
type place struct {
	voter     int
	kind      crypto.Kind
	view, seq uint64
}

func newLedger() ledger {
	return ledger{
		votes: map[place]crypto.Digest{}, changes: map[place]message.Tuple{},
		newViews: map[place]crypto.Digest{}, points: map[place]message.Checkpoint{},
		commits: map[int]message.Rank{}, targets: map[int]uint64{},
		decided: map[uint64]crypto.Digest{},
	}
}

// signed enters a statement that an honest replica signed, and returns what it contradicts, or "".
func (l *ledger) signed(cfg *message.Config, i int, m message.Message) string {
	switch m := m.(type) {
	case *message.PrePrepare:
		return l.vote(m.Vote(cfg))
	case *message.Vote:
		if m.Voter == i {
			return l.vote(m)
		}
	case *message.Checkpoint:
		return l.checkpoint(m)
	case *message.ViewChange:
		return l.change(&m.Stmt)
	case *message.NewView:
		at := place{voter: i, kind: crypto.KindNewView, view: m.View}
		if d, said := l.newViews[at]; said && d != m.Statement(cfg) {
			return fmt.Sprintf("replica %d signed two NEW-VIEWs of view %d", i, m.View)
		}
		l.newViews[at] = m.Statement(cfg)
		if v := m.Prepare(cfg); v != nil {
			return l.vote(v)
		}
	}
	return ""
}

func (l *ledger) vote(v *message.Vote) string {
	at := place{v.Voter, v.Kind, v.View, v.Seq}
	if d, said := l.votes[at]; said {
		if d != v.Digest {
			return fmt.Sprintf("replica %d signed two %vs in view %d for %d",
				v.Voter, v.Kind, v.View, v.Seq)
		}
		return ""
	}
	if v.View < l.targets[v.Voter] {
		return fmt.Sprintf("replica %d signed a %v in view %d after VIEW-CHANGE to %d",
			v.Voter, v.Kind, v.View, l.targets[v.Voter])
	}
	l.votes[at] = v.Digest
	if v.Kind == crypto.KindCommit && l.commits[v.Voter].Less(v.Rank()) {
		l.commits[v.Voter] = v.Rank()
	}
	return ""
}

func (l *ledger) change(s *message.VcStmt) string {
	at := place{voter: s.Voter, kind: crypto.KindViewChange, view: s.NewView}
	if t, said := l.changes[at]; said && t != s.Tuple {
		return fmt.Sprintf("replica %d signed two VIEW-CHANGEs to view %d", s.Voter, s.NewView)
	}
	if commit := l.commits[s.Voter]; commit.View < s.NewView && s.HighRank().Less(commit) {
		return fmt.Sprintf("replica %d hides its COMMIT %v in VIEW-CHANGE to %d",
			s.Voter, commit, s.NewView)
	}
	l.changes[at] = s.Tuple
	l.targets[s.Voter] = max(l.targets[s.Voter], s.NewView)
	return ""
}

func (l *ledger) checkpoint(c *message.Checkpoint) string {
	at := place{voter: c.Voter, kind: crypto.KindCheckpoint, seq: c.Seq}
	if old, said := l.points[at]; said && (old.Digest != c.Digest || old.Root != c.Root) {
		return fmt.Sprintf("replica %d signed two CHECKPOINTs at %d", c.Voter, c.Seq)
	}
	l.points[at] = message.Checkpoint{Seq: c.Seq, Digest: c.Digest, Root: c.Root, Voter: c.Voter}
	return ""
}

// executed enters a batch that an honest replica executed.
func (l *ledger) executed(i int, b *message.Batch) string {
	d := b.Header.Digest()
	if other, known := l.decided[b.Header.Seq]; known && other != d {
		return fmt.Sprintf("replica %d executed another batch at %d", i, b.Header.Seq)
	}
	l.decided[b.Header.Seq] = d
	return ""
}
