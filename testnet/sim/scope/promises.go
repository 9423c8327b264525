package scope

import (
	"fmt"

	"byzd/crypto"
	"byzd/pbft"
	"byzd/pbft/message"
)

// judge checks what one correct replica promises about itself: nothing that it reached is taken
// back.
func (s *step) judge(old *pbft.State) {
	now := &s.l.state
	if now.View < old.View || now.Target < old.Target || now.Executed < old.Executed ||
		now.Stable < old.Stable || now.High.Less(old.High) {
		s.blame("replica %d steps back: view %d to %d, target %d to %d, executed %d to %d, "+
			"stable %d to %d, high %v to %v", s.l.node, old.View, now.View, old.Target, now.Target,
			old.Executed, now.Executed, old.Stable, now.Stable, old.High, now.High)
	}
}

// say checks a new statement of a correct replica against everything that it signed before: no pair
// may incriminate it, and no vote may follow its VIEW-CHANGE.
func (s *step) say(m *said) {
	for _, v := range m.votes {
		s.vote(v)
	}
	for id := range s.f.sent.all() {
		if e := s.w.contradiction(s.w.said[id], m); e != nil {
			s.blame("replica %d could be convicted of %v: it says %q after %q", s.l.node, e.Kind,
				m.key, s.w.said[id].key)
		}
	}
	if n, is := m.msg.(*message.NewView); is && !s.w.scope.Certified {
		if e := message.InvalidNewView(s.w.cfg, n); e != nil {
			s.blame("replica %d could be convicted of %v: it says %q", s.l.node, e.Kind, m.key)
		}
	}
}

// contradiction is the proof that two statements of one replica make against it, or nil. A
// VIEW-CHANGE that shows less than a COMMIT of its voter is one such pair (E5).
func (w *world) contradiction(a, b *said) *message.Evidence {
	switch m := b.msg.(type) {
	case *message.NewView:
		if other, is := a.msg.(*message.NewView); is {
			return message.ContradictingNewViews(w.cfg, other, m)
		}
	case *message.Checkpoint:
		if other, is := a.msg.(*message.Checkpoint); is {
			return message.ContradictingCheckpoints(w.cfg, other, m)
		}
	case *message.ViewChange:
		if other, is := a.msg.(*message.ViewChange); is {
			return message.ContradictingChanges(&other.Stmt, &m.Stmt)
		}
		for _, v := range a.votes {
			if e := message.Hiding(v, &m.Stmt); v.Kind == crypto.KindCommit && e != nil {
				return e
			}
		}
	}
	return nil
}

// vote checks a PREPARE or COMMIT of a correct replica.
func (s *step) vote(v *message.Vote) {
	for _, other := range s.f.votes {
		e := message.ContradictingVotes(other, v)
		if e == nil && other.Kind == v.Kind && v.Kind == crypto.KindPrepare &&
			other.View == v.View {
			low, high := other, v
			if high.Seq < low.Seq {
				low, high = high, low
			}
			e = message.Fork(low, high, s.w.chain(high.Ref(), low.Seq))
		}
		if e != nil {
			s.blame("replica %d could be convicted of %v: %v of view %d for %d and %d", s.l.node,
				e.Kind, v.Kind, v.View, other.Seq, v.Seq)
		}
	}
	for id := range s.f.sent.all() {
		c, is := s.w.said[id].msg.(*message.ViewChange)
		switch {
		case !is:
		case v.View < c.Stmt.NewView:
			s.blame("replica %d sends a %v of view %d after its VIEW-CHANGE to %d", s.l.node,
				v.Kind, v.View, c.Stmt.NewView)
		case v.Kind == crypto.KindCommit && message.Hiding(v, &c.Stmt) != nil:
			s.blame("replica %d commits (%d,%d) above the certificate that it showed", s.l.node,
				v.View, v.Seq)
		}
	}
	s.f.votes = append(s.f.votes, v)
}

// chain lists the headers from a batch down to the child of a sequence number.
func (w *world) chain(from message.Ref, to uint64) []message.Header {
	var list []message.Header
	for from.Seq > to {
		h, known := w.headers[from.Digest]
		if !known {
			return nil
		}
		list = append(list, h)
		from = message.Ref{Seq: from.Seq - 1, Digest: h.Parent}
	}
	return list
}

// extends reports whether a batch is another one or its descendant.
func (w *world) extends(high, low message.Ref) bool {
	for high.Seq > low.Seq {
		h, known := w.headers[high.Digest]
		if !known {
			return false
		}
		high = message.Ref{Seq: high.Seq - 1, Digest: h.Parent}
	}
	return high == low
}

// oneChain reports whether one of two batches is the other's ancestor, or both are one.
func (w *world) oneChain(a, b message.Ref) bool {
	if a.Seq < b.Seq {
		a, b = b, a
	}
	return w.extends(a, b)
}

// formable lists the certificates of a kind that could be made of the correct replicas' votes and
// of the traitors', whether or not anybody made them.
func (w *world) formable(all []*facts, kind crypto.Kind) []place {
	count := map[place]int{}
	var list []place
	for _, f := range all {
		for _, v := range f.votes {
			if v.Kind != kind {
				continue
			}
			at := placeOf(v)
			count[at]++
			if count[at]+len(w.liars) == w.cfg.Sizes.Quorum {
				list = append(list, at)
			}
		}
	}
	return list
}

func (p place) ref() message.Ref { return message.Ref{Seq: p.seq, Digest: p.digest} }

func (p place) rank() message.Rank { return message.Rank{View: p.view, Seq: p.seq} }

// violation returns the promise that a global state breaks, or "".
func (w *world) violation(all []*facts) string {
	for _, f := range all {
		if f.bad != "" {
			return f.bad
		}
	}
	if bad := agreement(all); bad != "" {
		return bad
	}
	return w.lemmas(all)
}

// agreement compares what the correct replicas executed.
func agreement(all []*facts) string {
	for k, f := range all {
		for _, other := range all[:k] {
			for i := range min(len(f.executed), len(other.executed)) {
				if f.executed[i] != other.executed[i] {
					return fmt.Sprintf("two correct replicas executed different batches at %d: "+
						"%s and %s", i+1, other.executed[i].Digest.Short(),
						f.executed[i].Digest.Short())
				}
			}
		}
	}
	return ""
}

// lemmas checks Lemma 1 (two prepared certificates of one view lie on one chain), Lemma 2 (whatever
// is prepared in a later view, and every later base, descends from what a commit certificate
// names), and that all commit certificates lie on one chain.
func (w *world) lemmas(all []*facts) string {
	prepared := w.formable(all, crypto.KindPrepare)
	if bad := w.forked(prepared); bad != "" {
		return bad
	}
	committed := w.formable(all, crypto.KindCommit)
	for k, c := range committed {
		for _, b := range committed[:k] {
			if !w.oneChain(c.ref(), b.ref()) {
				return fmt.Sprintf("two commit certificates on two chains: (%d,%d) %s and "+
					"(%d,%d) %s", c.view, c.seq, c.digest.Short(), b.view, b.seq, b.digest.Short())
			}
		}
		for _, p := range prepared {
			if c.rank().Less(p.rank()) && !w.extends(p.ref(), c.ref()) {
				return fmt.Sprintf("Lemma 2: (%d,%d) %s is committed, and (%d,%d) %s prepared off "+
					"its chain", c.view, c.seq, c.digest.Short(), p.view, p.seq, p.digest.Short())
			}
		}
		if bad := w.bases(all, c); bad != "" {
			return bad
		}
	}
	return ""
}

// forked checks Lemma 1.
func (w *world) forked(prepared []place) string {
	for k, a := range prepared {
		for _, b := range prepared[:k] {
			if a.view == b.view && !w.oneChain(a.ref(), b.ref()) {
				return fmt.Sprintf("Lemma 1: two prepared certificates of view %d, for (%d) %s "+
					"and (%d) %s", a.view, a.seq, a.digest.Short(), b.seq, b.digest.Short())
			}
		}
	}
	return ""
}

// bases checks Lemma 2 for the bases of the later views that correct replicas entered.
func (w *world) bases(all []*facts, c place) string {
	for _, f := range all {
		for _, n := range f.entered {
			if n.view > c.view && (n.base.Less(c.rank()) || !w.extends(n.ref, c.ref())) {
				return fmt.Sprintf("Lemma 2: (%d,%d) %s is committed, and view %d was entered "+
					"with base (%d,%d) %s", c.view, c.seq, c.digest.Short(), n.view, n.base.View,
					n.base.Seq, n.ref.Digest.Short())
			}
		}
	}
	return ""
}
