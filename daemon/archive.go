package daemon

import (
	"errors"

	"byzd/daemon/archive"
	"byzd/daemon/disk"
)

// openArchive opens what outlives the journal. A node goes on without it: it is testimony, and
// nothing that the protocol rests on.
func (n *node) openArchive() error {
	if n.opts.Archive == "" {
		return nil
	}
	d, err := disk.OS(n.opts.Archive)
	if err != nil {
		return err
	}
	n.archive, err = archive.Open(d, archive.Options{
		Owner: n.journalOwner(), Every: n.opts.Cluster.Params.CheckpointEvery,
	})
	if err != nil {
		n.archive = nil
		n.opts.Log.WithError(err).Warn("the archive cannot be used, and stays as it is: should " +
			"more than f members lie, this node testifies as far as its journal reaches, no " +
			"further")
		return nil
	}
	n.onClose(n.archive.Close)
	return nil
}

// flushArchive makes the archive durable. A full disk may pass, and the journal waits for it;
// anything else ends the archive, and the journal is cut all the same.
func (n *node) flushArchive() error {
	if n.archive == nil {
		return nil
	}
	err := n.archive.Flush()
	if errors.Is(err, disk.ErrFull) {
		return err
	}
	if err != nil && !n.archiveLost {
		n.archiveLost = true
		n.opts.Log.WithError(err).Warn("the archive cannot be written any more")
	}
	return nil
}
