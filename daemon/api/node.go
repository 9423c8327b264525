package api

import (
	"errors"

	"byzd/crypto"
	"byzd/pbft/message"
)

// Node is what the client endpoint needs of the node that it fronts. All methods may be called from
// any goroutine, and none of them waits for agreement.
type Node interface {
	// Order hands plain operations to this node's gateway. It calls Done once for each of them,
	// soon or much later, and for all of them when the node stops.
	Order(o *Orders)

	// Deliver hands a client's signed request to agreement; its form and signature were checked.
	// The replies come to those who listen. If this member has executed the request already, its
	// cached reply goes to the listeners at once. The error wraps [ErrBusy] or [ErrNotReady], and
	// then nothing was done.
	Deliver(req *message.ClientRequest) error

	// Listen registers for this member's signed replies to a client's requests, until stop is
	// called; after stop has returned the sink is not called again. A sink does not block. One
	// client may have several listeners.
	Listen(client crypto.NodeID, sink func(*message.Reply)) (stop func())

	// Members tells who is in the cluster and where; the addresses are gossip's advice.
	Members() []Member

	// View is the view this node is in, for the headers of etcd's responses.
	View() uint64

	// Ready returns nil if this node takes part in agreement, and the reason if not.
	Ready() error
}

// Orders are plain operations that came together: one frame of a client. The owner of the node
// takes them with one hand-over, whatever their number.
type Orders struct {
	// Client tells clients apart; it stands for whoever is at the other end of a connection.
	Client string
	// Ops are operations as kv encodes them, none larger than a bundle may be.
	Ops [][]byte
	// Done takes the result of operation i as kv encodes it, or an error that wraps [ErrBusy],
	// [ErrUnknown] or [ErrNotReady]. It is called once for each i, from any goroutine; it must not
	// block, and must not keep what it is given beyond what it needs: the result is shared.
	Done func(i int, result []byte, err error)
}

// Member is one member of the cluster, as this node sees it.
type Member struct {
	Index  int
	Name   string
	ID     crypto.NodeID
	Client string // the address of its client endpoint, empty if not known
	Seen   bool   // gossip believes it alive
}

// What may become of an operation instead of a result.
var (
	// ErrBusy says that nothing was done: too much waits already. The client may come back later.
	ErrBusy = errors.New("too many operations wait at this node")
	// ErrUnknown says that the operation may or may not be executed: the node stops, or the place
	// that its gateway had for it was used otherwise.
	ErrUnknown = errors.New("the outcome is unknown: the operation may have been executed")
	// ErrNotReady says that nothing was done: this node takes no part in agreement now. Errors that
	// wrap it give the reason.
	ErrNotReady = errors.New("this node is not ready")
)
