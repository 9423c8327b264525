package traitor

import (
	"slices"

	"byzd/crypto"
	"byzd/pbft/message"
)

// chosen reports whether a message is of the kinds that the spec names; naming none names all.
func (a *armed) chosen(m message.Message) bool {
	kinds := a.spec.Kinds
	if len(kinds) == 0 || slices.Contains(kinds, m.Type().String()) {
		return true
	}
	v, vote := m.(*message.Vote)
	_, proposal := m.(*message.PrePrepare) // it carries the primary's PREPARE
	prepare := proposal || vote && v.Kind == crypto.KindPrepare
	return prepare && slices.Contains(kinds, kindPrepare) ||
		vote && v.Kind == crypto.KindCommit && slices.Contains(kinds, kindCommit)
}

// mute withholds everything, or some kinds of messages.
type mute struct {
	honest
	*armed
}

func newMute(a *armed) trick { return mute{armed: a} }

func (t mute) say(_ int64, o Outgoing) []Outgoing {
	at := t.traitor.seen.placeOf(o.Msg)
	if !t.chosen(o.Msg) || !t.at(o.To, at, idOf(o.To, o.Msg)) {
		return []Outgoing{o}
	}
	t.fire(at)
	return nil
}

// withholdCommit withholds its own COMMITs, also inside what repeats them.
type withholdCommit struct {
	honest
	*armed
}

func newWithholdCommit(a *armed) trick { return withholdCommit{armed: a} }

func (t withholdCommit) say(_ int64, o Outgoing) []Outgoing {
	v, is := o.Msg.(*message.Vote)
	if !is || v.Kind != crypto.KindCommit || v.Voter != t.traitor.cfg.Self {
		return []Outgoing{o}
	}
	at := place{v.View, v.Seq}
	if !t.at(o.To, at, idOf(o.To, v)) {
		return []Outgoing{o}
	}
	t.fire(at)
	return nil
}

// silentPrimary withholds what a new primary owes: the NEW-VIEW, proposals and votes of each view
// that it leads, but for the first.
type silentPrimary struct {
	honest
	*armed
}

func newSilentPrimary(a *armed) trick { return silentPrimary{armed: a} }

func (t silentPrimary) say(_ int64, o Outgoing) []Outgoing {
	view, owed := uint64(0), false
	switch m := o.Msg.(type) {
	case *message.NewView:
		view, owed = m.View, true
	case *message.PrePrepare:
		view, owed = m.View, true
	case *message.Vote:
		view, owed = m.View, m.Voter == t.traitor.cfg.Self
	case *message.Proof:
		if m.NewView != nil {
			view, owed = m.NewView.View, true
		}
	}
	at := place{view, max(t.traitor.seen.seq, 1)}
	if !owed || view == 0 || !t.traitor.leads(view) || !t.at(o.To, at, idOf(o.To, o.Msg)) {
		return []Outgoing{o}
	}
	t.fire(at)
	return nil
}
