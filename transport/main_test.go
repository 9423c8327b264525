package transport_test

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"byzd/crypto"
	"byzd/transport"
)

// TestMain fails the package if a goroutine outlives its tests, and serves as the process that
// TestFrozen_RealProcess freezes.
func TestMain(m *testing.M) {
	if addr := os.Getenv(frozenEnv); addr != "" {
		if err := bePeer(addr); err != nil {
			panic(err)
		}
		return
	}
	// These tests wait for timeouts more than they compute, so more of them run than there are cores.
	flag.Parse()
	if err := flag.Set("test.parallel", "16"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// watching is a handler that tells of comings and goings.
type watching struct{ up, down chan struct{} }

func newWatching() watching {
	return watching{make(chan struct{}, 100), make(chan struct{}, 100)}
}

func (watching) Receive(crypto.NodeID, transport.Class, uint64, []byte) {}
func (w watching) PeerUp(crypto.NodeID)                                 { w.up <- struct{}{} }
func (w watching) PeerDown(crypto.NodeID)                               { w.down <- struct{}{} }

// within waits for an event and prints what it took.
func within(t *testing.T, what string, event <-chan struct{}) {
	t.Helper()
	begin := time.Now()
	limit := time.NewTimer(50 * time.Second)
	defer limit.Stop()
	select {
	case <-event:
		t.Logf("%s: after %s", what, time.Since(begin).Round(time.Millisecond))
	case <-limit.C:
		t.Fatalf("%s: not within 50 s", what)
	}
}

// frozenEnv makes the test binary a peer to be frozen; its value is the address of the test's node.
const frozenEnv = "BYZD_TEST_FROZEN_PEER"

// frozenNode starts one of the two nodes, with the default timing.
func frozenNode(self byte, h transport.Handler) (transport.Transport, crypto.NodeID, error) {
	keys := []crypto.NetworkKey{
		crypto.NewNetworkKey([crypto.SeedSize]byte{1}),
		crypto.NewNetworkKey([crypto.SeedSize]byte{2}),
	}
	made, err := transport.New(transport.Config{
		Cluster: crypto.Digest{1}, Key: keys[self], Listen: "127.0.0.1:0", Handler: h,
		Peers: []transport.Peer{{ID: keys[0].ID()}, {ID: keys[1].ID()}},
	})
	return made, keys[1-self].ID(), err
}

// bePeer is the other process. It ends with its standard input.
func bePeer(addr string) error {
	node, other, err := frozenNode(1, newWatching())
	if err != nil {
		return err
	}
	node.Heard(other, []string{addr})
	if _, err := fmt.Println(node.Addr()); err != nil { // for the parent
		return err
	}
	if _, err := bufio.NewReader(os.Stdin).ReadByte(); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}
