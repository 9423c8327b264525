package traitor

import (
	"byzd/crypto"
	"byzd/pbft/message"
)

// witness is what a traitor notes of what its node says and hears. It is bounded: what is far
// below the newest place is forgotten.
type witness struct {
	cfg  *message.Config
	self int

	view uint64 // that its node is in
	seq  uint64 // the highest that its node spoke about

	headers map[place]message.Header // of proposals, by view and number; the first one
	ballots map[ballot]map[int][]byte
	high    *message.Certificate // the prepared certificate of the highest rank
	commit  message.Rank         // of the highest COMMIT that its node signed
}

// ballot is what PREPAREs are collected by.
type ballot struct {
	at     place
	digest crypto.Digest
}

// keptPlaces bounds the sequence numbers that are remembered.
const keptPlaces = 256

func newWitness(cfg *message.Config, self int) witness {
	return witness{
		cfg: cfg, self: self, high: cfg.BaseCertificate(),
		headers: map[place]message.Header{}, ballots: map[ballot]map[int][]byte{},
	}
}

// said notes what its own node says, before anything is made of it.
func (w *witness) said(m message.Message) {
	switch m := m.(type) {
	case *message.Status:
		w.enter(m.View)
		w.seq = max(w.seq, m.Executed)
	case *message.PrePrepare:
		w.enter(m.View)
		w.seq = max(w.seq, m.Header.Seq)
	case *message.Vote:
		if m.Voter != w.self {
			break
		}
		w.enter(m.View)
		w.seq = max(w.seq, m.Seq)
		if m.Kind == crypto.KindCommit && w.commit.Less(m.Rank()) {
			w.commit = m.Rank()
		}
	case *message.NewView:
		if w.cfg.Primary(m.View) == w.self {
			w.enter(m.View)
		}
	}
	w.learn(m)
}

func (w *witness) enter(view uint64) {
	if view > w.view {
		w.view = view
	}
}

// heard notes what its node hears.
func (w *witness) heard(v message.Verified) { w.learn(v.Message()) }

func (w *witness) learn(m message.Message) {
	switch m := m.(type) {
	case *message.PrePrepare:
		at := place{m.View, m.Header.Seq}
		if _, known := w.headers[at]; !known {
			w.headers[at] = m.Header
			w.forget()
		}
		w.count(m.Vote(w.cfg))
	case *message.Vote:
		w.count(m)
	case *message.NewView:
		w.raise(m.Base)
		if p := m.Prepare(w.cfg); p != nil {
			w.count(p)
		}
	case *message.ViewChange:
		w.raise(m.High)
	case *message.Proof:
		w.raise(m.Prepared)
		if m.NewView != nil {
			w.learn(m.NewView)
		}
	case *message.BatchReply:
		for _, v := range m.Votes {
			w.count(v)
		}
	}
}

func (w *witness) raise(c *message.Certificate) {
	if c != nil && w.high.Rank().Less(c.Rank()) {
		w.high = c
	}
}

// count gathers PREPAREs to a certificate: what the honest replica knows, the traitor knows.
func (w *witness) count(v *message.Vote) {
	if v.Kind != crypto.KindPrepare || !w.high.Rank().Less(v.Rank()) ||
		v.View > w.view+1 || v.Seq > w.seq+keptPlaces || len(v.Sig) == 0 {
		return
	}
	key := ballot{place{v.View, v.Seq}, v.Digest}
	votes := w.ballots[key]
	if votes == nil {
		votes = map[int][]byte{}
		w.ballots[key] = votes
		w.forget()
	}
	votes[v.Voter] = v.Sig
	if len(votes) < w.cfg.Sizes.Quorum {
		return
	}
	c := &message.Certificate{Kind: v.Kind, View: v.View, Seq: v.Seq, Digest: v.Digest}
	var sigs [][]byte
	for i := range w.cfg.Members {
		if sig := votes[i]; sig != nil && len(sigs) < w.cfg.Sizes.Quorum {
			c.Signers = c.Signers.Add(i)
			sigs = append(sigs, sig)
		}
	}
	aggregate, err := w.cfg.Scheme.Aggregate(sigs)
	if err != nil {
		return // an accomplice's junk
	}
	c.Aggregate = aggregate
	w.raise(c)
}

// forget drops what is old, and everything should others have filled it with junk.
func (w *witness) forget() {
	if len(w.headers) > 2*keptPlaces {
		for at := range w.headers {
			if at.view < w.view || at.seq+keptPlaces < w.seq {
				delete(w.headers, at)
			}
		}
		if len(w.headers) > 2*keptPlaces {
			clear(w.headers)
		}
	}
	if len(w.ballots) > 4*keptPlaces {
		for key := range w.ballots {
			if !w.high.Rank().Less(message.Rank{View: key.at.view, Seq: key.at.seq}) {
				delete(w.ballots, key)
			}
		}
		if len(w.ballots) > 4*keptPlaces {
			clear(w.ballots)
		}
	}
}

// here is the place that its node is at.
func (w *witness) here() place { return place{w.view, w.seq} }

// placeOf says where in the protocol a message belongs. What has no place is said where its node
// is.
func (w *witness) placeOf(m message.Message) place {
	switch m := m.(type) {
	case *message.PrePrepare:
		return place{m.View, m.Header.Seq}
	case *message.Vote:
		return place{m.View, m.Seq}
	case *message.Checkpoint:
		return place{w.view, m.Seq}
	case *message.ViewChange:
		return place{m.Stmt.NewView, max(w.seq, 1)}
	case *message.NewView:
		return place{m.View, max(w.seq, 1)}
	}
	return w.here()
}

// idOf tells messages of one place apart.
func idOf(to int, m message.Message) uint64 {
	id := uint64(to+1)<<8 | uint64(m.Type()) //nolint:gosec // small
	switch m := m.(type) {
	case *message.Vote:
		id |= uint64(m.Kind) << 40
	case *message.Submission:
		id |= m.Bundle.Seq << 40
	}
	return id
}
