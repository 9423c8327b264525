package judge

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"byzd/crypto"
	"byzd/pbft/message"
	"byzd/pbft/quorum"
)

// chains rebuilds what each node executed, and says where that is not possible.
func (h *History) chains(v *Verdict) {
	h.settle()
	for i, l := range h.Logs {
		h.progress("rebuilding chains", i, len(h.Logs))
		faults := h.executed(l)
		if len(l.damaged) > 0 {
			v.note("%s keeps a state that is none, which is not used: %s", h.who(l), l.damages())
		}
		if l.Traitor {
			if l.Gap != nil {
				v.note("%s, a traitor: %v", h.who(l), l.Gap)
			}
			continue
		}
		for _, err := range faults {
			v.executionIsUnknown("%s: %v", h.who(l), err)
		}
		if l.Gap != nil {
			v.executionIsUnknown("%s: %v", h.who(l), l.Gap)
		}
		if n := len(l.unsorted); n > 0 {
			v.executionIsUnknown("%s keeps %d records of epoch %d, and nothing that was read "+
				"leads there from the genesis", h.who(l), n, l.unsorted[0].Epoch)
		}
	}
}

// tallest lists the correct nodes' logs, those that reach furthest first.
func (h *History) tallest() []*Log {
	logs := h.correct()
	slices.SortStableFunc(logs, func(a, b *Log) int {
		return cmp.Compare(b.chain.Top(), a.chain.Top())
	})
	return logs
}

// judgeAgreement compares what the correct nodes executed: the batches, and the roots of the states
// that they came to.
func (h *History) judgeAgreement(v *Verdict, replays []*replay) {
	h.judgeForks(v)
	h.judgeEpochs(v, replays)
	for _, l := range h.correct() {
		h.judgeClaims(v, l)
	}
	h.judgeCheckpoints(v, replays)
	h.judgeCertifiedRoots(v, replays)
}

// shownForks bounds the places of disagreement that are described.
const shownForks = 3

// judgeForks finds the sequence numbers at which correct nodes part.
func (h *History) judgeForks(v *Verdict) {
	logs := h.correct()
	places := map[uint64]bool{}
	for i, a := range logs {
		for _, b := range logs[:i] {
			if seq, forked := parting(a, b); forked {
				places[seq] = true
			}
		}
	}
	for i, seq := range slices.Sorted(maps.Keys(places)) {
		if i == shownForks {
			break
		}
		v.say(Agreement, Broken, "%s", h.describeFork(logs, seq))
	}
}

// describeFork says who executed what at a sequence number, who certified it, and who certified
// more than one of it.
func (h *History) describeFork(logs []*Log, seq uint64) string {
	sides := map[crypto.Digest][]*Log{}
	for _, l := range logs {
		if d, ok := l.at(seq); ok {
			sides[d] = append(sides[d], l)
		}
	}
	var parts []string
	var both quorum.Set
	var first *claim // two of one view tell who signed both (E2, E2′)
	order := slices.SortedFunc(maps.Keys(sides), func(a, b crypto.Digest) int {
		return cmp.Compare(sides[a][0].Node, sides[b][0].Node)
	})
	for _, d := range order {
		part := fmt.Sprintf("%s executed %s", h.nodes(sides[d]), d.Short())
		if c := h.covering(sides[d][0], seq); c != nil {
			part += ", certified by " + h.describeClaim(c)
			switch {
			case c.commit == nil:
				both = quorum.Set{}
			case first == nil:
				both, first = c.signers(), c
			case first.era != c.era || first.commit.View != c.commit.View:
				both = quorum.Set{}
			default:
				both = both.Intersect(c.signers())
			}
		}
		parts = append(parts, part)
	}
	text := fmt.Sprintf("different batches at sequence number %d: %s", seq,
		strings.Join(parts, "; "))
	if both.Count() > 0 {
		text += "; signed by both sides: " + h.members(first.era, both)
	}
	return text
}

func (c *claim) signers() quorum.Set {
	if c.stable != nil {
		return c.stable.Signers
	}
	return c.commit.Signers
}

func (h *History) describeClaim(c *claim) string {
	if c.stable != nil {
		return fmt.Sprintf("CHECKPOINTs of batch %d%s by %s", c.ref.Seq, c.era.in(),
			h.members(c.era, c.signers()))
	}
	return fmt.Sprintf("COMMITs of batch %d in view %d%s by %s", c.ref.Seq, c.commit.View,
		c.era.in(), h.members(c.era, c.signers()))
}

// judgeEpochs compares what the proofs of the epochs' ends lead to with what the batches that ended
// them make of the members.
func (h *History) judgeEpochs(v *Verdict, replays []*replay) {
	for _, e := range h.eras[1:] {
		for _, r := range replays {
			made, ends := r.configs[e.cfg.Base]
			if ends && made != e.cfg.Digest() || !ends && r.ran(e.cfg.Base) {
				v.say(Agreement, Broken, "a quorum of epoch %d certified members of the next one "+
					"that batch %d does not lead to", e.before.cfg.Epoch, e.cfg.Base.Seq)
			}
		}
	}
}

// ran reports whether a replay executed a batch.
func (r *replay) ran(ref message.Ref) bool {
	return r.chain.has(ref) && ref.Seq > r.chain.Before.Seq && ref.Seq <= r.executed
}

// judgeClaims looks for certificates in a log that are not on the chain that its node executed: a
// node keeps only those that decided what it executed, or will execute.
func (h *History) judgeClaims(v *Verdict, l *Log) {
	for _, c := range l.decided {
		d, covered := l.at(c.ref.Seq)
		if !covered || d == c.ref.Digest {
			continue
		}
		if err := h.verify(c); err != nil {
			v.executionIsUnknown("%s keeps a certificate of batch %d that does not verify: %v",
				h.who(l), c.ref.Seq, err)
			continue
		}
		v.say(Agreement, Broken, "%s executed %s at sequence number %d, and keeps %s, certified "+
			"by %s", h.who(l), d.Short(), c.ref.Seq, c.ref.Digest.Short(), h.describeClaim(c))
		return
	}
}

// judgeCheckpoints compares the roots that correct nodes wrote down, with one another and with the
// judge's own computation.
func (h *History) judgeCheckpoints(v *Verdict, replays []*replay) {
	type stated struct {
		digest, root crypto.Digest
		by           int
	}
	first := map[uint64]stated{}
	for _, l := range h.correct() {
		for _, c := range l.checkpoints {
			name := h.who(l)
			if d, ok := l.at(c.Seq); ok && d != c.Digest {
				v.say(Agreement, Broken, "%s executed %s at sequence number %d, certified is %s",
					name, c.Digest.Short(), c.Seq, d.Short())
			}
			s, known := first[c.Seq]
			if !known {
				first[c.Seq] = stated{c.Digest, c.Root, l.Node}
			} else if s.digest != c.Digest || s.root != c.Root {
				v.say(Agreement, Broken, "at checkpoint %d %s has batch %s and root %s, %s batch "+
					"%s and root %s", c.Seq, h.name(s.by), s.digest.Short(), s.root.Short(), name,
					c.Digest.Short(), c.Root.Short())
			}
			h.judgeRoot(v, replays, c, name+" came to")
		}
	}
}

// judgeRoot compares a stated root with the one that executing the same batches again gives.
func (h *History) judgeRoot(v *Verdict, replays []*replay, c *message.Checkpoint, who string) {
	for _, r := range replays {
		if !r.chain.has(message.Ref{Seq: c.Seq, Digest: c.Digest}) {
			continue
		}
		want, computed := r.roots[c.Seq]
		if !computed {
			continue
		}
		v.Roots++
		if want == c.Root {
			return
		}
		if c.Seq == r.chain.Before.Seq {
			v.say(Agreement, Broken, "after batch %d %s root %s; the certified state that stands "+
				"for what was before has %s", c.Seq, who, c.Root.Short(), want.Short())
			return
		}
		v.say(Agreement, Broken, "after batch %d %s root %s; executing the same batches gives %s",
			c.Seq, who, c.Root.Short(), want.Short())
		h.judgeDoubles(v, r, c, who)
		return
	}
}

// judgeCertifiedRoots does the same with roots that a quorum signed, which with more liars than
// the cluster withstands may be anything.
func (h *History) judgeCertifiedRoots(v *Verdict, replays []*replay) {
	for _, l := range h.correct() {
		for _, c := range l.decided {
			if c.stable == nil || c.stable.IsBase(c.era.cfg) || !differs(replays, c.stable) {
				continue
			}
			if h.verify(c) != nil {
				continue // judgeClaims or chains has said so
			}
			h.judgeRoot(v, replays, &message.Checkpoint{
				Seq: c.ref.Seq, Digest: c.ref.Digest, Root: c.stable.Root,
			}, "a quorum ("+h.members(c.era, c.signers())+") certified")
			return
		}
	}
}

func differs(replays []*replay, c *message.CheckpointCertificate) bool {
	for _, r := range replays {
		if root, ok := r.roots[c.Seq]; ok && r.chain.has(c.Ref()) && root != c.Root {
			return true
		}
	}
	return false
}
