package daemon

import (
	"sync"

	"byzd/crypto"
	"byzd/daemon/loop"
)

// rekeying watches for the epoch in which the members know this node by its next signing key. From
// then on the first key is worth nothing to this node and everything to whoever copies the home, so
// it goes; but not before the proof that the epoch before has ended is durable here: a node that
// forgot it would stand in that epoch without the key that it voted with.
//
// It belongs to the owner of the loop, but for what it starts.
type rekeying struct {
	next    *crypto.PublicKey // nil if there is no next key, or it has taken its place
	agreed  bool              // the members know it
	lsn     uint64            // what must be durable first
	writing sync.WaitGroup
}

// rekeyed looks, on the loop, whether the next signing key has taken its place, and has the first
// one removed.
func (n *node) rekeyed(l *loop.Loop, synced uint64) {
	k := &n.rekeying
	if k.next == nil || l.Self() < 0 || !l.Cluster().Members[l.Self()].Key.Equal(*k.next) {
		return
	}
	if !k.agreed {
		k.agreed, k.lsn = true, l.Staged()
	}
	if synced < k.lsn {
		return
	}
	k.next = nil
	if n.opts.Rekeyed == nil {
		return
	}
	log := n.opts.Log.WithField("epoch", l.Cluster().Epoch)
	k.writing.Go(func() { // files are slow
		if err := n.opts.Rekeyed(); err != nil {
			log.WithError(err).Error("the signing key that was replaced could not be removed; it " +
				"is tried again at the next start")
			return
		}
		log.Info("the next signing key has taken its place, and the one before is removed")
	})
}

// close waits for what is being written.
func (k *rekeying) close() error {
	k.writing.Wait()
	return nil
}
