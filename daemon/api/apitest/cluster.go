package apitest

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"byzd/crypto"
	"byzd/daemon/api"
	"byzd/daemon/genesis"
	"byzd/daemon/journal"
	"byzd/pbft/message"
)

// Cluster is n nodes. Its exported fields do not change.
type Cluster struct {
	Genesis *genesis.Genesis
	Config  *message.Config
	// Endpoints are the client addresses, by member.
	Endpoints []string

	nodes   []*node
	inputs  chan func()
	queue   []packet
	start   time.Time
	closing chan struct{}
	running sync.WaitGroup
}

type packet struct {
	from, to int
	frame    []byte
}

// tickEvery is how often the loops are told the time.
const tickEvery = 5 * time.Millisecond

// Start brings up a cluster of n members with a name, which stands for its keys, and stops it when
// the test ends. changes are made to the genesis first.
func Start(t *testing.T, name string, n int, changes ...func(*genesis.Genesis)) *Cluster {
	t.Helper()
	c := &Cluster{
		inputs: make(chan func(), 1024), start: time.Now(), closing: make(chan struct{}),
	}
	signers := c.found(t, name, n, changes)
	for i := range n {
		c.nodes = append(c.nodes, newNode(t, c, i, signers[i]))
	}
	ready := make(chan struct{})
	c.inputs <- func() { close(ready) }
	c.running.Go(c.run)
	<-ready
	for i, node := range c.nodes {
		node.serve(t)
		c.Endpoints = append(c.Endpoints, node.listener.Addr().String())
		t.Cleanup(func() { c.StopEndpoint(i) })
	}
	t.Cleanup(c.stop)
	return c
}

// found makes the genesis.
func (c *Cluster) found(
	t *testing.T, name string, n int, changes []func(*genesis.Genesis),
) []crypto.Signer {
	t.Helper()
	g, err := genesis.New(crypto.SchemeEd25519, true)
	if err != nil {
		t.Fatal(err)
	}
	scheme, err := crypto.SchemeByName(g.Scheme)
	if err != nil {
		t.Fatal(err)
	}
	var signers []crypto.Signer
	for i := range n {
		seed := crypto.DeriveSeed([crypto.SeedSize]byte{byte(i)}, name)
		var signer crypto.Signer
		if signer, err = scheme.NewSigner(seed); err != nil {
			t.Fatal(err)
		}
		member := genesis.NewMember(
			fmt.Sprintf("n%d", i), crypto.NewNetworkKey(crypto.DeriveSeed(seed, "network")), signer)
		if err = g.Add(member); err != nil {
			t.Fatal(err)
		}
		signers = append(signers, signer)
	}
	for _, change := range changes {
		change(g)
	}
	c.Genesis = g
	if c.Config, err = g.Config(); err != nil {
		t.Fatal(err)
	}
	return signers
}

// run is the goroutine that owns all loops.
func (c *Cluster) run() {
	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	c.tick()
	for {
		select {
		case f := <-c.inputs:
			f()
		case <-ticker.C:
			c.tick()
		case <-c.closing:
			for _, n := range c.nodes {
				n.forget()
			}
			return
		}
		c.settle()
	}
}

// do runs f on the goroutine that owns the loops; it reports false if that has ended.
func (c *Cluster) do(f func()) bool {
	select {
	case c.inputs <- f:
		return true
	case <-c.closing:
		return false
	}
}

func (c *Cluster) tick() {
	for _, n := range c.nodes {
		n.loop.Tick(1_000_000 + time.Since(c.start).Milliseconds())
	}
}

// settle lets all nodes take turns until no frame is under way.
func (c *Cluster) settle() {
	for {
		for _, n := range c.nodes {
			n.turn()
		}
		if len(c.queue) == 0 {
			return
		}
		frames := c.queue
		c.queue = nil
		for _, p := range frames {
			c.nodes[p.to].receive(p)
		}
	}
}

// Executed tells how often the operation was applied at a member's store, as ordered by anyone.
func (c *Cluster) Executed(member int, op []byte) int {
	answer := make(chan int, 1)
	if !c.do(func() { answer <- c.nodes[member].executed[string(op)] }) {
		return -1
	}
	return <-answer
}

// SetFault makes a member's endpoint misbehave from now on.
func (c *Cluster) SetFault(member int, f Fault) { c.nodes[member].fault.Store(&f) }

// Delivered is how many signed requests were handed to a member's endpoint.
func (c *Cluster) Delivered(member int) int { return int(c.nodes[member].delivered.Load()) }

// Ordered is how many plain operations were handed to a member's endpoint.
func (c *Cluster) Ordered(member int) int { return int(c.nodes[member].ordered.Load()) }

// StopEndpoint ends a member's client endpoint; its replica goes on.
func (c *Cluster) StopEndpoint(member int) { c.nodes[member].stop() }

// AlsoOn serves a member's endpoint on another listener as well.
func (c *Cluster) AlsoOn(member int, l net.Listener) { c.nodes[member].serveOn(l) }

// Silence replaces a member's endpoint by one that accepts connections and never says a word.
func (c *Cluster) Silence(t *testing.T, member int) {
	t.Helper()
	c.StopEndpoint(member)
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", c.Endpoints[member])
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		var conns []net.Conn
		for {
			conn, err := l.Accept()
			if err != nil {
				break
			}
			conns = append(conns, conn)
		}
		for _, conn := range conns {
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
}

// stop ends the loops; the endpoints have ended.
func (c *Cluster) stop() {
	for i := range c.nodes {
		c.StopEndpoint(i)
	}
	close(c.closing)
	c.running.Wait()
}

var _ api.Node = (*node)(nil)

// journalOptions are those of a fresh disk.
func (c *Cluster) journalOptions() journal.Options {
	return journal.Options{Owner: c.Config.Cluster}
}
