package loop

import (
	"fmt"

	"byzd/crypto"
	"byzd/pbft/message"
)

// NodeLinks are links that also reach nodes that are no members of this epoch: learners, and those
// who are in an earlier one.
type NodeLinks interface {
	Links
	// SendNode hands a frame to one node. It must not block.
	SendNode(to crypto.NodeID, t message.Type, frame []byte)
}

// outsider is what this node remembers about a node that is not in its epoch, or no member of it.
type outsider struct {
	toldAt int64 // when it was last told that its epoch ended
}

// maxOutsiders bounds those that are remembered: the members of two epochs.
const maxOutsiders = 256

// tellAgain is the time between two proofs of one epoch's end to one node, in milliseconds.
const tellAgain = 100

// Outside takes a message of a node that is in an earlier epoch than this one, or no member of it.
// It is decoded and not verified: nothing of it is believed, but what proves itself.
//
// Whoever is behind is told that its epoch ended, and gets what was decided in it (B52): a node
// that was a member goes on serving those who need it.
func (l *Loop) Outside(from crypto.NodeID, epoch uint64, m message.Message) {
	if epoch > l.cfg.Cluster.Epoch {
		return // whoever it is will be told to; so will this node
	}
	switch m := m.(type) {
	case *message.Ready:
		if epoch == l.cfg.Cluster.Epoch {
			l.onReady(m)
		}
		return
	case *message.FetchDecided:
		l.serveOutside(from, epoch, m.After)
	case *message.FetchState:
		l.giveOutside(from, epoch, m)
		return
	default:
	}
	if p := l.epochs.end(epoch); p != nil && l.mayTell(from) {
		l.sendNode(from, epoch, p)
	}
}

// mayTell limits what one outsider is told.
func (l *Loop) mayTell(id crypto.NodeID) bool {
	o := l.outsiders[id]
	if o == nil {
		if len(l.outsiders) >= maxOutsiders {
			clear(l.outsiders)
		}
		o = &outsider{}
		l.outsiders[id] = o
	}
	if o.toldAt > 0 && l.now < o.toldAt+tellAgain {
		return false
	}
	o.toldAt = l.now
	return true
}

// serveOutside sends decided batches of an epoch, up to its end.
func (l *Loop) serveOutside(to crypto.NodeID, epoch, after uint64) {
	limit := uint64(message.MaxNumber)
	if p := l.epochs.end(epoch); p != nil {
		limit = p.Certificate.Seq
	}
	if after < l.epochs.at(epoch).Base.Seq || after >= limit {
		return
	}
	if o := l.offer(after); o != nil {
		if h := l.headerEpoch(o); h == epoch {
			l.sendNode(to, epoch, o)
		}
		return
	}
	m, err := l.archive.serveUpTo(after, l.synced, limit)
	if err != nil {
		l.trouble = fmt.Errorf("reading decided batches: %w", err)
		return
	}
	switch c := l.replica.Stable(); {
	case m != nil:
		l.sendNode(to, epoch, m)
	case epoch == l.cfg.Cluster.Epoch && !c.IsBase(l.cfg.Cluster) && l.mayTell(to):
		l.sendNode(to, epoch, &message.Proof{Checkpoint: c}) // it has everything
	}
}

// headerEpoch is the epoch of the state that an offer is about.
func (l *Loop) headerEpoch(o *message.Offer) uint64 {
	epoch := l.cfg.Cluster.Epoch
	for epoch > 0 && o.Snapshot.Seq <= l.epochs.at(epoch).Base.Seq {
		epoch--
	}
	return epoch
}

// giveOutside answers a question for a piece of a state.
func (l *Loop) giveOutside(to crypto.NodeID, epoch uint64, m *message.FetchState) {
	data, err := l.states.piece(m.Want, l.now)
	if err != nil || len(data) > 0 && !l.strangers.allow(0, len(data), l.now) {
		return
	}
	l.sendNode(to, epoch, &message.StatePart{Want: m.Want, Data: data})
}

func (l *Loop) sendNode(to crypto.NodeID, epoch uint64, m message.Message) {
	if links, ok := l.cfg.Links.(NodeLinks); ok {
		links.SendNode(to, m.Type(), message.Encode(epoch, m))
	}
}
