package pbft

import (
	"cmp"
	"encoding/binary"
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
	p.put("recovery %t %q %d %d %v %d %s said %s %s salt %d\n",
		r.recovery.active, r.recovery.why, r.recovery.nonce,
		r.recovery.askAt, r.recovery.bounds, r.recovery.floor, certificateName(r.recovery.proof),
		voteName(r.said[0]), voteName(r.said[1]), r.salt+r.pointed)
	r.printBatches(&p)
	r.printVotes(&p)
	r.printCheckpoints(&p)
	r.pool.print(&p)
	p.put("clients %x changed %v\n", r.clients.Rows(), slices.Sorted(maps.Keys(r.clients.changed)))
	return crypto.Hash("byzd/fingerprint/3", p.text)
}

// printer gathers the text that a fingerprint is the digest of.
type printer struct{ text []byte }

func (p *printer) put(format string, args ...any) {
	p.text = fmt.Appendf(p.text, format, args...)
}

// name is a value in bytes of a fixed length, so that nothing that differs reads alike. Searches
// take a fingerprint at every step: what there is many of is not formatted.
func name(d crypto.Digest, numbers ...uint64) string {
	b := make([]byte, 0, len(d)+8*len(numbers))
	for _, v := range numbers {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	return string(append(b, d[:]...))
}

func (p *printer) flag(is bool) {
	if is {
		p.text = append(p.text, 1)
	} else {
		p.text = append(p.text, 0)
	}
}

// votes says of each of a list whether it is there, and what it is.
func (p *printer) votes(list []*message.Vote) {
	p.text = binary.BigEndian.AppendUint64(p.text, uint64(len(list)))
	for _, v := range list {
		p.flag(v != nil)
		if v != nil {
			p.text = append(p.text, voteName(v)...)
		}
	}
}

func certificateName(c *message.Certificate) string {
	if c == nil {
		return "none"
	}
	return name(c.Digest, uint64(c.Kind), c.View, c.Seq)
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
	return name(v.Digest, uint64(v.Kind), v.View, v.Seq, uint64(v.Voter)) //nolint:gosec // an index
}

func (r *Replica) printBatches(p *printer) {
	for _, seq := range slices.Sorted(maps.Keys(r.history)) {
		p.text = append(p.text, name(r.history[seq], seq)...)
	}
	for _, e := range r.sortedEntries() {
		p.put("batch %s missing %d bad %q durable %t voted %t view %d asked %d turn %d ids %d",
			name(e.ref.Digest, e.ref.Seq), e.missing, e.bad, e.durable, e.voted, e.view, e.asked,
			e.turn, len(e.ids))
		for i, id := range e.ids {
			p.text = append(p.text, id[:]...)
			p.flag(e.bundles[i] != nil)
		}
		header := e.header.Digest()
		p.text = append(p.text, header[:]...)
	}
	for _, e := range r.incomplete {
		p.put("incomplete %s\n", name(e.ref.Digest, e.ref.Seq))
	}
}

func (r *Replica) printVotes(p *printer) {
	for _, key := range slices.SortedFunc(maps.Keys(r.slots), slotKey.compare) {
		s := r.slots[key]
		p.put("slot %s %s", name(crypto.Digest{}, uint64(key.kind), key.view, key.seq),
			certificateName(s.cert))
		p.flag(s.committed)
		p.votes(s.votes)
	}
	for _, list := range [][]*message.Vote{r.newest[0], r.newest[1], r.restored} {
		p.votes(list)
	}
	for _, at := range r.told.order {
		p.text = append(p.text, voteName(r.told.votes[at])...)
	}
	for _, at := range slices.SortedFunc(maps.Keys(r.told.votes), compareRanks) {
		p.text = append(p.text, name(crypto.Digest{}, at.View, at.Seq)...)
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
			out.text = append(out.text, name(q.bundles[seq].ID(), seq)...)
		}
		out.put("\n")
	}
	for _, id := range slices.SortedFunc(maps.Keys(p.byID), func(a, b crypto.Digest) int {
		return slices.Compare(a[:], b[:])
	}) {
		out.text = append(out.text, id[:]...)
	}
}
