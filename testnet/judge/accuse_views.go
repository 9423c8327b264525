package judge

import (
	"bytes"

	"byzd/crypto"
	"byzd/pbft/message"
)

// hiding finds members that moved to a view and reported less than they had sent a COMMIT for
// (E5): what lets a later view forget a decided batch.
func (a *accusations) hiding() {
	type voter struct {
		view   uint64
		member int
	}
	top := map[voter]uint64{} // the highest COMMIT of each view
	commits := func(v *message.Vote) bool { return v.Kind == crypto.KindCommit }
	a.each(commits, func(s *spoken) {
		key := voter{s.View, s.Voter}
		top[key] = max(top[key], s.Seq)
	})
	for _, s := range a.era.said.changes {
		for key, seq := range top {
			rank := message.Rank{View: key.view, Seq: seq}
			if key.member == s.Voter && key.view < s.NewView && s.HighRank().Less(rank) {
				a.hidden(s, key.view)
			}
		}
	}
}

// hidden accuses with a COMMIT of a view that a VIEW-CHANGE hides and that is real.
func (a *accusations) hidden(change *message.VcStmt, view uint64) {
	hides := func(v *message.Vote) bool {
		return v.Kind == crypto.KindCommit && v.View == view && change.HighRank().Less(v.Rank())
	}
	a.each(hides, func(s *spoken) {
		if s.Voter != change.Voter || a.has(s.Voter, message.EvidenceHiding) || !a.genuine(s) {
			return
		}
		a.add(message.Contradiction(a.era.cfg, message.EvidenceHiding, s.Voter, s.said,
			change.Statement(), nil))
	})
}

// keptVersions bounds how many versions of what should be one statement are compared in pairs.
const keptVersions = 16

// newViews finds primaries that started one view twice, or against the rules (E3 and E6).
func (a *accusations) newViews() {
	cfg := a.era.cfg
	said := map[uint64][]*message.NewView{}
	for _, m := range a.era.said.newViews {
		if m.CheckContent(cfg) != "" {
			a.add(message.InvalidNewView(cfg, m))
		}
		for _, other := range said[m.View] {
			a.add(message.ContradictingNewViews(cfg, other, m))
		}
		if len(said[m.View]) < keptVersions {
			said[m.View] = append(said[m.View], m)
		}
	}
}

// changes finds members that moved to one view twice (E10).
func (a *accusations) changes() {
	type voter struct {
		view   uint64
		member int
	}
	said := map[voter][]*message.VcStmt{}
	for _, s := range a.era.said.changes {
		key := voter{s.NewView, s.Voter}
		known := false
		for _, other := range said[key] {
			known = known || other.Tuple == s.Tuple && bytes.Equal(other.Sig, s.Sig)
			a.add(message.ContradictingChanges(other, s))
		}
		if !known && len(said[key]) < keptVersions {
			said[key] = append(said[key], s)
		}
	}
}
