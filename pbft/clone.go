package pbft

import (
	"maps"
	"slices"

	"byzd/crypto"
	"byzd/pbft/quorum"
)

// Clone returns an independent replica in the same state. Messages, certificates and bundles are
// immutable and shared.
func (r *Replica) Clone() *Replica {
	c := *r
	c.out = nil
	c.history = maps.Clone(r.history)
	c.entries = make(map[crypto.Digest]*entry, len(r.entries))
	for d, e := range r.entries { // any order
		dup := *e
		dup.bundles = slices.Clone(e.bundles)
		c.entries[d] = &dup
	}
	c.incomplete = nil
	for _, e := range r.incomplete {
		c.incomplete = append(c.incomplete, c.entries[e.ref.Digest])
	}
	c.slots = make(map[slotKey]*slot, len(r.slots))
	for key, s := range r.slots { // any order
		dup := *s
		dup.votes = slices.Clone(s.votes)
		c.slots[key] = &dup
	}
	c.ahead = slices.Clone(r.ahead)
	c.checkpoints = maps.Clone(r.checkpoints)
	for seq, votes := range c.checkpoints { // any order
		c.checkpoints[seq] = slices.Clone(votes)
	}
	c.own = maps.Clone(r.own)
	c.changes = slices.Clone(r.changes)
	for kind := range r.newest {
		c.newest[kind] = slices.Clone(r.newest[kind])
	}
	c.clients = r.clients.Clone()
	c.pool = r.pool.clone()
	c.monitor.live = slices.Clone(r.monitor.live)
	c.peers = slices.Clone(r.peers)
	c.proofs = maps.Clone(r.proofs)
	c.told = r.told.clone()
	c.newViews = slices.Clone(r.newViews)
	c.words = slices.Clone(r.words)
	for g := range c.words {
		c.words[g] = slices.Clone(r.words[g])
	}
	c.restored = slices.Clone(r.restored)
	c.recovery.bounds = slices.Clone(r.recovery.bounds)
	return &c
}

// Unthrottle forgets what was counted towards the limits on passing on, serving and fetching. A
// search calls it after each step: it then explores what a replica may say that is never throttled,
// and everything that a throttled one says is among that. Two states that differ only in such
// counts become one.
func (r *Replica) Unthrottle() {
	for i := range r.peers {
		p := &r.peers[i]
		p.servedAt, p.passedAt, p.spent, p.spentAt = 0, 0, 0, 0
	}
}

// ForgetWitnessed forgets what serves to prove the lies of others and to notice their silence, and
// nothing else: their newest votes, their NEW-VIEWs, proofs, and when they were last heard. A
// search that is not about accusations calls it after each step, for the same reason.
func (r *Replica) ForgetWitnessed() {
	for kind := range r.newest {
		for i := range r.newest[kind] {
			if i != r.self {
				r.newest[kind][i] = nil
			}
		}
	}
	r.newViews, r.convicted = nil, quorum.Set{}
	clear(r.proofs)
	slices.SortFunc(r.told.order, compareRanks)
	for i := range r.peers {
		r.peers[i].heard = 0
	}
}
