package memory

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"

	"byzd/crypto"
	"byzd/transport"
)

var (
	// ErrAddressInUse is returned for a listen address that another node of the network has.
	ErrAddressInUse = errors.New("memory: address in use")
	// ErrRefused is returned for a dial to an address at which nobody listens.
	ErrRefused = errors.New("memory: connection refused")
	// ErrReset is returned by what is under way on a link or stream that ends.
	ErrReset = errors.New("memory: connection reset")
	// ErrOtherPeer is returned for a dial that meets another node than the one it looks for.
	ErrOtherPeer = errors.New("memory: another peer listens there")
)

// firstPort is the first that the network gives to a node that asks for port 0.
const firstPort = 10000

// Network joins the nodes that [Network.New] makes. It is safe for use by several goroutines.
type Network struct {
	mu       sync.Mutex
	random   *rand.Rand
	nextPort int
	nodes    map[string]*node       // by the address they listen on
	wires    map[*wire]struct{}     // with an end that is not closed
	frozen   map[crypto.NodeID]bool // by Freeze
	thawed   chan struct{}          // closed and replaced by each Thaw
}

// NewNetwork makes a network without nodes. The seed settles the jitter of its nodes' back-offs.
func NewNetwork(seed uint64) *Network {
	return &Network{
		//nolint:gosec // Jitter needs no secrecy, and tests need it to be the same again.
		random:   rand.New(rand.NewPCG(seed, seed)),
		nextPort: firstPort,
		nodes:    make(map[string]*node),
		wires:    make(map[*wire]struct{}),
		frozen:   make(map[crypto.NodeID]bool),
		thawed:   make(chan struct{}),
	}
}

// New starts a node. Its Listen is an address on this network; port 0 takes a free one.
func (n *Network) New(cfg transport.Config) (transport.Transport, error) {
	return transport.Over(cfg, &node{network: n, cfg: cfg}, n.jitter)
}

func (n *Network) jitter() float64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.random.Float64()
}

// Freeze stops everything on its way to or from the node, for connections to come too. Nobody is
// told.
func (n *Network) Freeze(id crypto.NodeID) { n.setFrozen(id, true) }

// Thaw undoes Freeze: what was under way arrives.
func (n *Network) Thaw(id crypto.NodeID) { n.setFrozen(id, false) }

func (n *Network) setFrozen(id crypto.NodeID, frozen bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.frozen[id] = frozen
	for w := range n.wires {
		a, b := w.ends[0].node.id, w.ends[1].node.id
		w.freeze(n.frozen[a] || n.frozen[b])
	}
	if !frozen {
		close(n.thawed)
		n.thawed = make(chan struct{})
	}
}

// Kill takes the node off the network: its connections break, and nobody reaches it any more. Its
// transport still has to be closed; another one with the same key may be started.
func (n *Network) Kill(id crypto.NodeID) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	var err error
	for _, node := range n.nodes {
		if node.id == id {
			err = errors.Join(err, node.leave())
		}
	}
	return err
}

// node is one member's place on the network, and its [transport.Carrier].
type node struct {
	network *Network
	cfg     transport.Config
	id      crypto.NodeID
	door    transport.Door
	addr    string
	wg      sync.WaitGroup // of what links' accept functions do; not added to when dead
	dead    bool           // killed or closed; guarded by network.mu
}

// Open implements [transport.Carrier].
func (d *node) Open(door transport.Door, _ []string) error {
	host, port, err := net.SplitHostPort(d.cfg.Listen)
	if err != nil {
		return err
	}
	d.id, d.door = d.cfg.Key.ID(), door
	n := d.network
	n.mu.Lock()
	defer n.mu.Unlock()
	if port == "0" {
		port = strconv.Itoa(n.nextPort)
		n.nextPort++
	}
	d.addr = net.JoinHostPort(host, port)
	if n.nodes[d.addr] != nil {
		return fmt.Errorf("%w: %s", ErrAddressInUse, d.addr)
	}
	n.nodes[d.addr] = d
	return nil
}

// Addr implements [transport.Carrier].
func (d *node) Addr() string { return d.addr }

// Dial implements [transport.Carrier].
func (d *node) Dial(ctx context.Context, to crypto.NodeID, addrs []string) error {
	var failures []error
	for _, addr := range addrs {
		err := d.dial(ctx, to, addr)
		if err == nil {
			return nil
		}
		failures = append(failures, fmt.Errorf("%s: %w", addr, err))
	}
	return errors.Join(failures...)
}

// dial waits while either side is frozen.
func (d *node) dial(ctx context.Context, to crypto.NodeID, addr string) error {
	for {
		w, thawed, err := d.join(to, addr)
		if err != nil {
			return err
		}
		if w != nil {
			return greet(w)
		}
		select {
		case <-thawed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// join lays a wire, or returns what to wait for.
func (d *node) join(to crypto.NodeID, addr string) (*wire, <-chan struct{}, error) {
	n := d.network
	n.mu.Lock()
	defer n.mu.Unlock()
	target := n.nodes[addr]
	switch {
	case d.dead:
		return nil, nil, ErrRefused
	case n.frozen[d.id] || n.frozen[to]:
		return nil, n.thawed, nil
	case target == nil:
		return nil, nil, ErrRefused
	case target.id != to:
		return nil, nil, ErrOtherPeer
	}
	w := newWire(d, target)
	n.wires[w] = struct{}{}
	return w, nil, nil
}

// greet tells both doors of the wire. Like TLS 1.3 it lets a dialler that is not admitted believe
// at first that it is connected.
func greet(w *wire) error {
	from, to := w.ends[0], w.ends[1]
	var accept func(string, transport.Stream)
	if to.node.door.Admit(from.node.id, from.node.addr) {
		accept = to.node.door.Linked(to)
	}
	err := to.settle(accept)
	return errors.Join(err, from.settle(from.node.door.Linked(from)))
}

// Close implements [transport.Carrier].
func (d *node) Close() error {
	d.network.mu.Lock()
	err := d.leave()
	d.network.mu.Unlock()
	d.wg.Wait()
	return err
}

// leave closes the node's ends of its wires. It is called with Network.mu held.
func (d *node) leave() error {
	n := d.network
	d.dead = true
	if n.nodes[d.addr] == d {
		delete(n.nodes, d.addr)
	}
	var err error
	for w := range n.wires {
		for _, end := range w.ends {
			if end.node == d {
				err = errors.Join(err, end.close())
			}
		}
	}
	return err
}
