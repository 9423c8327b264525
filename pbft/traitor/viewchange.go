package traitor

import (
	"slices"

	"byzd/crypto"
	"byzd/pbft/message"
)

// viewChangeSpam complains without reason and asks for views far away. Having asked for one, it
// COMMITs no more below: it is a nuisance, and proves nothing against itself.
type viewChangeSpam struct {
	honest
	*armed

	last  int64
	sent  uint64
	asked bool
	tuple message.ViewChange // the last one
}

// Spam is sent this often, in milliseconds, for views from farView on.
const (
	spamEvery = 50
	farView   = 1 << 40
)

func newViewChangeSpam(a *armed) trick { return &viewChangeSpam{armed: a} }

func (t *viewChangeSpam) say(_ int64, o Outgoing) []Outgoing {
	v, is := o.Msg.(*message.Vote)
	if is && v.Kind == crypto.KindCommit && v.Voter == t.traitor.cfg.Self && t.asked {
		return nil
	}
	if _, is := o.Msg.(*message.ViewChange); is && t.asked {
		return nil // it has asked for more
	}
	return []Outgoing{o}
}

func (t *viewChangeSpam) act(now int64) []Outgoing {
	at := t.traitor.seen.here()
	if now < t.last+spamEvery || !t.when(at, t.sent+1) {
		return nil
	}
	t.last = now
	t.sent++
	t.fire(at)
	complaint := &message.Complain{
		View: at.view, Reason: message.ReasonRequestAge,
		Lifetime: 2 * t.traitor.cfg.Cluster.Params.MaxViewTimeout,
	}
	t.traitor.cfg.Sealer.Seal(complaint)
	list := toAll(t.targets(at.view), complaint)
	if t.asked { // the old one once more
		again := t.tuple
		list = append(list, toAll(t.targets(at.view), &again)...)
	}
	high := t.traitor.seen.high
	if high.Rank().Less(t.traitor.seen.commit) {
		return list // to ask now would hide a lock, which is another lie
	}
	stable := t.traitor.cfg.Cluster.BaseCheckpoint()
	change := &message.ViewChange{
		Stmt: message.VcStmt{Tuple: message.Tuple{
			NewView: farView + t.sent, High: high.Ref(), HighView: high.View,
			Stable: stable.Ref(), Root: stable.Root,
		}},
		High: high, Stable: stable,
	}
	t.traitor.cfg.Sealer.Seal(change)
	t.asked, t.tuple = true, *change
	return append(list, toAll(t.targets(at.view), change)...)
}

// hidePrepared denies in its VIEW-CHANGEs that anything was prepared.
type hidePrepared struct {
	honest
	*armed

	said map[uint64]*message.ViewChange // by view: what is sent again is sent in the same words
}

func newHidePrepared(a *armed) trick {
	return &hidePrepared{armed: a, said: map[uint64]*message.ViewChange{}}
}

func (t *hidePrepared) say(_ int64, o Outgoing) []Outgoing {
	m, is := o.Msg.(*message.ViewChange)
	at := t.traitor.seen.placeOf(o.Msg)
	cluster := t.traitor.cfg.Cluster
	if !is || m.Stmt.Voter != t.traitor.cfg.Self || m.High.IsBase(cluster) || !t.at(o.To, at, 0) {
		return []Outgoing{o}
	}
	lie := t.said[m.Stmt.NewView]
	if lie == nil {
		lie = &message.ViewChange{
			Stmt: m.Stmt, High: cluster.BaseCertificate(), Stable: m.Stable,
			Statements: m.Statements,
		}
		lie.Stmt.High, lie.Stmt.HighView = lie.High.Ref(), lie.High.View
		t.traitor.cfg.Sealer.Seal(lie)
		clear(t.said) // older views are over
		t.said[m.Stmt.NewView] = lie
	}
	t.fire(at)
	return []Outgoing{{To: o.To, Msg: lie}}
}

// wrongNewView starts the views that it leads from a base that its own message refutes.
type wrongNewView struct {
	honest
	*armed

	said map[uint64]*message.NewView
}

func newWrongNewView(a *armed) trick {
	return &wrongNewView{armed: a, said: map[uint64]*message.NewView{}}
}

func (t *wrongNewView) say(_ int64, o Outgoing) []Outgoing {
	switch m := o.Msg.(type) {
	case *message.NewView:
		if lie := t.lie(o.To, m); lie != nil {
			return []Outgoing{{To: o.To, Msg: lie}}
		}
	case *message.Proof:
		if m.NewView == nil {
			break
		}
		if lie := t.lie(o.To, m.NewView); lie != nil {
			c := *m
			c.NewView = lie
			return []Outgoing{{To: o.To, Msg: &c}}
		}
	}
	return []Outgoing{o}
}

// lie returns what a node gets in place of a NEW-VIEW, or nil for the truth.
func (t *wrongNewView) lie(to int, m *message.NewView) *message.NewView {
	at := t.traitor.seen.placeOf(m)
	if !t.traitor.leads(m.View) || !t.at(to, at, 0) {
		return nil
	}
	lie := t.said[m.View]
	if lie == nil {
		cluster := t.traitor.cfg.Cluster
		lie = &message.NewView{
			View: m.View, Stmts: slices.Clone(m.Stmts), Base: cluster.BaseCertificate(),
			Stable: m.Stable,
		}
		if m.Base.IsBase(cluster) { // nothing was prepared: leave a voter out
			lie.Stmts = lie.Stmts[:cluster.Sizes.Quorum-1]
		}
		t.traitor.cfg.Sealer.Seal(lie)
		clear(t.said)
		t.said[m.View] = lie
	}
	t.fire(at)
	return lie
}
