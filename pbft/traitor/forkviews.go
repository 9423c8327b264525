package traitor

import (
	"byzd/crypto"
	"byzd/pbft/message"
)

// forkViews lets a few commit a batch that the next view forgets. As primary it tells its victims
// alone what it proposes, and sends them its COMMIT at once; accomplices do the same with their
// votes. The others hear nothing more of that view, and change it. In their VIEW-CHANGEs the
// traitors' honest replicas report what they know: without the victims' votes nothing of it is
// prepared, so the COMMITs are hidden (E5), and the next view decides something else in its place.
//
// It takes more than f traitors, and that the network keeps the victims and the others apart: they
// would tell each other.
type forkViews struct {
	honest
	*armed

	forked bool
	from   place // where the victims' story begins
}

func newForkViews(a *armed) trick { return &forkViews{armed: a} }

// within reports whether a place is in the victims' story. The first that may be begins it; a
// strong coalition, which succeeds, tells one story for good.
func (t *forkViews) within(at place) bool {
	primary := t.traitor.cfg.Cluster.Primary(at.view)
	if !t.friend(primary) || primary != t.traitor.cfg.Self && !t.strong() || !t.when(at, 0) {
		return false
	}
	if t.forked && (at.view == t.from.view || t.strong()) {
		return at.view == t.from.view && at.seq >= t.from.seq
	}
	t.forked, t.from = true, at
	return true
}

func (t *forkViews) victim(node int) bool {
	return t.forked && !t.friend(node) && t.side(t.from.view, node, 2) == 1
}

// hear keeps the victims' story from the honest replica, which would report it, or stop.
func (t *forkViews) hear(_ int64, v message.Verified) []message.Verified {
	if p, is := v.Message().(*message.PrePrepare); is && p.Header.PropView == p.View {
		t.within(place{p.View, p.Header.Seq})
	}
	if !t.strong() || !t.victim(v.From()) {
		return []message.Verified{v}
	}
	switch v.Message().(type) {
	case *message.Submission, *message.Have, *message.FetchBundles, *message.FetchBatches:
		return []message.Verified{v} // they must have the bodies
	}
	return nil
}

func (t *forkViews) say(_ int64, o Outgoing) []Outgoing {
	switch m := o.Msg.(type) {
	case *message.PrePrepare:
		if m.Header.PropView == m.View && t.within(place{m.View, m.Header.Seq}) {
			return t.confide(o, m.Vote(t.traitor.cfg.Cluster))
		}
	case *message.Vote:
		own := m.Voter == t.traitor.cfg.Self && m.Kind == crypto.KindPrepare
		if own && t.within(place{m.View, m.Seq}) {
			return t.confide(o, m)
		}
	case *message.Submission, *message.BatchReply:
		return []Outgoing{o}
	}
	if t.strong() && t.victim(o.To) {
		return nil // they are to stay where they are
	}
	return []Outgoing{o}
}

// confide tells a victim what is proposed or PREPAREd, with the COMMIT that no certificate stands
// behind; the others are told nothing. Nor are friends who cannot help: they would pass it on.
func (t *forkViews) confide(o Outgoing, v *message.Vote) []Outgoing {
	switch {
	case t.friend(o.To) && t.strong():
		return []Outgoing{o}
	case !t.victim(o.To):
		return nil
	}
	t.fire(place{v.View, v.Seq})
	c := &message.Vote{Kind: crypto.KindCommit, View: v.View, Seq: v.Seq, Digest: v.Digest}
	t.traitor.cfg.Sealer.Seal(c)
	return []Outgoing{o, {To: o.To, Msg: c}}
}
