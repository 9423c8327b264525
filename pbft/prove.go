package pbft

import (
	"fmt"
	"maps"
	"slices"

	"byzd/crypto"
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
	if e.Culprit == r.self {
		r.halt(fmt.Sprintf("a peer proves that this replica signed contradictions (%v): "+
			"its key is used twice, or its disk forgot", e.Kind))
	}
	r.proofs[e.Key()] = e
	r.convicted = r.convicted.Add(e.Culprit)
	r.persist(&message.Record{Type: message.RecordEvidence, Evidence: e})
	r.emit(Accuse{Evidence: e})
	r.send(All, e)
}

// repeatProofs sends all what convicts a replica, for those whom it did not reach.
func (r *Replica) repeatProofs(culprit int) {
	for _, key := range slices.Sorted(maps.Keys(r.proofs)) {
		if e := r.proofs[key]; e.Culprit == culprit {
			r.send(All, e)
		}
	}
}

// proveForks looks for E4 round a PREPARE: against the voter's nearest lower one in that view, and
// of its nearest higher one against this.
func (r *Replica) proveForks(v *message.Vote) {
	r.proveFork(v)
	for seq := v.Seq + 1; seq < v.Seq+message.MaxEvidenceHeaders; seq++ {
		s := r.slotIf(crypto.KindPrepare, v.View, seq)
		if s != nil && s.votes[v.Voter] != nil {
			r.proveFork(s.votes[v.Voter])
			return
		}
	}
}

// proveFork looks whether a PREPARE and the voter's nearest lower one in that view are on two
// chains (E4, as rule R6 makes it sound).
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
		s := r.slotIf(crypto.KindPrepare, v.View, seq-1)
		if s == nil || s.votes[v.Voter] == nil {
			continue
		}
		if low := s.votes[v.Voter]; low.Digest != digest {
			r.prove(message.Fork(low, v, headers))
		}
		return
	}
}
