package membership

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// ether is a network without a kernel, for tests in virtual time: packets take a moment or are
// lost, dials meet a listener, are refused, or fall into a hole. Its goroutines wait on nothing but
// channels and timers, so a bubble of testing/synctest may hold it.
type ether struct {
	latency time.Duration

	mu    sync.Mutex
	next  uint16
	hosts map[netip.AddrPort]*host
	side  map[netip.AddrPort]int // hosts on different sides do not reach each other

	packets, bytes atomic.Uint64 // sent
	streams        atomic.Uint64 // bytes written to streams
}

func newEther() *ether {
	return &ether{
		latency: time.Millisecond, next: 1000,
		hosts: make(map[netip.AddrPort]*host), side: make(map[netip.AddrPort]int),
	}
}

// host is the sockets of one node: its packets, and its listener for streams.
type host struct {
	ether  *ether
	addr   netip.AddrPort
	queue  chan datagram
	calls  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

type datagram struct {
	from netip.AddrPort
	due  time.Time // Packets arrive in the order in which they were sent.
	data []byte
}

// socketQueue is about what a kernel keeps for a reader that is late.
const socketQueue = 512

// listen takes the address, or a new one if it is not valid.
func (e *ether) listen(addr netip.AddrPort) sockets {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !addr.IsValid() {
		e.next++
		addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, 1}), e.next)
	}
	h := &host{
		ether: e, addr: addr, queue: make(chan datagram, socketQueue),
		calls: make(chan net.Conn), closed: make(chan struct{}),
	}
	e.hosts[addr] = h
	return sockets{
		addr: addr, packets: packets{h}, streams: listener{h},
		dial: func(ctx context.Context, to string) (net.Conn, error) { return e.dial(ctx, addr, to) },
	}
}

// divide puts hosts on a side of their own.
func (e *ether) divide(side int, addrs ...netip.AddrPort) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, a := range addrs {
		e.side[a] = side
	}
}

// reach returns the host at an address, and whether from is on its side.
func (e *ether) reach(from, to netip.AddrPort) (h *host, passes bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.hosts[to], e.side[from] == e.side[to]
}

var errNobodyListens = errors.New("connection refused")

func (e *ether) dial(ctx context.Context, from netip.AddrPort, to string) (net.Conn, error) {
	addr, err := netip.ParseAddrPort(to)
	if err != nil {
		return nil, err
	}
	h, passes := e.reach(from, addr)
	if !passes {
		<-ctx.Done()
		return nil, fmt.Errorf("dial %s: %w", to, ctx.Err())
	}
	if h == nil {
		return nil, fmt.Errorf("dial %s: %w", to, errNobodyListens)
	}
	near, far := net.Pipe()
	select {
	case h.calls <- metered{far, e}:
		return metered{near, e}, nil
	case <-h.closed:
		return nil, fmt.Errorf("dial %s: %w", to, errNobodyListens)
	case <-ctx.Done():
		return nil, fmt.Errorf("dial %s: %w", to, ctx.Err())
	}
}

// metered counts what is written to a stream.
type metered struct {
	net.Conn

	ether *ether
}

func (m metered) Write(b []byte) (int, error) {
	n, err := m.Conn.Write(b)
	m.ether.streams.Add(uint64(n))
	return n, err
}

// packets is a host's [packetConn].
type packets struct{ *host }

func (p packets) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	select {
	case d := <-p.queue:
		if wait := time.Until(d.due); wait > 0 {
			elapse(wait)
		}
		return copy(b, d.data), d.from, nil
	case <-p.closed:
		return 0, netip.AddrPort{}, net.ErrClosed
	}
}

func (p packets) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	e := p.ether
	e.packets.Add(1)
	e.bytes.Add(uint64(len(b)))
	h, passes := e.reach(p.addr, to)
	if h == nil || !passes {
		return len(b), nil
	}
	select {
	case h.queue <- datagram{p.addr, time.Now().Add(e.latency), append([]byte(nil), b...)}:
	default: // Lost, as in a kernel.
	}
	return len(b), nil
}

func (h *host) Close() error {
	h.once.Do(func() {
		close(h.closed)
		h.ether.mu.Lock()
		defer h.ether.mu.Unlock()
		if h.ether.hosts[h.addr] == h {
			delete(h.ether.hosts, h.addr)
		}
	})
	return nil
}

// listener is a host's [net.Listener].
type listener struct{ *host }

func (l listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.calls:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l listener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.addr) }

// inEther runs a test with n members on an ether of their own, in virtual time.
func inEther(t *testing.T, n int, test func(c *cluster)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		t.Helper()
		// memberlist's last probes end by themselves, which needs time after the nodes have closed.
		t.Cleanup(func() { elapse(time.Minute) })
		c := newCluster(t, n, func(_ int, cfg *Config) { cfg.Timing = Timing{} })
		c.ether = newEther()
		test(c)
	})
}

// TestEther_Streams wants of the ether what the tests take for granted: a dial into the void ends
// with its time.
func TestEther_Streams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEther()
		a, b := e.listen(netip.AddrPort{}), e.listen(netip.AddrPort{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		e.divide(1, b.addr)
		begin := time.Now()
		if _, err := a.dial(ctx, b.addr.String()); !errors.Is(err, context.DeadlineExceeded) ||
			time.Since(begin) != time.Second {
			t.Errorf("a dial into the void: %v after %s", err, time.Since(begin))
		}
		e.divide(0, b.addr)
		if err := b.close(); err != nil {
			t.Error(err)
		}
		if _, err := a.dial(t.Context(), b.addr.String()); !errors.Is(err, errNobodyListens) {
			t.Errorf("a dial to nobody: %v", err)
		}
	})
}
