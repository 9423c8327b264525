package transport

import (
	"time"

	"byzd/crypto"
)

// Class says what a frame carries, and so which of the peer's streams and queues it travels in.
// Classes do not wait for each other.
type Class uint8

const (
	// Votes carries votes, view changes and status: small, urgent, retransmittable.
	Votes Class = iota
	// Proposals carries pre-prepares.
	Proposals
	// Requests carries bundles of clients' requests.
	Requests
	// Sync carries fetches and their answers.
	Sync

	classCount
)

// String returns the class's name as it stands in protocol IDs and counters.
func (c Class) String() string {
	switch c {
	case Votes:
		return "votes"
	case Proposals:
		return "proposals"
	case Requests:
		return "requests"
	case Sync:
		return "sync"
	case classCount:
		return "control"
	default:
		return "unknown"
	}
}

// Peer is a member of the cluster.
type Peer struct {
	// ID is the member's network key.
	ID crypto.NodeID
	// Name is for people only.
	Name string
}

// Handler receives what peers send. For one peer PeerUp and PeerDown alternate, and no frame of a
// connection is delivered before its PeerUp has returned; a Receive that was under way when the
// connection broke may return after PeerDown.
type Handler interface {
	// Receive takes one frame, which it owns from then on. It is called from one goroutine for each
	// peer and class, so frames of one class arrive in order. It may block: that stops the reading
	// of this one stream, and through flow control its sender. lamport is the sender's clock when
	// the frame was handed to Send. Close waits for calls that are under way, so a Receive that
	// blocks must give up when its owner closes.
	Receive(from crypto.NodeID, class Class, lamport uint64, frame []byte)
	// PeerUp tells that hellos were exchanged with id: frames can flow both ways.
	PeerUp(id crypto.NodeID)
	// PeerDown tells that the connection to id was lost or replaced, with the frames then under
	// way.
	PeerDown(id crypto.NodeID)
}

// Fate is what a testnet's conditions do to one frame.
type Fate struct {
	Drop      bool
	Delay     time.Duration // a frame with a shorter delay overtakes one with a longer
	Duplicate bool
}

// Conditions decides what happens to frames and connections, on the sender's side. It is called on
// the send path and must not block. Heartbeats share the fate of votes, so peers notice a partition
// in the same way as a real one.
type Conditions interface {
	// Frame decides the fate of a frame of size bytes.
	Frame(to crypto.NodeID, class Class, size int) Fate
	// DialAllowed reports whether this node may open a connection to the peer.
	DialAllowed(to crypto.NodeID) bool
	// AcceptAllowed reports whether this node takes a connection that the peer opened.
	AcceptAllowed(from crypto.NodeID) bool
}

// Transport carries authenticated, bounded, opaque frames between the members of one cluster. It is
// best effort: FIFO within a class while a connection lasts, silent loss otherwise. Every method
// may be called from any goroutine.
type Transport interface {
	// Send queues frame for one peer and never blocks. A full queue of Votes drops its oldest
	// frame, the queues of the other classes drop the new one; without a connection the frame is
	// dropped. Each case has a counter. The frame is shared and must not be changed afterwards.
	Send(to crypto.NodeID, class Class, frame []byte)
	// Broadcast queues frame for every member but this node, under one Lamport time, as Send does.
	Broadcast(class Class, frame []byte)
	// SetPeers replaces the peers. Those who stay keep their connections; those who are no peers
	// any more lose theirs, and are strangers.
	SetPeers(peers []Peer)
	// Heard tells at which "host:port" addresses gossip says the peer listens. They replace what
	// was heard before; new ones are dialled at once if there is no connection.
	Heard(id crypto.NodeID, addrs []string)
	// Addr returns the "host:port" on which this node really listens.
	Addr() string
	// Peers returns the state of every member but this node, in the order of the configuration.
	Peers() []PeerState
	// Counters returns every counter by its name, zeros included.
	Counters() map[string]uint64
	// Refusals returns the last distinct refusals, the oldest first.
	Refusals() []Refusal
	// Close ends every connection and returns when no goroutine of the transport is left.
	Close() error
}

// PeerState is what a node knows of its connection to one peer.
type PeerState struct {
	ID         crypto.NodeID
	Name       string
	Connected  bool
	Since      time.Time     // when Connected last changed
	Addrs      []string      // where the peer was last heard to listen
	RTT        time.Duration // of the last heartbeat; 0 when none was answered yet
	QueueBytes int           // that wait to be written, headers included
	LastHeard  time.Time     // when bytes last came from the peer; zero when never
	LastError  string        // why the last connection or attempt ended; empty when none did
}
