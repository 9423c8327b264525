package loop

import (
	"fmt"

	"byzd/daemon/snapshot"
	"byzd/pbft/message"
)

// Retention says how much of the past a node keeps. The zero value of a field takes its default.
type Retention struct {
	SnapshotEvery int64  // milliseconds between two snapshots; 30 s
	Batches       uint64 // decided batches that stay in the journal for those who are behind; 8192
	Bytes         int64  // of the journal, above which fewer stay; 256 MiB
}

func (r Retention) withDefaults() Retention {
	if r.SnapshotEvery == 0 {
		r.SnapshotEvery = 30_000
	}
	if r.Batches == 0 {
		r.Batches = 8192
	}
	if r.Bytes == 0 {
		r.Bytes = 256 << 20
	}
	return r
}

// saveAgain is the time after which a snapshot that could not be written is tried again.
const saveAgain = 5_000

// certified looks whether the stable checkpoint is of a state that was made here, and saves it if a
// snapshot is due.
func (l *Loop) certified() {
	c := l.replica.Stable()
	if c.IsBase(l.cfg.Cluster) || l.states.stable != nil && l.states.stable.Seq() >= c.Seq {
		return
	}
	if !l.states.certify(c) {
		return
	}
	last := l.states.newest()
	due := last == nil || l.now >= l.savedAt+l.keep.SnapshotEvery
	if due && (last == nil || last.Seq() < c.Seq) {
		l.save(l.states.stable)
	}
}

// save has a snapshot written, unless one is being written. One of an epoch whose beginning is not
// durable would be worth nothing after a crash, and must not take the place of an older one.
func (l *Loop) save(s *snapshot.Snapshot) {
	if l.saving != nil || l.now < l.retryAt || l.synced < l.since {
		return
	}
	l.saving = s
	l.cfg.Save(s)
}

// Saved tells how the writing of a snapshot ended. When it is durable the journal may be cut below
// it (rule R14), and if it was fetched it is put in place.
func (l *Loop) Saved(s *snapshot.Snapshot, err error) {
	if l.saving != s {
		panic(fmt.Sprintf("loop: snapshot %d was not being saved", s.Seq()))
	}
	l.saving = nil
	if err != nil {
		l.retryAt = l.now + saveAgain
		return
	}
	l.savedAt = l.now
	if l.fetch != nil && l.fetch.done == s {
		l.install(s)
	} else {
		l.states.keep(s)
	}
	l.cutJournal()
}

// cutJournal forgets what nobody needs any more: batches below the snapshots and beyond what is
// kept for those who are behind. What must be remembered for ever is written anew first, so that
// the part of the journal before it may go as soon as this is durable (rules R2 and R14).
func (l *Loop) cutJournal() {
	newest := l.states.newest()
	if newest == nil || l.trouble != nil {
		return
	}
	executed := l.archive.first + uint64(len(l.archive.decided)) - 1
	upTo := uint64(0)
	if executed > l.keep.Batches {
		upTo = executed - l.keep.Batches
	}
	older := newest
	if o := l.states.older(); o != nil {
		older = o
	}
	switch {
	case l.cfg.Journal.Size() > l.keep.Bytes:
		upTo = older.Seq()
	default:
		upTo = min(upTo, older.Seq())
	}
	if upTo < l.archive.first {
		return
	}
	lowest := l.archive.trim(upTo)
	if lowest == 0 {
		lowest = l.synced + 1
	}
	lowest = min(lowest, l.synced+1)
	loose, err := l.archive.looseBelow(lowest, min(newest.Seq(), l.replica.Stable().Seq))
	if err != nil {
		l.trouble = fmt.Errorf("reading batches that are not decided: %w", err)
		return
	}
	for _, rec := range append(l.fold.Records(), loose...) {
		l.record(rec)
	}
	l.held = append(l.held, held{lsn: l.staged, cut: lowest})
}

// Cut is the LSN before which the journal may be truncated: all that matters of what stands there
// is durable elsewhere.
func (l *Loop) Cut() uint64 { return l.cut }

// offer tells a replica that lacks batches which are gone here what it may start from.
func (l *Loop) offer(after uint64) *message.Offer {
	s := l.states.offered()
	if s == nil || after+1 >= l.archive.first || s.Seq() <= after {
		return nil
	}
	return &message.Offer{First: l.archive.first, Snapshot: s.Certificate}
}
