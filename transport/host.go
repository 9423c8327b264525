package transport

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/control"
	p2pcrypto "github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/core/sec"
	basichost "github.com/libp2p/go-libp2p/p2p/host/basic"
	"github.com/libp2p/go-libp2p/p2p/host/eventbus"
	"github.com/libp2p/go-libp2p/p2p/host/peerstore/pstoremem"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	tptu "github.com/libp2p/go-libp2p/p2p/net/upgrader"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
	mss "github.com/multiformats/go-multistream"

	"byzd/crypto"
)

// streamWindow is the most that a peer may send ahead on one stream before it is read. It allows
// 10 MB/s at a round trip of 100 ms.
const streamWindow = 1 << 20

// assemble builds the host by hand: libp2p.New would link every transport that exists, and choose
// among them. What is not built cannot run: relay, NAT traversal, ping, discovery.
func (c *carrier) assemble() error {
	key, err := p2pcrypto.UnmarshalEd25519PrivateKey(c.cfg.Key.Private())
	if err != nil {
		return fmt.Errorf("network key: %w", err)
	}
	id, err := peer.IDFromPrivateKey(key)
	if err != nil {
		return fmt.Errorf("network key: %w", err)
	}
	store, err := pstoremem.NewPeerstore()
	if err != nil {
		return fmt.Errorf("peerstore: %w", err)
	}
	if err = keep(store, id, key); err != nil {
		return errors.Join(err, store.Close())
	}
	bounds, err := c.resources(max(len(c.cfg.Peers), c.cfg.MaxPeers))
	if err != nil {
		return errors.Join(fmt.Errorf("resource manager: %w", err), store.Close())
	}
	resources := &watched{ResourceManager: bounds, refused: c.gater.door.Refused}
	bus := eventbus.NewBus()
	c.swarm, err = swarm.NewSwarm(id, store, bus,
		swarm.WithConnectionGater(c.gater), swarm.WithResourceManager(resources),
		swarm.WithDialTimeout(dialTimeout), swarm.WithDialTimeoutLocal(dialTimeout),
		swarm.WithDialRanker(swarm.NoDelayDialRanker), // All addresses at once: the first wins.
		swarm.WithUDPBlackHoleSuccessCounter(nil), swarm.WithIPv6BlackHoleSuccessCounter(nil))
	if err != nil {
		return errors.Join(fmt.Errorf("swarm: %w", err), resources.Close(), store.Close())
	}
	// From here on closing the swarm or the host closes what they were given.
	if err = c.addTCP(key, resources); err != nil {
		return errors.Join(err, c.swarm.Close(), resources.Close(), store.Close())
	}
	basic, err := basichost.NewHost(c.swarm, &basichost.HostOpts{
		EventBus: bus, UserAgent: "byzd", ProtocolVersion: "byzd/1",
		NegotiationTimeout: negotiationTimeout, DisableSignedPeerRecord: true,
	})
	if err != nil {
		return errors.Join(fmt.Errorf("host: %w", err), c.swarm.Close(), resources.Close(),
			store.Close())
	}
	basic.Start()
	c.host = basic
	return nil
}

func keep(store peerstore.Peerstore, id peer.ID, key p2pcrypto.PrivKey) error {
	return errors.Join(store.AddPrivKey(id, key), store.AddPubKey(id, key.GetPublic()))
}

// addTCP gives the swarm its only transport.
func (c *carrier) addTCP(key p2pcrypto.PrivKey, resources network.ResourceManager) error {
	window := *yamux.DefaultTransport.Config()
	window.MaxStreamWindowSize = streamWindow
	// The muxer resets streams beyond this; the resource manager would cut the connection.
	window.MaxIncomingStreams = peerStreams
	window.EnableKeepAlive = false // The control stream's heartbeats are faster.
	mux := []tptu.StreamMuxer{{ID: yamux.ID, Muxer: (*yamux.Transport)(&window)}}
	security, err := libp2ptls.New(libp2ptls.ID, key, mux)
	if err != nil {
		return fmt.Errorf("TLS: %w", err)
	}
	// The gater stands in the swarm and in the upgrader: only the latter meets strangers.
	upgrader, err := tptu.New([]sec.SecureTransport{security}, mux, nil, resources, c.gater,
		tptu.WithAcceptTimeout(dialTimeout))
	if err != nil {
		return fmt.Errorf("upgrader: %w", err)
	}
	overTCP, err := tcp.NewTCPTransport(upgrader, resources, nil,
		tcp.DisableReuseport(), tcp.WithConnectionTimeout(dialTimeout))
	if err != nil {
		return fmt.Errorf("TCP: %w", err)
	}
	return c.swarm.AddTransport(overTCP)
}

// negotiate agrees on the stream's protocol.
func negotiate(ctx context.Context, stream network.Stream, id protocol.ID) error {
	deadline := time.Now().Add(negotiationTimeout)
	if sooner, ok := ctx.Deadline(); ok && sooner.Before(deadline) {
		deadline = sooner
	}
	if err := stream.SetDeadline(deadline); err != nil {
		return err
	}
	if err := mss.SelectProtoOrFail(id, stream); err != nil {
		return err
	}
	if err := stream.SetProtocol(id); err != nil {
		return err
	}
	return stream.SetDeadline(time.Time{})
}

// gater lets members in and keeps the swarm from dialling any but the addresses it was given.
type gater struct {
	door Door

	mu      sync.Mutex
	members map[peer.ID]crypto.NodeID
	allowed map[peer.ID][]ma.Multiaddr // at most addrsMax for each member
}

func newGater(door Door, peers []Peer) *gater {
	g := &gater{door: door, allowed: make(map[peer.ID][]ma.Multiaddr, len(peers))}
	g.set(peers)
	return g
}

// set replaces those who may connect.
func (g *gater) set(peers []Peer) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.members = make(map[peer.ID]crypto.NodeID, len(peers))
	for _, p := range peers {
		if id, err := peerID(p.ID); err == nil {
			g.members[id] = p.ID
		}
	}
	for id := range g.allowed {
		if _, member := g.members[id]; !member {
			delete(g.allowed, id)
		}
	}
}

// SetPeers lets others connect from now on.
func (c *carrier) SetPeers(peers []Peer) { c.gater.set(peers) }

func (g *gater) allow(id peer.ID, addrs []ma.Multiaddr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.allowed[id] = addrs
}

// InterceptPeerDial implements libp2p's connection gater.
func (g *gater) InterceptPeerDial(id peer.ID) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, member := g.members[id]
	return member
}

// InterceptAddrDial implements libp2p's connection gater.
func (g *gater) InterceptAddrDial(id peer.ID, addr ma.Multiaddr) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return ma.Contains(g.allowed[id], addr)
}

// InterceptAccept lets everyone try: there is no identity yet.
func (*gater) InterceptAccept(network.ConnMultiaddrs) bool { return true }

// InterceptSecured implements libp2p's connection gater.
func (g *gater) InterceptSecured(
	direction network.Direction, id peer.ID, addrs network.ConnMultiaddrs,
) bool {
	if direction == network.DirOutbound {
		return g.InterceptPeerDial(id)
	}
	node, err := nodeID(id)
	if err != nil {
		return false // A key of another kind than members have.
	}
	from := addrs.RemoteMultiaddr().String()
	if addr, err := manet.ToNetAddr(addrs.RemoteMultiaddr()); err == nil {
		from = addr.String()
	}
	return g.door.Admit(node, from)
}

// InterceptUpgraded has nothing to add.
func (*gater) InterceptUpgraded(network.Conn) (bool, control.DisconnectReason) { return true, 0 }
