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
	liedAt int64 // when what it told did not hold
}

// maxOutsiders bounds those that are remembered: the members of two epochs.
const maxOutsiders = 256

// tellAgain is the time between two proofs of one epoch's end to one node, in milliseconds.
const tellAgain = 100

// Outside takes a message of a node that is in another epoch than this one, or no member of it. It
// is decoded and not verified: nothing of it is believed, but what proves itself.
//
// Whoever is behind is told that its epoch ended, and gets what was decided in it (B52): a node
// that was a member goes on serving those who need it. What members of a later epoch tell a node
// that is behind is in leap.go.
func (l *Loop) Outside(from crypto.NodeID, epoch uint64, m message.Message) {
	if LeadsAhead(m) {
		l.ahead(from, epoch, m)
		return
	}
	if epoch > l.cfg.Cluster.Epoch {
		return // whoever it is will be told to; so will this node
	}
	switch m := m.(type) {
	case *message.Ready:
		if epoch == l.cfg.Cluster.Epoch {
			l.onReady(from, m)
		}
		return
	case *message.FetchDecided:
		l.serveOutside(from, epoch, m.After)
	case *message.FetchState:
		l.giveOutside(from, epoch, m)
	default:
	}
	l.tellEnds(from, epoch)
}

// tellEnds proves to a node that the epoch it is in has ended, and the next few if they have too.
func (l *Loop) tellEnds(to crypto.NodeID, epoch uint64) {
	last := l.epochs.last().Epoch
	if epoch >= last || !l.mayTell(to) {
		return
	}
	for k := epoch; k < min(epoch+endsAtOnce, last); k++ {
		l.sendNode(to, k, l.epochs.end(k))
	}
}

// endsAtOnce is how many proofs of epochs' ends a node is told at once.
const endsAtOnce = 4

// mayTell limits what one outsider is told.
func (l *Loop) mayTell(id crypto.NodeID) bool {
	o := l.outsider(id)
	if o.toldAt > 0 && l.now < o.toldAt+tellAgain {
		return false
	}
	o.toldAt = l.now
	return true
}

func (l *Loop) outsider(id crypto.NodeID) *outsider {
	o := l.outsiders[id]
	if o == nil {
		if len(l.outsiders) >= maxOutsiders {
			clear(l.outsiders)
		}
		o = &outsider{}
		l.outsiders[id] = o
	}
	return o
}

// serveOutside sends decided batches of an epoch, up to its end, or the offer of a state, which may
// be of another epoch.
func (l *Loop) serveOutside(to crypto.NodeID, epoch, after uint64) {
	limit := uint64(message.MaxNumber)
	if p := l.epochs.end(epoch); p != nil {
		limit = p.Certificate.Seq
	}
	if after < l.epochs.at(epoch).Base.Seq || after >= limit {
		return
	}
	if o := l.offer(after); o != nil {
		l.sendNode(to, l.headerEpoch(o), o)
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
	if o := l.offer(0); data == nil && o != nil {
		l.sendNode(to, l.headerEpoch(o), o)
	}
	if m.Want.Root == (crypto.Digest{}) {
		return
	}
	l.sendNode(to, epoch, &message.StatePart{Want: m.Want, Data: data})
}

func (l *Loop) sendNode(to crypto.NodeID, epoch uint64, m message.Message) {
	if links, ok := l.cfg.Links.(NodeLinks); ok {
		links.SendNode(to, m.Type(), message.Encode(epoch, m))
	}
}
