package pbft

import (
	"fmt"

	"byzd/pbft/message"
)

// onOffer notes that a peer's log begins above what this replica needs next. When f+1 replicas say
// so one of them is correct: the batches in between may be gone everywhere, and the state is
// fetched instead (PROTOCOL §4.9 with rule R13). What is fetched is what a quorum certified, never
// what somebody claims to have (B38).
func (r *Replica) onOffer(from int, m *message.Offer) {
	useful := m.First > r.executed.Seq+1 && m.Snapshot.Seq > r.executed.Seq
	if from == r.self || !useful && r.strayed == nil {
		r.drop(from, DropOfferUseless)
		return
	}
	r.peers[from].first = m.First
	r.learnStable(m.Snapshot)
	if r.halted != "" {
		return
	}
	if r.strayed != nil {
		r.fetchState(m.Snapshot)
		return
	}
	past := 0
	for i := range r.peers {
		if r.peers[i].first > r.executed.Seq+1 {
			past++
		}
	}
	if past >= r.cfg.Sizes.Weak {
		r.fetchState(m.Snapshot)
	}
}

// fetchState asks for a certified state, unless it or a newer one was asked for already.
func (r *Replica) fetchState(c *message.CheckpointCertificate) {
	if r.wanted != nil && r.wanted.Seq >= c.Seq {
		return
	}
	r.wanted = c
	r.observe(EventTransfer, c.Ref(), "")
	r.emit(Transfer{Target: c, Repair: r.strayed != nil})
}

// diverged is called with a certificate whose root is not that of this replica's own state, and
// with every newer one until the state is repaired. It votes no more until then: whatever it
// executed since it strayed is worth nothing.
func (r *Replica) diverged(c *message.CheckpointCertificate) {
	if r.strayed == nil {
		r.observe(EventDiverged, c.Ref(), "the certified root is "+c.Root.Short())
		for seq := range r.own { // any order: it looks for the highest
			r.mute = max(r.mute, seq)
		}
		r.mute = max(r.mute, c.Seq)
	}
	r.strayed = c
	r.fetchState(c)
}

// tickTransfer begins the repair of a state that was found to be wrong at the start.
func (r *Replica) tickTransfer() {
	if r.strayed != nil && r.wanted == nil {
		c := r.strayed
		r.strayed = nil
		r.diverged(c)
	}
}

// askThaw is the time between two requests of a frozen replica for the next view, in milliseconds.
const askThaw = 1000

// tickFrozen asks the others for the next view, as one that recovers does (rule R15): until then
// this replica PREPAREs nothing (rule R6), and counts as one that is down. They plan a change of
// the view when it suits them, and not often for anybody.
func (r *Replica) tickFrozen() {
	if !r.frozen || r.silent() || r.target > r.view || r.now < r.thawAt {
		return
	}
	r.thawAt = r.now + askThaw
	r.send(All, &message.Recover{Nonce: r.newNonce(), Floor: r.view + 1})
}

// onInstalled goes on from a state that was fetched. The chain of this replica's own votes is known
// to lead there only if it voted for nothing in this view: else it is frozen (rule R6), which
// moveTip finds out.
func (r *Replica) onInstalled(in Installed) {
	c := in.Checkpoint
	if r.halted != "" || r.strayed == nil && c.Seq <= r.executed.Seq {
		r.drop(r.self, DropInstalledStale)
		return
	}
	if !r.learnDecided(c.Ref()) {
		r.alarm(r.conflictAt(c), c.Seq)
		return
	}
	if c.Seq > r.stable.Seq {
		panic(fmt.Sprintf("pbft: installed the state after batch %d, certified are those up to %d",
			c.Seq, r.stable.Seq))
	}
	// Nothing of what was executed before is known to lead here: no header was seen between.
	clear(r.history)
	clear(r.own)
	r.executed, r.executedTime, r.executedKind = c.Ref(), in.TimeMS, in.Kind
	r.history[c.Seq] = c.Digest
	r.clients = in.Clients
	r.strayed, r.wanted = nil, nil
	r.pool.dischargeAll(r.clients, r.now)
	r.collect()
	r.monitor.progress(r.now)
	r.observe(EventInstalled, c.Ref(), "")
}
