package pbft

import (
	"fmt"

	"byzd/crypto"
	"byzd/pbft/message"
	"byzd/pbft/quorum"
)

// fence keeps a replica that has just started from signing anything before q−1 others have said
// that they hold nothing signed by it that it does not remember (rule R14): a disk restored from
// yesterday must not vote twice.
type fence struct {
	raised  bool
	nonce   uint64
	askAt   int64
	answers quorum.Set
}

func (f *fence) ready() bool { return !f.raised }

// Fenced reports whether this replica has just started and does not know yet whether it forgot
// anything. Until then its caller must sign nothing in its name either.
func (r *Replica) Fenced() bool { return r.fence.raised }

// fenceRepeat is the time between two questions, in milliseconds.
const fenceRepeat = 200

func (r *Replica) tickFence() {
	f := &r.fence
	if !f.raised || r.now < f.askAt || r.halted != "" {
		return
	}
	if f.nonce == 0 {
		f.nonce = uint64(r.wall) //nolint:gosec // a clock's milliseconds
	}
	f.askAt = r.now + fenceRepeat
	r.send(All, &message.FenceAsk{Nonce: f.nonce})
}

// onFenceAsk answers always, also while this replica is fenced itself: else a cold start of all
// would never end.
func (r *Replica) onFenceAsk(from int, m *message.FenceAsk) {
	answer := &message.FenceAnswer{Nonce: m.Nonce}
	for kind := range r.newest {
		if v := r.newest[kind][from]; v != nil {
			answer.Votes = append(answer.Votes, v)
		}
	}
	if c := r.changes[from]; c != nil {
		answer.Stmts = append(answer.Stmts, c.Stmt)
	}
	r.send(from, answer)
}

func (r *Replica) onFenceAnswer(from int, m *message.FenceAnswer) {
	f := &r.fence
	if !f.raised || m.Nonce != f.nonce || from == r.self {
		r.drop(from, DropFenceStale)
		return
	}
	for _, v := range m.Votes {
		if v.Voter == r.self && r.forgot(v) {
			r.amnesia(from, v)
			return
		}
	}
	for i := range m.Stmts {
		if m.Stmts[i].Voter == r.self && m.Stmts[i].NewView > r.target {
			r.halt(fmt.Sprintf("AMNESIA: replica %d holds a VIEW-CHANGE of this replica to view "+
				"%d that its journal does not know", from, m.Stmts[i].NewView))
			return
		}
	}
	f.answers = f.answers.Add(from)
	if f.answers.Count() < r.cfg.Sizes.Quorum-1 {
		return
	}
	f.raised = false
	r.observe(EventFence, r.executed, "")
	r.resume()
}

// amnesia stops this replica: its disk does not hold what it has said.
func (r *Replica) amnesia(from int, v *message.Vote) {
	r.halt(fmt.Sprintf("AMNESIA: replica %d holds a %v of this replica for view %d, "+
		"sequence number %d that its journal does not know", from, v.Kind, v.View, v.Seq))
}

// forgot reports whether a vote of this replica's own is beyond what it remembers.
func (r *Replica) forgot(v *message.Vote) bool {
	last := r.newest[chainOf(v.Kind)][r.self]
	return last == nil || last.Rank().Less(v.Rank()) ||
		last.Rank() == v.Rank() && last.Digest != v.Digest
}

// resume says again what was said before the restart, in the same words: nobody else can.
func (r *Replica) resume() {
	for _, c := range r.ownCheckpoints(r.stable.Seq) {
		r.send(All, c)
	}
	if r.ownNewView != nil && r.ownNewView.View >= r.target {
		r.send(All, r.ownNewView) // when it comes back the view is entered, if it was not
	}
	if r.target > r.view && r.change != nil {
		r.monitor.leave(r.now)
		r.send(All, r.change)
		r.restored = nil
		return
	}
	for _, v := range r.restored {
		if v.View != r.view || v.Seq <= r.executed.Seq && r.settled() {
			continue
		}
		e := r.entries[v.Digest]
		lead := v.Kind == crypto.KindPrepare && r.leads() && e != nil && e.header.PropView == r.view
		if lead {
			r.send(All, &message.PrePrepare{View: r.view, Header: e.header, IDs: e.ids})
		} else {
			r.send(All, v)
		}
	}
	r.restored = nil
}
