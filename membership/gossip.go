package membership

import (
	"context"
	"errors"
	"fmt"
	"log"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"
)

// Gossip is this node's part in the cluster's gossip. It is safe for concurrent use.
//
// It owns the goroutines watch and rejoin, at most one look for each member, those of its transport
// and those of memberlist. All end in Close.
type Gossip struct {
	cfg       Config
	addr      string // where we listen
	transport *transport
	list      *memberlist.Memberlist
	view      *view
	lookout   *lookout
	talk      *logAdapter // memberlist's lines
	lies      atomic.Pointer[Lies]

	done  chan struct{}
	tasks sync.WaitGroup
	mu    sync.Mutex // guards ended, and orders Leave and Close
	ended bool
}

const (
	// never is longer than any cluster lives: a member of the genesis is not forgotten, so that it
	// hears of its death when it can be reached again, and so that nobody but itself can wake it.
	never = 100 * 365 * 24 * time.Hour
	// awarenessMax bounds how much slower a node probes that finds itself unwell. Those who accuse
	// it falsely make it so.
	awarenessMax = 4
	// listPacketMax leaves room for our form of memberlist's messages, which can be longer. What
	// does not fit goes into a second packet.
	listPacketMax = 1000
)

// Start makes a node listen, and look for the other members from then on. It fails if the
// configuration is wrong or the address cannot be bound, but not because nobody answers.
func Start(cfg Config) (*Gossip, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	s, err := listen(cfg.Bind)
	if err != nil {
		return nil, err
	}
	return startOn(cfg, s)
}

// startOn makes a node of sockets that are bound already, and owns them from then on.
func startOn(cfg Config, s sockets) (*Gossip, error) {
	g, err := assemble(cfg, s)
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	g.transport.start(g.look)
	g.tasks.Go(g.watch)
	g.tasks.Go(g.rejoin)
	return g, nil
}

// assemble puts the parts together on bound sockets.
func assemble(cfg Config, s sockets) (*Gossip, error) {
	swim, err := advertised(cfg.Advertise, s.addr)
	if err != nil {
		return nil, err
	}
	record := Record{
		ID: cfg.Key.ID(), SwimAddr: swim, TransportAddr: cfg.TransportAddr,
		ClientAddr: cfg.ClientAddr, Counter: cfg.Counter,
	}
	g := &Gossip{
		cfg: cfg, addr: s.addr.String(), done: make(chan struct{}),
		lookout: newLookout(len(cfg.Members)),
	}
	g.SetLies(cfg.Lies)
	g.view = newView(len(cfg.Members))
	g.transport = newTransport(cfg, record, g.view.state, &g.lies, s)
	g.talk = newLogAdapter(cfg.Log, g.transport.tally)
	g.list, err = memberlist.Create(g.listConfig())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start memberlist: %w", err), g.transport.Shutdown())
	}
	return g, nil
}

// listConfig is memberlist's configuration: no compression, no keyring, no label, no delegate that
// could reject; all of that is the firewall's.
func (g *Gossip) listConfig() *memberlist.Config {
	t := g.cfg.Timing
	c := memberlist.DefaultLANConfig()
	c.Name = g.transport.names[g.transport.self]
	c.Transport = g.transport
	c.Events = notifier{g.view}
	c.Logger = log.New(g.talk, "", 0)
	c.EnableCompression = false
	c.TCPTimeout = t.StreamTimeout
	c.ProbeInterval = t.ProbeInterval
	c.ProbeTimeout = t.ProbeTimeout
	c.SuspicionMult = t.SuspicionMult
	c.SuspicionMaxTimeoutMult = t.SuspicionMaxMult
	c.AwarenessMaxMultiplier = awarenessMax
	c.IndirectChecks = 3
	c.RetransmitMult = 5
	c.GossipNodes = 3
	c.GossipInterval = t.GossipInterval
	c.GossipToTheDeadTime = never
	c.PushPullInterval = t.PushPullInterval
	c.UDPBufferSize = listPacketMax
	return c
}

// Addr returns the address on which the node listens, host:port.
func (g *Gossip) Addr() string { return g.addr }

// Counters returns how often each refusal happened, by name, zeros included.
func (g *Gossip) Counters() map[string]uint64 { return g.transport.tally.snapshot() }

// Health returns memberlist's idea of how well this node itself is: 0 is well, 3 is worst.
func (g *Gossip) Health() int { return g.list.GetHealthScore() }

// SetLies replaces the lies that this node tells; nil makes it honest.
func (g *Gossip) SetLies(lies Lies) {
	if lies == nil {
		g.lies.Store(nil)
		return
	}
	g.lies.Store(&lies)
}

// Join contacts members at the given addresses, host:port, whoever they are, and exchanges with
// each what both know. It returns nil if any of them answered as a member, else an error that
// wraps [ErrNoContact].
func (g *Gossip) Join(addrs ...string) error {
	errs := []error{ErrNoContact}
	for _, contact := range addrs {
		if g.closed() {
			return ErrClosed
		}
		err := g.contact(contact)
		if err == nil {
			errs = nil
			continue
		}
		if errs != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// contact exchanges everything with whoever is at an address.
func (g *Gossip) contact(addr string) error {
	ctx, cancel := context.WithTimeout(context.Background(), resolveTime)
	defer cancel()
	addrs, err := resolve(ctx, addr)
	if err != nil {
		return err
	}
	if _, err := g.list.Join(addrs); err != nil {
		return fmt.Errorf("contact %s: %w", addr, plain(err))
	}
	return nil
}

func (g *Gossip) closed() bool {
	select {
	case <-g.done:
		return true
	default:
		return false
	}
}

// Leave tells the others that this node goes, so that they do not take it for crashed. It returns
// when that has been said often enough, or with an error after timeout. Close follows.
func (g *Gossip) Leave(timeout time.Duration) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended {
		return ErrClosed
	}
	if err := g.list.Leave(timeout); err != nil {
		return fmt.Errorf("leave: %w", err)
	}
	return nil
}

// Close stops the node and waits for its goroutines. Without Leave before, the others see a crash.
// Calling it again does nothing.
func (g *Gossip) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended {
		return nil
	}
	g.ended = true
	close(g.done)
	g.talk.closed.Store(true)
	// The transport first: what waits for the network then ends at once.
	err := errors.Join(g.transport.Shutdown(), g.list.Shutdown())
	g.tasks.Wait()
	g.lookout.wait()
	if err != nil {
		return fmt.Errorf("stop gossip: %w", err)
	}
	return nil
}
