package sim

import (
	"byzd/crypto"
	"byzd/pbft/message"
)

// ledger is O7: every statement that ever left a correct replica, across crashes. Two different
// contents for one slot fail the run. It needs to know nothing about the protocol but what a slot
// is; beyond that it holds replicas to the two promises that a VIEW-CHANGE makes.
type ledger struct {
	said []map[slot]uint64 // by replica
	made []vows            // by replica
}

// vows bind a replica in an epoch, the last one that it has said anything in.
type vows struct {
	epoch  uint64
	target uint64       // the highest view that a VIEW-CHANGE left for
	commit message.Rank // the highest COMMIT that left
	viewed uint64       // the highest view that a vote left in
	stable uint64       // the highest checkpoint that was cited
}

// slot is what at most one content may be signed for.
type slot struct {
	kind             crypto.Kind
	epoch, view, seq uint64
}

// kindBundle stands for the numbers of a gateway's bundles, which are no statement's kind.
const kindBundle crypto.Kind = 200

func (l *ledger) init(n int) {
	for range n {
		l.said = append(l.said, map[slot]uint64{})
	}
	l.made = make([]vows, n)
}

// say enters what leaves a correct replica.
func (o *oracles) say(n *node, m message.Message) {
	e := n.era()
	i, cfg := e.place[n.replica], e.cfg
	if i < 0 {
		return // it signs nothing; that nothing of it counts, others show
	}
	switch m := m.(type) {
	case *message.PrePrepare:
		d := m.Header.Digest()
		o.vote(n, crypto.KindPrepare, message.Rank{View: m.View, Seq: m.Header.Seq}, d)
	case *message.Vote:
		if m.Voter == i {
			o.vote(n, m.Kind, m.Rank(), m.Digest)
		}
	case *message.Checkpoint:
		if m.Voter == i {
			o.enter(n, slot{crypto.KindCheckpoint, cfg.Epoch, 0, m.Seq},
				tag(tag(7, m.Digest[:]), m.Root[:]))
		}
	case *message.ViewChange:
		if m.Stmt.Voter == i {
			o.change(n, m)
		}
	case *message.NewView:
		if cfg.Primary(m.View) != i {
			return
		}
		s := m.Statement(cfg)
		o.enter(n, slot{crypto.KindNewView, cfg.Epoch, m.View, 0}, tag(7, s[:]))
		if len(m.PrepareSig) > 0 {
			p := &o.made[n.replica]
			was := p.viewed // it is in the view only when the NEW-VIEW has come back to it
			at := message.Rank{View: m.View, Seq: m.Base.Seq}
			o.vote(n, crypto.KindPrepare, at, m.Base.Digest)
			p.viewed = was
		}
	case *message.Submission:
		if b := m.Bundle; b.Gateway == i && n.correct {
			o.enter(n, slot{kindBundle, 0, b.Session, b.Seq}, contentOf(b))
		}
	default:
	}
}

// contentOf is what a bundle holds, whatever its gateway's place in an epoch is.
func contentOf(b *message.Bundle) uint64 {
	sum := b.Ack
	for i := range b.Items {
		item := &b.Items[i]
		sum = mix(sum, tag(7, item.Op))
		if item.Signed != nil {
			sum = mix(sum, tag(8, item.Signed.Sig))
		}
		if item.Reconfig != nil {
			sum = mix(sum, tag(9, message.EncodeReconfiguration(item.Reconfig)))
		}
	}
	return sum
}

// enter enters one content, and reports whether it is new.
func (o *oracles) enter(n *node, s slot, content uint64) bool {
	before, known := o.said[n.replica][s]
	if known {
		if before != content {
			o.w.fail("O7", "replica %d signed two different contents: %v view %d number %d",
				n.replica, s.kind, s.view, s.seq)
		}
		return false
	}
	o.said[n.replica][s] = content
	if p := &o.made[n.replica]; s.kind == kindBundle {
		return true // it survives epochs
	} else if p.epoch < s.epoch {
		*p = vows{epoch: s.epoch}
	} else if p.epoch > s.epoch {
		o.w.fail("O7", "replica %d signed something new in epoch %d of epoch %d: %v %d %d",
			n.replica, p.epoch, s.epoch, s.kind, s.view, s.seq)
	}
	return true
}

// vote enters a PREPARE or COMMIT. A new one below a view that was promised breaks the promise.
func (o *oracles) vote(n *node, kind crypto.Kind, at message.Rank, d crypto.Digest) {
	if !o.enter(n, slot{kind, n.era().cfg.Epoch, at.View, at.Seq}, tag(7, d[:])) {
		return
	}
	p := &o.made[n.replica]
	if at.View < p.target {
		o.w.fail("O7", "replica %d said %v in view %d after its VIEW-CHANGE to view %d",
			n.replica, kind, at.View, p.target)
	}
	p.viewed = max(p.viewed, at.View)
	if kind == crypto.KindCommit && p.commit.Less(at) {
		p.commit = at
	}
}

// change enters a VIEW-CHANGE. It must not rank what it shows below what was committed to.
func (o *oracles) change(n *node, m *message.ViewChange) {
	t := &m.Stmt.Tuple
	content := tag(t.HighView^t.High.Seq<<20, t.High.Digest[:])
	content = mix(content, tag(t.Stable.Seq, t.Root[:]))
	if !o.enter(n, slot{crypto.KindViewChange, n.era().cfg.Epoch, t.NewView, 0}, content) {
		return
	}
	o.together(n, t.NewView)
	p := &o.made[n.replica]
	if t.HighRank().Less(p.commit) {
		o.w.fail("O7", "replica %d hides its COMMIT (%d,%d) in its VIEW-CHANGE to view %d",
			n.replica, p.commit.View, p.commit.Seq, t.NewView)
	}
	p.target = max(p.target, t.NewView)
	p.stable = max(p.stable, t.Stable.Seq)
}
