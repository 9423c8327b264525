package pbft

import (
	"slices"

	"byzd/crypto"
	"byzd/pbft/message"
)

// Reconfiguration (PROTOCOL §4.10). A Replica is one epoch's machine. A batch of kind RECONFIG is
// the last of its epoch: nothing follows it, after it a CHECKPOINT is due whatever its number, and
// when a quorum of the old members has certified the state there, which includes the next
// configuration, this replica has done all that it ever will. The caller then makes the next one,
// from [Replica.Handover].

// EpochEnd says that this replica's epoch has ended with the batch that the certificate, of a
// quorum of its members, is about. The caller makes the end durable and a replica of the next
// epoch; this one says nothing more.
type EpochEnd struct {
	Certificate *message.CheckpointCertificate
}

func (EpochEnd) effect() {}

// Observer as a replica's own number makes it a learner of an epoch that it is no member of: it
// takes in what was decided and signs nothing.
const Observer = -1

// informs reports whether a message tells a learner what was decided. The others ask for a word of
// its own, or help to decide.
func informs(m message.Message) bool {
	switch m := m.(type) {
	case *message.Decided, *message.Checkpoint, *message.EpochProof, *message.Offer:
		return true
	case *message.Proof:
		return m.NewView == nil && m.Prepared == nil
	default:
		return false
	}
}

func (r *Replica) observes() bool { return r.self == Observer }

// closes reports whether a batch ends the epoch, as far as its header is known.
//
// The base of an epoch ended the one before.
func (r *Replica) closes(ref message.Ref) bool {
	if ref == r.cfg.Base {
		return false
	}
	if ref == r.executed {
		return r.executedKind == message.Reconfig
	}
	e := r.entries[ref.Digest]
	return e != nil && e.header.Kind == message.Reconfig
}

// checkpointDue reports whether a CHECKPOINT follows a batch.
func (r *Replica) checkpointDue(h *message.Header) bool {
	return h.Seq%r.cfg.Params.CheckpointEvery == 0 || h.Kind == message.Reconfig
}

// checkpointPlace reports whether a CHECKPOINT may belong where it says: on the grid, or at a batch
// that ends the epoch, which may not have arrived here yet.
func (r *Replica) checkpointPlace(c *message.Checkpoint) bool {
	ref := message.Ref{Seq: c.Seq, Digest: c.Digest}
	if c.Seq%r.cfg.Params.CheckpointEvery == 0 || r.closes(ref) {
		return true
	}
	known := r.entries[c.Digest] != nil
	return !known && c.Seq > r.executed.Seq && c.Seq <= max(r.decided.Seq, r.tip.Seq)+maxAhead
}

// kindOf decides of which kind a batch is to be that the primary makes, and of which bundles: a
// reconfiguration that can take effect now stands alone (PROTOCOL §4.10).
func (r *Replica) kindOf(h *message.Header, bundles []*message.Bundle) []*message.Bundle {
	for i, b := range bundles {
		rc := b.Reconfiguration()
		if rc == nil {
			continue
		}
		if _, err := rc.NextConfig(r.cfg, h); err == nil {
			h.Kind = message.Reconfig
			return bundles[i : i+1]
		}
	}
	return bundles
}

// closing reports whether the epoch is about to end, so that work which waits is no fault of the
// primary's: from the commit certificate of its last batch on, for as long as the longest view
// timeout (rule R17).
func (r *Replica) closing() bool {
	if !r.closes(r.decided) {
		r.closedAt = -1
		return false
	}
	if r.closedAt < 0 {
		r.closedAt = r.now
	}
	return r.now-r.closedAt < r.monitor.tauMax
}

// finish reports the end of the epoch, once: when its last batch is executed, and what it led to is
// what a quorum certified.
func (r *Replica) finish() {
	if r.ended || !r.mayExecute() || r.executedKind != message.Reconfig ||
		r.stable.Ref() != r.executed {
		return
	}
	r.ended = true
	r.observe(EventEpochEnd, r.executed, "")
	r.emit(EpochEnd{Certificate: r.stable})
}

// Handover returns what the replica of the next epoch starts from: what is executed, the sessions,
// and the bundles that wait here and will still hold there. Votes, view changes and complaints of
// this epoch mean nothing in the next (B53); who is proven a liar is known, but the proofs are
// about members of this epoch.
func (r *Replica) Handover(next *message.Config) Restored {
	st := Restored{
		Executed: r.executed, Time: r.executedTime, Kind: r.executedKind,
		History: map[uint64]crypto.Digest{r.executed.Seq: r.executed.Digest},
		Clients: r.clients.Rebase(r.cfg, next), Salt: r.salt,
		// What was forgotten may have been said in the next epoch, by an earlier life.
		Forgot: r.recovery.active, Why: r.recovery.why,
	}
	for g := range r.pool.queues {
		if g >= len(next.Members) || next.Members[g].Node != r.cfg.Members[g].Node ||
			!next.Members[g].Key.Equal(r.cfg.Members[g].Key) {
			continue // its gateway signs anew what waits
		}
		q := &r.pool.queues[g]
		for _, seq := range q.order {
			st.Waiting = append(st.Waiting, q.bundles[seq])
		}
	}
	return st
}

// restoreWaiting queues what waited at the end of the epoch before.
func (r *Replica) restoreWaiting(bundles []*message.Bundle) {
	for _, b := range bundles {
		if !r.clients.Discharged(b) {
			r.pool.add(b, r.now) // a full queue is not fuller than it was
			r.pool.queues[b.Gateway].note(r.now)
		}
	}
}

// Rebase returns the table as the next epoch begins with it: members that left have no session any
// more, newcomers have a new one (rule R3), and the sessions of clients, which survive, count
// against the member that they were made through, wherever it stands now. Those of members that
// left are shared out.
func (t *ClientTable) Rebase(before, next *message.Config) *ClientTable {
	c := t.Clone()
	n := len(next.Members)
	c.members, c.limit, c.held = n, next.Params.MaxClientRows/n, make([]int, n)
	place := make([]int, len(before.Members))
	for i := range before.Members {
		place[i] = next.Member(before.Members[i].Node)
		if place[i] < 0 {
			delete(c.sessions, before.Members[i].Session)
			c.changed[before.Members[i].Session] = true
		}
	}
	fresh := NewClientTable(next)
	for i := range next.Members {
		id := next.Members[i].Session
		if c.sessions[id] == nil {
			c.sessions[id] = fresh.sessions[id]
			c.changed[id] = true
		} else {
			c.move(id, i)
		}
	}
	var orphans []uint64
	for _, id := range c.ids() {
		if id < message.FirstClientSession {
			continue
		}
		if to := place[c.sessions[id].member]; to >= 0 {
			c.move(id, to)
			c.held[to]++
		} else {
			orphans = append(orphans, id)
		}
	}
	for _, id := range orphans {
		to := slices.Index(c.held, slices.Min(c.held))
		c.move(id, to)
		c.held[to]++
	}
	return c
}

func (t *ClientTable) move(id uint64, member int) {
	if s := t.sessions[id]; s.member != member {
		s.member = member
		t.changed[id] = true
	}
}
