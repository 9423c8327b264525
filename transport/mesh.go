package transport

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"byzd/crypto"
)

// mesh is the Transport over any carrier. Who the peers are changes as a whole, see
// [mesh.SetPeers].
type mesh struct {
	cfg       Config
	carrier   Carrier
	jitter    func() float64
	hello     hello
	protocols [classCount]string
	roll      atomic.Pointer[roll]
	counters  counters
	refusals  refusals
	vouching  vouching
	began     time.Time
	done      chan struct{}
	cancel    context.CancelFunc
	closing   sync.Once

	mu       sync.Mutex
	closed   bool
	rolling  sync.Mutex // held while the peers change
	sessions map[*session]struct{}
	wg       sync.WaitGroup // of remotes and sessions
	start    func(*session) // runs a session; the caller holds mu
	change   func([]Peer) []*remote
}

// Over makes a transport over the given carrier. jitter returns numbers from [0, 1) for the delays
// between attempts to connect.
func Over(cfg Config, carrier Carrier, jitter func() float64) (Transport, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	self := cfg.Key.ID()
	ctx, cancel := context.WithCancel(context.Background())
	m := &mesh{
		cfg: cfg, carrier: carrier, jitter: jitter, cancel: cancel,
		hello: hello{
			version: cfg.WireVersion, cluster: cfg.Cluster, epoch: cfg.Epoch, from: self,
		},
		began:    time.Now(),
		done:     make(chan struct{}),
		sessions: make(map[*session]struct{}),
	}
	for class := range classCount {
		m.protocols[class] = fmt.Sprintf("/byzd/%s/%s/1", cfg.Cluster.Short(), class)
	}
	m.vouching = vouching{clock: cfg.Clock, claims: make(map[crypto.NodeID]uint64)}
	m.roll.Store(&roll{})
	first := m.enroll(ctx, cfg.Peers)
	m.start = func(s *session) {
		m.wg.Go(func() {
			s.run(ctx)
			m.mu.Lock()
			defer m.mu.Unlock()
			delete(m.sessions, s)
		})
	}
	protocols := append([]string{controlProtocol}, m.protocols[:]...)
	if err := carrier.Open(m, protocols); err != nil {
		cancel()
		return nil, fmt.Errorf("transport: %w", err)
	}
	m.change = func(peers []Peer) []*remote { return m.enroll(ctx, peers) }
	m.begin(first)
	return m, nil
}

// clock returns the nanoseconds since the mesh began, and never 0. It does not jump when somebody
// sets the machine's clock: forward that would cut off every peer, and backward hide a frozen one.
func (m *mesh) clock() int64 { return max(int64(time.Since(m.began)), 1) }

// Admit implements [Door].
func (m *mesh) Admit(from crypto.NodeID, addr string) bool {
	if _, member := m.roll.Load().remotes[from]; !member {
		m.refuse(cGaterStranger, from, fmt.Sprintf("is no member (it came from %s)", hostOf(addr)))
		return false
	}
	if m.cfg.Conditions != nil && !m.cfg.Conditions.AcceptAllowed(from) {
		m.counters.add(cConditionsAccept)
		return false
	}
	return true
}

// Refused implements [Door].
func (m *mesh) Refused(what Refused) {
	switch what {
	case RefusedConns:
		m.counters.add(cRefusedConns)
	case RefusedHandshake:
		m.counters.add(cRefusedHandshake)
	case RefusedStreams:
		m.counters.add(cRefusedStreams)
	}
}

// hostOf leaves out the port, which differs with every attempt and would make each a new refusal.
func hostOf(addr string) string {
	if host, _, err := net.SplitHostPort(addr); err == nil {
		return host
	}
	return addr
}

// Linked implements [Door].
func (m *mesh) Linked(link Link) (accept func(protocol string, stream Stream)) {
	r := m.roll.Load().remotes[link.Peer()]
	if r == nil {
		m.refuse(cGaterStranger, link.Peer(), "is no member")
		return nil
	}
	if !link.Dialed() && !r.accepts.Allow() {
		m.refuse(cLinkRate, r.id, "opens connections too fast")
		return nil
	}
	s := newSession(m, r, link)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || m.roll.Load().remotes[link.Peer()] != r {
		return nil
	}
	r.linked()
	m.sessions[s] = struct{}{}
	m.start(s)
	return s.accept
}

// classOf returns the class that the protocol ID stands for.
func (m *mesh) classOf(protocol string) (Class, bool) {
	at := slices.Index(m.protocols[:], protocol)
	return Class(max(at, 0)), at >= 0 //nolint:gosec // at < classCount
}

// refuse counts a refusal and keeps it in words; text follows the peer's name. A new one is logged,
// a repeated one is not, so that no peer can fill the log.
func (m *mesh) refuse(which counter, peer crypto.NodeID, text string) {
	m.counters.add(which)
	name := names()[which]
	text = fmt.Sprintf("peer %s %s", peer, text)
	if m.refusals.add(name, peer, text) {
		m.cfg.Log.WithField("refusal", name).Warn(text)
	}
}

// Send implements [Transport].
func (m *mesh) Send(to crypto.NodeID, class Class, frame []byte) {
	r := m.roll.Load().remotes[to]
	if r == nil {
		m.counters.add(cSendUnknown)
		return
	}
	if m.sendable(class, frame) {
		m.send(r, class, frame, m.cfg.Clock.Tick())
	}
}

// Broadcast implements [Transport].
func (m *mesh) Broadcast(class Class, frame []byte) {
	if !m.sendable(class, frame) {
		return
	}
	lamport := m.cfg.Clock.Tick()
	for _, r := range m.roll.Load().order {
		m.send(r, class, frame, lamport)
	}
}

// sendable refuses what the peers would have to refuse.
func (m *mesh) sendable(class Class, frame []byte) bool {
	switch {
	case class >= classCount:
		panic("transport: send with an unknown class")
	case len(frame) == 0:
		m.counters.add(cSendEmpty)
	case len(frame) > m.cfg.Limits.MaxFrame[class]:
		m.counters.add(cSendTooLarge)
	default:
		return true
	}
	return false
}

func (m *mesh) send(r *remote, class Class, frame []byte, lamport uint64) {
	s := r.session.Load()
	if s == nil {
		m.counters.add(cNotConnected)
		return
	}
	m.post(s, class, frame, lamport)
}

// post lets the frame meet its fate and puts it into its lane.
func (m *mesh) post(s *session, place Class, frame []byte, lamport uint64) {
	it := item{frame: frame, lamport: lamport}
	copies := 1
	if m.cfg.Conditions != nil {
		class := place
		if place == controlLane {
			class = Votes
		}
		fate := m.cfg.Conditions.Frame(s.remote.id, class, len(frame))
		if fate.Drop {
			m.counters.add(cConditionsDrop)
			return
		}
		if fate.Delay > 0 {
			m.counters.add(cConditionsDelay)
			it.due = time.Now().Add(fate.Delay)
		}
		if fate.Duplicate {
			m.counters.add(cConditionsDuplicate)
			copies++
		}
	}
	for range copies {
		dropped, open := s.lanes[place].push(it)
		if !open {
			m.counters.add(cNotConnected)
		}
		if dropped > 0 && place != controlLane {
			m.counters.classes[place].queueFull.Add(uint64(dropped))
		}
	}
}

// Heard implements [Transport].
func (m *mesh) Heard(id crypto.NodeID, addrs []string) {
	r := m.roll.Load().remotes[id]
	if r == nil {
		if id != m.hello.from {
			m.counters.add(cHeardStranger)
		}
		return
	}
	var good []string
	for _, addr := range addrs {
		host, port, err := net.SplitHostPort(addr)
		number, portErr := strconv.ParseUint(port, 10, 16)
		switch {
		case err != nil, portErr != nil, number == 0, host == "", len(host) > 253:
			m.counters.add(cHeardMalformed)
		case len(good) < addrsMax && !slices.Contains(good, addr):
			good = append(good, addr)
		}
	}
	r.heardAt(good)
}

// Addr implements [Transport].
func (m *mesh) Addr() string { return m.carrier.Addr() }

// Peers implements [Transport].
func (m *mesh) Peers() []PeerState {
	states := make([]PeerState, 0, len(m.roll.Load().order))
	for _, r := range m.roll.Load().order {
		states = append(states, r.state())
	}
	return states
}

// Counters implements [Transport].
func (m *mesh) Counters() map[string]uint64 { return m.counters.snapshot() }

// Refusals implements [Transport].
func (m *mesh) Refusals() []Refusal { return m.refusals.snapshot() }

// Close implements [Transport].
func (m *mesh) Close() error {
	var err error
	m.closing.Do(func() {
		close(m.done)
		m.cancel()
		m.mu.Lock()
		m.closed = true
		sessions := make([]*session, 0, len(m.sessions))
		for s := range m.sessions {
			sessions = append(sessions, s)
		}
		m.mu.Unlock()
		for _, s := range sessions {
			s.fail(ErrClosed)
		}
		err = m.carrier.Close()
		m.wg.Wait()
	})
	return err
}
