package traitor

import (
	"slices"

	"byzd/crypto"
	"byzd/pbft/message"
)

// badSignature flips one bit of each signature.
type badSignature struct {
	honest
	*armed
}

func newBadSignature(a *armed) trick { return badSignature{armed: a} }

func (t badSignature) say(_ int64, o Outgoing) []Outgoing {
	at := t.traitor.seen.placeOf(o.Msg)
	if !t.chosen(o.Msg) || !t.at(o.To, at, idOf(o.To, o.Msg)) {
		return []Outgoing{o}
	}
	spoilt := spoil(o.Msg)
	if spoilt == nil {
		return []Outgoing{o}
	}
	t.fire(at)
	return []Outgoing{{To: o.To, Msg: spoilt}}
}

// spoil returns a copy of a message whose signature is wrong in one bit, or nil if it has none.
func spoil(m message.Message) message.Message {
	switch m := m.(type) {
	case *message.PrePrepare:
		c := *m
		c.Sig = flip(m.Sig)
		return &c
	case *message.Vote:
		c := *m
		c.Sig = flip(m.Sig)
		return &c
	case *message.Checkpoint:
		c := *m
		c.Sig = flip(m.Sig)
		return &c
	case *message.ViewChange:
		c := *m
		c.Stmt.Sig = flip(m.Stmt.Sig)
		return &c
	case *message.NewView:
		c := *m
		c.Sig = flip(m.Sig)
		return &c
	case *message.Complain:
		c := *m
		c.Sig = flip(m.Sig)
		return &c
	case *message.Submission:
		b := m.Bundle
		return &message.Submission{Bundle: &message.Bundle{
			Gateway: b.Gateway, Session: b.Session, Seq: b.Seq, Ack: b.Ack, Items: b.Items,
			Sig: flip(b.Sig),
		}}
	}
	return nil
}

func flip(sig []byte) []byte {
	c := slices.Clone(sig)
	if len(c) > 0 {
		c[len(c)/2] ^= 4
	}
	return c
}

// impersonate adds to each statement the same one in another's name. Votes, CHECKPOINTs and
// COMPLAINs sign no name, so the copy differs in nothing else.
type impersonate struct {
	honest
	*armed
}

func newImpersonate(a *armed) trick { return impersonate{armed: a} }

func (t impersonate) say(_ int64, o Outgoing) []Outgoing {
	at := t.traitor.seen.placeOf(o.Msg)
	id := idOf(o.To, o.Msg)
	if !t.at(o.To, at, id) {
		return []Outgoing{o}
	}
	mask := t.somebodyElse(o.To, at, id)
	if mask < 0 {
		return []Outgoing{o}
	}
	self := t.traitor.cfg.Self
	var lie message.Message
	switch m := o.Msg.(type) {
	case *message.Vote:
		if m.Voter == self {
			c := *m
			c.Voter, lie = mask, &c
		}
	case *message.Checkpoint:
		if m.Voter == self {
			c := *m
			c.Voter, lie = mask, &c
		}
	case *message.Complain:
		if m.Voter == self {
			c := *m
			c.Voter, lie = mask, &c
		}
	}
	if lie == nil {
		return []Outgoing{o}
	}
	t.fire(at)
	return []Outgoing{o, {To: o.To, Msg: lie}}
}

// somebodyElse picks a correct node other than the one that is lied to, or -1.
func (t impersonate) somebodyElse(to int, at place, id uint64) int {
	others := slices.DeleteFunc(slices.Clone(t.correct), func(node int) bool { return node == to })
	if len(others) == 0 {
		return -1
	}
	return others[t.draw(at, id).IntN(len(others))]
}

// corrupt damages frames.
type corrupt struct {
	honest
	*armed

	frames uint64
}

func newCorrupt(a *armed) trick { return &corrupt{armed: a} }

func (t *corrupt) say(_ int64, o Outgoing) []Outgoing {
	at := t.traitor.seen.placeOf(o.Msg)
	if !t.chosen(o.Msg) || !t.at(o.To, at, idOf(o.To, o.Msg)) {
		return []Outgoing{o}
	}
	t.frames++
	t.fire(at)
	frame := message.Encode(t.traitor.cfg.Cluster.Epoch, o.Msg)
	r := t.draw(at, t.frames<<8)
	switch body := len(frame) - 1; r.IntN(4) {
	case 0:
		frame = frame[:1+r.IntN(body)]
	case 1:
		frame = append(frame, byte(r.Uint32())) //nolint:gosec // any byte will do
	default: // the type, by which streams are told apart, stays
		frame[1+r.IntN(body)] ^= 1 << r.IntN(8)
	}
	return []Outgoing{{To: o.To, Type: o.Msg.Type(), Frame: frame}}
}

// replayOld sends old messages again. Under load it keeps a burst of messages until all of them are
// old enough to be replayed, for as long again, and takes the next burst then.
type replayOld struct {
	honest
	*armed

	age  int64
	kept []heirloom // a ring
	next int
	last int64 // when something was replayed
	sent uint64
}

type heirloom struct {
	at  int64
	msg message.Message
}

const (
	replayEvery = 40  // milliseconds
	replayAge   = 500 // milliseconds, unless the spec says so
	replayKept  = 512
)

func newReplayOld(a *armed) trick {
	age := a.spec.Delay
	if age == 0 {
		age = replayAge
	}
	return &replayOld{armed: a, age: age}
}

func (t *replayOld) keep(now int64, m message.Message) {
	if !t.chosen(m) {
		return
	}
	h := heirloom{now, m}
	if len(t.kept) < replayKept {
		t.kept = append(t.kept, h)
		return
	}
	// What will be old enough soon must not make way for what is not: under load hundreds of
	// messages come in less than that time, and nothing would ever be replayed.
	if t.kept[t.next].at+2*t.age > now {
		return
	}
	t.kept[t.next] = h
	t.next = (t.next + 1) % replayKept
}

func (t *replayOld) hear(now int64, v message.Verified) []message.Verified {
	t.keep(now, v.Message())
	return []message.Verified{v}
}

func (t *replayOld) say(now int64, o Outgoing) []Outgoing {
	t.keep(now, o.Msg)
	return []Outgoing{o}
}

func (t *replayOld) act(now int64) []Outgoing {
	at := t.traitor.seen.here()
	if now < t.last+replayEvery || len(t.kept) == 0 {
		return nil
	}
	t.last = now
	t.sent++
	h := t.kept[t.draw(at, t.sent).IntN(len(t.kept))]
	if h.at+t.age > now || !t.when(at, t.sent) {
		return nil
	}
	t.fire(at)
	return toAll(t.targets(at.view), h.msg)
}

func toAll(nodes []int, m message.Message) []Outgoing {
	list := make([]Outgoing, len(nodes))
	for i, node := range nodes {
		list[i] = Outgoing{To: node, Msg: m}
	}
	return list
}

// wrongDigest names digests that fit nothing.
type wrongDigest struct {
	honest
	*armed
}

func newWrongDigest(a *armed) trick { return wrongDigest{armed: a} }

func (t wrongDigest) say(_ int64, o Outgoing) []Outgoing {
	at := t.traitor.seen.placeOf(o.Msg)
	if !t.at(o.To, at, 0) {
		return []Outgoing{o}
	}
	switch m := o.Msg.(type) {
	case *message.PrePrepare:
		c := *m
		c.IDs = slices.Clone(m.IDs)
		c.IDs[0] = another(c.IDs[0])
		t.fire(at)
		return []Outgoing{{To: o.To, Msg: &c}}
	case *message.Vote:
		if m.Voter != t.traitor.cfg.Self {
			break
		}
		t.fire(at)
		lies := []Outgoing{{To: o.To, Msg: t.otherVote(m)}}
		if b := t.hollow(at); b != nil && m.Kind == crypto.KindPrepare {
			lies = append(lies, Outgoing{To: o.To, Msg: b})
		}
		return lies
	}
	return []Outgoing{o}
}

// another is a digest that nothing has, the same for the same digest.
func another(d crypto.Digest) crypto.Digest { return crypto.Hash("byzd/traitor/digest", d[:]) }

// otherVote is the same vote for a batch that does not exist.
func (a *armed) otherVote(v *message.Vote) *message.Vote {
	return a.voteFor(v, another(v.Digest))
}

func (a *armed) voteFor(v *message.Vote, d crypto.Digest) *message.Vote {
	c := &message.Vote{Kind: v.Kind, View: v.View, Seq: v.Seq, Digest: d}
	a.traitor.cfg.Sealer.Seal(c)
	return c
}

// hollow is a batch with a genuine header and a body that it does not describe, or nil.
func (t wrongDigest) hollow(at place) message.Message {
	h, known := t.traitor.seen.headers[at]
	if !known {
		return nil
	}
	self := t.traitor.cfg.Self
	b := &message.Bundle{
		Session: uint64(self), Seq: at.seq, //nolint:gosec // not negative
		Items: []message.Item{{Op: []byte("never submitted")}},
	}
	t.traitor.cfg.Sealer.SealBundle(b)
	return &message.BatchReply{Batch: &message.Batch{Header: h, Bundles: []*message.Bundle{b}}}
}
