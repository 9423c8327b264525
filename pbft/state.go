package pbft

import (
	"fmt"

	"byzd/pbft/message"
	"byzd/pbft/quorum"
)

// State is where a replica stands, for people. It is a copy.
type State struct {
	View, Target uint64
	Primary      int
	Active       bool   // it is in its view and may vote
	Open         bool   // the view has a commit certificate
	Frozen       bool   // it PREPAREs no more in this view (rule R6)
	Fenced       bool   // it has just started and asks what it said before (rule R14)
	Recovering   bool   // it has forgotten what it said (rule R15)
	Floor        uint64 // the lowest view that it will vote in then; 0 while that is not known
	Forgetting   int    // how many members say that they have forgotten, this one included
	Halted       string // why it stopped for good; empty if it did not
	Diverged     bool   // its state is not the certified one, and is being repaired
	Fetching     uint64 // the checkpoint whose state is being fetched; 0 if none is
	Complaint    string // what it holds against the primary; empty if nothing
	Reason       string // why it does not vote; empty if it does
	Executed     uint64
	Decided      uint64 // the highest batch under a certificate
	Stable       uint64
	Tip          uint64
	Committed    message.Rank // of the highest commit certificate
	High         message.Rank // of the highest prepared certificate
	Tau          int64        // the view timeout, in milliseconds
	Convicted    quorum.Set
	Pending      int            // operations that are known and not executed
	OldestMS     int64          // how long ago the oldest of them came, views notwithstanding
	LastVotes    []message.Rank // of each replica, the highest vote that was heard
	HeardMS      []int64        // since when nothing was heard of each replica
}

// State returns where this replica stands.
func (r *Replica) State() State {
	s := State{
		View: r.view, Target: r.target, Primary: r.Primary(), Active: r.mayVote(),
		Open: r.open, Frozen: r.frozen, Reason: r.reason(), Executed: r.executed.Seq,
		Stable: r.stable.Seq, Tip: r.tip.Seq, Tau: r.monitor.tau, Convicted: r.convicted,
		Fenced: r.fence.raised, Recovering: r.recovery.active, Floor: r.recovery.floor,
		Forgetting: r.forgetting(), Halted: r.halted, Decided: r.decided.Seq, High: r.high.Rank(),
		LastVotes: make([]message.Rank, len(r.cfg.Members)),
		HeardMS:   make([]int64, len(r.cfg.Members)),
	}
	if r.committed != nil {
		s.Committed = r.committed.Rank()
	}
	s.Diverged = r.strayed != nil
	if r.wanted != nil {
		s.Fetching = r.wanted.Seq
	}
	if r.monitor.complaint != 0 {
		s.Complaint = r.monitor.complaint.String()
	}
	for g := range r.pool.queues {
		q := &r.pool.queues[g]
		for i, seq := range q.order {
			s.Pending += len(q.bundles[seq].Items)
			s.OldestMS = max(s.OldestMS, r.now-q.arrived[i])
		}
	}
	for i := range s.LastVotes {
		if i != r.self {
			s.HeardMS[i] = r.now - r.peers[i].heard
		}
		for _, kind := range r.newest {
			if v := kind[i]; v != nil && s.LastVotes[i].Less(v.Rank()) {
				s.LastVotes[i] = v.Rank()
			}
		}
	}
	return s
}

// Executed names the last batch that was executed.
func (r *Replica) Executed() message.Ref { return r.executed }

// Stable returns the certificate of the stable checkpoint.
func (r *Replica) Stable() *message.CheckpointCertificate { return r.stable }

// reason says why this replica takes no part in agreement, or nothing.
func (r *Replica) reason() string {
	switch {
	case r.halted != "":
		return r.halted
	case r.recovery.active:
		return r.recoveryReason()
	case r.observes():
		return "it is no member of this epoch: it follows what the members decide"
	case r.fence.raised:
		return fmt.Sprintf("it has just started and asks the others what it has said: "+
			"%d of %d have answered", r.fence.answers.Count(), r.cfg.Sizes.Quorum-1)
	case r.strayed != nil:
		return fmt.Sprintf("DIVERGED: its state differs from the one that a quorum certified "+
			"after batch %d; it fetches what differs", r.strayed.Seq)
	case r.forgetting() > r.cfg.Sizes.F:
		return fmt.Sprintf("%d members have forgotten what they said, and this cluster withstands "+
			"%d: it agrees on nothing until enough of them have their newest data directory back",
			r.forgetting(), r.cfg.Sizes.F)
	case r.target > r.view:
		return fmt.Sprintf("it is in a view change to view %d", r.target)
	case !r.open:
		return fmt.Sprintf("view %d is not open yet", r.view)
	case r.frozen:
		return fmt.Sprintf("it cannot show that what it voted for in view %d is what was decided, "+
			"and votes again in the next view", r.view)
	case r.wanted != nil:
		return fmt.Sprintf("it is behind: it has executed batch %d and fetches the state after "+
			"batch %d", r.executed.Seq, r.wanted.Seq)
	case r.decided.Seq > r.executed.Seq+r.cfg.Params.Window:
		return fmt.Sprintf("it is behind: it has executed batch %d of %d",
			r.executed.Seq, r.decided.Seq)
	}
	return ""
}
