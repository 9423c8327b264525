package judge

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"byzd/crypto"
	"byzd/pbft/message"
	"byzd/pbft/quorum"
)

// Proof is a verified proof of a lie.
type Proof struct {
	Culprit  int
	Kind     message.EvidenceKind
	Evidence *message.Evidence
}

// accusations gathers proofs, one for each culprit and kind. Only what verifies gets in: a member
// is accused with its own signatures or not at all.
type accusations struct {
	h      *History
	proofs map[string]Proof
	// certified are culprits that only a pair of aggregated certificates convicts.
	certified quorum.Set
}

func (a *accusations) add(e *message.Evidence) {
	if e == nil || a.has(e.Culprit, e.Kind) || e.Verify(a.h.Config) != nil {
		return
	}
	a.h.checked += 2
	a.proofs[e.Key()] = Proof{e.Culprit, e.Kind, e}
}

func (a *accusations) has(culprit int, kind message.EvidenceKind) bool {
	_, known := a.proofs[(&message.Evidence{Culprit: culprit, Kind: kind}).Key()]
	return known
}

// judgeCulprits takes over the proofs that the nodes found, and builds those that only whoever sees
// all journals can find.
func (h *History) judgeCulprits(v *Verdict) {
	a := &accusations{h: h, proofs: map[string]Proof{}}
	for _, e := range h.said.proofs {
		a.add(e)
	}
	a.votes()
	a.forks()
	a.hiding()
	a.newViews()
	a.changes()
	a.checkpoints()
	culprits := a.certified
	for _, p := range a.proofs {
		v.Proofs = append(v.Proofs, p)
		culprits = culprits.Add(p.Culprit)
	}
	slices.SortFunc(v.Proofs, func(p, q Proof) int {
		return cmp.Or(cmp.Compare(p.Culprit, q.Culprit), cmp.Compare(p.Kind, q.Kind))
	})
	for _, i := range culprits.Members() {
		v.Culprits = append(v.Culprits, h.nameOf(i))
		if !slices.ContainsFunc(v.Proofs, func(p Proof) bool { return p.Culprit == i }) {
			v.note("%s signed two certificates that contradict each other; %s adds signatures up, "+
				"so there is no proof of it alone", h.name(i), h.Config.Scheme.Name())
		}
	}
	slices.SortFunc(v.Culprits, Name.compare)
	h.noteAlarms(v)
}

// shownAlarms bounds the alarms that are described.
const shownAlarms = 3

// noteAlarms tells of certificates that cannot both be as long as enough nodes are correct, also
// where no two correct nodes have executed different batches because of them.
func (h *History) noteAlarms(v *Verdict) {
	shown := 0
	for _, alarm := range h.said.alarms {
		var sides []string
		for _, c := range []*message.Certificate{alarm.First, alarm.Second} {
			if c != nil && h.verifyOnce(c, c.Signers.Count(), c.Verify) == nil {
				sides = append(sides, fmt.Sprintf("%ss of %s at %d in view %d by %s", c.Kind,
					c.Digest.Short(), c.Seq, c.View, h.members(c.Signers)))
			}
		}
		c := alarm.FirstCheckpoint
		if c != nil && h.verifyOnce(c, c.Signers.Count(), c.Verify) == nil {
			sides = append(sides, fmt.Sprintf("checkpoints of %s at %d by %s",
				c.Digest.Short(), c.Seq, h.members(c.Signers)))
		}
		if len(sides) < 2 {
			continue // an alarm that its own certificates do not bear out
		}
		v.note("a node stopped because of certificates that cannot all be: %s",
			strings.Join(sides, ", and "))
		shown++
		if shown == shownAlarms {
			return
		}
	}
}

// place is where a member votes once.
type place struct {
	kind      crypto.Kind
	view, seq uint64
}

// votes finds members that voted twice for one place (E1 and E2), whoever keeps the two votes.
func (a *accusations) votes() {
	first := map[place]crypto.Digest{}
	conflicts := map[place]bool{}
	each := func(p place, d crypto.Digest) {
		if seen, ok := first[p]; !ok {
			first[p] = d
		} else if seen != d {
			conflicts[p] = true
		}
	}
	for _, c := range a.h.said.certs {
		each(place{c.Kind, c.View, c.Seq}, c.Digest)
	}
	for _, v := range a.h.said.votes {
		each(place{v.Kind, v.View, v.Seq}, v.Digest)
	}
	if len(conflicts) == 0 {
		return
	}
	a.conflicting(conflicts)
}

// signed reports whether a vote is its voter's. A forged vote must not stand in the way of a real
// one.
func (a *accusations) signed(v *message.Vote) bool {
	a.h.checked++
	_, err := message.Verify(a.h.Config, unchecked{}, 0, a.h.Config.Epoch, v)
	return err == nil
}

// conflicting accuses everybody who voted twice for one of the places.
func (a *accusations) conflicting(conflicts map[place]bool) {
	type voter struct {
		place
		member int
	}
	said := map[voter]*message.Vote{}
	each := func(v *message.Vote) {
		key := voter{place{v.Kind, v.View, v.Seq}, v.Voter}
		if other := said[key]; other == nil {
			if a.signed(v) {
				said[key] = v
			}
		} else if other.Digest != v.Digest {
			a.add(message.ContradictingVotes(other, v))
		}
	}
	byPlace := map[place][]*message.Certificate{}
	for _, c := range a.h.said.certs {
		p := place{c.Kind, c.View, c.Seq}
		if !conflicts[p] {
			continue
		}
		byPlace[p] = append(byPlace[p], c)
		for _, i := range c.Signers.Members() {
			if v := voteIn(a.h.Config, c, i); v != nil {
				each(v)
			}
		}
	}
	for _, v := range a.h.said.votes {
		if conflicts[place{v.Kind, v.View, v.Seq}] {
			each(v)
		}
	}
	if !lists(a.h.Config.Scheme) {
		for _, certs := range byPlace {
			a.intersect(certs)
		}
	}
}

// intersect convicts the members that signed two verified certificates of one place: all that an
// aggregating scheme leaves.
func (a *accusations) intersect(certs []*message.Certificate) {
	for i, c := range certs {
		for _, other := range certs[:i] {
			both := c.Signers.Intersect(other.Signers)
			if c.Digest == other.Digest || both.Count() == 0 ||
				a.h.verifyOnce(c, c.Signers.Count(), c.Verify) != nil ||
				a.h.verifyOnce(other, other.Signers.Count(), other.Verify) != nil {
				continue
			}
			for _, m := range both.Members() {
				a.certified = a.certified.Add(m)
			}
		}
	}
}

// forks finds members whose PREPAREs of one view are not on one chain (E4). Batches of the chain
// that most was executed of are on one chain, so only the neighbourhood of others is of interest.
func (a *accusations) forks() {
	var main *Chain
	for _, l := range a.h.correct() {
		if main == nil || l.chain.Top() > main.Top() {
			main = l.chain
		}
	}
	off := map[uint64][]uint64{} // sequence numbers of strange batches, by view
	each := func(kind crypto.Kind, view uint64, ref message.Ref) {
		if kind == crypto.KindPrepare && (main == nil || !main.has(ref)) {
			off[view] = append(off[view], ref.Seq)
		}
	}
	for _, c := range a.h.said.certs {
		if len(c.Aggregate) > 0 {
			each(c.Kind, c.View, c.Ref())
		}
	}
	for _, v := range a.h.said.votes {
		each(v.Kind, v.View, v.Ref())
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

// forked gathers each member's PREPAREs of a view near the given places, and looks whether each
// leads down to the one below it.
func (a *accusations) forked(off map[uint64][]uint64) {
	type voter struct {
		view   uint64
		member int
	}
	said := map[voter][]*message.Vote{}
	each := func(v *message.Vote) {
		if v.Kind == crypto.KindPrepare && near(off[v.View], v.Seq) {
			key := voter{v.View, v.Voter}
			said[key] = append(said[key], v)
		}
	}
	for _, c := range a.h.said.certs {
		if c.Kind != crypto.KindPrepare || !near(off[c.View], c.Seq) {
			continue
		}
		for _, i := range c.Signers.Members() {
			if v := voteIn(a.h.Config, c, i); v != nil {
				each(v)
			}
		}
	}
	for _, v := range a.h.said.votes {
		each(v)
	}
	for key, votes := range said {
		if a.has(key.member, message.EvidenceFork) || len(a.neighbours(votes)) == 0 {
			continue
		}
		genuine := slices.DeleteFunc(votes, func(v *message.Vote) bool { return !a.signed(v) })
		for _, e := range a.neighbours(genuine) {
			a.add(e)
		}
	}
}

// neighbours compares a member's PREPAREs of one view with those next below them, and returns what
// would be proofs if all are signed.
func (a *accusations) neighbours(votes []*message.Vote) []*message.Evidence {
	var proofs []*message.Evidence
	slices.SortStableFunc(votes, func(v, w *message.Vote) int {
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
			if e := message.Fork(votes[k], high, headers); e != nil {
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

// hiding finds members that moved to a view and reported less than they had sent a COMMIT for
// (E5): what lets a later view forget a decided batch.
func (a *accusations) hiding() {
	type voter struct {
		view   uint64
		member int
	}
	top := map[voter]uint64{} // the highest COMMIT of each view
	a.eachCommit(func(member int, r message.Rank, _ func() *message.Vote) {
		key := voter{r.View, member}
		top[key] = max(top[key], r.Seq)
	})
	for _, s := range a.h.said.changes {
		for key, seq := range top {
			rank := message.Rank{View: key.view, Seq: seq}
			if key.member == s.Voter && key.view < s.NewView && s.HighRank().Less(rank) {
				a.hidden(s, key.view)
			}
		}
	}
}

// hidden accuses with the first COMMIT of a view that a VIEW-CHANGE hides and that is real.
func (a *accusations) hidden(s *message.VcStmt, view uint64) {
	a.eachCommit(func(member int, r message.Rank, vote func() *message.Vote) {
		if member != s.Voter || r.View != view || !s.HighRank().Less(r) ||
			a.has(s.Voter, message.EvidenceHiding) {
			return
		}
		if v := vote(); v != nil {
			a.add(message.Hiding(v, s))
		}
	})
}

// eachCommit goes through all COMMITs, alone or in certificates.
func (a *accusations) eachCommit(fn func(member int, r message.Rank, vote func() *message.Vote)) {
	for _, c := range a.h.said.certs {
		if c.Kind != crypto.KindCommit {
			continue
		}
		for _, i := range c.Signers.Members() {
			fn(i, c.Rank(), func() *message.Vote { return voteIn(a.h.Config, c, i) })
		}
	}
	for _, v := range a.h.said.votes {
		if v.Kind == crypto.KindCommit {
			fn(v.Voter, v.Rank(), func() *message.Vote { return v })
		}
	}
}

// keptVersions bounds how many versions of what should be one statement are compared in pairs.
const keptVersions = 16

// newViews finds primaries that started one view twice, or against the rules (E3 and E6).
func (a *accusations) newViews() {
	cfg := a.h.Config
	said := map[uint64][]*message.NewView{}
	for _, m := range a.h.said.newViews {
		if m.CheckContent(cfg) != "" {
			a.add(message.InvalidNewView(cfg, m))
		}
		for _, other := range said[m.View] {
			a.add(message.ContradictingNewViews(cfg, other, m))
		}
		if len(said[m.View]) < keptVersions {
			said[m.View] = append(said[m.View], m)
		}
	}
}

// changes finds members that moved to one view twice (E10).
func (a *accusations) changes() {
	type voter struct {
		view   uint64
		member int
	}
	said := map[voter][]*message.VcStmt{}
	for _, s := range a.h.said.changes {
		key := voter{s.NewView, s.Voter}
		known := false
		for _, other := range said[key] {
			known = known || other.Tuple == s.Tuple && bytes.Equal(other.Sig, s.Sig)
			a.add(message.ContradictingChanges(other, s))
		}
		if !known && len(said[key]) < keptVersions {
			said[key] = append(said[key], s)
		}
	}
}

// checkpoints finds members that executed two batches at one sequence number, by their own word
// (E11).
func (a *accusations) checkpoints() {
	said := map[uint64][]*message.CheckpointCertificate{}
	for _, c := range a.h.said.checkpoints {
		for _, other := range said[c.Seq] {
			a.parted(other, c)
		}
		alike := func(o *message.CheckpointCertificate) bool {
			return o.Digest == c.Digest && o.Signers == c.Signers &&
				bytes.Equal(o.Aggregate, c.Aggregate)
		}
		if len(said[c.Seq]) < keptVersions && !slices.ContainsFunc(said[c.Seq], alike) {
			said[c.Seq] = append(said[c.Seq], c)
		}
	}
}

// parted accuses everybody who signed both of two certificates of different batches.
func (a *accusations) parted(x, y *message.CheckpointCertificate) {
	if x.Seq != y.Seq || x.Digest == y.Digest {
		return
	}
	both := x.Signers.Intersect(y.Signers)
	for _, i := range both.Members() {
		one, other := checkpointIn(a.h.Config, x, i), checkpointIn(a.h.Config, y, i)
		if one != nil && other != nil {
			a.add(message.ContradictingCheckpoints(a.h.Config, one, other))
		}
	}
	if !lists(a.h.Config.Scheme) && both.Count() > 0 &&
		a.h.verifyOnce(x, x.Signers.Count(), x.Verify) == nil &&
		a.h.verifyOnce(y, y.Signers.Count(), y.Verify) == nil {
		for _, i := range both.Members() {
			a.certified = a.certified.Add(i)
		}
	}
}
