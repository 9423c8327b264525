package daemon

import (
	"time"

	"byzd/crypto"
	"byzd/daemon/conditions"
	"byzd/pbft"
	"byzd/pbft/message"
	"byzd/transport"
)

// links carries the loop's frames over the transport. It implements loop.Links.
type links struct {
	transport transport.Transport
	members   []message.Member
	self      crypto.NodeID
}

// Send implements loop.Links.
func (k links) Send(to int, t message.Type, frame []byte) {
	class := classOf(t)
	if to == pbft.All { // to the members: learners are peers as well
		for i := range k.members {
			if k.members[i].Node != k.self {
				k.transport.Send(k.members[i].Node, class, frame)
			}
		}
		return
	}
	k.transport.Send(k.members[to].Node, class, frame)
}

// SendNode implements loop.NodeLinks.
func (k links) SendNode(to crypto.NodeID, t message.Type, frame []byte) {
	k.transport.Send(to, classOf(t), frame)
}

// classOf says in which of a peer's streams a message travels, so that large and slow ones do not
// hold up small and urgent ones.
func classOf(t message.Type) transport.Class {
	switch t {
	case message.TypePrePrepare:
		return transport.Proposals
	case message.TypeSubmission, message.TypeHave, message.TypeFetchBundles:
		return transport.Requests
	case message.TypeFetchBatches, message.TypeBatchReply, message.TypeFetchDecided,
		message.TypeDecided, message.TypeEvidence, message.TypeEpoch, message.TypeReady,
		message.TypeOffer, message.TypeFetchState, message.TypeStatePart,
		message.TypeAnnouncement:
		return transport.Sync
	default:
		return transport.Votes
	}
}

// limits are the transport's caps, from the largest legal message of each class.
func limits(l message.Limits) transport.Limits {
	var out transport.Limits
	out.MaxFrame[transport.Votes] = max(
		l.Vote, l.Complain, l.ViewChange, l.NewView, l.Proof, l.Fence)
	out.MaxFrame[transport.Proposals] = l.PrePrepare
	out.MaxFrame[transport.Requests] = max(l.Submission, 64<<10)
	out.MaxFrame[transport.Sync] = l.Largest()
	for class, frame := range out.MaxFrame {
		out.QueueBytes[class] = max(4<<20, 4*frame)
	}
	out.QueueFrames = transport.DefaultLimits().QueueFrames
	return out
}

// weather applies a testnet's conditions to frames, dials and gossip. It implements the interfaces
// of both edges.
type weather struct {
	table *conditions.Table
	self  crypto.NodeID
}

// Frame implements transport.Conditions.
func (w weather) Frame(to crypto.NodeID, _ transport.Class, _ int) transport.Fate {
	return transport.Fate{
		Drop: !w.table.Passes(to), Delay: w.table.Delay(to), Duplicate: w.table.Twice(to),
	}
}

// DialAllowed implements transport.Conditions.
func (w weather) DialAllowed(to crypto.NodeID) bool { return w.table.Sends(to) }

// AcceptAllowed implements transport.Conditions. What a cut peer may not dial it does not.
func (weather) AcceptAllowed(crypto.NodeID) bool { return true }

// PacketAllowed implements membership.Conditions. It is asked on both sides; the sender decides.
func (w weather) PacketAllowed(from, to crypto.NodeID) bool {
	return from != w.self || w.table.Passes(to)
}

// PacketDelay implements membership.Delayer.
func (w weather) PacketDelay(_, to crypto.NodeID) time.Duration { return w.table.Delay(to) }
