package sim

import (
	"errors"

	"byzd/crypto"
	"byzd/daemon/disk"
	"byzd/daemon/journal"
	"byzd/daemon/kv"
	"byzd/daemon/loop"
	"byzd/daemon/promises"
	"byzd/daemon/snapshot"
)

// start runs the real start path: it looks whether the disk can hold all that was promised, opens
// the journal, replays it and ticks once.
func (n *node) start() {
	w := n.w
	n.boot++
	n.disk = &faultyDisk{Memory: n.mem, lying: n.disk != nil && n.disk.lying, node: n}
	forgot, err := n.openJournal()
	if err != nil {
		n.startFailed(err)
		return
	}
	if err := n.openShelf(); err != nil {
		n.startFailed(err)
		return
	}
	n.store = kv.New()
	var links loop.Links = frames{n}
	if !w.opts.Codec && len(n.specs) == 0 {
		links = decoded{frames{n}}
	}
	cfg := loop.Config{
		Cluster: w.cfg, Self: w.eras[0].place[n.replica], Node: keys().nodes[n.replica],
		Sealer: w.sealer(w.eras[0], n.replica), Journal: n.journal,
		Announced: n.announced, Proved: n.proved, Reconfigured: n.reconfigured,
		Disk: n.disk, Store: n.store, Links: links, Applied: n.applied, Watch: n.watch,
		Forgot: forgot, Save: n.save, Keep: w.opts.keep(), Archive: n.shelf.archive,
		Salt: mix(w.seed, uint64(n.index)<<32^uint64(n.boot)), //nolint:gosec // small
	}
	if n.second {
		cfg.Signers = []crypto.Signer{w.signers[n.replica][1]}
	}
	n.learners = 0
	n.loop, err = loop.Open(cfg)
	if err == nil {
		err = n.journal.Flush()
	}
	if err == nil {
		err = promises.Recorded(n.disk)
	}
	if err != nil {
		n.startFailed(err)
		return
	}
	n.up, n.dead, n.awake, n.flushing, n.full, n.fuse = true, false, false, false, false, 0
	n.saving, n.cut, n.fetching = nil, 0, false
	if first, last := n.journal.Bounds(); first > 1 && last >= first {
		w.mark(markFromSnapshot)
	}
	n.inbox = n.inbox[:0]
	n.synced, n.begun = n.loop.Staged(), 0
	n.enroll()
	n.rearm()
	if n.journal.Report().TornBytes > 0 {
		w.mark(markTornTail)
	}
	w.oracles.started(n)
	w.noteSlept(n)
	n.loop.Tick(n.clock())
	n.turn()
	w.plan(event{at: w.now + w.opts.TickEvery*1000, kind: evTick}, n)
}

// openJournal does what the daemon does: a directory that has lost its journal, or a part of it, is
// known as such, and a damaged journal is set aside. forgot says why, or is empty.
func (n *node) openJournal() (forgot string, err error) {
	opts := journal.Options{
		Owner: n.w.cfg.Cluster, SegmentBytes: n.w.opts.SegmentBytes, Salt: n.w.seed,
	}
	if forgot, err = promises.Forgotten(n.disk); err != nil {
		return "", err
	}
	if forgot != "" {
		if err := promises.Forget(n.disk, forgot); err != nil {
			return "", err
		}
	}
	n.journal, err = journal.Open(n.disk, opts)
	if _, damaged := errors.AsType[*journal.DamageError](err); !damaged {
		return forgot, err
	}
	if n.correct {
		n.w.fail("O11", "replica %d cannot read its own journal: %v", n.replica, err)
	}
	n.w.mark(markDamageFound)
	forgot = "its journal was damaged"
	if err := promises.Forget(n.disk, forgot); err != nil {
		return "", err
	}
	names, err := n.disk.List("journal")
	for _, name := range names {
		err = errors.Join(err, n.disk.Remove(name))
	}
	if err := errors.Join(err, n.disk.SyncDir()); err != nil {
		return "", err
	}
	n.journal, err = journal.Open(n.disk, opts)
	return forgot, err
}

// startFailed sorts out why a node does not start: an error of the disk, which is tried again as
// by whoever supervises the process. What is wrong on the disk of a correct node is a finding.
func (n *node) startFailed(err error) {
	w := n.w
	n.up = false
	if errors.Is(err, disk.ErrFull) {
		w.mark(markFullAtStart)
	} else {
		w.mark(markErrorAtStart)
	}
	n.failures++
	if n.failures > startsMax {
		n.broken = err.Error()
		if n.correct {
			w.fail("O11", "replica %d does not start any more: %v", n.replica, err)
		}
		return
	}
	w.plan(event{at: w.now + retryFull, kind: evRestart}, n)
}

// startsMax is how often a start may fail in one run: more than the faults of a disk explain.
const startsMax = 40

// keep is how much of the past the nodes keep.
func (o *Options) keep() loop.Retention {
	return loop.Retention{
		SnapshotEvery: o.SnapshotEvery,
		Batches:       uint64(o.KeepBatches), //nolint:gosec // not negative
	}
}

// save implements the loop's door: a snapshot is written beside everything else.
func (n *node) save(s *snapshot.Snapshot) {
	n.saving = s
	w := n.w
	w.plan(event{at: w.now + 1 + exponential(w.rnd[streamDelay], 10*w.opts.Sync), kind: evSaved}, n)
}

// saved ends the writing of a snapshot.
func (n *node) saved() {
	if n.asleep(evSaved) || n.saving == nil {
		return
	}
	if n.full { // the owner takes nothing in
		n.w.plan(event{at: n.w.now + retryFull, kind: evSaved}, n)
		return
	}
	s := n.saving
	n.saving = nil
	err := snapshot.Write(n.disk, s)
	if err == nil {
		err = snapshot.Prune(n.disk, keptSnapshots)
	}
	if err == nil {
		n.w.mark(markSnapshot)
	} else {
		n.w.mark(markSnapshotFailed)
	}
	n.loop.Saved(s, err)
	n.turn()
}

// keptSnapshots is how many snapshots stay on disk, as in the daemon.
const keptSnapshots = 2

// cutJournal removes what the journal need not keep any more.
func (n *node) cutJournal() {
	if n.flushCut <= n.cut {
		return
	}
	if n.flushShelf(true) == nil && n.journal.TruncateBefore(n.flushCut) == nil {
		n.cut = n.flushCut
		n.w.mark(markJournalCut)
	}
}
