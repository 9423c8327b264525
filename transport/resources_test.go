package transport

import (
	"fmt"
	"testing"

	"github.com/libp2p/go-libp2p/core/network"
	ma "github.com/multiformats/go-multiaddr"

	"byzd/crypto"
)

// TestResources_FollowFromN opens connections until each bound says no, for several sizes of
// cluster: the bounds are those of DESIGN.md and of nothing else, such as the machine's memory.
func TestResources_FollowFromN(t *testing.T) {
	for _, n := range []int{1, 4, 16, 128} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			manager, err := newResourceManager(n)
			if err != nil {
				t.Fatal(err)
			}
			defer manager.Close()
			if got := fill(t, manager, "/ip4/10.0.0.1/tcp/1"); got != 2*n+16 {
				t.Errorf("one address has %d connections, want 2n+16 = %d", got, 2*n+16)
			}
			second := fill(t, manager, "/ip4/10.0.0.2/tcp/1")
			if third := fill(t, manager, "/ip4/10.0.0.3/tcp/1"); second+third != 2*n+16 {
				t.Errorf("unproved connections from other addresses: %d, want 4n+32 in all",
					second+third)
			}
		})
	}
}

// fill opens connections from an address until one is refused.
func fill(t *testing.T, manager network.ResourceManager, from string) int {
	t.Helper()
	endpoint, err := ma.NewMultiaddr(from)
	if err != nil {
		t.Fatal(err)
	}
	for count := 0; ; count++ {
		if _, err := manager.OpenConnection(network.DirInbound, true, endpoint); err != nil {
			return count
		}
		if count > 10000 {
			t.Fatal("there is no bound")
		}
	}
}

// TestResources_BoundEachMember proves the same identity over and over; the others have their
// places all the same.
func TestResources_BoundEachMember(t *testing.T) {
	const n = 4
	manager, err := newResourceManager(n)
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	told := 0
	w := &watched{ResourceManager: manager, refused: func(what Refused) {
		if what == RefusedConns || what == RefusedStreams {
			told++
		}
	}}
	endpoint, err := ma.NewMultiaddr("/ip4/10.0.0.1/tcp/1")
	if err != nil {
		t.Fatal(err)
	}
	for member := range byte(2) {
		id, err := peerID(crypto.NewNetworkKey([crypto.SeedSize]byte{member + 1}).ID())
		if err != nil {
			t.Fatal(err)
		}
		conns, streams := 0, 0
		for range peerConns + 2 {
			scope, err := w.OpenConnection(network.DirInbound, true, endpoint)
			if err != nil {
				t.Fatal(err)
			}
			if err := scope.SetPeer(id); err != nil {
				scope.Done()
				continue
			}
			conns++
		}
		for range 2 * peerStreams {
			if _, err := w.OpenStream(id, network.DirInbound); err == nil {
				streams++
			}
		}
		if conns != peerConns || streams != peerStreams {
			t.Errorf("member %d has %d connections and %d streams, want %d and %d",
				member, conns, streams, peerConns, peerStreams)
		}
	}
	if want := 2 * (2 + peerStreams); told != want {
		t.Errorf("%d refusals were told, want %d", told, want)
	}
}
