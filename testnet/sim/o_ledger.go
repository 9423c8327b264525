package sim

import (
	"byzd/crypto"
	"byzd/pbft/message"
)

// ledger is O7: every statement that ever left a correct replica, across crashes. Two different
// contents for one slot fail the run. It needs to know nothing about the protocol but what a slot
// is; beyond that it holds replicas to the two promises that a VIEW-CHANGE makes.
type ledger struct {
	said   []map[slot]uint64 // by replica
	target []uint64          // the highest view that a VIEW-CHANGE left for
	commit []message.Rank    // the highest COMMIT that left
	viewed []uint64          // the highest view that a vote left in
	stable []uint64          // the highest checkpoint that was cited
}

// slot is what at most one content may be signed for.
type slot struct {
	kind      crypto.Kind
	view, seq uint64
}

// kindBundle stands for the numbers of a gateway's bundles, which are no statement's kind.
const kindBundle crypto.Kind = 200

func (l *ledger) init(n int) {
	for range n {
		l.said = append(l.said, map[slot]uint64{})
	}
	l.target, l.commit = make([]uint64, n), make([]message.Rank, n)
	l.viewed, l.stable = make([]uint64, n), make([]uint64, n)
}

// say enters what leaves a correct replica.
func (o *oracles) say(n *node, m message.Message) {
	i := n.replica
	switch m := m.(type) {
	case *message.PrePrepare:
		d := m.Header.Digest()
		o.vote(n, crypto.KindPrepare, message.Rank{View: m.View, Seq: m.Header.Seq}, d)
	case *message.Vote:
		if m.Voter == i {
			o.vote(n, m.Kind, m.Rank(), m.Digest)
		}
	case *message.Checkpoint:
		o.enter(n, slot{crypto.KindCheckpoint, 0, m.Seq}, tag(tag(7, m.Digest[:]), m.Root[:]))
	case *message.ViewChange:
		if m.Stmt.Voter == i {
			o.change(n, m)
		}
	case *message.NewView:
		if o.w.cfg.Primary(m.View) != i {
			return
		}
		s := m.Statement(o.w.cfg)
		o.enter(n, slot{crypto.KindNewView, m.View, 0}, tag(7, s[:]))
		if len(m.PrepareSig) > 0 {
			was := o.viewed[i] // it is in the view only when the NEW-VIEW has come back to it
			at := message.Rank{View: m.View, Seq: m.Base.Seq}
			o.vote(n, crypto.KindPrepare, at, m.Base.Digest)
			o.viewed[i] = was
		}
	case *message.Submission:
		if b := m.Bundle; b.Gateway == i {
			id := b.ID()
			o.enter(n, slot{kindBundle, b.Session, b.Seq}, tag(7, id[:]))
		}
	default:
	}
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
	return true
}

// vote enters a PREPARE or COMMIT. A new one below a view that was promised breaks the promise.
func (o *oracles) vote(n *node, kind crypto.Kind, at message.Rank, d crypto.Digest) {
	i := n.replica
	if !o.enter(n, slot{kind, at.View, at.Seq}, tag(7, d[:])) {
		return
	}
	if at.View < o.target[i] {
		o.w.fail("O7", "replica %d said %v in view %d after its VIEW-CHANGE to view %d",
			i, kind, at.View, o.target[i])
	}
	o.viewed[i] = max(o.viewed[i], at.View)
	if kind == crypto.KindCommit && o.commit[i].Less(at) {
		o.commit[i] = at
	}
}

// change enters a VIEW-CHANGE. It must not rank what it shows below what was committed to.
func (o *oracles) change(n *node, m *message.ViewChange) {
	i, t := n.replica, &m.Stmt.Tuple
	content := tag(t.HighView^t.High.Seq<<20, t.High.Digest[:])
	content = mix(content, tag(t.Stable.Seq, t.Root[:]))
	if !o.enter(n, slot{crypto.KindViewChange, t.NewView, 0}, content) {
		return
	}
	if t.HighRank().Less(o.commit[i]) {
		o.w.fail("O7", "replica %d hides its COMMIT (%d,%d) in its VIEW-CHANGE to view %d",
			i, o.commit[i].View, o.commit[i].Seq, t.NewView)
	}
	o.target[i] = max(o.target[i], t.NewView)
	o.stable[i] = max(o.stable[i], t.Stable.Seq)
}
