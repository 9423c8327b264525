package pbft

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"byzd/crypto"
	"byzd/pbft/message"
)

// Fingerprint is a digest of everything that decides what the replica does next. Two replicas of
// one configuration and one fingerprint answer the same inputs alike, byte for byte.
func (r *Replica) Fingerprint() crypto.Digest {
	var p printer
	p.put("self %d now %d %d view %d target %d open %t frozen %t halted %q rr %d\n",
		r.self, r.now, r.wall, r.view, r.target, r.open, r.frozen, r.halted, r.rr)
	p.put("strayed %s wanted %s mute %d thaw %d\n",
		checkpointName(r.strayed), checkpointName(r.wanted), r.mute, r.thawAt)
	p.put("new-views %s %s change %s\n",
		r.newViewName(r.newView), r.newViewName(r.ownNewView), changeName(r.change))
	for _, m := range r.newViews {
		p.put("seen %s\n", r.newViewName(m))
	}
	p.put("executed %v %d decided %v base %v tip %v prepared %v commit %v\n",
		r.executed, r.executedTime, r.decided, r.base, r.tip, r.prepared, r.lastCmt)
	p.put("kind %d closed %d ended %t\n", r.executedKind, r.closedAt, r.ended)
	p.put("committed %s %v high %s %v stable %v %v\n", certificateName(r.committed), r.logged,
		certificateName(r.high), r.highLogged, r.stable.Ref(), r.stable.Root)
	p.put("asks %d %d %d %d %d %d %d %d\n", r.fetchAt, r.decidedAt, r.certifiedAt, r.votedAt,
		r.decidedTurn, r.certifiedTurn, r.votedTurn, r.bundleTurn)
	p.put("monitor %+v\npeers %+v\nfence %+v convicted %v proofs %v ahead %v\n", r.monitor, r.peers,
		r.fence, r.convicted, slices.Sorted(maps.Keys(r.proofs)), r.ahead)
	p.put("recovery %t %q %d %d %v %d %s said %s %s salt %d\n", r.recovery.active, r.recovery.why, r.recovery.nonce,
		r.recovery.askAt, r.recovery.bounds, r.recovery.floor, certificateName(r.recovery.proof),
		voteName(r.said[0]), voteName(r.said[1]), r.salt+r.pointed)
	r.printBatches(&p)
	r.printVotes(&p)
	r.printCheckpoints(&p)
	r.pool.print(&p)
	p.put("clients %x changed %v\n", r.clients.Rows(), slices.Sorted(maps.Keys(r.clients.changed)))
	return crypto.Hash("byzd/fingerprint/2", p.text)
}

// printer gathers the text that a fingerprint is the digest of.
type printer struct{ text []byte }

func (p *printer) put(format string, args ...any) {
	p.text = fmt.Appendf(p.text, format, args...)
}

func certificateName(c *message.Certificate) string {
	if c == nil {
		return "none"
	}
	return fmt.Sprint(c.Kind, c.Rank(), c.Digest)
}

func checkpointName(c *message.CheckpointCertificate) string {
	if c == nil {
		return "none"
	}
	return fmt.Sprint(c.Ref(), c.Root)
}

func changeName(c *message.ViewChange) string {
	if c == nil {
		return "none"
	}
	return fmt.Sprint(c.Stmt.Voter, c.Stmt.Tuple)
}

func (r *Replica) newViewName(m *message.NewView) string {
	if m == nil {
		return "none"
	}
	return fmt.Sprint(m.View, m.HoldsChain, m.Statement(r.cfg))
}

func voteName(v *message.Vote) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprint(v.Kind, v.Rank(), v.Voter, v.Digest)
}

func (r *Replica) printBatches(p *printer) {
	for _, seq := range slices.Sorted(maps.Keys(r.history)) {
		p.put("history %d %v\n", seq, r.history[seq])
	}
	for _, e := range r.sortedEntries() {
		p.put("batch %v missing %d bad %q durable %t voted %t view %d asked %d turn %d", e.ref,
			e.missing, e.bad, e.durable, e.voted, e.view, e.asked, e.turn)
		for i, id := range e.ids {
			p.put(" %v %t", id, e.bundles[i] != nil)
		}
		p.put(" %v\n", e.header)
	}
	for _, e := range r.incomplete {
		p.put("incomplete %v\n", e.ref)
	}
}

func (r *Replica) printVotes(p *printer) {
	for _, key := range slices.SortedFunc(maps.Keys(r.slots), slotKey.compare) {
		s := r.slots[key]
		p.put("slot %v %s %t", key, certificateName(s.cert), s.committed)
		for _, v := range s.votes {
			p.put(" %s", voteName(v))
		}
		p.put("\n")
	}
	for _, list := range [][]*message.Vote{r.newest[0], r.newest[1], r.restored} {
		for _, v := range list {
			p.put("%s ", voteName(v))
		}
		p.put("\n")
	}
	for _, at := range r.told.order {
		p.put("told %s\n", voteName(r.told.votes[at]))
	}
	for _, at := range slices.SortedFunc(maps.Keys(r.told.votes), compareRanks) {
		p.put("told %v\n", at)
	}
	for _, c := range r.changes {
		p.put("change %s\n", changeName(c))
	}
	for _, words := range r.words {
		for _, w := range words {
			p.put("word %d %v %x\n", w.Gateway, w.Key, w.Said.Body)
		}
	}
}

func compareRanks(a, b message.Rank) int {
	return cmp.Or(cmp.Compare(a.View, b.View), cmp.Compare(a.Seq, b.Seq))
}

func (r *Replica) printCheckpoints(p *printer) {
	name := func(c *message.Checkpoint) string {
		if c == nil {
			return "-"
		}
		return fmt.Sprint(c.Seq, c.Digest, c.Root)
	}
	for _, seq := range slices.Sorted(maps.Keys(r.checkpoints)) {
		p.put("checkpoint %d", seq)
		for _, c := range r.checkpoints[seq] {
			p.put(" %s", name(c))
		}
		p.put("\n")
	}
	for _, seq := range slices.Sorted(maps.Keys(r.own)) {
		p.put("own %d %s\n", seq, name(r.own[seq]))
	}
}

func (p *pool) print(out *printer) {
	for g := range p.queues {
		q := &p.queues[g]
		out.put("queue %d bytes %d head %d since %d told %d deficit %d order %v %v", g,
			q.bytes, q.head, q.since, q.told, q.deficit, q.order, q.arrived)
		for _, seq := range slices.Sorted(maps.Keys(q.bundles)) {
			out.put(" %d %v", seq, q.bundles[seq].ID())
		}
		out.put("\n")
	}
	for _, id := range slices.SortedFunc(maps.Keys(p.byID), func(a, b crypto.Digest) int {
		return slices.Compare(a[:], b[:])
	}) {
		out.put("bundle %v\n", id)
	}
}
