package pbft

import (
	"cmp"
	"maps"
	"slices"

	"byzd/crypto"
	"byzd/pbft/message"
)

// restore continues from what the caller's journal holds.
func (r *Replica) restore(st Restored) {
	if st.Clients != nil {
		r.clients = st.Clients
	}
	if st.Executed != (message.Ref{}) {
		r.executed, r.executedTime, r.executedKind = st.Executed, st.Time, st.Kind
		r.decided = st.Executed
		r.history[st.Executed.Seq] = st.Executed.Digest
		maps.Copy(r.history, st.History)
	}
	if st.High != nil {
		r.high, r.highLogged = st.High, st.High.Rank()
	}
	if st.Stable != nil {
		r.stable = st.Stable
	}
	r.fence.floor = r.stable.Seq
	if r.executed == r.cfg.Base {
		r.executedKind = message.Normal // it ended the epoch before this one
	}
	r.restoreBatches(st.Batches, st.View)
	r.restoreView(st)
	if st.Committed != nil {
		r.committed, r.logged = st.Committed, st.Committed.Rank()
		if st.Committed.Seq > r.decided.Seq {
			r.decided = st.Committed.Ref()
		}
	}
	if r.stable.Seq > r.decided.Seq {
		r.decided = r.stable.Ref()
	}
	r.open = r.view == 0 || r.settled()
	r.restoreVotes(st.Votes)
	r.restoreCheckpoints(st)
	r.restoreWaiting(st.Waiting)
	for _, e := range st.Proofs {
		r.keep(e)
	}
	if st.Alarm != nil {
		r.halted = "two conflicting certificates are on this disk"
	}
	r.collect()
}

// restoreCheckpoints compares the roots that were computed again with what is certified and with
// what was said.
func (r *Replica) restoreCheckpoints(st Restored) {
	for _, c := range st.Checkpoints {
		if c.Seq == r.stable.Seq && c.Root != r.stable.Root {
			r.strayed = r.stable // the first tick sees to it
		}
		if c.Seq > r.stable.Seq && c.Seq <= r.executed.Seq {
			r.own[c.Seq] = c
		}
	}
	for _, said := range st.Said {
		if own := r.own[said.Seq]; own != nil && own.Root != said.Root {
			r.mute = max(r.mute, said.Seq) // the state was damaged: the certified one will tell
		}
	}
}

// restoreBatches makes entries of the bodies, and history of those that are executed. In which
// views a body was PREPAREd is not known any more, so it counts as if it were in the last (rule
// R2).
func (r *Replica) restoreBatches(batches []*message.Batch, view uint64) {
	for _, b := range batches {
		e := r.learnBatch(b)
		e.durable, e.voted, e.view = true, true, view
	}
	for at := r.executed; ; {
		e := r.entries[at.Digest]
		if e == nil {
			return
		}
		at = message.Ref{Seq: at.Seq - 1, Digest: e.header.Parent}
		r.history[at.Seq] = at.Digest
	}
}

func (r *Replica) restoreView(st Restored) {
	r.ownNewView, r.change = st.OwnNewView, st.Change
	if st.NewView != nil {
		r.newView = st.NewView
		r.view, r.base = st.NewView.View, st.NewView.Base.Ref()
		r.tip = r.base
	}
	r.target = r.view
	if st.Change != nil && st.Change.Stmt.NewView > r.view {
		r.target = st.Change.Stmt.NewView
	}
}

// restoreVotes sets the tip to the last batch that was PREPAREd in this view, never to the base or
// to what is executed (rule R6), and keeps the votes to be sent again.
func (r *Replica) restoreVotes(votes []*message.Vote) {
	for _, v := range votes {
		own := *v
		own.Voter = r.self
		v := &own
		kind := chainOf(v.Kind)
		last := r.newest[kind][r.self]
		if last == nil || !v.Rank().Less(last.Rank()) {
			r.newest[kind][r.self], r.said[kind] = v, v
		}
		if v.View != r.view {
			continue
		}
		r.restored = append(r.restored, v)
		switch {
		case kind == 0 && v.Seq >= r.prepared.Seq:
			r.prepared, r.tip = v.Ref(), v.Ref()
		case kind == 1 && v.Seq >= r.lastCmt.Seq:
			r.lastCmt = v.Ref()
		}
		if kind == 1 {
			r.slot(crypto.KindPrepare, v.View, v.Seq).committed = true
		}
	}
	slices.SortStableFunc(r.restored, func(a, b *message.Vote) int {
		return cmp.Or(cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.Kind, b.Kind))
	})
}
