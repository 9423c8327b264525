package pbft

import (
	"fmt"
	"slices"

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
	floor   uint64 // the low watermark that the journal knew
}

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
		f.nonce = r.newNonce()
	}
	f.askAt = r.now + fenceRepeat
	r.send(All, &message.FenceAsk{Nonce: f.nonce})
}

// newNonce returns a number for a question that this replica has not asked in any life.
func (r *Replica) newNonce() uint64 {
	return uint64(r.wall) ^ r.salt //nolint:gosec // a clock's milliseconds
}

// onFenceAsk answers also while this replica is fenced itself: else a cold start of all would never
// end. It answers from memory, and with the certificates that count the asker, which are on disk:
// of a cold start of all nothing else is left. Who has forgotten its own words is no witness (rule
// R15).
func (r *Replica) onFenceAsk(from int, m *message.FenceAsk) {
	if r.recovery.active {
		r.drop(from, DropFenceSilent)
		return
	}
	answer := &message.FenceAnswer{Nonce: m.Nonce}
	for kind := range r.newest {
		if v := r.newest[kind][from]; v != nil {
			answer.Votes = append(answer.Votes, v)
		}
	}
	if c := r.changes[from]; c != nil {
		answer.Stmts = append(answer.Stmts, c.Stmt)
	}
	if r.newView != nil {
		for i := range r.newView.Stmts {
			if s := &r.newView.Stmts[i]; s.Voter == from {
				answer.Stmts = append(answer.Stmts, *s)
			}
		}
	}
	for _, c := range []*message.Certificate{r.high, r.committed} {
		if c != nil && c.Signers.Has(from) {
			answer.Certs = append(answer.Certs, c)
		}
	}
	if r.stable.Signers.Has(from) {
		answer.Stable = r.stable
	}
	r.send(from, answer)
}

func (r *Replica) onFenceAnswer(from int, m *message.FenceAnswer) {
	f := &r.fence
	if !f.raised || m.Nonce != f.nonce || from == r.self {
		r.drop(from, DropFenceStale)
		return
	}
	if why := r.unknown(m); why != "" {
		r.forgetful(fmt.Sprintf("replica %d holds %s that its journal does not know", from, why))
		return
	}
	f.answers = f.answers.Add(from)
	if f.answers.Count() < r.cfg.Sizes.Quorum-1 {
		return
	}
	f.raised = false
	r.observe(EventFence, r.executed, "")
	r.resume()
}

// unknown names the first statement of this replica's own in an answer that is beyond what it
// remembers, or returns "". All are verified: nobody can invent one.
func (r *Replica) unknown(m *message.FenceAnswer) string {
	votes := m.Votes
	for _, c := range m.Certs {
		if c.Signers.Has(r.self) { // the aggregate proves the vote (rule R19)
			votes = append(slices.Clip(votes), &message.Vote{
				Kind: c.Kind, View: c.View, Seq: c.Seq, Digest: c.Digest, Voter: r.self,
			})
		}
	}
	for _, v := range votes {
		if v.Voter == r.self && r.forgot(v) {
			return fmt.Sprintf("its %v for view %d, sequence number %d", v.Kind, v.View, v.Seq)
		}
	}
	for i := range m.Stmts {
		if s := &m.Stmts[i]; s.Voter == r.self && s.NewView > r.target {
			return fmt.Sprintf("its VIEW-CHANGE to view %d", s.NewView)
		}
	}
	if c := m.Stable; c != nil && c.Signers.Has(r.self) && c.Seq > max(r.executed.Seq, r.pointed) {
		return fmt.Sprintf("its CHECKPOINT at sequence number %d", c.Seq)
	}
	return ""
}

// forgot reports whether a vote of this replica's own is beyond what it remembers. In lower views
// than its own nothing can be: a journal that knows the view has all that was recorded before it,
// and who has recovered since outranks it (rule R15). Below the low watermark that the journal
// knows the record may have been cut off. One that the others have told it since says nothing about
// the journal: of yesterday's, everything that is forgotten may lie below today's watermark.
func (r *Replica) forgot(v *message.Vote) bool {
	if v.View < r.view || v.View == r.view && v.Seq <= r.fence.floor {
		return false
	}
	last := r.said[chainOf(v.Kind)]
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
