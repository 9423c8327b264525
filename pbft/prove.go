package pbft

import (
	"fmt"
	"maps"
	"slices"

	"byzd/pbft/message"
)

// prove takes a proof that this replica built itself; nil is not one.
func (r *Replica) prove(e *message.Evidence) {
	if e != nil {
		r.accuse(r.self, e)
	}
}

// accuse keeps a verified proof, once per culprit and kind, and passes it on.
func (r *Replica) accuse(from int, e *message.Evidence) {
	if r.proofs[e.Key()] != nil {
		if from != r.self {
			r.drop(from, DropEvidenceKnown)
		}
		return
	}
	if e.Culprit == r.self && e.Kind.Convicts() {
		r.halt(fmt.Sprintf("a peer proves that this replica signed contradictions (%v): "+
			"its key is used twice, or its disk forgot", e.Kind))
	}
	r.keep(e)
	r.persist(&message.Record{Type: message.RecordEvidence, Evidence: e})
	r.emit(Accuse{Evidence: e})
	r.send(All, e)
}

// keep remembers a proof, and whom it convicts.
func (r *Replica) keep(e *message.Evidence) {
	r.proofs[e.Key()] = e
	if e.Kind.Convicts() {
		r.convicted = r.convicted.Add(e.Culprit)
	}
}

// repeatProofs sends all what convicts a replica, for those whom it did not reach.
func (r *Replica) repeatProofs(culprit int) {
	for _, key := range slices.Sorted(maps.Keys(r.proofs)) {
		if e := r.proofs[key]; e.Culprit == culprit {
			r.send(All, e)
		}
	}
}

// proveForks looks for E4 (of COMMITs: E2′) round a vote: against the voter's nearest lower one of
// its kind in that view, and of its nearest higher one against this.
func (r *Replica) proveForks(v *message.Vote) {
	r.proveFork(v)
	for seq := v.Seq + 1; seq < v.Seq+message.MaxEvidenceHeaders; seq++ {
		s := r.slotIf(v.Kind, v.View, seq)
		if s != nil && s.votes[v.Voter] != nil {
			r.proveFork(s.votes[v.Voter])
			return
		}
	}
}

// proveFork looks whether a vote and the voter's nearest lower one of its kind in that view are on
// two chains (E4 and E2′, as rule R6 makes them sound).
func (r *Replica) proveFork(v *message.Vote) {
	var headers []message.Header
	digest := v.Digest
	for seq := v.Seq; seq > 0 && len(headers) < message.MaxEvidenceHeaders; seq-- {
		e := r.entries[digest]
		if e == nil {
			return
		}
		headers = append(headers, e.header)
		digest = e.header.Parent
		s := r.slotIf(v.Kind, v.View, seq-1)
		if s == nil || s.votes[v.Voter] == nil {
			continue
		}
		if low := s.votes[v.Voter]; low.Digest != digest {
			r.prove(message.Fork(low, v, headers))
		}
		return
	}
}

// proveBatch looks for E7: the primary's word on a batch that no correct primary proposes.
func (r *Replica) proveBatch(e *entry) {
	if e.bad != message.RefusedDuplicateInBatch {
		return
	}
	if v := r.proposal(e); v != nil {
		r.prove(message.InvalidBatch(r.cfg, v, e.header, e.ids, e.bundles))
	}
}

// proposal returns the signed word of the primary that proposed a batch, if it is here.
func (r *Replica) proposal(e *entry) *message.Vote {
	view := e.header.PropView
	v := r.told.votes[message.Rank{View: view, Seq: e.ref.Seq}]
	if v == nil || v.Digest != e.ref.Digest || v.Voter == r.self {
		return nil
	}
	return v
}

// onSpoilt looks for the batches that name a bundle which was refused (E7).
func (r *Replica) onSpoilt(m *message.Spoilt) {
	for _, e := range r.incomplete {
		if v := r.proposal(e); v != nil && slices.Contains(e.ids, m.Bundle.ID()) {
			bundles := []*message.Bundle{m.Bundle}
			r.prove(message.InvalidBatch(r.cfg, v, e.header, e.ids, bundles))
		}
	}
}

// proveRoots looks for E8: who said another root than a quorum certified.
func (r *Replica) proveRoots(votes []*message.Checkpoint, stable *message.CheckpointCertificate) {
	for _, c := range votes {
		if c != nil && c.Voter != r.self {
			r.prove(message.WrongRoot(r.cfg, c, stable))
		}
	}
}

// keptWords bounds what is remembered of one gateway's bundles when they are executed.
const keptWords = 64

// proveBundles looks for E9 when a batch is executed: a bundle whose place another one waits for,
// or was executed in lately. So two correct replicas that a gateway told different things find out
// once either of the two is ordered.
func (r *Replica) proveBundles(b *message.Batch) {
	for _, bundle := range b.Bundles {
		g := bundle.Gateway
		if g == r.self || g >= len(r.cfg.Members) {
			continue
		}
		if other := r.pool.queues[g].bundles[bundle.Seq]; other != nil {
			r.proveTwice(other.Word(r.cfg), bundle.Word(r.cfg))
		}
		r.proveSpent(bundle)
		r.words[g] = append(r.words[g], bundle.Word(r.cfg))
		r.words[g] = r.words[g][max(0, len(r.words[g])-keptWords):]
	}
}

// proveSpent looks for E9 against a bundle whose place was used lately.
func (r *Replica) proveSpent(b *message.Bundle) {
	if b.Gateway == r.self {
		return
	}
	for _, w := range r.words[b.Gateway] {
		if w.Key == b.Key() {
			r.proveTwice(w, b.Word(r.cfg))
		}
	}
}

// proveTwice proves E9 of what a gateway signed for two bundles, if they differ. The bundles of a
// decided batch were not verified here (its certificate vouches for them), so these are.
func (r *Replica) proveTwice(a, b *message.Word) {
	if e := message.ContradictingWords(r.cfg, a, b); e != nil && e.Verify(r.cfg) == nil {
		r.prove(e)
	}
}
