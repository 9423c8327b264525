package pbft

import (
	"byzd/crypto"
	"byzd/pbft/message"
)

// What a peer may fetch: so much at once, and so much more for each millisecond. A replica that
// catches up asks everybody in turn, so it gets n−1 times this.
const (
	fetchBurst = 32 << 20
	fetchRate  = 32 << 10
)

// charge reports whether a peer may have so many bytes more, and notes that it got them.
func (r *Replica) charge(from, bytes int) bool {
	p := &r.peers[from]
	forgiven := min((r.now-p.spentAt)*fetchRate, fetchBurst)
	p.spent, p.spentAt = max(0, p.spent-int(forgiven)), r.now
	if p.spent+bytes > fetchBurst && p.spent > 0 {
		r.drop(from, DropFetchThrottled)
		return false
	}
	p.spent += bytes
	return true
}

func (r *Replica) onFetchBundles(from int, m *message.FetchBundles) {
	for _, id := range m.IDs {
		b := r.findBundle(id)
		if b == nil {
			r.drop(from, DropFetchUnknown)
			continue
		}
		if !r.charge(from, b.Size()) {
			return
		}
		r.send(from, &message.Submission{Bundle: b})
	}
}

// findBundle looks in the pool and in the batches that are not decided.
func (r *Replica) findBundle(id crypto.Digest) *message.Bundle {
	if b := r.pool.byID[id]; b != nil {
		return b
	}
	for _, ref := range []message.Ref{r.tip, r.decided, r.high.Ref()} {
		entries, _, _ := r.path(ref)
		for _, e := range entries {
			for i := range e.ids {
				if e.ids[i] == id {
					return e.bundles[i]
				}
			}
		}
	}
	return r.recentBundle(id)
}

// recentBundle looks among the batches that were executed last: a slow replica may still need them.
func (r *Replica) recentBundle(id crypto.Digest) *message.Bundle {
	for seq := r.executed.Seq; seq > 0 && seq+maxAhead > r.executed.Seq; seq-- {
		e := r.entries[r.history[seq]]
		if e == nil {
			return nil
		}
		for i := range e.ids {
			if e.ids[i] == id {
				return e.bundles[i]
			}
		}
	}
	return nil
}

func (r *Replica) onFetchBatches(from int, m *message.FetchBatches) {
	for _, d := range m.Digests {
		e := r.entries[d]
		if e == nil || !e.complete() {
			r.drop(from, DropFetchUnknown)
			continue
		}
		if !r.charge(from, int(e.header.Bytes)) {
			return
		}
		reply := &message.BatchReply{Batch: e.batch()}
		if s := r.slotIf(crypto.KindPrepare, r.view, e.ref.Seq); s != nil {
			if v := s.votes[r.Primary()]; v != nil && v.Digest == d {
				reply.Votes = append(reply.Votes, v)
			}
		}
		r.send(from, reply)
	}
}

// onBatchReply takes in a batch that this replica has a reason to want: its digest is certified, or
// the primary or f+1 replicas voted for it.
func (r *Replica) onBatchReply(from int, m *message.BatchReply) {
	ref := message.Ref{Seq: m.Batch.Header.Seq, Digest: m.Batch.Header.Digest()}
	if !r.wants(ref) {
		r.drop(from, DropBatchUnwanted)
		return
	}
	r.learnBatch(m.Batch)
	r.fetchAt, r.certifiedAt, r.votedAt = r.now, r.now, r.now // its parent may be wanted next
	for _, v := range m.Votes {
		r.onVote(from, v)
	}
	if s := r.slotIf(crypto.KindPrepare, r.view, ref.Seq); s != nil {
		for _, v := range s.votes { // the header shows more than it did
			if v != nil && v.Digest == ref.Digest {
				r.proveForks(v)
			}
		}
	}
}

// wants reports whether a batch is missing and vouched for.
func (r *Replica) wants(ref message.Ref) bool {
	if e := r.entries[ref.Digest]; e != nil {
		return e.missing > 0
	}
	if ref.Seq <= r.executed.Seq {
		return false
	}
	for _, top := range []message.Ref{r.base, r.high.Ref(), r.decided} {
		if _, missing, _ := r.path(top); missing == ref {
			return true
		}
	}
	s := r.slotIf(crypto.KindPrepare, r.view, ref.Seq)
	return s != nil && (r.support(s, ref.Digest) >= r.cfg.Sizes.Weak ||
		s.votes[r.Primary()] != nil && s.votes[r.Primary()].Digest == ref.Digest)
}

func (*Replica) support(s *slot, d crypto.Digest) int {
	count := 0
	for _, v := range s.votes {
		if v != nil && v.Digest == d {
			count++
		}
	}
	return count
}

// fetchDecided asks for decided batches when the way from the executed one to the decided one is
// not known, from one peer after another. A replica that has halted executes nothing any more, and
// would ask for the same for ever: each answer costs a peer a pass over its journal.
func (r *Replica) fetchDecided() {
	if !r.mayExecute() {
		return
	}
	if r.decided.Seq <= r.executed.Seq && !r.observes() || r.now < r.decidedAt {
		return
	}
	entries, _, complete := r.path(r.decided)
	if len(entries) > 0 && complete {
		return
	}
	r.decidedAt = r.now + askAgain
	if to := r.nextPeer(&r.decidedTurn); to >= 0 {
		r.send(to, &message.FetchDecided{After: r.executed.Seq})
	}
}

// nextPeer goes round all other replicas, those left out that are lost. Advice alone leaves nobody
// out: who was heard of lately is there, whatever is said about it.
func (r *Replica) nextPeer(turn *int) int {
	n := len(r.cfg.Members)
	for range n {
		*turn = (*turn + 1) % n
		if *turn != r.self && !r.lost(*turn, 0) {
			return *turn
		}
	}
	if n == 1 {
		return -1
	}
	*turn = (*turn + 1) % n
	if *turn == r.self {
		*turn = (*turn + 1) % n
	}
	return *turn
}

// fetchCertified asks for uncommitted batches that a prepared certificate or the base names.
func (r *Replica) fetchCertified() {
	if r.now < r.certifiedAt {
		return
	}
	for _, top := range []message.Ref{r.base, r.high.Ref()} {
		if top.Seq <= r.executed.Seq {
			continue
		}
		_, missing, complete := r.path(top)
		if complete || missing == (message.Ref{}) {
			continue
		}
		r.certifiedAt = r.now + askAgain/2
		if to := r.nextPeer(&r.certifiedTurn); to >= 0 {
			r.send(to, &message.FetchBatches{Digests: []crypto.Digest{missing.Digest}})
		}
	}
}

// fetchVoted asks the voters for batches of this view that f+1 of them, or the primary, voted for
// and that did not arrive: a primary cannot exclude anyone (DESIGN §5 point 5).
func (r *Replica) fetchVoted() {
	if r.now < r.votedAt {
		return
	}
	for seq := r.tip.Seq + 1; seq <= r.tip.Seq+maxAhead; seq++ {
		s := r.slotIf(crypto.KindPrepare, r.view, seq)
		if s == nil {
			continue
		}
		v := r.vouched(s)
		if v == nil || r.entries[v.Digest] != nil {
			continue
		}
		voters := make([]int, 0, len(s.votes))
		for i, other := range s.votes {
			if other != nil && other.Digest == v.Digest && i != r.self {
				voters = append(voters, i)
			}
		}
		if len(voters) == 0 {
			continue
		}
		r.votedAt = r.now + askAgain/2
		r.votedTurn++
		to := voters[r.votedTurn%len(voters)]
		r.send(to, &message.FetchBatches{Digests: []crypto.Digest{v.Digest}})
	}
}

// vouched returns a vote for a digest that f+1 replicas voted for, or the primary's vote.
func (r *Replica) vouched(s *slot) *message.Vote {
	for _, v := range s.votes {
		if v != nil && r.support(s, v.Digest) >= r.cfg.Sizes.Weak {
			return v
		}
	}
	return s.votes[r.Primary()]
}

// fetchBundles asks for the bundles of known batches, first from the proposer, then from the
// others.
func (r *Replica) fetchBundles() {
	for _, e := range r.incomplete {
		if e.missing == 0 || r.entries[e.ref.Digest] != e || r.now < e.asked+askAfter ||
			e.turn > 0 && r.now < e.asked+askAgain/2 {
			continue
		}
		var lacking []crypto.Digest
		for i, b := range e.bundles {
			if b == nil && len(lacking) < message.MaxFetch {
				lacking = append(lacking, e.ids[i])
			}
		}
		to := r.cfg.Primary(e.header.PropView)
		if e.turn > 0 || to == r.self {
			to = r.nextPeer(&r.bundleTurn)
		}
		e.asked = r.now
		e.turn++
		switch {
		case to < 0:
		case e.turn%3 == 0: // whoever voted for it has it whole, also bundles that nobody waits for
			r.send(to, &message.FetchBatches{Digests: []crypto.Digest{e.ref.Digest}})
		default:
			r.send(to, &message.FetchBundles{IDs: lacking})
		}
	}
}
