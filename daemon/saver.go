package daemon

import (
	"sync"

	"byzd/daemon/disk"
	"byzd/daemon/snapshot"
)

// saver writes snapshots beside everything else: a large one takes seconds, and the owner of the
// loop must not wait for it. The loop saves one at a time.
type saver struct {
	disk  disk.Disk
	saved chan saved
	work  sync.WaitGroup
}

// saved is the outcome of writing a snapshot.
type saved struct {
	snapshot *snapshot.Snapshot
	err      error
}

// keptSnapshots is how many snapshots stay on disk: a damaged one must not be the last.
const keptSnapshots = 2

func newSaver(d disk.Disk) *saver { return &saver{disk: d, saved: make(chan saved, 1)} }

// save begins to write a snapshot; the outcome comes through the channel.
func (s *saver) save(snap *snapshot.Snapshot) {
	s.work.Go(func() {
		err := snapshot.Write(s.disk, snap)
		if err == nil {
			err = snapshot.Prune(s.disk, keptSnapshots)
		}
		s.saved <- saved{snap, err}
	})
}

// close waits for the writing under way.
func (s *saver) close() error {
	s.work.Wait()
	return nil
}
