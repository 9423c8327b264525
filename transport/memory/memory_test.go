package memory_test

import (
	"testing"
	"testing/synctest"
	"time"

	"byzd/crypto"
	"byzd/transport"
	"byzd/transport/memory"
	"byzd/transport/transporttest"
)

// world adapts a network to the contract's tests.
type world struct {
	*memory.Network
	t     *testing.T
	addrs map[crypto.NodeID]string
}

func (w *world) New(cfg transport.Config) (transport.Transport, error) {
	made, err := w.Network.New(cfg)
	if err == nil {
		w.addrs[cfg.Key.ID()] = made.Addr()
	}
	return made, err
}

func (w *world) Route(_, to crypto.NodeID) string { return w.addrs[to] }

func (w *world) Kill(id crypto.NodeID) {
	if err := w.Network.Kill(id); err != nil {
		w.t.Errorf("kill: %v", err)
	}
}

func TestConformance(t *testing.T) {
	transporttest.Run(t, func(t *testing.T) transporttest.World {
		t.Helper()
		return &world{memory.NewNetwork(1), t, make(map[crypto.NodeID]string)}
	})
}

// quiet is a handler that tells of comings and goings.
type quiet struct{ up, down chan crypto.NodeID }

func (quiet) Receive(crypto.NodeID, transport.Class, uint64, []byte) {}

func (q quiet) PeerUp(id crypto.NodeID) { q.up <- id }

func (q quiet) PeerDown(id crypto.NodeID) { q.down <- id }

// TestFrozenPeer_WithinFiveSeconds measures the default heartbeats in exact time.
func TestFrozenPeer_WithinFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := memory.NewNetwork(1)
		keys := []crypto.NetworkKey{
			crypto.NewNetworkKey([crypto.SeedSize]byte{1}),
			crypto.NewNetworkKey([crypto.SeedSize]byte{2}),
		}
		peers := []transport.Peer{{ID: keys[0].ID()}, {ID: keys[1].ID()}}
		var nodes []transport.Transport
		var handlers []quiet
		for _, key := range keys {
			h := quiet{make(chan crypto.NodeID, 100), make(chan crypto.NodeID, 100)}
			made, err := network.New(transport.Config{
				Cluster: crypto.Digest{1}, Key: key, Peers: peers,
				Listen: "127.0.0.1:0", Handler: h,
			})
			if err != nil {
				t.Fatal(err)
			}
			nodes, handlers = append(nodes, made), append(handlers, h)
		}
		nodes[0].Heard(peers[1].ID, []string{nodes[1].Addr()})
		nodes[1].Heard(peers[0].ID, []string{nodes[0].Addr()})
		<-handlers[0].up
		<-handlers[1].up
		hour := time.NewTimer(time.Hour)
		select {
		case <-hour.C: // Nothing is lost in an hour without frames.
		case <-handlers[0].down:
			t.Fatal("an idle connection was cut")
		}
		begin := time.Now()
		network.Freeze(peers[1].ID)
		for _, h := range handlers {
			<-h.down
			took := time.Since(begin)
			t.Logf("noticed after %s", took)
			if took < 3*time.Second || took > 5*time.Second {
				t.Errorf("noticed after %s, want 3 to 5 s", took)
			}
		}
		network.Thaw(peers[1].ID)
		begin = time.Now()
		<-handlers[0].up
		if took := time.Since(begin); took > 2*time.Second {
			t.Errorf("reconnected after %s", took)
		}
		for _, n := range nodes {
			if err := n.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}
