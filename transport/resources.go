package transport

import (
	"net/netip"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/x/rate"
)

// What one member may hold. A connection that says farewell to a frozen peer holds its place for
// some seconds, so there is room for several beside the one in use.
const (
	peerConns   = 8
	peerStreams = 32 // in each direction; one connection needs 5, and identify's
	peerMemory  = 2*peerStreams*(256<<10) + 8*streamWindow

	// addressConns is how many connections may come from one IP address, beside two for each
	// member: all of them can live behind the same one.
	addressConns = 16
)

// newResourceManager bounds what connections cost, by numbers that follow from the size n of the
// cluster and from nothing else: libp2p's own scale with the machine's memory, and allow 8
// connections per IP address, which n nodes behind one address exceed.
func newResourceManager(n int) (network.ResourceManager, error) {
	n = max(n, 1)
	member := rcmgr.BaseLimit{
		Conns: peerConns, ConnsInbound: peerConns, ConnsOutbound: peerConns, FD: peerConns,
		Streams: 2 * peerStreams, StreamsInbound: peerStreams, StreamsOutbound: peerStreams,
		Memory: peerMemory,
	}
	address := 2*n + addressConns
	unproved := times(member, n)        // those on their way in, strangers' among them
	unproved.ConnsInbound = 2 * address // One address alone cannot take all the places.
	unproved.Conns = unproved.ConnsInbound + unproved.ConnsOutbound
	unproved.FD = unproved.Conns
	all := unproved
	all.ConnsInbound += n * peerConns // Strangers cannot take the places of members who are in.
	all.Conns += n * peerConns
	all.FD = all.Conns
	all.Memory += int64(address) << 20
	one := member
	one.Conns, one.ConnsInbound, one.ConnsOutbound, one.FD = 1, 1, 1, 1
	system, transient := all.ToResourceLimits(), unproved.ToResourceLimits()
	each, single := member.ToResourceLimits(), one.ToResourceLimits()
	limits := rcmgr.PartialLimitConfig{
		System: system, Transient: transient,
		AllowlistedSystem: system, AllowlistedTransient: transient,
		ServiceDefault: system, ServicePeerDefault: each,
		ProtocolDefault: system, ProtocolPeerDefault: each,
		PeerDefault: each, Conn: single, Stream: single,
	}.Build(rcmgr.ConcreteLimitConfig{})
	// Dials count too: a peer that is down is redialled about twice a second.
	pace := rate.Limit{RPS: float64(4 * address), Burst: 8 * address}
	return rcmgr.NewResourceManager(rcmgr.NewFixedLimiter(limits),
		rcmgr.WithMetricsDisabled(),
		rcmgr.WithLimitPerSubnet(
			[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 32, ConnCount: address}},
			[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 64, ConnCount: address}},
		),
		rcmgr.WithConnRateLimiters(&rate.Limiter{
			NetworkPrefixLimits: []rate.PrefixLimit{ // A zero limit is none.
				{Prefix: netip.MustParsePrefix("127.0.0.0/8")},
				{Prefix: netip.MustParsePrefix("::1/128")},
			},
			SubnetRateLimiter: rate.SubnetLimiter{
				IPv4SubnetLimits: []rate.SubnetLimit{{PrefixLength: 32, Limit: pace}},
				IPv6SubnetLimits: []rate.SubnetLimit{{PrefixLength: 64, Limit: pace}},
				GracePeriod:      time.Minute,
			},
		}))
}

func times(l rcmgr.BaseLimit, n int) rcmgr.BaseLimit {
	return rcmgr.BaseLimit{
		Conns: n * l.Conns, ConnsInbound: n * l.ConnsInbound, ConnsOutbound: n * l.ConnsOutbound,
		FD: n * l.FD, Streams: n * l.Streams, StreamsInbound: n * l.StreamsInbound,
		StreamsOutbound: n * l.StreamsOutbound, Memory: int64(n) * l.Memory,
	}
}
