package pbft

import (
	"byzd/crypto"
	"byzd/pbft/message"
)

// tickStatus tells everybody where this replica stands.
func (r *Replica) tickStatus() {
	m := &r.monitor
	if r.now < m.statusAt {
		return
	}
	// An idle primary is believed dead after three timeouts, so it speaks up more often than that.
	busy := min(statusBusy, max(m.tau0/4, 1))
	period := min(statusIdle, m.tau0)
	if r.target > r.view || !r.open || m.complaint != 0 || !r.pool.empty() ||
		r.decided.Seq > r.executed.Seq || r.tip.Seq > r.decided.Seq ||
		r.high.Seq > r.decided.Seq || r.now-m.lastExec < 2*busy {
		period = busy
	}
	// Each replica's period is a little longer than its neighbour's: they do not all speak at once.
	m.statusAt = r.now + period + period*int64(r.self)/int64(4*len(r.cfg.Members))
	r.send(All, r.Status())
}

// Status says where this replica stands, to its peers. [Replica.State] tells people more.
func (r *Replica) Status() *message.Status {
	s := &message.Status{
		View: r.view, Target: r.target, Executed: r.executed.Seq, Stable: r.stable.Seq,
		Tip: r.tip.Seq, High: r.high.Rank(),
	}
	if r.committed != nil {
		s.Committed = r.committed.Rank()
	}
	return s
}

// onStatus sends a peer what it lacks (rule R12). Only certificates move it; bodies it asks for.
func (r *Replica) onStatus(from int, st *message.Status) {
	p := &r.peers[from]
	if from == r.self || r.observes() {
		return
	}
	if p.servedAt > 0 && r.now < p.servedAt+serveEvery {
		r.drop(from, DropStatusThrottled)
		return
	}
	p.servedAt = r.now
	proof := message.Proof{}
	if st.View < r.view && st.Target <= r.view && r.newView != nil {
		proof.NewView = r.newView
	}
	if r.committed != nil && st.Committed.Less(r.committed.Rank()) {
		proof.Commit = r.committed
	}
	if st.High.Less(r.high.Rank()) && len(r.high.Aggregate) > 0 &&
		r.high.Kind == crypto.KindPrepare {
		proof.Prepared = r.high
	}
	if st.Stable < r.stable.Seq {
		proof.Checkpoint = r.stable
	}
	if proof != (message.Proof{}) {
		r.send(from, &proof)
	}
	if st.View == r.view && !r.recovery.active {
		r.repeatVotes(from, st)
	}
	if r.silent() {
		return
	}
	for k, own := range r.ownCheckpoints(st.Stable) {
		if k < keptCheckpoints {
			r.send(from, own)
		}
	}
}

// repeatVotes sends a peer of the same view this replica's own votes that it may have missed, and,
// from the primary, the proposals.
func (r *Replica) repeatVotes(to int, st *message.Status) {
	low := st.Committed.Seq
	if r.view > 0 && st.Committed.View < r.view {
		r.repeatSlot(to, r.base.Seq, false)
		low = r.base.Seq
	}
	// What is below the watermark has no votes any more; certificates speak for it.
	low = max(low, r.stable.Seq)
	ahead := st.Tip + uint64(r.cfg.Params.InFlight) //nolint:gosec // positive
	for seq := low + 1; seq <= min(ahead, max(r.tip.Seq, r.high.Seq), low+maxAhead); seq++ {
		r.repeatSlot(to, seq, seq > st.Tip)
	}
}

func (r *Replica) repeatSlot(to int, seq uint64, proposal bool) {
	if s := r.slotIf(crypto.KindPrepare, r.view, seq); s != nil && s.votes[r.self] != nil {
		v := s.votes[r.self]
		e := r.entries[v.Digest]
		if proposal && r.leads() && e != nil && e.header.PropView == r.view {
			r.send(to, &message.PrePrepare{View: r.view, Header: e.header, IDs: e.ids, Sig: v.Sig})
		} else {
			r.send(to, v)
		}
	}
	if s := r.slotIf(crypto.KindCommit, r.view, seq); s != nil && s.votes[r.self] != nil {
		r.send(to, s.votes[r.self])
	}
}

// onProof learns from certificates, whoever sends them.
func (r *Replica) onProof(from int, m *message.Proof) {
	if m.Prepared != nil {
		r.learnPrepared(m.Prepared)
	}
	if m.Checkpoint != nil {
		r.learnStable(m.Checkpoint)
	}
	if m.Commit != nil {
		r.learnCommit(m.Commit)
	}
	if m.NewView != nil {
		r.onNewView(from, m.NewView)
	}
}
