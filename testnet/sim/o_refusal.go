package sim

import (
	"byzd/crypto"
	"byzd/pbft"
	"byzd/pbft/message"
)

// refusals is O16's second half, and O19: what comes of what a replica does not take.
type refusals struct {
	prints int           // fingerprints taken
	door   crypto.Digest // of the replica that a refused message did not reach
}

// printsMax bounds how often a run takes fingerprints: each costs as much as many steps.
const printsMax = 24

// convicts is O16: a replica that has seen two votes of one voter for one place holds the proof.
func (o *oracles) convicts(n *node, p *packet) {
	v, is := p.msg.(*message.Vote)
	if !is || o.w.lastDrop != pbft.DropVoteConflict {
		return
	}
	if !n.loop.Replica().State().Convicted.Has(v.Voter) {
		o.w.fail("O16", "replica %d saw replica %d contradict itself at (%d,%d) and accuses nobody",
			n.replica, v.Voter, v.View, v.Seq)
	}
}

// unmoved is O19: what was dropped once and comes again at once changes nothing at all. The first
// time it may: that its sender is alive, a proof, certificates and statements that it carries (see
// [pbft.Drop]).
func (o *oracles) unmoved(n *node, v message.Verified) {
	w := o.w
	if parts(v.Message(), w.lastDrop) || !pure(w.lastDrop) || o.prints >= printsMax ||
		w.rnd[streamSample].IntN(32) != 0 {
		return
	}
	o.prints++
	why, count := w.lastDrop, w.dropCount
	before := n.loop.Replica().Fingerprint()
	n.loop.Receive(v)
	if n.loop.Replica().Fingerprint() != before {
		w.fail("O19", "replica %d dropped a %v (%s), and it changed the state",
			n.replica, v.Message().Type(), why)
	}
	if w.dropCount != count+1 {
		w.fail("O19", "replica %d dropped a %v (%s) and took it when it came again",
			n.replica, v.Message().Type(), why)
	}
	w.mark(markDropChecked)
}

// parts reports whether a message is made of several, of which one may be dropped and another not:
// of a pre-prepare the vote in it.
func parts(m message.Message, why pbft.Drop) bool {
	t := m.Type()
	return t == message.TypeProof || t == message.TypeNewView ||
		t == message.TypePrePrepare && why == pbft.DropVoteConflict
}

// pure reports whether a drop says that a message is of no use for ever, and not only for now. Of
// those that leave a proof behind the second is as good as none. A vote that comes twice is not
// among them: what contradicts the primary is passed on each time.
func pure(why pbft.Drop) bool {
	switch why {
	case pbft.DropVoteWindow, pbft.DropVoteEcho, pbft.DropPrePrepareView,
		pbft.DropPrePrepareSender, pbft.DropPrePrepareWindow, pbft.DropBundleDone,
		pbft.DropBundleKnown, pbft.DropCheckpointOld, pbft.DropCheckpointPlace,
		pbft.DropComplainView, pbft.DropViewChangeOld, pbft.DropNewViewOld, pbft.DropProofOld,
		pbft.DropFenceStale, pbft.DropEvidenceKnown, pbft.DropBatchUnwanted,
		pbft.DropDecidedUnwanted, pbft.DropVoteConflict, pbft.DropCheckpointSecond,
		pbft.DropBundleConflict, pbft.DropCheckpointEcho, pbft.DropViewChangeEcho,
		pbft.DropHaveNotPrimary, pbft.DropFenceSilent, pbft.DropRecoverSilent,
		pbft.DropRecoveryStale:
		return true
	default:
		return false
	}
}

// untouched is O19 for what the door turned away: the replica's state is the one before.
func (o *oracles) untouched(n *node) {
	if o.door.IsZero() {
		return
	}
	if n.loop.Replica().Fingerprint() != o.door {
		o.w.fail("O19", "replica %d refused a message, and it changed the state", n.replica)
	}
	o.door = crypto.Digest{}
	o.w.mark(markRefusalChecked)
}

// beforeDoor takes a fingerprint now and then, before a message comes to the door.
func (o *oracles) beforeDoor(n *node, p *packet) {
	suspect := p.bad || p.foreign || n.w.nodes[p.from].liar != nil
	if suspect && n.correct && o.prints < printsMax && o.w.rnd[streamSample].IntN(64) == 0 {
		o.prints++
		o.door = n.loop.Replica().Fingerprint()
		return
	}
	o.door = crypto.Digest{}
}
