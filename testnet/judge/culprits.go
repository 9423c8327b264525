package judge

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"byzd/pbft/message"
	"byzd/pbft/quorum"
)

// Proof is a verified proof of a lie.
type Proof struct {
	Culprit  int // the node's number, whatever its number in the epoch is, which Evidence has
	Kind     message.EvidenceKind
	Evidence *message.Evidence

	era *era // that the lie was told in
}

// Epoch is the one that the lie was told in.
func (p *Proof) Epoch() uint64 { return p.era.cfg.Epoch }

// accusations gathers the proofs of an epoch, one for each culprit and kind. Only what verifies
// gets in: a member is accused with its own signatures or not at all.
type accusations struct {
	h      *History
	era    *era
	proofs map[string]Proof
}

func (a *accusations) add(e *message.Evidence) {
	if e == nil || a.has(e.Culprit, e.Kind) || e.Verify(a.era.cfg) != nil {
		return
	}
	a.h.checked += 2
	a.proofs[e.Key()] = Proof{a.era.node(e.Culprit), e.Kind, e, a.era}
}

func (a *accusations) has(culprit int, kind message.EvidenceKind) bool {
	_, known := a.proofs[(&message.Evidence{Culprit: culprit, Kind: kind}).Key()]
	return known
}

// judgeCulprits takes over the proofs that the nodes found, and builds those that only whoever sees
// all journals can find.
func (h *History) judgeCulprits(v *Verdict) {
	v.Proofs = h.accuse()
	for _, p := range v.Proofs {
		if name := h.nameOf(p.Culprit); p.Kind.Convicts() && !slices.Contains(v.Culprits, name) {
			v.Culprits = append(v.Culprits, name)
		}
	}
	for _, p := range v.Proofs {
		if !p.Kind.Convicts() {
			v.note("%s (it convicts nobody)", Describe(h.name(p.Culprit), p.Evidence))
		}
	}
	slices.SortFunc(v.Culprits, Name.compare)
	h.noteAlarms(v)
	h.noteForks(v)
}

// accuse returns every proof that there is, one for each culprit and kind of an epoch, in order.
func (h *History) accuse() []Proof {
	h.settle()
	var proofs []Proof
	words := map[slot]said{}
	for _, e := range h.eras {
		a := &accusations{h: h, era: e, proofs: map[string]Proof{}}
		for _, proof := range e.said.proofs {
			a.add(proof)
		}
		a.votes()
		a.forks()
		a.hiding()
		a.newViews()
		a.changes()
		a.checkpoints()
		a.batches()
		a.bundles(words)
		proofs = slices.AppendSeq(proofs, maps.Values(a.proofs))
	}
	slices.SortStableFunc(proofs, func(p, q Proof) int {
		return cmp.Or(cmp.Compare(p.Culprit, q.Culprit), cmp.Compare(p.Kind, q.Kind),
			cmp.Compare(p.Epoch(), q.Epoch()))
	})
	return proofs
}

// convicted are the members of an era who are guilty of what was said in it.
func (e *era) convicted(proofs []Proof) (culprits quorum.Set) {
	for _, p := range proofs {
		if p.Kind.Convicts() && p.era == e {
			culprits = culprits.Add(p.Evidence.Culprit)
		}
	}
	return culprits
}

// shownAlarms bounds the alarms that are described.
const shownAlarms = 3

// noteAlarms tells of certificates that cannot both be as long as enough nodes are correct, also
// where no two correct nodes have executed different batches because of them.
func (h *History) noteAlarms(v *Verdict) {
	shown := 0
	for _, e := range h.eras {
		for _, alarm := range e.said.alarms {
			sides := h.alarmed(e, alarm)
			if len(sides) < 2 || shown == shownAlarms {
				continue // an alarm that its own certificates do not bear out
			}
			v.note("a node stopped because of certificates%s that cannot all be: %s", e.in(),
				strings.Join(sides, ", and "))
			shown++
		}
	}
}

// alarmed describes what an alarm shows.
func (h *History) alarmed(e *era, alarm *message.Alarm) (sides []string) {
	for _, c := range []*message.Certificate{alarm.First, alarm.Second} {
		if c != nil && h.verifyOnce(e, c, c.Signers.Count(), c.Verify) == nil {
			sides = append(sides, fmt.Sprintf("%ss of %s at %d in view %d by %s", c.Kind,
				c.Digest.Short(), c.Seq, c.View, h.members(e, c.Signers)))
		}
	}
	c := alarm.FirstCheckpoint
	if c != nil && h.verifyOnce(e, c, c.Signers.Count(), c.Verify) == nil {
		sides = append(sides, fmt.Sprintf("checkpoints of %s at %d by %s",
			c.Digest.Short(), c.Seq, h.members(e, c.Signers)))
	}
	return sides
}
