package pbft

import (
	"fmt"
	"maps"
	"slices"

	"byzd/crypto"
)

// Clone returns an independent replica in the same state. Messages, certificates and bundles are
// immutable and shared.
func (r *Replica) Clone() *Replica {
	c := *r
	c.out = nil
	c.history = maps.Clone(r.history)
	c.entries = make(map[crypto.Digest]*entry, len(r.entries))
	for d, e := range r.entries {
		dup := *e
		dup.bundles = slices.Clone(e.bundles)
		c.entries[d] = &dup
	}
	c.incomplete = nil
	for _, e := range r.incomplete {
		if dup := c.entries[e.ref.Digest]; dup != nil {
			c.incomplete = append(c.incomplete, dup)
		}
	}
	c.slots = make(map[slotKey]*slot, len(r.slots))
	for key, s := range r.slots {
		dup := *s
		dup.votes = slices.Clone(s.votes)
		c.slots[key] = &dup
	}
	c.ahead = slices.Clone(r.ahead)
	c.checkpoints = maps.Clone(r.checkpoints)
	for seq, votes := range c.checkpoints {
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
	c.restored = slices.Clone(r.restored)
	return &c
}

// Fingerprint is a digest of everything that decides what the replica does next, but for the time.
// Two replicas of one fingerprint answer the same inputs alike, up to timers.
func (r *Replica) Fingerprint() crypto.Digest {
	text := fmt.Appendf(nil, "view=%d target=%d open=%t frozen=%t halted=%q fence=%t\n",
		r.view, r.target, r.open, r.frozen, r.halted, r.fence.raised)
	text = fmt.Appendf(text, "exec=%v dec=%v base=%v tip=%v prep=%v cmt=%v stable=%v high=%v %v\n",
		r.executed, r.decided, r.base, r.tip, r.prepared, r.lastCmt, r.stable.Ref(),
		r.high.Rank(), r.high.Digest)
	if r.committed != nil {
		text = fmt.Appendf(text, "cc=%v\n", r.committed.Rank())
	}
	for _, e := range r.sortedEntries() {
		text = fmt.Appendf(text, "batch %v missing=%d bad=%q durable=%t voted=%t view=%d\n",
			e.ref, e.missing, e.bad, e.durable, e.voted, e.view)
	}
	text = r.printVotes(text)
	for g := range r.pool.queues {
		text = fmt.Appendf(text, "queue %d %v\n", g, r.pool.queues[g].order)
	}
	for i, c := range r.changes {
		if c != nil {
			text = fmt.Appendf(text, "change %d %v\n", i, c.Stmt.Tuple)
		}
	}
	text = fmt.Appendf(text, "proofs %v clients %v\n",
		slices.Sorted(maps.Keys(r.proofs)), r.clients.Root())
	return crypto.Hash("byzd/fingerprint/1", text)
}

func (r *Replica) printVotes(text []byte) []byte {
	keys := slices.SortedFunc(maps.Keys(r.slots), slotKey.compare)
	for _, key := range keys {
		for i, v := range r.slots[key].votes {
			if v != nil {
				text = fmt.Appendf(text, "vote %v %d %v\n", key, i, v.Digest)
			}
		}
	}
	for _, seq := range slices.Sorted(maps.Keys(r.checkpoints)) {
		for i, c := range r.checkpoints[seq] {
			if c != nil {
				text = fmt.Appendf(text, "checkpoint %d %d %v %v\n", seq, i, c.Digest, c.Root)
			}
		}
	}
	return text
}
