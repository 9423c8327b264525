package pbft

import "byzd/pbft/message"

// onDecided takes in a certified run of batches that starts right after the executed one.
func (r *Replica) onDecided(from int, m *message.Decided) {
	if r.forked(m.Headers) {
		if m.Proof.Commit != nil {
			r.alarm(r.conflict(m.Proof.Commit), m.Headers[0].Seq)
		} else {
			r.alarm(r.conflictAt(m.Proof.Checkpoint), m.Headers[0].Seq)
		}
		return
	}
	if m.Headers[0].Seq != r.executed.Seq+1 || m.Headers[0].Parent != r.executed.Digest {
		r.drop(from, DropDecidedUnwanted)
		return
	}
	if m.Proof.Checkpoint != nil {
		r.learnStable(m.Proof.Checkpoint)
	}
	if m.Proof.Commit != nil {
		r.learnCommitted(m.Proof.Commit)
	}
	before := r.executed.Seq
	for i, b := range m.Bodies {
		r.learnBatch(b)
		r.runDecided(message.Ref{Seq: m.Headers[i].Seq, Digest: m.Headers[i].Digest()})
	}
	if r.executed.Seq > before {
		r.logProof(&m.Proof)
		r.decidedAt = r.now // more may follow at once
		r.fetchDecided()
	}
}

// logProof logs what certified a run of batches, although a higher certificate may be known and
// logged already: whoever asks this replica for decided batches later needs certificates that are
// at most [message.MaxDecided] apart. It is logged although its last batch may not be executed yet:
// the next answer begins where the bodies of this one ended, and may reach beyond that batch.
func (r *Replica) logProof(p *message.Proof) {
	if c := p.Commit; c != nil && c.Rank() != r.logged {
		r.persist(&message.Record{Type: message.RecordCommitted, Cert: c})
	}
	if c := p.Checkpoint; c != nil && c != r.stable { // else it was logged when it was learned
		r.persist(&message.Record{Type: message.RecordStable, Stable: c})
	}
}

// forked reports whether a certified run of headers leaves the chain that was executed here.
func (r *Replica) forked(headers []message.Header) bool {
	for i := range headers {
		h := &headers[i]
		if d, known := r.history[h.Seq-1]; known && h.Seq-1 <= r.executed.Seq && d != h.Parent {
			return true
		}
		if h.Seq > r.executed.Seq {
			return false
		}
	}
	return false
}

// runDecided executes a batch that is certified through a later one whose way here is not known
// beyond what was just verified.
func (r *Replica) runDecided(ref message.Ref) {
	e := r.entries[ref.Digest]
	if r.mayExecute() && e != nil && e.complete() && ref.Seq == r.executed.Seq+1 &&
		e.header.Parent == r.executed.Digest {
		r.executeBatch(e)
	}
}
