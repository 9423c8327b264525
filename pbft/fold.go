package pbft

import (
	"slices"

	"byzd/pbft/message"
)

// Fold gathers what a journal's records add up to. Records are folded in the order they were
// written, with maxima and first-wins, never "the last one wins": what was promised stays promised.
// Batches and execution are the caller's: it knows where they are on disk.
type Fold struct {
	Restored
	Reserved uint64 // the gateway may have used every number below this

	newest [2]*message.Vote
}

// Add folds one record in.
func (f *Fold) Add(rec *message.Record) {
	switch rec.Type {
	case message.RecordBatch: // the caller's
	case message.RecordVote:
		f.addVote(rec.Vote)
	case message.RecordHigh:
		f.addHigh(rec.Cert)
	case message.RecordTarget:
		if f.Change == nil || f.Change.Stmt.NewView < rec.Change.Stmt.NewView {
			f.Change = rec.Change
		}
		f.addHigh(rec.Change.High)
		f.addStable(rec.Change.Stable)
	case message.RecordView:
		if f.NewView == nil || f.NewView.View < rec.NewView.View {
			f.NewView = rec.NewView
			f.View = rec.NewView.View
		}
		f.addHigh(rec.NewView.Base)
		f.addStable(rec.NewView.Stable)
	case message.RecordNewView:
		if f.OwnNewView == nil || f.OwnNewView.View < rec.NewView.View {
			f.OwnNewView = rec.NewView
		}
	case message.RecordStable:
		f.addStable(rec.Stable)
	case message.RecordCommitted:
		if f.Committed == nil || f.Committed.Rank().Less(rec.Cert.Rank()) {
			f.Committed = rec.Cert
		}
	case message.RecordCheckpoint:
		f.addCheckpoint(rec.Checkpoint)
	case message.RecordReserved:
		f.Reserved = max(f.Reserved, rec.Reserved.Seq)
	case message.RecordEvidence:
		f.Proofs = append(f.Proofs, rec.Evidence)
	case message.RecordAlarm:
		f.Alarm = rec.Alarm
	case message.RecordAmnesia:
		f.Forgot, f.Why = !rec.Amnesia.End, "its journal says so"
		if rec.Amnesia.End {
			f.addHigh(rec.Amnesia.Proof)
		}
	}
}

func (f *Fold) addHigh(c *message.Certificate) {
	if len(c.Aggregate) > 0 && (f.High == nil || f.High.Rank().Less(c.Rank())) {
		f.High = c
	}
}

func (f *Fold) addStable(c *message.CheckpointCertificate) {
	if len(c.Aggregate) > 0 && (f.Stable == nil || f.Stable.Seq < c.Seq) {
		f.Stable = c
	}
}

// addCheckpoint keeps the newest of each sequence number; the state after a batch is always the
// same, so a second one only repeats the first.
func (f *Fold) addCheckpoint(c *message.Checkpoint) {
	f.Pointed = max(f.Pointed, c.Seq)
	f.Checkpoints = slices.DeleteFunc(f.Checkpoints, func(old *message.Checkpoint) bool {
		return old.Seq == c.Seq || f.Stable != nil && old.Seq <= f.Stable.Seq
	})
	f.Checkpoints = append(f.Checkpoints, c)
}

// addVote keeps the votes of the highest view voted in, and the highest of each kind.
func (f *Fold) addVote(v *message.Vote) {
	kind := chainOf(v.Kind)
	if n := f.newest[kind]; n == nil || !v.Rank().Less(n.Rank()) {
		f.newest[kind] = v
	}
	if len(f.Votes) > 0 && f.Votes[0].View < v.View {
		f.Votes = f.Votes[:0]
	}
	if len(f.Votes) == 0 || f.Votes[0].View == v.View {
		f.Votes = append(f.Votes, v)
	}
	if len(f.Votes) >= maxFoldedVotes {
		f.Votes = append(f.Votes[:0], f.Votes[len(f.Votes)/2:]...)
	}
}

// maxFoldedVotes bounds the votes that are kept while folding: more than two windows of both kinds.
const maxFoldedVotes = 1 << 14

// Result returns what a replica is to start with, but for batches and execution.
func (f *Fold) Result() Restored {
	st := f.Restored
	st.Votes = nil
	for _, v := range f.newest {
		if v != nil && v.View != f.Votes[0].View {
			st.Votes = append(st.Votes, v)
		}
	}
	st.Votes = append(st.Votes, f.Votes...)
	if f.Change != nil {
		st.Target = f.Change.Stmt.NewView
	}
	return st
}
