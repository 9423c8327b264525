package pbft

import (
	"byzd/crypto"
	"byzd/pbft/message"
)

// peer is what this replica knows about another one, all of it advice.
type peer struct {
	heard       int64 // when a message of it last came in
	unreachable bool
	servedAt    int64 // when its STATUS was last answered
	passedAt    int64 // up to when statements of its were passed on, see passOn
	help        help
	spent       int // bytes that its fetches cost and that time has not forgiven yet
	spentAt     int64
	first       uint64 // the lowest batch in its log, as far as it said; 0 if it did not
}

// Waits before something missing is asked for, and between two requests, in milliseconds.
const (
	askAfter   = 20
	askAgain   = 200
	serveEvery = 50
	statusBusy = 250
	statusIdle = 2000
)

func (r *Replica) onSubmission(from int, b *message.Bundle) {
	r.learnBundle(b) // a batch may name it, whatever becomes of it here
	r.proveSpent(b)
	if r.clients.Discharged(b) {
		r.drop(from, DropBundleDone)
		return
	}
	if why := r.pool.add(b, r.now); why != "" {
		r.drop(from, why)
		if other := r.pool.queues[b.Gateway].bundles[b.Seq]; why == DropBundleConflict &&
			b.Gateway != r.self {
			r.proveTwice(other.Word(r.cfg), b.Word(r.cfg))
		}
	}
	r.pool.queues[b.Gateway].note(r.now)
}

// onHave lets the primary fetch what a backup waits for (rule R9).
func (r *Replica) onHave(from int, m *message.Have) {
	if !r.leads() {
		r.drop(from, DropHaveNotPrimary)
		return
	}
	var lacking []crypto.Digest
	for _, id := range m.IDs {
		if r.pool.byID[id] == nil {
			lacking = append(lacking, id)
		}
	}
	if len(lacking) > 0 {
		r.send(from, &message.FetchBundles{IDs: lacking})
	}
}

// tickRepair asks for what is missing, and tells the primary what waits.
func (r *Replica) tickRepair() {
	if r.fetchAt <= r.now {
		r.fetchAt = r.now + askAfter
		r.fetchDecided()
		r.fetchCertified()
		r.fetchVoted()
		r.fetchBundles()
	}
	r.tellHeads()
}

// tellHeads sends the primary the names of the heads that no proposal has named for a quarter of
// tau: from then on it has no excuse (rule R9).
func (r *Replica) tellHeads() {
	if !r.open || r.target != r.view || r.leads() {
		return
	}
	m := &r.monitor
	var heads []crypto.Digest
	for g := range r.pool.queues {
		q := &r.pool.queues[g]
		if q.since < 0 || q.told >= 0 || r.now-max(q.since, m.entered) < m.tau/4 || r.named(q) {
			continue
		}
		q.told = r.now
		heads = append(heads, q.bundles[q.head].ID())
	}
	if len(heads) > 0 {
		r.send(r.Primary(), &message.Have{IDs: heads})
	}
}
