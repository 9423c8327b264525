package apitest

import (
	"bytes"
	"context"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"byzd/crypto"
	"byzd/daemon/api"
	"byzd/daemon/disk"
	"byzd/daemon/journal"
	"byzd/daemon/kv"
	"byzd/daemon/loop"
	"byzd/pbft"
	"byzd/pbft/message"
)

// Fault is how an endpoint misbehaves. The zero value is correct.
type Fault struct {
	// Lie changes the results that clients are told, in replies that the member signs, in its own
	// name and in those of all others, and says it all twice.
	Lie bool
	// Drop takes requests and operations, and does nothing with them.
	Drop bool
	// Busy refuses requests and operations.
	Busy bool
	// Usurp takes a client's REGISTER, registers a key of its own under the same nonce instead,
	// and passes the true replies of all members to that on to every client.
	Usurp bool
	// Unknown tells clients that the outcome of plain operations is not known.
	Unknown bool
}

// node is one member. The owner's goroutine has the loop and the orders.
type node struct {
	cluster  *Cluster
	self     int
	sealer   message.Sealer
	journal  *journal.Journal
	loop     *loop.Loop
	orders   map[uint64]order
	tag      uint64
	executed map[string]int // of operations

	fault     atomic.Pointer[Fault]
	delivered atomic.Int64
	ordered   atomic.Int64

	mu        sync.Mutex
	listeners map[crypto.NodeID][]*func(*message.Reply)

	listener net.Listener
	server   *api.Server
	served   sync.WaitGroup
	once     sync.Once
}

type order struct {
	of *api.Orders
	i  int
}

// counting is a store that counts what it applies.
type counting struct {
	*kv.Store

	node *node
}

// Apply implements [loop.Store].
func (s counting) Apply(op []byte) []byte {
	s.node.executed[string(op)]++
	return s.Store.Apply(op)
}

func newNode(t *testing.T, c *Cluster, self int, signer crypto.Signer) *node {
	t.Helper()
	n := &node{
		cluster: c, self: self, orders: map[uint64]order{}, executed: map[string]int{},
		sealer:    message.Sealer{Config: c.Config, Self: self, Signer: signer},
		listeners: map[crypto.NodeID][]*func(*message.Reply){},
	}
	n.fault.Store(&Fault{})
	var err error
	d := disk.NewMemory()
	if n.journal, err = journal.Open(d, c.journalOptions()); err != nil {
		t.Fatal(err)
	}
	n.loop, err = loop.Open(loop.Config{
		Cluster: c.Config, Self: self, Sealer: n.sealer, Journal: n.journal,
		Disk: d, Store: counting{kv.New(), n}, Links: links{n}, Applied: n.applied,
		Watch: func(e pbft.Effect) {
			if halt, is := e.(pbft.Halt); is {
				panic("apitest: " + halt.Why)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (n *node) serve(t *testing.T) {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n.listener = l
	n.server = api.New(api.Config{
		Node: n, Cluster: n.cluster.Config, ID: n.cluster.Config.Members[n.self].Node,
		Self: func() int { return n.self }, Genesis: n.cluster.Genesis.Encode(),
		Epochs: func() []byte { return nil },
	})
	n.serveOn(l)
}

func (n *node) serveOn(l net.Listener) {
	n.served.Go(func() {
		if err := n.server.Serve(l); err != nil {
			panic("apitest: " + err.Error())
		}
	})
}

// stopLimit is far above what stopping takes.
const stopLimit = time.Minute

func (n *node) stop() {
	n.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
		defer cancel()
		n.server.Stop(ctx)
		if ctx.Err() != nil {
			panic("apitest: a server does not stop by itself")
		}
		n.served.Wait()
	})
}

type links struct{ n *node }

// Send implements [loop.Links].
func (k links) Send(to int, _ message.Type, frame []byte) {
	c := k.n.cluster
	for i := range c.nodes {
		if i != k.n.self && (to == pbft.All || to == i) {
			c.queue = append(c.queue, packet{k.n.self, i, frame})
		}
	}
}

type noCache struct{}

func (noCache) Has(crypto.Digest) bool { return false }
func (noCache) Add(crypto.Digest)      {}

func (n *node) receive(p packet) {
	epoch, m, err := message.Decode(p.frame)
	if err != nil {
		panic("apitest: " + err.Error())
	}
	v, err := message.Verify(n.cluster.Config, noCache{}, p.from, epoch, m)
	if err != nil {
		panic("apitest: " + err.Error())
	}
	n.loop.Receive(v)
}

func (n *node) turn() {
	n.loop.EndTurn()
	for !n.loop.Idle() {
		lsn := n.loop.Staged()
		if err := n.journal.Flush(); err != nil {
			panic("apitest: " + err.Error())
		}
		n.loop.Release(lsn)
		n.loop.Resume()
	}
}

func (n *node) applied(a *loop.Applied) {
	for _, r := range a.Own {
		o, mine := n.orders[r.Tag]
		if !mine {
			continue
		}
		delete(n.orders, r.Tag)
		if r.Outcome != pbft.Run {
			o.of.Done(o.i, nil, api.ErrUnknown)
			continue
		}
		o.of.Done(o.i, r.Value, nil)
	}
	for _, p := range a.Replies {
		n.reply(p)
	}
}

// reply hands a reply to who listens, true or not.
func (n *node) reply(p *message.Reply) {
	replies := []*message.Reply{p}
	if n.fault.Load().Lie {
		replies = n.lies(p)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, sink := range n.listeners[p.Client] {
		for _, one := range replies {
			(*sink)(one)
		}
	}
}

// lies makes of a reply what a member can that has only its own key.
func (n *node) lies(p *message.Reply) []*message.Reply {
	lie := *p
	lie.Result = append(bytes.Clone(p.Result), "lie"...)
	lie.Index, lie.Count, lie.Path = 0, 1, nil
	lie.Root = crypto.MerkleRoot([]crypto.Digest{lie.Leaf()})
	lie.Sig = n.sealer.SignReplyRoot(lie.Batch, lie.Root)
	out := []*message.Reply{&lie, &lie}
	for i := range n.cluster.Config.Members {
		if i != n.self {
			forged := lie
			forged.Member = i
			out = append(out, &forged, &forged)
		}
	}
	return out
}

// Order implements [api.Node].
func (n *node) Order(o *api.Orders) {
	fail := func(err error) {
		for i := range o.Ops {
			o.Done(i, nil, err)
		}
	}
	n.ordered.Add(int64(len(o.Ops)))
	switch fault := n.fault.Load(); {
	case fault.Drop:
		return
	case fault.Busy:
		fail(api.ErrBusy)
		return
	case fault.Unknown:
		fail(api.ErrUnknown)
		return
	}
	queued := n.cluster.do(func() {
		for i, op := range o.Ops {
			n.tag++
			n.orders[n.tag] = order{o, i}
			if !n.loop.Submit(message.Item{Op: op}, o.Client, n.tag) {
				delete(n.orders, n.tag)
				o.Done(i, nil, api.ErrBusy)
			}
		}
	})
	if !queued {
		fail(api.ErrUnknown)
	}
}

// forget answers what will not be executed here any more.
func (n *node) forget() {
	for tag, o := range n.orders {
		delete(n.orders, tag)
		o.of.Done(o.i, nil, api.ErrUnknown)
	}
}

// Deliver implements [api.Node].
func (n *node) Deliver(req *message.ClientRequest) error {
	n.delivered.Add(1)
	switch fault := n.fault.Load(); {
	case fault.Drop:
		return nil
	case fault.Busy:
		return api.ErrBusy
	case fault.Usurp && req.IsRegister():
		n.usurp(req.Seq)
		return nil
	}
	n.cluster.do(func() {
		if p := n.loop.Reply(req.Session, req.Seq); p != nil && p.Client == req.Client {
			n.reply(p)
			return
		}
		n.loop.Submit(message.Item{Signed: req}, req.Client.String(), 0)
	})
	return nil
}

// usurp registers the node's own key under a nonce.
func (n *node) usurp(nonce uint64) {
	key := crypto.NewNetworkKey(crypto.DeriveSeed([crypto.SeedSize]byte{}, "usurper"))
	req := &message.ClientRequest{Seq: nonce}
	message.SealClientRequest(n.cluster.Config.RequestDomain(), key, req)
	n.cluster.do(func() {
		for _, other := range n.cluster.nodes {
			if other != n {
				other.Listen(req.Client, n.spread)
			}
		}
		n.loop.Submit(message.Item{Signed: req}, "usurper", 0)
	})
}

// spread hands a reply to all clients that listen, whomever it is for.
func (n *node) spread(p *message.Reply) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for client, sinks := range n.listeners {
		for _, sink := range sinks {
			if client != p.Client {
				(*sink)(p)
			}
		}
	}
}

// Listen implements [api.Node].
func (n *node) Listen(client crypto.NodeID, sink func(*message.Reply)) (stop func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.listeners[client] = append(n.listeners[client], &sink)
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.listeners[client] = slices.DeleteFunc(n.listeners[client],
			func(s *func(*message.Reply)) bool { return s == &sink })
		if len(n.listeners[client]) == 0 {
			delete(n.listeners, client)
		}
	}
}

// Members implements [api.Node].
func (n *node) Members() []api.Member {
	members := make([]api.Member, len(n.cluster.Config.Members))
	for i, m := range n.cluster.Config.Members {
		members[i] = api.Member{
			Index: i, Name: m.Name, ID: m.Node, Client: n.cluster.Endpoints[i], Seen: true,
		}
	}
	return members
}

// View implements [api.Node].
func (*node) View() uint64 { return 0 }

// Ready implements [api.Node].
func (*node) Ready() error { return nil }
