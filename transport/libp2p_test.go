package transport_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"

	"byzd/crypto"
	"byzd/transport"
	"byzd/transport/transporttest"
)

func TestConformance(t *testing.T) {
	transporttest.Run(t, func(t *testing.T) transporttest.World {
		t.Helper()
		w := &world{
			t: t, addrs: make(map[crypto.NodeID]string), proxies: make(map[pair]*proxy),
			frozen: make(map[crypto.NodeID]bool),
		}
		t.Cleanup(w.close)
		return w
	})
}

// pair is a direction of dialling.
type pair struct{ from, to crypto.NodeID }

// world runs libp2p transports behind TCP proxies, one for each direction of dialling, so that the
// tests can stop or break what is between two nodes.
type world struct {
	t *testing.T

	mu      sync.Mutex
	addrs   map[crypto.NodeID]string
	proxies map[pair]*proxy
	retired []*proxy
	frozen  map[crypto.NodeID]bool
}

func (w *world) New(cfg transport.Config) (transport.Transport, error) {
	made, err := transport.New(cfg)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	id := cfg.Key.ID()
	w.addrs[id] = made.Addr()
	for p, proxy := range w.proxies {
		if p.to == id { // It leads to where the node was before.
			w.retired = append(w.retired, proxy)
			delete(w.proxies, p)
		}
	}
	return made, nil
}

func (w *world) Route(from, to crypto.NodeID) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := pair{from, to}
	if w.proxies[p] == nil {
		w.proxies[p] = newProxy(w.t, w.addrs[to], w.frozen[from] || w.frozen[to])
	}
	return w.proxies[p].listener.Addr().String()
}

func (w *world) Freeze(id crypto.NodeID) { w.setFrozen(id, true) }

func (w *world) Thaw(id crypto.NodeID) { w.setFrozen(id, false) }

func (w *world) setFrozen(id crypto.NodeID, frozen bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.frozen[id] = frozen
	for p, proxy := range w.proxies {
		if p.from == id || p.to == id {
			proxy.freeze(w.frozen[p.from] || w.frozen[p.to])
		}
	}
}

func (w *world) Kill(id crypto.NodeID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for p, proxy := range w.proxies {
		if p.from == id || p.to == id {
			proxy.close()
		}
	}
}

func (w *world) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, proxy := range w.proxies {
		w.retired = append(w.retired, proxy)
	}
	for _, proxy := range w.retired {
		proxy.close()
		proxy.wg.Wait()
	}
}

// proxy forwards TCP connections to one address.
type proxy struct {
	t        *testing.T
	listener net.Listener
	target   string
	wg       sync.WaitGroup

	mu      sync.Mutex
	changed *sync.Cond
	frozen  bool
	closed  bool
	conns   []net.Conn
}

func newProxy(t *testing.T, target string, frozen bool) *proxy {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("proxy: %v", err)
	}
	p := &proxy{t: t, listener: listener, target: target, frozen: frozen}
	p.changed = sync.NewCond(&p.mu)
	p.wg.Go(p.serve)
	return p
}

func (p *proxy) serve() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.wg.Go(func() { p.forward(conn) })
	}
}

func (p *proxy) forward(near net.Conn) {
	if !p.keep(near) || !p.passable() {
		near.Close()
		return
	}
	far, err := new(net.Dialer).DialContext(context.Background(), "tcp", p.target)
	if err != nil || !p.keep(far) {
		near.Close()
		if err == nil {
			far.Close()
		}
		return
	}
	p.wg.Go(func() { p.pump(near, far) })
	p.pump(far, near)
}

// keep remembers a connection, so that close ends it.
func (p *proxy) keep(conn net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns = append(p.conns, conn)
	return !p.closed
}

// passable waits while the proxy is frozen, and reports whether it is open.
func (p *proxy) passable() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.frozen && !p.closed {
		p.changed.Wait()
	}
	return !p.closed
}

func (p *proxy) pump(to io.WriteCloser, from io.ReadCloser) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if !p.passable() { // The end of a stream waits too.
			return
		}
		if _, writeErr := to.Write(buffer[:n]); err != nil || writeErr != nil {
			return
		}
	}
}

func (p *proxy) freeze(frozen bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frozen = frozen
	p.changed.Broadcast()
}

func (p *proxy) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.closed = true
	p.changed.Broadcast()
	if err := p.listener.Close(); err != nil {
		p.t.Errorf("proxy: %v", err)
	}
	for _, conn := range p.conns {
		conn.Close()
	}
}

// TestAddresses_OfEveryKind listens on and dials what people write: IPv6, names, all interfaces.
func TestAddresses_OfEveryKind(t *testing.T) {
	t.Parallel()
	keys := []crypto.NetworkKey{
		crypto.NewNetworkKey([crypto.SeedSize]byte{1}),
		crypto.NewNetworkKey([crypto.SeedSize]byte{2}),
	}
	for _, c := range []struct{ listen, dial string }{
		{"127.0.0.1:0", "127.0.0.1"},
		{"localhost:0", "localhost"},
		{":0", "127.0.0.1"},
		{"[::1]:0", "::1"},
		{"[::]:0", "::1"},
	} {
		t.Run(c.listen, func(t *testing.T) {
			t.Parallel()
			handlers := []watching{newWatching(), newWatching()}
			var nodes []transport.Transport
			for i, key := range keys {
				made, err := transport.New(transport.Config{
					Cluster: crypto.Digest{1}, Key: key, Listen: c.listen, Handler: handlers[i],
					Peers: []transport.Peer{{ID: keys[0].ID()}, {ID: keys[1].ID()}},
				})
				if errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT) {
					t.Skipf("this machine has no such address: %v", err)
				}
				if err != nil {
					t.Fatal(err)
				}
				defer made.Close()
				nodes = append(nodes, made)
			}
			for i, n := range nodes {
				_, port, err := net.SplitHostPort(nodes[1-i].Addr())
				if err != nil {
					t.Fatal(err)
				}
				n.Heard(keys[1-i].ID(), []string{net.JoinHostPort(c.dial, port)})
			}
			within(t, "connected", handlers[0].up)
			within(t, "connected", handlers[1].up)
		})
	}
}
