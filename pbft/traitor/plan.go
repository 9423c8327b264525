package traitor

import (
	"cmp"
	"slices"

	"byzd/crypto"
	"byzd/pbft/message"
)

// The plan of a split. Whoever equivocates as primary makes several versions of a batch, and each
// correct node belongs to the side of one of them. Accomplices do not talk: which node is on which
// side follows from the seed, the view, the members and the coalition; which version is which
// follows from the headers' times, because each version is one millisecond later than the one
// before. The sequence number does not enter: a side that was told one story is told how it goes
// on.

// side returns which of so many versions a node is told in a view. 0 is the honest one, which
// accomplices get as well.
func (a *armed) side(view uint64, node, versions int) int {
	at := slices.Index(a.lineUp(a.correct, view), node)
	switch {
	case at < 0:
		return 0
	case versions > 2:
		return (at + 1) % len(a.correct)
	case a.spec.To.Choice != Default && a.spec.To.Choice != All:
		if slices.Contains(a.targets(view), node) {
			return 1
		}
	case at < max(1, len(a.correct)/2):
		return 1
	}
	return 0
}

// strong reports whether the coalition is so large that each half of the others reaches a quorum
// with it: more than f traitors.
func (a *armed) strong() bool {
	return len(a.correct) >= 2 &&
		len(a.correct)/2+len(a.coalition) >= a.traitor.cfg.Cluster.Sizes.Quorum
}

// versions are the batches that a primary of the coalition made for one place.
type versions struct {
	headers []message.Header // ascending by time: the plan's numbers
	own     crypto.Digest    // the one that this node's honest replica knows
}

// splits are the places that the coalition has split.
type splits map[place]*versions

// add notes a version; it reports whether the honest replica may see it.
func (s splits) add(at place, h message.Header) bool {
	d := h.Digest()
	v := s[at]
	if v == nil {
		s[at] = &versions{headers: []message.Header{h}, own: d}
		s.forget(at)
		return true
	}
	if !slices.ContainsFunc(v.headers, func(o message.Header) bool { return o.Digest() == d }) &&
		len(v.headers) < maxVersions {
		v.headers = append(v.headers, h)
		slices.SortFunc(v.headers, func(a, b message.Header) int {
			return cmp.Compare(a.TimeMS, b.TimeMS)
		})
	}
	return v.own == d
}

// maxVersions bounds what accomplices may fill the plan with.
const maxVersions = 128

func (s splits) forget(newest place) {
	if len(s) <= 2*keptPlaces {
		return
	}
	for at := range s {
		if at.view < newest.view || at.seq+keptPlaces < newest.seq {
			delete(s, at)
		}
	}
}

// split returns the versions of a place if there are at least two.
func (s splits) split(view, seq uint64) *versions {
	if v := s[place{view, seq}]; v != nil && len(v.headers) > 1 {
		return v
	}
	return nil
}

// foreign reports whether a certificate is for another version of a split place than a digest.
func (s splits) foreign(c *message.Certificate, mine func(*versions) crypto.Digest) bool {
	if c == nil {
		return false
	}
	v := s.split(c.View, c.Seq)
	return v != nil && c.Digest != mine(v) && v.has(c.Digest)
}

func (v *versions) has(d crypto.Digest) bool {
	return slices.ContainsFunc(v.headers, func(h message.Header) bool { return h.Digest() == d })
}

// digest returns the version of a side.
func (v *versions) digest(side int) crypto.Digest {
	return v.headers[min(side, len(v.headers)-1)].Digest()
}

// reveals reports whether a message carries a certificate, or a batch, for another version of a
// split place than the given one. A side must not see it, and neither must the honest replica of a
// traitor, which would stop.
func (s splits) reveals(m message.Message, mine func(*versions) crypto.Digest) bool {
	switch m := m.(type) {
	case *message.Proof:
		return s.foreign(m.Prepared, mine) || s.foreign(m.Commit, mine) ||
			m.NewView != nil && s.foreign(m.NewView.Base, mine)
	case *message.ViewChange:
		return s.foreign(m.High, mine)
	case *message.NewView:
		return s.foreign(m.Base, mine)
	case *message.Decided:
		return s.foreignHeaders(m.Headers, mine)
	case *message.BatchReply:
		return s.foreignHeaders([]message.Header{m.Batch.Header}, mine)
	}
	return false
}

func (s splits) foreignHeaders(
	headers []message.Header, mine func(*versions) crypto.Digest,
) bool {
	for i := range headers {
		d := headers[i].Digest()
		v := s.split(headers[i].PropView, headers[i].Seq)
		if v != nil && d != mine(v) && v.has(d) {
			return true
		}
	}
	return false
}
