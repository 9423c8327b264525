package sim

import (
	"math/rand/v2"

	"byzd/daemon/archive"
	"byzd/daemon/disk"
)

// shelf is where a node keeps what outlives its journal (rule R7.8), as the daemon does: a
// directory of its own. Beyond a power cut no fault strikes it, since a node goes on without.
type shelf struct {
	mem     *disk.Memory
	archive *archive.Archive
	written int64 // µs, when it was made durable last
}

// archiveEvery bounds how long an archive is in memory alone, in µs, and the daemon's is a minute:
// the runs are short.
const archiveEvery = 1_000_000

// archiveBytes is far more than a run fills.
const archiveBytes = 1 << 20

// openShelf opens a node's archive. What a correct disk holds must be readable.
func (n *node) openShelf() error {
	if n.shelf.mem == nil {
		n.shelf.mem = newMemory()
	}
	a, err := archive.Open(n.shelf.mem, archive.Options{
		Owner: n.w.cfg.Cluster, Every: n.w.opts.Params.CheckpointEvery, Bytes: archiveBytes,
	})
	if err != nil && n.correct {
		n.w.fail("O11", "replica %d cannot read its own archive: %v", n.replica, err)
	}
	n.shelf.archive = a
	return err
}

// flushShelf makes the archive durable, now and then, and always before the journal is cut.
func (n *node) flushShelf(now bool) error {
	s := &n.shelf
	if !now && n.w.now-s.written < archiveEvery {
		return nil
	}
	s.written = n.w.now
	return s.archive.Flush()
}

// crash lets the power go: of what is not durable nothing is left, or the first bytes, or any part.
func (s *shelf) crash(r *rand.Rand) {
	if s.mem == nil {
		return
	}
	switch r.IntN(3) {
	case 0:
		s.mem.Crash()
	case 1:
		s.mem.CrashTorn(r.Int64N(s.mem.UnsyncedBytes() + 1))
	default:
		s.mem.CrashKeeping(func(disk.Unsynced) bool { return r.IntN(2) == 0 })
	}
}
