package membership

import (
	"fmt"
	"math"
	"time"

	"github.com/sirupsen/logrus"

	"byzd/crypto"
)

// Member is one member of the genesis.
type Member struct {
	// ID is the member's network key, its identity here.
	ID crypto.NodeID
	// Name is for people.
	Name string
}

// Event tells of a change in what this node believes of a member.
type Event struct {
	// Member is whom it is about.
	Member Member
	// State is what is believed from now on.
	State State
	// Record is the member's newest; its Counter is 0 while none is known.
	Record Record
}

// Conditions lets a testnet cut the network. It is asked for each packet and stream, by the side
// that sends and by the side that receives, from several goroutines, and must answer at once.
type Conditions interface {
	// PacketAllowed reports whether what from sends may reach to.
	PacketAllowed(from, to crypto.NodeID) bool
}

// Delayer is what a [Conditions] may be besides: a slow network.
type Delayer interface {
	// PacketDelay is how long a packet is held back by its sender. Negative means not at all.
	PacketDelay(from, to crypto.NodeID) time.Duration
}

// Config is everything that [Start] wants to know.
type Config struct {
	// Cluster is the cluster ID; nodes of different clusters do not hear each other.
	Cluster crypto.Digest
	// Key is this node's network key. Its ID must be a member.
	Key crypto.NetworkKey
	// Members are the members of the genesis, in its order.
	Members []Member
	// Bind is the IP address and port to listen on, UDP and TCP. Port 0 takes a free one.
	Bind string
	// Advertise is what others are told instead, host:port or host; empty means where we listen.
	Advertise string
	// TransportAddr and ClientAddr go into our record; at most 180 printable bytes each.
	TransportAddr, ClientAddr string
	// Join holds contact addresses, host:port, of any members; a host may be a name, which is
	// looked up at each attempt. One that answers once suffices.
	Join []string
	// Counter must be larger at each start of this node: nanoseconds of the clock, or a number that
	// is kept. A node whose counter went back is not heard until the others have shown it the
	// larger one, above which it then goes on; see [Gossip.Counters], self_conflict.
	Counter uint64
	// Timing is how patient the node is. Fields that are zero have their default.
	Timing Timing
	// Events is called at each change, from one goroutine of this package, and must be cheap. May
	// be nil.
	Events func(Event)
	// Conditions cuts and delays, in testnets. May be nil.
	Conditions Conditions
	// Lies makes this node lie, in testnets. May be nil.
	Lies Lies
	// Log hears what memberlist has to say. May be nil.
	Log logrus.FieldLogger
}

// Timing is how patient a node is. All nodes of a cluster should have the same.
type Timing struct {
	// ProbeInterval is the time between two probes, each of another member in turn. Default 600 ms.
	// A smaller one finds a crash sooner and costs more packets.
	ProbeInterval time.Duration
	// ProbeTimeout is how long a direct answer may take. Default 400 ms; below ProbeInterval.
	ProbeTimeout time.Duration
	// SuspicionMult times ProbeInterval (and the logarithm of n above 10) is the least time that a
	// suspected member has to object. Default 3.
	SuspicionMult int
	// SuspicionMaxMult times that is what it has when nobody else suspects it. Default 3.
	SuspicionMaxMult int
	// GossipInterval is the time between two rounds of news, and between two looks at our own
	// opinion. Default 200 ms.
	GossipInterval time.Duration
	// PushPullInterval is the time between two exchanges of everything. Default 10 s.
	PushPullInterval time.Duration
	// RejoinInterval is the mean time between two attempts to reach members that are not seen.
	// Default 3 s.
	RejoinInterval time.Duration
	// StreamTimeout bounds a whole exchange over TCP. Default 2 s.
	StreamTimeout time.Duration
}

// withDefaults fills in what is zero.
//
// The defaults let every node of 16 on one loaded machine see a crash within 10 s: somebody probes
// the member within a second or two, the others then look for themselves, and the suspicion lasts
// between 3·1.2·600 ms = 2.2 s, if another member confirms it, and three times that.
func (t Timing) withDefaults() Timing {
	durations := []struct {
		field *time.Duration
		value time.Duration
	}{
		{&t.ProbeInterval, 600 * time.Millisecond},
		{&t.ProbeTimeout, 400 * time.Millisecond},
		{&t.GossipInterval, 200 * time.Millisecond},
		{&t.PushPullInterval, 10 * time.Second},
		{&t.RejoinInterval, 3 * time.Second},
		{&t.StreamTimeout, 2 * time.Second},
	}
	for _, d := range durations {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if t.SuspicionMult == 0 {
		t.SuspicionMult = 3
	}
	if t.SuspicionMaxMult == 0 {
		t.SuspicionMaxMult = 3
	}
	return t
}

func (t Timing) check() error {
	for _, d := range []time.Duration{
		t.ProbeInterval, t.ProbeTimeout, t.GossipInterval, t.PushPullInterval, t.RejoinInterval,
		t.StreamTimeout,
	} {
		if d < time.Millisecond {
			return fmt.Errorf("%w: an interval of %v is shorter than 1 ms", ErrConfig, d)
		}
	}
	if t.ProbeTimeout >= t.ProbeInterval {
		return fmt.Errorf("%w: probe timeout %v is not below probe interval %v",
			ErrConfig, t.ProbeTimeout, t.ProbeInterval)
	}
	if t.SuspicionMult < 1 || t.SuspicionMaxMult < 1 {
		return fmt.Errorf("%w: suspicion multipliers %d and %d are not positive",
			ErrConfig, t.SuspicionMult, t.SuspicionMaxMult)
	}
	return nil
}

// withDefaults fills in what is zero or nil.
func (c Config) withDefaults() Config {
	c.Timing = c.Timing.withDefaults()
	if c.Events == nil {
		c.Events = func(Event) {}
	}
	if c.Log == nil {
		c.Log = silent()
	}
	return c
}

// check says what is wrong with a configuration that has its defaults.
func (c Config) check() error {
	if len(c.Members) > math.MaxUint16 {
		return fmt.Errorf("%w: %d members are more than %d",
			ErrConfig, len(c.Members), math.MaxUint16)
	}
	seen := make(map[crypto.NodeID]bool, len(c.Members))
	for _, m := range c.Members {
		if seen[m.ID] {
			return fmt.Errorf("%w: member %s stands twice", ErrConfig, m.ID)
		}
		seen[m.ID] = true
	}
	if len(c.Key.Private()) == 0 {
		return fmt.Errorf("%w: no key", ErrConfig)
	}
	if !seen[c.Key.ID()] {
		return fmt.Errorf("%w: our own key %s is not a member", ErrConfig, c.Key.ID())
	}
	if c.Counter == 0 {
		return fmt.Errorf("%w: the start counter is 0", ErrConfig)
	}
	for _, contact := range c.Join {
		if err := checkContact(contact); err != nil {
			return fmt.Errorf("%w: join: %w", ErrConfig, err)
		}
	}
	if err := checkAddress(c.TransportAddr); err != nil {
		return fmt.Errorf("%w: transport address: %w", ErrConfig, err)
	}
	if err := checkAddress(c.ClientAddr); err != nil {
		return fmt.Errorf("%w: client address: %w", ErrConfig, err)
	}
	return c.Timing.check()
}
