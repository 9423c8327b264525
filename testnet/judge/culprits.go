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
	Culprit  int
	Kind     message.EvidenceKind
	Evidence *message.Evidence
}

// accusations gathers proofs, one for each culprit and kind. Only what verifies gets in: a member
// is accused with its own signatures or not at all.
type accusations struct {
	h      *History
	proofs map[string]Proof
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
	v.Proofs = h.accuse()
	for _, i := range convicted(v.Proofs).Members() {
		v.Culprits = append(v.Culprits, h.nameOf(i))
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

// accuse returns every proof that there is, one for each culprit and kind, in order.
func (h *History) accuse() []Proof {
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
	a.batches()
	a.bundles()
	proofs := slices.Collect(maps.Values(a.proofs))
	slices.SortFunc(proofs, func(p, q Proof) int {
		return cmp.Or(cmp.Compare(p.Culprit, q.Culprit), cmp.Compare(p.Kind, q.Kind))
	})
	return proofs
}

// convicted are the culprits of proofs.
func convicted(proofs []Proof) (culprits quorum.Set) {
	for _, p := range proofs {
		if p.Kind.Convicts() {
			culprits = culprits.Add(p.Culprit)
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
