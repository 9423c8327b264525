package pbft

import (
	"cmp"
	"slices"

	"byzd/pbft/message"
)

// Fold gathers what a journal's records add up to. Records are folded in the order they were
// written, with maxima and first-wins, never "the last one wins": what was promised stays promised.
// Batches and execution are the caller's: it knows where they are on disk.
type Fold struct {
	Restored
	Reserved uint64 // the gateway may have used every number below this
	Epoch    uint64 // the highest of a record, or the one after the last that ended
	// Ends are the proofs of the epochs that ended, ascending.
	Ends []*message.EpochProof

	newest [2]*message.Vote
	voted  map[ballot]bool     // what Votes are for
	point  *message.Checkpoint // the highest CHECKPOINT
}

// Add folds one record in.
//
// What was promised in an epoch means nothing in the next. When a journal is cut, what matters of
// its front is written anew at its end: so epochs do not stand in order, and an older one's records
// are passed over (B29).
func (f *Fold) Add(rec *message.Record) {
	switch {
	case rec.Type == message.RecordEpoch:
		f.addEnd(rec)
		return
	case rec.Type == message.RecordReserved:
		f.Reserved = max(f.Reserved, rec.Reserved.Seq)
		return
	case rec.Epoch < f.Epoch:
		return
	}
	f.advance(rec.Epoch)
	switch rec.Type { //nolint:exhaustive // the others were seen to above
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
	case message.RecordEvidence:
		f.addProof(rec.Evidence)
	case message.RecordAlarm:
		f.Alarm = rec.Alarm
	case message.RecordAmnesia:
		f.Forgot, f.Why = !rec.Amnesia.End, "its journal says so"
		if rec.Amnesia.End {
			f.addHigh(rec.Amnesia.Proof)
		}
	}
}

// advance forgets everything of the epochs before one.
func (f *Fold) advance(epoch uint64) {
	if epoch > f.Epoch {
		forgot := f.Forgot // perhaps in this epoch as well, in an earlier life
		*f = Fold{Epoch: epoch, Reserved: f.Reserved, Ends: f.Ends}
		if forgot {
			f.Forgot, f.Why = true, "its journal says so"
		}
	}
}

func (f *Fold) addEnd(rec *message.Record) {
	at, known := slices.BinarySearchFunc(f.Ends, rec.Epoch,
		func(p *message.EpochProof, epoch uint64) int {
			return cmp.Compare(p.Manifest.Header.Epoch, epoch)
		})
	if !known {
		f.Ends = slices.Insert(f.Ends, at, rec.End)
	}
	f.advance(rec.Epoch + 1)
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
	if c.Seq >= f.Pointed {
		f.Pointed, f.point = c.Seq, c
	}
	f.Checkpoints = slices.DeleteFunc(f.Checkpoints, func(old *message.Checkpoint) bool {
		return old.Seq == c.Seq || f.Stable != nil && old.Seq <= f.Stable.Seq
	})
	f.Checkpoints = append(f.Checkpoints, c)
}

// addProof keeps the first proof of each lie. A second record of it is nothing new: the records are
// written anew, while the old ones still stand, whenever a journal is cut.
func (f *Fold) addProof(e *message.Evidence) {
	key := e.Key()
	if !slices.ContainsFunc(f.Proofs, func(p *message.Evidence) bool { return p.Key() == key }) {
		f.Proofs = append(f.Proofs, e)
	}
}

// addVote keeps the votes of the highest view voted in, each once, and the highest of each kind.
func (f *Fold) addVote(v *message.Vote) {
	kind := chainOf(v.Kind)
	if n := f.newest[kind]; n == nil || n.Rank().Less(v.Rank()) {
		f.newest[kind] = v
	}
	if len(f.Votes) > 0 && f.Votes[0].View < v.View {
		f.Votes = nil
	}
	if len(f.Votes) == 0 {
		f.voted = map[ballot]bool{}
	}
	if b := (ballot{kind, v.Seq}); !f.voted[b] && (len(f.Votes) == 0 || f.Votes[0].View == v.View) {
		f.voted[b] = true
		f.Votes = append(f.Votes, v)
	}
	if len(f.Votes) >= maxFoldedVotes {
		half := len(f.Votes) / 2
		for _, old := range f.Votes[:half] {
			delete(f.voted, ballot{chainOf(old.Kind), old.Seq})
		}
		f.Votes = append(f.Votes[:0], f.Votes[half:]...)
	}
}

// ballot is what a replica votes on once in a view.
type ballot struct {
	kind int
	seq  uint64
}

// maxFoldedVotes bounds the votes that are kept while folding: more than two windows of both kinds.
const maxFoldedVotes = 1 << 14

// Records returns records that add up to the same, but for batches: what must stand in the journal
// anew before its older part may go (rule R14). Votes below the stable checkpoint are not among
// them, but for the last of each kind: no vote is asked for there any more.
func (f *Fold) Records() []*message.Record {
	var list []*message.Record
	add := func(rec message.Record) {
		rec.Epoch = f.Epoch
		list = append(list, &rec)
	}
	if f.Reserved > 0 {
		add(message.Record{
			Type: message.RecordReserved, Reserved: message.RequestKey{Seq: f.Reserved},
		})
	}
	for _, p := range f.Ends {
		list = append(list, &message.Record{
			Type: message.RecordEpoch, Epoch: p.Manifest.Header.Epoch, End: p,
		})
	}
	for _, e := range f.Proofs {
		add(message.Record{Type: message.RecordEvidence, Evidence: e})
	}
	if f.Alarm != nil {
		add(message.Record{Type: message.RecordAlarm, Alarm: f.Alarm})
	}
	floor := uint64(0)
	if f.Stable != nil {
		floor = f.Stable.Seq
		add(message.Record{Type: message.RecordStable, Stable: f.Stable})
	}
	if f.High != nil {
		add(message.Record{Type: message.RecordHigh, Cert: f.High})
	}
	if f.Committed != nil {
		add(message.Record{Type: message.RecordCommitted, Cert: f.Committed})
	}
	if f.NewView != nil {
		add(message.Record{Type: message.RecordView, NewView: f.NewView})
	}
	if f.OwnNewView != nil {
		add(message.Record{Type: message.RecordNewView, NewView: f.OwnNewView})
	}
	if f.Change != nil {
		add(message.Record{Type: message.RecordTarget, Change: f.Change})
	}
	votes := f.Result().Votes
	for _, v := range votes {
		if v.Seq > floor || v == f.newest[chainOf(v.Kind)] {
			add(message.Record{Type: message.RecordVote, Vote: v})
		}
	}
	if f.Forgot {
		add(message.Record{Type: message.RecordAmnesia, Amnesia: &message.Amnesia{}})
	}
	if f.point != nil && !slices.Contains(f.Checkpoints, f.point) {
		add(message.Record{Type: message.RecordCheckpoint, Checkpoint: f.point})
	}
	for _, c := range f.Checkpoints {
		add(message.Record{Type: message.RecordCheckpoint, Checkpoint: c})
	}
	return list
}

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
