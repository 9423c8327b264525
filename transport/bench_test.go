package transport_test

import (
	"sync/atomic"
	"testing"

	"byzd/crypto"
	"byzd/transport"
)

// counting is a handler that signals when it has received a number of frames.
type counting struct {
	left atomic.Int64
	done chan struct{}
	up   chan struct{}
}

func (c *counting) Receive(crypto.NodeID, transport.Class, uint64, []byte) {
	if c.left.Add(-1) == 0 {
		c.done <- struct{}{}
	}
}

func (c *counting) PeerUp(crypto.NodeID) { c.up <- struct{}{} }

func (*counting) PeerDown(crypto.NodeID) {}

// BenchmarkVotes sends frames of a vote's size over loopback, in bursts that fit the queue.
func BenchmarkVotes(b *testing.B) {
	const burst, size = 1000, 200
	keys := []crypto.NetworkKey{
		crypto.NewNetworkKey([crypto.SeedSize]byte{1}),
		crypto.NewNetworkKey([crypto.SeedSize]byte{2}),
	}
	peers := []transport.Peer{{ID: keys[0].ID()}, {ID: keys[1].ID()}}
	var nodes []transport.Transport
	var handlers []*counting
	for _, key := range keys {
		h := &counting{done: make(chan struct{}, 1), up: make(chan struct{}, 1)}
		made, err := transport.New(transport.Config{
			Cluster: crypto.Digest{1}, Key: key, Peers: peers, Listen: "127.0.0.1:0", Handler: h,
		})
		if err != nil {
			b.Fatal(err)
		}
		defer made.Close()
		nodes, handlers = append(nodes, made), append(handlers, h)
	}
	for i, n := range nodes {
		n.Heard(peers[1-i].ID, []string{nodes[1-i].Addr()})
	}
	<-handlers[0].up
	<-handlers[1].up
	frame := make([]byte, size)
	b.ReportAllocs()
	b.SetBytes(burst * size)
	for b.Loop() {
		handlers[1].left.Store(burst)
		for range burst {
			nodes[0].Send(peers[1].ID, transport.Votes, frame)
		}
		<-handlers[1].done
	}
	b.ReportMetric(float64(b.N)*burst/b.Elapsed().Seconds(), "frames/s")
}
