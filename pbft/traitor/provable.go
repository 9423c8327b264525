package traitor

import (
	"slices"

	"byzd/crypto"
	"byzd/pbft/message"
)

// duplicateRequest proposes, as primary, batches with one bundle twice (E7).
type duplicateRequest struct {
	honest
	*armed

	made map[place]*message.PrePrepare
}

func newDuplicateRequest(a *armed) trick {
	return &duplicateRequest{armed: a, made: map[place]*message.PrePrepare{}}
}

func (t *duplicateRequest) say(_ int64, o Outgoing) []Outgoing {
	switch m := o.Msg.(type) {
	case *message.PrePrepare:
		at := place{m.View, m.Header.Seq}
		if m.Header.PropView != m.View || !t.at(o.To, at, 0) {
			break
		}
		t.fire(at)
		return []Outgoing{{To: o.To, Msg: t.twice(at, m)}}
	case *message.Vote: // its PREPARE, should its replica repeat it
		at := place{m.View, m.Seq}
		lie := t.made[at]
		own := m.Voter == t.traitor.cfg.Self && m.Kind == crypto.KindPrepare
		if own && lie != nil && t.at(o.To, at, 0) {
			return []Outgoing{{To: o.To, Msg: lie.Vote(t.traitor.cfg.Cluster)}}
		}
	}
	return []Outgoing{o}
}

// twice is a proposal that names its first bundle once more.
func (t *duplicateRequest) twice(at place, p *message.PrePrepare) *message.PrePrepare {
	if lie := t.made[at]; lie != nil {
		return lie
	}
	if len(t.made) > keptPlaces {
		clear(t.made)
	}
	lie := &message.PrePrepare{
		View: p.View, Header: p.Header, IDs: append(slices.Clone(p.IDs), p.IDs[0]),
	}
	lie.Header.Root = message.BatchRoot(lie.IDs)
	t.traitor.cfg.Sealer.Seal(lie)
	t.made[at] = lie
	return lie
}

// wrongRoot says in its CHECKPOINTs that it came to another state (E8).
type wrongRoot struct {
	honest
	*armed
}

func newWrongRoot(a *armed) trick { return wrongRoot{armed: a} }

func (t wrongRoot) say(_ int64, o Outgoing) []Outgoing {
	m, is := o.Msg.(*message.Checkpoint)
	at := t.traitor.seen.placeOf(o.Msg)
	if !is || m.Voter != t.traitor.cfg.Self || !t.at(o.To, at, 0) {
		return []Outgoing{o}
	}
	lie := &message.Checkpoint{
		Seq: m.Seq, Digest: m.Digest, Root: crypto.Hash("byzd/traitor/root", m.Root[:]),
	}
	t.traitor.cfg.Sealer.Seal(lie)
	t.fire(at)
	return []Outgoing{{To: o.To, Msg: lie}}
}

// twoBundles gives places in its gateway's session to two bundles, and tells half of the others of
// the one and the rest of the other (E9).
type twoBundles struct {
	honest
	*armed

	next int64  // when
	seen uint64 // the highest number that its own gateway used
	sent uint64
}

// Two bundles are sent this often, in milliseconds, for numbers so far ahead of the gateway's own.
const (
	bundlesEvery = 300
	bundlesAhead = 500
)

func newTwoBundles(a *armed) trick { return &twoBundles{armed: a} }

func (t *twoBundles) say(_ int64, o Outgoing) []Outgoing {
	if m, is := o.Msg.(*message.Submission); is && m.Bundle.Gateway == t.traitor.cfg.Self {
		t.seen = max(t.seen, m.Bundle.Seq)
	}
	return []Outgoing{o}
}

func (t *twoBundles) act(now int64) []Outgoing {
	at := t.traitor.seen.here()
	if now < t.next || !t.when(at, t.sent) {
		return nil
	}
	t.next = now + bundlesEvery
	t.sent++
	t.fire(at)
	cluster := t.traitor.cfg.Cluster
	victims := t.targets(at.view)
	var list []Outgoing
	for k, word := range []string{"one", "other"} {
		b := &message.Bundle{
			Session: cluster.Members[t.traitor.cfg.Self].Session,
			Seq:     t.seen + bundlesAhead + t.sent%bundlesAhead,
			Items:   []message.Item{{Op: []byte("byzd/traitor/" + word)}},
		}
		t.traitor.cfg.Sealer.SealBundle(b)
		for i := range cluster.Members {
			if i != t.traitor.cfg.Self && slices.Contains(victims, i) == (k == 1) {
				list = append(list, Outgoing{To: i, Msg: &message.Submission{Bundle: b}})
			}
		}
	}
	return list
}
