package traitor

import (
	"slices"

	"byzd/crypto"
	"byzd/pbft/message"
)

// equivocator proposes several batches for one place as primary, and tells each side what fits the
// story that it was told. As an accomplice of such a primary it votes for each side's version.
type equivocator struct {
	honest
	accomplice

	versions int // 2 for two halves, else as many as there are correct nodes
	made     map[place]map[int]*message.PrePrepare
	later    []delayed // proposals that accomplices are told first
}

// headStart is how long before the others a strong coalition knows what is proposed, in
// milliseconds: so long that its votes for each side are there before the proposal is.
const headStart = 80

func newEquivocatePrePrepare(a *armed) trick {
	return &equivocator{
		accomplice: accomplice{armed: a}, versions: 2,
		made: map[place]map[int]*message.PrePrepare{},
	}
}

func newEquivocatePerPeer(a *armed) trick {
	return &equivocator{
		accomplice: accomplice{armed: a}, versions: len(a.correct),
		made: map[place]map[int]*message.PrePrepare{},
	}
}

func (t *equivocator) say(now int64, o Outgoing) []Outgoing {
	switch m := o.Msg.(type) {
	case *message.PrePrepare:
		told := t.propose(o, m)
		if !t.strong() || t.friend(o.To) || len(t.later) >= maxDelayed {
			return told
		}
		for _, one := range told {
			t.later = append(t.later, delayed{now + headStart, one})
		}
		return nil
	case *message.Vote:
		if m.Voter == t.traitor.cfg.Self {
			return t.vote(now, o, m)
		}
	case *message.Checkpoint:
		if t.strong() && t.sideAt(place{t.traitor.seen.view, m.Seq}, o.To) > 0 &&
			t.traitor.splits.split(t.traitor.seen.view, m.Seq) != nil {
			return nil // it is of the other story's state
		}
	}
	return t.withhold(o)
}

func (t *equivocator) act(now int64) []Outgoing {
	list := t.due(now, pass)
	t.later = slices.DeleteFunc(t.later, func(d delayed) bool {
		if d.when <= now {
			list = append(list, d.o)
		}
		return d.when <= now
	})
	return list
}

func (t *equivocator) sideAt(at place, node int) int { return t.side(at.view, node, t.versions) }

// propose tells a node its side's version. Accomplices get all.
func (t *equivocator) propose(o Outgoing, p *message.PrePrepare) []Outgoing {
	at := place{p.View, p.Header.Seq}
	if p.Header.PropView != p.View || !t.when(at, 0) {
		return []Outgoing{o}
	}
	t.traitor.splits.add(at, p.Header)
	if t.friend(o.To) {
		list := []Outgoing{o}
		for k := 1; k < t.versions; k++ {
			list = append(list, Outgoing{To: o.To, Msg: t.version(at, k, p)})
		}
		return list
	}
	side := t.sideAt(at, o.To)
	if side == 0 || t.versions > 2 && !slices.Contains(t.targets(at.view), o.To) {
		return t.hurry([]Outgoing{o}, p.Vote(t.traitor.cfg.Cluster))
	}
	t.fire(at)
	version := t.version(at, side, p)
	return t.hurry([]Outgoing{{To: o.To, Msg: version}}, version.Vote(t.traitor.cfg.Cluster))
}

// version returns the pre-prepare of one side: the same operations, in another order where there
// is one, a little later, on top of what that side was told before. It breaks no rule.
func (t *equivocator) version(at place, side int, p *message.PrePrepare) *message.PrePrepare {
	if t.made[at] == nil {
		t.made[at] = map[int]*message.PrePrepare{}
		for old := range t.made {
			if old.view < at.view || old.seq+keptPlaces < at.seq {
				delete(t.made, old)
			}
		}
	}
	if v := t.made[at][side]; v != nil {
		return v
	}
	v := &message.PrePrepare{View: p.View, Header: p.Header, IDs: slices.Clone(p.IDs)}
	v.Header.TimeMS += int64(side)
	if before := t.made[place{at.view, at.seq - 1}][side]; before != nil {
		v.Header.Parent = before.Header.Digest()
	}
	turn := side % len(v.IDs)
	v.IDs = append(v.IDs[turn:], v.IDs[:turn]...)
	v.Header.Root = message.BatchRoot(v.IDs)
	t.traitor.cfg.Sealer.Seal(v)
	t.made[at][side] = v
	t.traitor.splits.add(at, v.Header)
	return v
}

// vote sends each side the vote that fits its version.
func (t *equivocator) vote(now int64, o Outgoing, v *message.Vote) []Outgoing {
	if !t.traitor.leads(v.View) {
		return t.follow(now, o, v, pass)
	}
	if t.friend(o.To) || t.traitor.splits.split(v.View, v.Seq) == nil {
		return []Outgoing{o}
	}
	at := place{v.View, v.Seq}
	if t.versions > 2 && !slices.Contains(t.targets(at.view), o.To) {
		return []Outgoing{o}
	}
	return t.voteOfSide(o, v, t.sideAt(at, o.To))
}

// pass is what becomes of a vote that nothing can be made of.
func pass(o Outgoing) []Outgoing { return []Outgoing{o} }

// accomplice is what helps a primary of the coalition to split the others.
type accomplice struct {
	*armed

	waiting []delayed // votes of which it is not known yet which versions there are
}

// patience is how long an accomplice waits for the other version, in milliseconds.
const patience = 300

// helps reports whether a primary of the coalition may be splitting a view.
func (t *accomplice) helps(view uint64) bool {
	primary := t.traitor.cfg.Cluster.Primary(view)
	return primary != t.traitor.cfg.Self && t.friend(primary) && t.strong()
}

// follow votes for the version of each side, if the primary is an accomplice and the coalition is
// strong enough; what else is done with a vote is the caller's.
func (t *accomplice) follow(
	now int64, o Outgoing, v *message.Vote, otherwise func(Outgoing) []Outgoing,
) []Outgoing {
	switch {
	case t.friend(o.To):
		return []Outgoing{o}
	case !t.helps(v.View) || !t.when(place{v.View, v.Seq}, 0):
		return otherwise(o)
	case t.traitor.splits.split(v.View, v.Seq) != nil:
		return t.voteOfSide(o, v, t.sideOf(v, o.To))
	}
	if len(t.waiting) < maxDelayed {
		t.waiting = append(t.waiting, delayed{now + patience, o})
	}
	return nil
}

func (t *accomplice) sideOf(v *message.Vote, node int) int {
	return t.side(v.View, node, len(t.traitor.splits.split(v.View, v.Seq).headers))
}

// due returns the votes that waited for a second version, or long enough.
func (t *accomplice) due(now int64, otherwise func(Outgoing) []Outgoing) []Outgoing {
	var list []Outgoing
	t.waiting = slices.DeleteFunc(t.waiting, func(d delayed) bool {
		v, is := d.o.Msg.(*message.Vote)
		switch {
		case is && t.traitor.splits.split(v.View, v.Seq) != nil:
			list = append(list, t.voteOfSide(d.o, v, t.sideOf(v, d.o.To))...)
		case d.when <= now:
			list = append(list, otherwise(d.o)...)
		default:
			return false
		}
		return true
	})
	return list
}

// voteOfSide is a vote for a side's version in place of the honest one.
func (t *accomplice) voteOfSide(o Outgoing, v *message.Vote, side int) []Outgoing {
	versions := t.traitor.splits.split(v.View, v.Seq)
	d := versions.digest(side)
	if d == v.Digest || !versions.has(v.Digest) {
		return t.hurry([]Outgoing{o}, v)
	}
	t.fire(place{v.View, v.Seq})
	lie := t.voteFor(v, d)
	return t.hurry([]Outgoing{{To: o.To, Msg: lie}}, lie)
}

// hurry adds to a PREPARE the COMMIT that would follow, if the coalition can win with it: a split
// races with the correct nodes' discovery that they were told different things.
func (t *accomplice) hurry(list []Outgoing, v *message.Vote) []Outgoing {
	if v.Kind != crypto.KindPrepare || !t.strong() {
		return list
	}
	c := &message.Vote{Kind: crypto.KindCommit, View: v.View, Seq: v.Seq, Digest: v.Digest}
	t.traitor.cfg.Sealer.Seal(c)
	return append(list, Outgoing{To: list[0].To, Msg: c})
}

// withhold keeps from a side what would convince it of another one's version.
func (t *accomplice) withhold(o Outgoing) []Outgoing {
	if t.friend(o.To) {
		return []Outgoing{o}
	}
	mine := func(v *versions) crypto.Digest {
		h := &v.headers[0]
		return v.digest(t.side(h.PropView, o.To, len(v.headers)))
	}
	if t.traitor.splits.reveals(o.Msg, mine) {
		return nil
	}
	return []Outgoing{o}
}

// equivocateVotes votes twice.
type equivocateVotes struct {
	honest
	accomplice
}

func newEquivocateVotes(a *armed) trick {
	return &equivocateVotes{accomplice: accomplice{armed: a}}
}

func (t *equivocateVotes) say(now int64, o Outgoing) []Outgoing {
	switch m := o.Msg.(type) {
	case *message.PrePrepare:
		return t.twice(o, m.Vote(t.traitor.cfg.Cluster))
	case *message.Vote:
		if m.Voter == t.traitor.cfg.Self {
			return t.follow(now, o, m, t.openly)
		}
	case *message.Checkpoint:
		if t.helps(t.traitor.seen.view) &&
			t.traitor.splits.split(t.traitor.seen.view, m.Seq) != nil &&
			t.side(t.traitor.seen.view, o.To, 2) > 0 {
			return nil // it is of the other story's state
		}
	}
	return t.withhold(o)
}

func (t *equivocateVotes) act(now int64) []Outgoing { return t.due(now, t.openly) }

func (t *equivocateVotes) openly(o Outgoing) []Outgoing {
	v, is := o.Msg.(*message.Vote)
	if !is {
		return []Outgoing{o}
	}
	return t.twice(o, v)
}

// twice adds a vote for a batch that does not exist. For half of the nodes it comes first, and
// counts.
func (t *equivocateVotes) twice(o Outgoing, v *message.Vote) []Outgoing {
	at := place{v.View, v.Seq}
	if !t.at(o.To, at, 0) {
		return []Outgoing{o}
	}
	t.fire(at)
	lie := Outgoing{To: o.To, Msg: t.otherVote(v)}
	_, proposal := o.Msg.(*message.PrePrepare)
	if !proposal && t.side(v.View, o.To, 2) == 1 {
		return []Outgoing{lie, o}
	}
	return []Outgoing{o, lie}
}
