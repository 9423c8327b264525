package membership

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"
	"golang.org/x/time/rate"

	"byzd/crypto"
)

const (
	// receiveBuffer is what we ask of the kernel for a burst of packets, in bytes.
	receiveBuffer = 1 << 20
	// strangerStreams and memberStreams bound the streams that others have opened and not yet
	// closed: so many of those who have not proved who they are, and of each member that has.
	strangerStreams = 32
	memberStreams   = 4
	// acceptRate bounds how many signatures of strangers are checked on streams, per second.
	acceptRate = 200
)

// transport is memberlist's network: UDP packets and TCP streams through the firewall. It owns one
// goroutine that reads packets, one that accepts streams, and one for each accepted stream until
// memberlist takes it. All end in Shutdown.
type transport struct {
	*firewall

	sockets sockets
	packets chan *memberlist.Packet
	streams chan net.Conn
	onLook  func(look)

	conditions Conditions
	delays     delayLine
	//nolint:containedctx // It ends dials with the transport; memberlist gives them no context.
	dials     context.Context
	stopDials context.CancelFunc
	timeout   time.Duration // of a whole exchange over a stream
	accepts   *rate.Limiter

	done   chan struct{}
	tasks  sync.WaitGroup
	mu     sync.Mutex // guards what follows
	open   map[net.Conn]bool
	guests guests
	ended  bool
}

var _ memberlist.NodeAwareTransport = (*transport)(nil)

// newTransport makes the transport on sockets that are bound already. It starts nothing.
func newTransport(
	cfg Config, record Record, opinion func(uint16) State, lies *atomic.Pointer[Lies],
	s sockets,
) *transport {
	ctx, stop := context.WithCancel(context.Background())
	t := &transport{
		sockets:    s,
		packets:    make(chan *memberlist.Packet),
		streams:    make(chan net.Conn),
		conditions: cfg.Conditions,
		dials:      ctx,
		stopDials:  stop,
		timeout:    cfg.Timing.StreamTimeout,
		accepts:    rate.NewLimiter(acceptRate, acceptRate),
		done:       make(chan struct{}),
		open:       make(map[net.Conn]bool),
		guests:     guests{proved: make([]int, len(cfg.Members))},
	}
	t.firewall = &firewall{
		roster: newRoster(cfg), tally: &tally{},
		pings:    newPingTable(len(cfg.Members)),
		limits:   newLimits(len(cfg.Members)),
		stranger: rate.NewLimiter(strangerRate, strangerMax),
		homes:    rate.NewLimiter(homeRate, homeBurst),
		opinion:  opinion, allowed: t.pass, lies: lies,
	}
	t.announce(record, 1, false)
	return t
}

// start lets packets and streams in. memberlist must be there to take them.
func (t *transport) start(onLook func(look)) {
	t.onLook = onLook
	t.tasks.Go(t.readPackets)
	t.tasks.Go(t.acceptStreams)
}

// pass asks the testnet's conditions.
func (t *transport) pass(from, to crypto.NodeID) bool {
	return t.conditions == nil || t.conditions.PacketAllowed(from, to)
}

// delay is how long something for a member is to be held back.
func (t *transport) delay(recipient uint16) time.Duration {
	slow, ok := t.conditions.(Delayer)
	if !ok {
		return 0
	}
	return slow.PacketDelay(t.members[t.self].ID, t.members[recipient].ID)
}

// FinalAdvertiseAddr implements [memberlist.Transport] with the address of a fiction.
func (t *transport) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	return fiction(t.self), fictionPort, nil
}

// PacketCh implements [memberlist.Transport].
func (t *transport) PacketCh() <-chan *memberlist.Packet { return t.packets }

// StreamCh implements [memberlist.Transport].
func (t *transport) StreamCh() <-chan net.Conn { return t.streams }

// WriteTo implements [memberlist.Transport]; memberlist itself always names the receiver.
func (t *transport) WriteTo(b []byte, addr string) (time.Time, error) {
	return t.WriteToAddress(b, memberlist.Address{Addr: addr})
}

// WriteToAddress implements [memberlist.NodeAwareTransport]. Packets go to where the named member's
// newest record says.
func (t *transport) WriteToAddress(b []byte, to memberlist.Address) (time.Time, error) {
	recipient, ok := t.byName[to.Name]
	if !ok {
		return time.Time{}, fmt.Errorf("%w: packet for %q, who is no member", ErrRefused, to.Name)
	}
	now := time.Now()
	packets, err := t.send(recipient, b, now)
	if err != nil {
		return time.Time{}, fmt.Errorf("translate a packet of memberlist: %w", err)
	}
	for _, p := range packets {
		t.transmit(p)
	}
	return now, nil
}

// transmit sends a packet on its way, or not, as the conditions say. A packet that is lost here is
// like one that is lost on the way: whoever waits for the answer finds out.
func (t *transport) transmit(p outgoing) {
	if !t.pass(t.members[t.self].ID, t.members[p.recipient].ID) {
		t.tally.add(refusedCut)
		return
	}
	if delay := t.delay(p.recipient); delay > 0 {
		if !t.delays.after(delay, func() { t.write(p) }) {
			t.tally.add(refusedDelayFull)
		}
		return
	}
	t.write(p)
}

func (t *transport) write(p outgoing) {
	addr, ok := t.address(p.recipient)
	if !ok {
		t.tally.add(refusedSendFailed)
		return
	}
	if _, err := t.sockets.packets.WriteToUDPAddrPort(p.packet, addr); err != nil {
		t.tally.add(refusedSendFailed)
	}
}

// readPackets is the goroutine that reads packets.
func (t *transport) readPackets() {
	// One byte more than is allowed shows that a packet was too long.
	buffer := make([]byte, packetMax+1)
	for {
		n, from, err := t.sockets.packets.ReadFromUDPAddrPort(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// An ICMP error of an earlier packet can surface here; the socket is still good.
			t.tally.add(refusedSendFailed)
			if t.pause(time.Millisecond) {
				continue
			}
			return
		}
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		t.take(t.receive(buffer[:n], from, time.Now()))
	}
}

// take does what the firewall has made of a packet.
func (t *transport) take(in incoming) {
	for _, p := range in.send {
		t.transmit(p)
	}
	for _, m := range in.feed {
		t.inject(in.sender, m)
	}
	for _, l := range in.looks {
		t.onLook(l)
	}
}

// inject hands a message to memberlist.
func (t *transport) inject(from uint16, m []byte) {
	p := &memberlist.Packet{
		Buf: m, From: &net.UDPAddr{IP: fiction(from), Port: fictionPort}, Timestamp: time.Now(),
	}
	select {
	case t.packets <- p:
	case <-t.done:
	}
}

// Shutdown implements [memberlist.Transport]: it returns when no goroutine of the transport runs.
func (t *transport) Shutdown() error {
	t.mu.Lock()
	if t.ended {
		t.mu.Unlock()
		return nil
	}
	t.ended = true
	close(t.done)
	t.stopDials()
	errs := []error{t.sockets.close()}
	for c := range t.open {
		// The error would be that of a peer's connection, which no longer matters.
		closeQuietly(c)
	}
	t.mu.Unlock()
	t.delays.close()
	t.tasks.Wait()
	return errors.Join(errs...)
}

// closeQuietly ends a connection whose fate is decided already, so that an error changes nothing.
func closeQuietly(c net.Conn) {
	if err := c.Close(); err != nil {
		return
	}
}
