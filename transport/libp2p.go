package transport

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/gologshim"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"byzd/crypto"
)

// New starts a transport over libp2p: TCP, TLS 1.3 bound to the node's key, yamux.
func New(cfg Config) (Transport, error) {
	return Over(cfg, &carrier{cfg: cfg, resources: newResourceManager}, rand.Float64)
}

// RedirectLibp2pLogs makes libp2p log to h. It holds for the whole process and must be called
// before the first [New].
func RedirectLibp2pLogs(h slog.Handler) { gologshim.SetDefaultHandler(h) }

// carrier is libp2p's [Carrier].
type carrier struct {
	cfg       Config
	resources func(members int) (network.ResourceManager, error)
	swarm     *swarm.Swarm
	host      host.Host
	gater     *gater
	links     sync.Map // network.Conn → func(protocol string, stream Stream)
	wg        sync.WaitGroup
}

// Open implements [Carrier].
func (c *carrier) Open(door Door, protocols []string) error {
	addrs, err := resolve(context.Background(), c.cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen on %q: %w", c.cfg.Listen, err)
	}
	c.gater = newGater(door, c.cfg.Peers)
	if err := c.assemble(); err != nil {
		return err
	}
	// Protocols and notifications come before listening, so that no connection is met unprepared.
	for _, id := range protocols {
		c.host.SetStreamHandler(protocol.ID(id), func(stream network.Stream) {
			c.accept(id, stream)
		})
	}
	c.swarm.Notify(&network.NotifyBundle{
		ConnectedF: func(_ network.Network, conn network.Conn) {
			c.connected(door, conn)
		},
		DisconnectedF: func(_ network.Network, conn network.Conn) { c.links.Delete(conn) },
	})
	// Listen succeeds if one of several addresses does, so it gets one.
	if err := c.swarm.Listen(addrs[0]); err != nil {
		return errors.Join(fmt.Errorf("listen on %q: %w", c.cfg.Listen, err), c.Close())
	}
	return nil
}

// connected is called by the swarm for every new connection, before its first stream.
func (c *carrier) connected(door Door, conn network.Conn) {
	id, err := nodeID(conn.RemotePeer())
	if err == nil {
		if accept := door.Linked(&link{conn: conn, id: id}); accept != nil {
			c.links.Store(conn, accept)
			return
		}
	}
	c.wg.Go(func() { // A farewell can take time, which the swarm's notifications do not have.
		if err := conn.Close(); err != nil {
			c.cfg.logger().WithError(err).Debug("close refused connection")
		}
	})
}

func (c *carrier) accept(id string, stream network.Stream) {
	accept, ok := c.links.Load(stream.Conn())
	if !ok {
		if err := stream.Reset(); err != nil {
			c.cfg.logger().WithError(err).Debug("reset stream of an ended connection")
		}
		return
	}
	//nolint:forcetypeassert,errcheck // links holds nothing else
	accept.(func(string, Stream))(id, stream)
}

// Dial implements [Carrier]. The swarm returns an existing connection if there is one.
func (c *carrier) Dial(ctx context.Context, to crypto.NodeID, addrs []string) error {
	id, err := peerID(to)
	if err != nil {
		return err
	}
	var places []ma.Multiaddr
	var failures []error
	for _, addr := range addrs {
		found, err := resolve(ctx, addr)
		if err != nil {
			failures = append(failures, err)
		}
		places = append(places, found...)
	}
	if len(places) == 0 {
		return errors.Join(failures...)
	}
	places = places[:min(len(places), addrsMax)]
	// Addresses that the peer announced by identify are not to be dialled: replace them, and have
	// the gater refuse those that come in between.
	c.gater.allow(id, places)
	c.host.Peerstore().ClearAddrs(id)
	c.host.Peerstore().AddAddrs(id, places, peerstore.PermanentAddrTTL)
	c.swarm.Backoff().Clear(id) // Ours replaces the swarm's, which refuses for 5 s.
	_, err = c.swarm.DialPeer(network.WithDialPeerTimeout(ctx, dialTimeout), id)
	return err
}

// resolve turns "host:port" into libp2p's form, at most addrsMax of them.
func resolve(ctx context.Context, addr string) ([]ma.Multiaddr, error) {
	name, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if name == "" {
		name = "0.0.0.0"
	}
	ips := make([]netip.Addr, 1)
	if ips[0], err = netip.ParseAddr(name); err != nil {
		if ips, err = net.DefaultResolver.LookupNetIP(ctx, "ip", name); err != nil {
			return nil, err
		}
	}
	var found []ma.Multiaddr
	for _, ip := range ips[:min(len(ips), addrsMax)] {
		family := "ip6"
		if ip = ip.Unmap().WithZone(""); ip.Is4() {
			family = "ip4"
		}
		place, err := ma.NewMultiaddr("/" + family + "/" + ip.String() + "/tcp/" + port)
		if err != nil {
			return nil, fmt.Errorf("address %q: %w", addr, err)
		}
		found = append(found, place)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("address %q: no IP address", addr)
	}
	return found, nil
}

// Addr implements [Carrier].
func (c *carrier) Addr() string {
	for _, place := range c.swarm.ListenAddresses() {
		if addr, err := manet.ToNetAddr(place); err == nil {
			return addr.String()
		}
	}
	return "" // after Close
}

// Close implements [Carrier].
func (c *carrier) Close() error {
	err := c.host.Close()
	c.wg.Wait()
	return err
}

// link is libp2p's [Link].
type link struct {
	conn network.Conn
	id   crypto.NodeID
}

func (l *link) Peer() crypto.NodeID { return l.id }

func (l *link) Dialed() bool { return l.conn.Stat().Direction == network.DirOutbound }

func (l *link) Close() error { return l.conn.Close() }

// Open negotiates on this connection. The host's NewStream would choose among all connections to
// the peer, and hellos hold for one.
func (l *link) Open(ctx context.Context, id string) (Stream, error) {
	stream, err := l.conn.NewStream(ctx)
	if err != nil {
		return nil, err
	}
	if err := negotiate(ctx, stream, protocol.ID(id)); err != nil {
		return nil, errors.Join(err, stream.Reset())
	}
	return stream, nil
}

// peerID returns the libp2p form of a node's identity.
func peerID(id crypto.NodeID) (peer.ID, error) { return peer.Decode(id.String()) }

// nodeID is the reverse of peerID. It refuses keys of other kinds.
func nodeID(id peer.ID) (crypto.NodeID, error) { return crypto.ParseNodeID(id.String()) }

// negotiationTimeout bounds the choice of a stream's protocol.
const negotiationTimeout = 3 * time.Second
