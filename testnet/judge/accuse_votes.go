package judge

import (
	"cmp"
	"slices"

	"byzd/crypto"
	"byzd/pbft/message"
)

// spoken is what a member said, and how that can be shown to a stranger: by its own signature, or,
// where signatures are added up, by the certificate that it is in.
type spoken struct {
	message.Vote

	said  message.Statement
	proof *message.Certificate // what shows it; nil for its own signature
}

func alone(v *message.Vote) *spoken { return &spoken{Vote: *v, said: v.Statement()} }

// within takes one member's vote out of a certificate, or returns nil if there is none.
func within(cfg *message.Config, c *message.Certificate, member int) *spoken {
	s := &spoken{Vote: message.Vote{
		Kind: c.Kind, View: c.View, Seq: c.Seq, Digest: c.Digest, Voter: member,
	}}
	if !message.Separable(cfg.Scheme) {
		s.said, s.proof = c.Statement(), c
		return s
	}
	if s.Sig = share(cfg, c.Signers.Members(), member, c.Aggregate); s.Sig == nil {
		return nil
	}
	s.said = s.Statement()
	return s
}

// genuine reports whether it is its voter's. A forged vote must not stand in the way of a real one.
func (a *accusations) genuine(s *spoken) bool {
	if c := s.proof; c != nil {
		return a.h.verifyOnce(a.era, c, c.Signers.Count(), c.Verify) == nil
	}
	a.h.checked++
	_, err := message.Verify(a.era.cfg, unchecked{}, 0, a.era.cfg.Epoch, &s.Vote)
	return err == nil
}

// each goes through all votes, alone or in certificates, that are wanted.
func (a *accusations) each(wanted func(*message.Vote) bool, fn func(*spoken)) {
	for _, c := range a.era.said.certs {
		if !wanted(&message.Vote{Kind: c.Kind, View: c.View, Seq: c.Seq, Digest: c.Digest}) {
			continue
		}
		for _, i := range c.Signers.Members() {
			if s := within(a.era.cfg, c, i); s != nil {
				fn(s)
			}
		}
	}
	for _, v := range a.era.said.votes {
		if wanted(v) {
			fn(alone(v))
		}
	}
}

// place is where a member votes once.
type place struct {
	kind      crypto.Kind
	view, seq uint64
}

func placeOf(v *message.Vote) place { return place{v.Kind, v.View, v.Seq} }

// votes finds members that voted twice for one place (E1 and E2), whoever keeps the two votes.
func (a *accusations) votes() {
	first := map[place]crypto.Digest{}
	conflicts := map[place]bool{}
	note := func(p place, d crypto.Digest) {
		if seen, ok := first[p]; !ok {
			first[p] = d
		} else if seen != d {
			conflicts[p] = true
		}
	}
	for _, c := range a.era.said.certs {
		note(place{c.Kind, c.View, c.Seq}, c.Digest)
	}
	for _, v := range a.era.said.votes {
		note(placeOf(v), v.Digest)
	}
	if len(conflicts) > 0 {
		a.conflicting(conflicts)
	}
}

// conflicting accuses everybody who voted twice for one of the places.
func (a *accusations) conflicting(conflicts map[place]bool) {
	type voter struct {
		place
		member int
	}
	said := map[voter]*spoken{}
	a.each(func(v *message.Vote) bool { return conflicts[placeOf(v)] }, func(s *spoken) {
		key := voter{placeOf(&s.Vote), s.Voter}
		kind := message.EvidencePrepares
		if s.Kind == crypto.KindCommit {
			kind = message.EvidenceCommits
		}
		if other := said[key]; other == nil {
			if a.genuine(s) {
				said[key] = s
			}
		} else if other.Digest != s.Digest {
			a.add(message.Contradiction(a.era.cfg, kind, s.Voter, other.said, s.said, nil))
		}
	})
}

// lane is the votes of a kind in a view: those of a correct member are on one chain.
type lane struct {
	kind crypto.Kind
	view uint64
}

// forks finds members whose PREPAREs, or COMMITs, of one view are not on one chain (E4 and E2′).
// Batches of the chain that most was executed of are on one chain, so only the neighbourhood of
// others is of interest.
func (a *accusations) forks() {
	main := a.h.longest()
	off := map[lane][]uint64{} // sequence numbers of strange batches
	note := func(kind crypto.Kind, view uint64, ref message.Ref) {
		if main == nil || !main.has(ref) {
			off[lane{kind, view}] = append(off[lane{kind, view}], ref.Seq)
		}
	}
	for _, c := range a.era.said.certs {
		if len(c.Aggregate) > 0 {
			note(c.Kind, c.View, c.Ref())
		}
	}
	for _, v := range a.era.said.votes {
		note(v.Kind, v.View, v.Ref())
	}
	if len(off) == 0 {
		return
	}
	for _, seqs := range off {
		slices.Sort(seqs)
	}
	a.forked(off)
}

// near reports whether a sequence number is within the reach of a proof of one of those given.
func near(seqs []uint64, seq uint64) bool {
	i, _ := slices.BinarySearch(seqs, seq)
	return i < len(seqs) && seqs[i]-seq <= message.MaxEvidenceHeaders ||
		i > 0 && seq-seqs[i-1] <= message.MaxEvidenceHeaders
}

// forked gathers each member's votes of a lane near the given places, and looks whether each leads
// down to the one below it.
func (a *accusations) forked(off map[lane][]uint64) {
	type voter struct {
		lane
		member int
	}
	said := map[voter][]*spoken{}
	wanted := func(v *message.Vote) bool { return near(off[lane{v.Kind, v.View}], v.Seq) }
	a.each(wanted, func(s *spoken) {
		key := voter{lane{s.Kind, s.View}, s.Voter}
		said[key] = append(said[key], s)
	})
	for key, votes := range said {
		kind := message.EvidenceFork
		if key.kind == crypto.KindCommit {
			kind = message.EvidenceForkedCommits
		}
		if a.has(key.member, kind) || len(a.neighbours(kind, votes)) == 0 {
			continue
		}
		votes = slices.DeleteFunc(votes, func(s *spoken) bool { return !a.genuine(s) })
		for _, e := range a.neighbours(kind, votes) {
			a.add(e)
		}
	}
}

// neighbours compares a member's votes of one lane with those next below them, and returns what
// would be proofs if all are signed.
func (a *accusations) neighbours(
	kind message.EvidenceKind, votes []*spoken,
) []*message.Evidence {
	var proofs []*message.Evidence
	slices.SortStableFunc(votes, func(v, w *spoken) int {
		return cmp.Or(cmp.Compare(v.Seq, w.Seq), slices.Compare(v.Digest[:], w.Digest[:]))
	})
	for i, high := range votes {
		low := i - 1
		for low >= 0 && votes[low].Seq == high.Seq {
			low--
		}
		if low < 0 {
			continue
		}
		headers := a.h.headersDown(high.Ref(), votes[low].Seq)
		for k := low; k >= 0 && votes[k].Seq == votes[low].Seq; k-- {
			e := message.Contradiction(
				a.era.cfg, kind, high.Voter, votes[k].said, high.said, headers)
			if e != nil {
				proofs = append(proofs, e)
			}
		}
	}
	return proofs
}

// headersDown returns the headers from a batch down to the child of a sequence number, or nil if
// one is not known or there are too many for a proof.
func (h *History) headersDown(at message.Ref, low uint64) []message.Header {
	if at.Seq-low > message.MaxEvidenceHeaders {
		return nil
	}
	var headers []message.Header
	for at.Seq > low {
		header := h.headers[at.Digest]
		if header == nil || header.Seq != at.Seq {
			return nil
		}
		headers = append(headers, *header)
		at = message.Ref{Seq: at.Seq - 1, Digest: header.Parent}
	}
	return headers
}
