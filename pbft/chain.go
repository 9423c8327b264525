package pbft

import (
	"slices"

	"byzd/crypto"
	"byzd/pbft/message"
)

// entry is a batch that this replica knows of.
type entry struct {
	ref     message.Ref
	header  message.Header
	ids     []crypto.Digest
	bundles []*message.Bundle // in the order of ids; nil where missing
	missing int
	bad     message.Refusal // the rule that the complete body breaks
	durable bool            // its record was staged
	voted   bool            // this replica PREPAREd it
	view    uint64          // the last view in which it PREPAREd it or a descendant
	asked   int64           // when something missing was last asked for
	turn    int             // whom to ask next
}

func (e *entry) complete() bool { return e.missing == 0 && e.bad == "" }

func (e *entry) batch() *message.Batch {
	return &message.Batch{Header: e.header, Bundles: e.bundles}
}

// learnHeader makes an entry for a batch whose header and bundle names are authentic.
func (r *Replica) learnHeader(h message.Header, ids []crypto.Digest) *entry {
	ref := message.Ref{Seq: h.Seq, Digest: h.Digest()}
	if e := r.entries[ref.Digest]; e != nil {
		return e
	}
	e := &entry{
		ref: ref, header: h, ids: ids, bundles: make([]*message.Bundle, len(ids)),
		missing: len(ids), asked: r.now,
	}
	for i, id := range ids {
		if b := r.pool.byID[id]; b != nil {
			e.bundles[i] = b
			e.missing--
		}
	}
	r.entries[ref.Digest] = e
	if e.missing > 0 {
		r.incomplete = append(r.incomplete, e)
	}
	r.checkBody(e)
	return e
}

// learnBatch makes a complete entry.
func (r *Replica) learnBatch(b *message.Batch) *entry {
	e := r.learnHeader(b.Header, b.IDs())
	if e.missing > 0 {
		copy(e.bundles, b.Bundles)
		e.missing = 0
		r.checkBody(e)
		r.forgetComplete()
	}
	return e
}

// forgetComplete drops from the list of incomplete entries those that are not, or are forgotten.
func (r *Replica) forgetComplete() {
	r.incomplete = slices.DeleteFunc(r.incomplete, func(e *entry) bool {
		return e.missing == 0 || r.entries[e.ref.Digest] != e
	})
}

func (r *Replica) checkBody(e *entry) {
	if e.missing == 0 && e.bad == "" {
		e.bad = e.batch().CheckBody(r.cfg)
		r.proveBatch(e)
	}
}

// learnBundle fills the bundle into every entry that waits for it.
func (r *Replica) learnBundle(b *message.Bundle) {
	for _, e := range r.incomplete {
		for i, id := range e.ids {
			if id == b.ID() && e.bundles[i] == nil {
				e.bundles[i] = b
				e.missing--
			}
		}
		r.checkBody(e)
	}
	r.forgetComplete()
}

// sortedEntries lists the entries by sequence number and digest: map order must not show.
func (r *Replica) sortedEntries() []*entry {
	list := make([]*entry, 0, len(r.entries))
	for _, e := range r.entries { // sorted below
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b *entry) int {
		if a.ref.Seq != b.ref.Seq {
			if a.ref.Seq < b.ref.Seq {
				return -1
			}
			return 1
		}
		return slices.Compare(a.ref.Digest[:], b.ref.Digest[:])
	})
	return list
}

// ancestor returns the batch at a sequence number on the chain that ends in ref, and whether the
// known headers reach that far.
func (r *Replica) ancestor(ref message.Ref, seq uint64) (message.Ref, bool) {
	for ref.Seq > seq {
		if r.history[ref.Seq] == ref.Digest {
			d, ok := r.history[seq]
			return message.Ref{Seq: seq, Digest: d}, ok
		}
		e := r.entries[ref.Digest]
		if e == nil {
			return message.Ref{}, false
		}
		ref = message.Ref{Seq: ref.Seq - 1, Digest: e.header.Parent}
	}
	return ref, ref.Seq == seq
}

// extends reports whether a known chain of headers leads from high down to low.
func (r *Replica) extends(high, low message.Ref) bool {
	at, ok := r.ancestor(high, low.Seq)
	return ok && at == low
}

// path returns the entries above the executed batch up to ref, in order. It is nil with the first
// batch on the way down whose header is missing; complete tells whether all bodies are there.
func (r *Replica) path(ref message.Ref) (entries []*entry, missing message.Ref, complete bool) {
	complete = true
	for at := ref; at.Seq > r.executed.Seq; {
		e := r.entries[at.Digest]
		if e == nil {
			return nil, at, false
		}
		complete = complete && e.complete()
		entries = append(entries, e)
		at = message.Ref{Seq: at.Seq - 1, Digest: e.header.Parent}
	}
	slices.Reverse(entries)
	return entries, message.Ref{}, complete
}

// holds reports whether ref is executed here, or continues what is, with every body present: what a
// vote for it promises to others.
func (r *Replica) holds(ref message.Ref) bool {
	if ref.Seq <= r.executed.Seq {
		return r.history[ref.Seq] == ref.Digest
	}
	entries, _, complete := r.path(ref)
	return complete && len(entries) > 0 && entries[0].header.Parent == r.executed.Digest
}

// makeDurable stages the bodies from the executed batch up to ref (rules R2 and R14).
func (r *Replica) makeDurable(ref message.Ref) {
	entries, _, _ := r.path(ref)
	for _, e := range entries {
		r.stageBody(e)
	}
}

func (r *Replica) stageBody(e *entry) {
	if !e.durable {
		e.durable = true
		r.persist(&message.Record{Type: message.RecordBatch, Batch: e.batch()})
	}
}

// keptExecuted is how many executed batches stay in memory for those who are slow. Older ones are
// in the caller's log.
const keptExecuted = 2 * maxAhead

// collect forgets batches that no rule needs any more (rule R2, part B). The caller's log keeps the
// decided ones for those who are behind.
func (r *Replica) collect() {
	keep := r.protected()
	for d, e := range r.entries { // any order: each is judged alone
		if !keep[d] && r.needless(e) {
			delete(r.entries, d)
		}
	}
	r.forgetComplete()
	floor, window := min(r.stable.Seq, r.executed.Seq), r.cfg.Params.Window
	for seq := range r.history { // any order
		if seq+2*window < floor {
			delete(r.history, seq)
		}
	}
}

// needless reports whether a batch that no certificate and no tip protects may be forgotten.
func (r *Replica) needless(e *entry) bool {
	if e.ref.Seq <= r.executed.Seq && r.history[e.ref.Seq] == e.ref.Digest {
		return e.ref.Seq+keptExecuted <= r.executed.Seq
	}
	switch {
	case e.ref.Seq <= r.stable.Seq: // it is not on the chain that was committed, or fetched with it
		return true
	case !e.voted: // nobody was promised anything: a proposal of a view that is over, or lost
		return e.ref.Seq <= r.executed.Seq || e.header.PropView < r.view
	default:
		return r.committed != nil && r.committed.View > e.view
	}
}

// protected marks the ancestors, down to the executed batch, of every batch that a certificate or
// this replica's own view may still need.
func (r *Replica) protected() map[crypto.Digest]bool {
	keep := map[crypto.Digest]bool{}
	for _, ref := range []message.Ref{r.decided, r.high.Ref(), r.base, r.tip} {
		for ref.Seq > r.executed.Seq {
			e := r.entries[ref.Digest]
			if e == nil || keep[ref.Digest] {
				break
			}
			keep[ref.Digest] = true
			ref = message.Ref{Seq: ref.Seq - 1, Digest: e.header.Parent}
		}
	}
	return keep
}
