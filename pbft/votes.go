package pbft

import (
	"cmp"
	"fmt"

	"byzd/crypto"
	"byzd/pbft/message"
)

// slotKey says where a vote counts. The view is part of it: a base is voted on again in every view,
// with the same sequence number (rule R17).
type slotKey struct {
	kind      crypto.Kind
	view, seq uint64
}

func (k slotKey) compare(other slotKey) int {
	return cmp.Or(
		cmp.Compare(k.kind, other.kind), cmp.Compare(k.view, other.view),
		cmp.Compare(k.seq, other.seq))
}

// slot counts the votes of one place.
type slot struct {
	votes     []*message.Vote
	cert      *message.Certificate
	committed bool // of PREPAREs: this replica sent its COMMIT
}

func (r *Replica) slotIf(kind crypto.Kind, view, seq uint64) *slot {
	return r.slots[slotKey{kind, view, seq}]
}

func (r *Replica) slot(kind crypto.Kind, view, seq uint64) *slot {
	key := slotKey{kind, view, seq}
	s := r.slots[key]
	if s == nil {
		s = &slot{votes: make([]*message.Vote, len(r.cfg.Members))}
		r.slots[key] = s
	}
	return s
}

// maxAheadVotes bounds the votes of views to come that are kept of one voter.
const maxAheadVotes = 4 * maxAhead

func (r *Replica) onVote(from int, v *message.Vote) {
	if (v.Voter == r.self) != (from == r.self) {
		r.onEcho(from, v)
		return
	}
	r.remember(v)
	if r.toldOtherwise(v) {
		r.drop(from, DropVoteConflict)
		return
	}
	if why := r.misplaced(v); why != "" {
		r.drop(from, why)
		return
	}
	s := r.slot(v.Kind, v.View, v.Seq)
	if first := s.votes[v.Voter]; first != nil {
		if first.Digest != v.Digest {
			r.drop(from, DropVoteConflict)
			r.prove(message.ContradictingVotes(first, v))
			return
		}
		if from == v.Voter { // it repeats itself: so may what was said about it
			r.cross(first)
		}
		r.drop(from, DropVoteDuplicate)
		return
	}
	if v.View > r.view {
		if r.ahead[v.Voter] >= maxAheadVotes {
			r.drop(from, DropVoteFlood)
			return
		}
		r.ahead[v.Voter]++
	}
	s.votes[v.Voter] = v
	if r.isStatement(v) {
		r.told.note(v)
	}
	r.cross(v)
	r.proveForks(v)
	if e := r.entries[v.Digest]; e != nil {
		r.proveBatch(e)
	}
	if s.cert == nil {
		r.tally(s, v)
	}
}

// onEcho looks at a vote that comes back: this replica's own from somebody else, or somebody else's
// that it passed on itself. Only its own hand gives it its own votes; but while it does not know
// yet what it has said before, an unknown one tells it that its disk forgot (rule R14).
func (r *Replica) onEcho(from int, v *message.Vote) {
	if from == r.self {
		return
	}
	if r.fence.raised && r.forgot(v) {
		r.forgetful(fmt.Sprintf("replica %d holds its %v for view %d, sequence number %d that its "+
			"journal does not know", from, v.Kind, v.View, v.Seq))
		return
	}
	r.drop(from, DropVoteEcho)
}

// misplaced returns why a vote cannot count here: only the current view, the target and the next
// are of interest, and of those only the window.
func (r *Replica) misplaced(v *message.Vote) Drop {
	if v.View != r.view && v.View != r.target && v.View != r.view+1 {
		return DropVoteView
	}
	h, window := r.stable.Seq, r.cfg.Params.Window
	if v.View == r.view && v.Seq == r.base.Seq && !r.settled() {
		return ""
	}
	if v.View > r.view && v.Seq+window > h && v.Seq <= h+window {
		return ""
	}
	if v.Seq <= h || v.Seq > h+window {
		return DropVoteWindow
	}
	return ""
}

// settled reports whether a commit certificate of the current view is known.
func (r *Replica) settled() bool {
	return r.committed != nil && r.committed.View >= r.view
}

// tally makes a certificate when a quorum stands.
func (r *Replica) tally(s *slot, v *message.Vote) {
	count := 0
	for _, other := range s.votes {
		if other != nil && other.Digest == v.Digest {
			count++
		}
	}
	if count < r.cfg.Sizes.Quorum {
		return
	}
	s.cert = r.certify(s, v)
	if v.Kind == crypto.KindPrepare {
		r.observe(EventPrepared, v.Ref(), "")
		r.learnPrepared(s.cert)
		return
	}
	r.learnCommitted(s.cert)
}

// certify aggregates the first quorum of matching votes.
func (r *Replica) certify(s *slot, v *message.Vote) *message.Certificate {
	c := &message.Certificate{Kind: v.Kind, View: v.View, Seq: v.Seq, Digest: v.Digest}
	sigs := make([][]byte, 0, r.cfg.Sizes.Quorum)
	for i, other := range s.votes {
		if other != nil && other.Digest == v.Digest && len(sigs) < r.cfg.Sizes.Quorum {
			c.Signers = c.Signers.Add(i)
			sigs = append(sigs, other.Sig)
		}
	}
	aggregate, err := r.cfg.Scheme.Aggregate(sigs)
	if err != nil {
		panic("pbft: verified votes do not aggregate: " + err.Error())
	}
	c.Aggregate = aggregate
	return c
}
