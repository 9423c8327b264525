package transport

import (
	"crypto/ed25519"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/sirupsen/logrus"

	"byzd/crypto"
)

const (
	defaultHeartbeat    = time.Second
	defaultWriteTimeout = 5 * time.Second
	shortestRedial      = 100 * time.Millisecond
	longestRedial       = time.Second

	// silentIntervals is the number of heartbeats after which a silent peer is cut off. It is
	// looked for twice per interval, so a peer is noticed within 4.5 intervals.
	silentIntervals = 4

	// frameCapMax bounds every class's cap, so that a length fits in 32 bits on every platform.
	frameCapMax = 64 << 20
)

// Limits bounds what one peer may send and what waits for one peer. A zero entry stands for that of
// [DefaultLimits]. Memory for a cluster of n is at most n times the sum of QueueBytes and MaxFrame.
type Limits struct {
	// MaxFrame is the largest payload in bytes that is sent or accepted.
	MaxFrame [classCount]int
	// QueueBytes is the most that waits for one peer, headers included, delayed frames too.
	QueueBytes [classCount]int
	// QueueFrames is the most frames that wait for one peer.
	QueueFrames [classCount]int
}

// DefaultLimits returns the limits of PROTOCOL §4.15 and §4.18: frames hold 64 KiB of votes, 1.5
// MiB of proposal, 1.25 MiB of sync; some 8 MiB wait for one peer.
func DefaultLimits() Limits {
	return Limits{
		MaxFrame: [classCount]int{
			Votes: 64 << 10, Proposals: 3 << 19, Requests: 1 << 20, Sync: 5 << 18,
		},
		QueueBytes: [classCount]int{
			Votes: 1 << 20, Proposals: 4 << 20, Requests: 2 << 20, Sync: 5 << 19,
		},
		QueueFrames: [classCount]int{Votes: 8192, Proposals: 64, Requests: 1024, Sync: 64},
	}
}

// Config is what a transport is made of. All fields without a stated default are required.
type Config struct {
	// Cluster, Epoch and WireVersion must be equal on both ends of a connection; a peer that
	// differs is refused by the name of both values.
	Cluster     crypto.Digest
	Epoch       uint64
	WireVersion uint16
	// Key is the node's identity.
	Key crypto.NetworkKey
	// Peers are all members of the cluster; whether the node itself is among them does not matter.
	Peers []Peer
	// MaxPeers is how many there may ever be, see [Transport.SetPeers]; 0 means those of Peers.
	MaxPeers int
	// Listen is the "host:port" to listen on; port 0 takes a free one, an empty host all of IPv4.
	Listen string
	// Limits bounds frames and queues; zero entries take DefaultLimits.
	Limits Limits
	// Handler receives frames and the comings and goings of peers.
	Handler Handler
	// Log receives lifecycle and refusals; nil discards them.
	Log logrus.FieldLogger
	// Heartbeat is the interval of heartbeats; 0 means 1 s. A peer is cut off after 4 silent ones.
	Heartbeat time.Duration
	// WriteTimeout bounds each write of at most 64 KiB; 0 means 5 s. A peer that takes nothing for
	// that long loses the connection, so raising it makes a stalled peer cost its queue for longer.
	// A frame that has begun to arrive has twice as long for each such piece.
	WriteTimeout time.Duration
	// RedialMin and RedialMax bound the exponential back-off between attempts to connect, with full
	// jitter; 0 means 100 ms and 1 s.
	RedialMin, RedialMax time.Duration
	// Conditions are a testnet's faults; nil means none.
	Conditions Conditions
	// Clock is the node's Lamport clock; nil makes one for the transport alone.
	Clock *Lamport
}

// complete checks the configuration and fills in its defaults.
func (c Config) complete() (Config, error) {
	if len(c.Key.Private()) != ed25519.PrivateKeySize {
		return c, fmt.Errorf("%w: no network key", ErrConfig)
	}
	if c.Cluster.IsZero() {
		return c, fmt.Errorf("%w: no cluster ID", ErrConfig)
	}
	if c.Handler == nil {
		return c, fmt.Errorf("%w: no handler", ErrConfig)
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return c, fmt.Errorf("%w: listen address: %w", ErrConfig, err)
	}
	seen := make(map[crypto.NodeID]bool, len(c.Peers))
	for _, p := range c.Peers {
		if seen[p.ID] {
			return c, fmt.Errorf("%w: peer %s is listed twice", ErrConfig, p.ID)
		}
		seen[p.ID] = true
	}
	for _, d := range []struct {
		value    *time.Duration
		name     string
		standard time.Duration
	}{
		{&c.Heartbeat, "heartbeat", defaultHeartbeat},
		{&c.WriteTimeout, "write timeout", defaultWriteTimeout},
		{&c.RedialMin, "smallest redial delay", shortestRedial},
		{&c.RedialMax, "largest redial delay", max(longestRedial, c.RedialMin)},
	} {
		if *d.value < 0 {
			return c, fmt.Errorf("%w: %s of %s is negative", ErrConfig, d.name, *d.value)
		}
		if *d.value == 0 {
			*d.value = d.standard
		}
	}
	if c.RedialMin > c.RedialMax {
		return c, fmt.Errorf("%w: redial delays from %s to %s", ErrConfig, c.RedialMin, c.RedialMax)
	}
	c.Log = c.logger()
	if c.Clock == nil {
		c.Clock = new(Lamport)
	}
	return c, c.Limits.complete()
}

// logger returns Log, or one that discards.
func (c Config) logger() logrus.FieldLogger {
	if c.Log != nil {
		return c.Log
	}
	discard := logrus.New()
	discard.SetOutput(io.Discard)
	return discard
}

// complete checks the limits and fills in their defaults.
func (l *Limits) complete() error {
	standard := DefaultLimits()
	for class := range classCount {
		frame, bytes := &l.MaxFrame[class], &l.QueueBytes[class]
		frames := &l.QueueFrames[class]
		if *frame == 0 {
			*frame = standard.MaxFrame[class]
		}
		if *bytes == 0 {
			*bytes = max(standard.QueueBytes[class], *frame+headerSize)
		}
		if *frames == 0 {
			*frames = standard.QueueFrames[class]
		}
		if *frame < 1 || *frame > frameCapMax || *frames < 1 {
			return fmt.Errorf("%w: %s frames of %d bytes, %d queued",
				ErrConfig, class, *frame, *frames)
		}
		if *bytes < *frame+headerSize {
			return fmt.Errorf("%w: a queue of %d bytes cannot hold one frame of %s",
				ErrConfig, *bytes, class)
		}
	}
	return nil
}
