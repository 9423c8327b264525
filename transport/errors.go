package transport

import "errors"

// ErrConfig is wrapped by every error with which [New] and [Over] refuse a [Config].
var ErrConfig = errors.New("transport: configuration")

// ErrClosed is the reason with which sessions end when their own node closes the transport.
var ErrClosed = errors.New("transport: closed")

// The reasons for which a session ends. They reach people through PeerState.LastError and the log.
var (
	errCluster       = errors.New("the peer belongs to another cluster")
	errDuplicate     = errors.New("another connection to the peer is in use")
	errEpoch         = errors.New("the peer is in another epoch")
	errFrameEmpty    = errors.New("frame without content")
	errFrameTooLarge = errors.New("frame exceeds its class's cap")
	errHello         = errors.New("malformed hello")
	errHelloRefused  = errors.New("the peer refused this node's hello")
	errLeft          = errors.New("the peer is no member any more")
	errHelloTimeout  = errors.New("no hello in time")
	errIdentity      = errors.New("the hello names another identity than the connection's key")
	errControl       = errors.New("malformed control frame")
	errSilent        = errors.New("the peer is silent")
	errStreamEnded   = errors.New("the peer ended a stream that lives as long as its connection")
	errSuperseded    = errors.New("a newer connection to the peer took over")
	errVersion       = errors.New("the peer speaks another wire version")
	errWriteTimeout  = errors.New("the peer did not take a write in time")
)
