package transport

import (
	"context"
	"io"
	"time"

	"byzd/crypto"
)

// Carrier makes authenticated connections for [Over]: libp2p's for [New], channels for package
// memory. Everything above connections is the same for all carriers.
type Carrier interface {
	// Open starts to listen. Streams are taken for the given protocol IDs.
	Open(door Door, protocols []string) error
	// Dial makes sure that a link to the peer exists, at one of the addresses. A nil error means
	// that the door has been told of the link. It is not called twice at once for the same peer.
	Dial(ctx context.Context, to crypto.NodeID, addrs []string) error
	// Addr returns the "host:port" listened on.
	Addr() string
	// Close ends every link and returns when no goroutine of the carrier is left, save those inside
	// what [Door.Linked] returned.
	Close() error
}

// Door is what a carrier tells of links.
type Door interface {
	// Admit decides whether a connection that someone opened may become a link. addr is for people.
	Admit(from crypto.NodeID, addr string) bool
	// Linked tells of a new link, once, before any of its streams, and must not block. The carrier
	// calls accept, in a goroutine of its own, for each stream that the peer opens; accept may keep
	// that goroutine for as long as the stream lives. If accept is nil the carrier closes the link.
	Linked(link Link) (accept func(protocol string, stream Stream))
	// Refused tells of what did not get as far as the other methods. It must not block.
	Refused(what Refused)
}

// Refused is what a carrier turns away by itself.
type Refused uint8

const (
	// RefusedConns is a connection that came when too many were there or came too fast.
	RefusedConns Refused = iota
	// RefusedHandshake is a connection whose other end did not prove an identity, in time or at
	// all, or not one of a member.
	RefusedHandshake
	// RefusedStreams is a stream that came when too many were there.
	RefusedStreams
)

// Link is one authenticated connection that carries any number of streams.
type Link interface {
	// Peer returns the identity that the other end has proved.
	Peer() crypto.NodeID
	// Dialed reports whether this end opened the link.
	Dialed() bool
	// Open opens a stream for one of the protocol IDs.
	Open(ctx context.Context, protocol string) (Stream, error)
	// Close ends the link and all its streams. It may take as long as a farewell to a frozen peer.
	Close() error
}

// Stream is an ordered, flow-controlled pair of byte streams. A deadline holds for reads or writes
// that begin after it was set.
type Stream interface {
	io.ReadWriter
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
	// Reset ends the stream in both directions and breaks what is under way in it.
	Reset() error
}
