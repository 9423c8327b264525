package transport

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/sirupsen/logrus"

	"byzd/crypto"
)

// These tests have a member with a valid key that breaks the rules, on real libp2p.

// sink is a handler that counts.
type sink struct {
	mu     sync.Mutex
	frames []string
	ups    int
}

func (s *sink) Receive(_ crypto.NodeID, _ Class, _ uint64, frame []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.frames = append(s.frames, string(frame))
}

func (s *sink) PeerUp(crypto.NodeID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ups++
}

func (*sink) PeerDown(crypto.NodeID) {}

func (s *sink) received() (frames []string, ups int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.frames...), s.ups
}

// open is a door that wants every link and ignores the streams that the victim opens.
type open struct{ links chan Link }

func (open) Admit(crypto.NodeID, string) bool { return true }

func (open) Refused(Refused) {}

func (o open) Linked(l Link) func(string, Stream) {
	o.links <- l
	return func(string, Stream) {}
}

// attack is a victim and the member that attacks it.
type attack struct {
	t      *testing.T
	victim Transport
	sink   *sink
	hand   *carrier
	door   open
	hello  hello
	to     crypto.NodeID
	addr   string
}

func newAttack(t *testing.T, edits ...func(cfg *Config)) *attack {
	t.Helper()
	victim := crypto.NewNetworkKey([crypto.SeedSize]byte{1})
	attacker := crypto.NewNetworkKey([crypto.SeedSize]byte{2})
	cfg := Config{
		Cluster: crypto.Digest{0xc1}, Epoch: 7, WireVersion: 1, Key: victim,
		Peers: []Peer{{ID: victim.ID()}, {ID: attacker.ID()}}, Listen: "127.0.0.1:0",
	}
	a := &attack{t: t, sink: new(sink), door: open{make(chan Link, 1000)}, to: victim.ID()}
	cfg.Handler = a.sink
	for _, edit := range edits {
		edit(&cfg)
	}
	made, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	a.victim, a.addr = made, made.Addr()
	a.hello = hello{version: 1, cluster: cfg.Cluster, epoch: 7, from: attacker.ID()}
	cfg.Key = attacker
	unbounded := func(int) (network.ResourceManager, error) {
		return new(network.NullResourceManager), nil
	}
	a.hand = &carrier{cfg: cfg, resources: unbounded}
	protocols := []string{controlProtocol}
	for class := range classCount { // Else the victim could not open its streams.
		protocols = append(protocols, "/byzd/c1000000/"+class.String()+"/1")
	}
	if err := a.hand.Open(a.door, protocols); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.hand.Close(); err != nil {
			t.Error(err)
		}
		if err := made.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

// link dials the victim.
func (a *attack) link() Link {
	a.t.Helper()
	if err := a.hand.Dial(a.t.Context(), a.to, []string{a.addr}); err != nil {
		a.t.Fatal(err)
	}
	return <-a.door.links
}

func (a *attack) stream(l Link, protocol string) Stream {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), 10*time.Second)
	defer cancel()
	stream, err := l.Open(ctx, protocol)
	if err != nil {
		a.t.Fatal(err)
	}
	return stream
}

func (a *attack) write(stream Stream, parts ...[]byte) {
	a.t.Helper()
	if _, err := stream.Write(bytes.Join(parts, nil)); err != nil {
		a.t.Fatal(err)
	}
}

// session says hello as an honest member would.
func (a *attack) session() (l Link, control Stream) {
	a.t.Helper()
	l = a.link()
	control = a.stream(l, controlProtocol)
	a.write(control, a.hello.encode())
	answer, err := readHello(control)
	if err != nil || answer.verdict != verdictAccepted {
		a.t.Fatalf("answer %+v, %v", answer, err)
	}
	return l, control
}

func (*attack) votes() string { return "/byzd/c1000000/votes/1" }

func (a *attack) until(what string, condition func() bool) {
	a.t.Helper()
	const patience = 30 * time.Second
	start := time.Now()
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for !condition() {
		if time.Since(start) > patience {
			a.t.Fatalf("%s: not within %s; %v", what, patience, a.victim.Counters())
		}
		<-ticker.C
	}
	a.t.Logf("%s: after %s", what, time.Since(start).Round(time.Millisecond))
}

func (a *attack) rises(counter string) {
	a.t.Helper()
	a.until(counter, func() bool { return a.victim.Counters()[counter] > 0 })
}

func (a *attack) ends(l Link) {
	a.t.Helper()
	a.until("the link ends", l.(*link).conn.IsClosed) //nolint:forcetypeassert // ours
}

func TestHostile_Hello(t *testing.T) {
	t.Parallel()
	for counter, edit := range map[string]func(h *hello, wire *[]byte){
		"hello_malformed": func(_ *hello, wire *[]byte) { (*wire)[0] ^= 1 },
		"hello_peer":      func(h *hello, wire *[]byte) { h.from[3] ^= 1; *wire = h.encode() },
		"hello_cluster":   func(h *hello, wire *[]byte) { h.cluster[0] ^= 1; *wire = h.encode() },
		"hello_timeout":   func(_ *hello, wire *[]byte) { *wire = (*wire)[:10] },
	} {
		t.Run(counter, func(t *testing.T) {
			t.Parallel()
			a := newAttack(t)
			l := a.link()
			h := a.hello
			wire := h.encode()
			edit(&h, &wire)
			a.write(a.stream(l, controlProtocol), wire)
			a.rises(counter)
			a.ends(l)
			if _, ups := a.sink.received(); ups != 0 {
				t.Errorf("the handler was told of the peer")
			}
		})
	}
}

func TestHostile_NoControlStream(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	l := a.link()
	a.write(a.stream(l, a.votes()), appendHeader(nil, 1, 1), []byte("x"))
	a.rises("hello_timeout")
	a.rises("stream_early")
	a.ends(l)
	if frames, ups := a.sink.received(); ups != 0 || len(frames) != 0 {
		t.Errorf("%d frames came without a hello", len(frames))
	}
}

func TestHostile_Frames(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		counter string
		wire    []byte
		finish  bool
	}{
		"empty": {"frame_malformed", appendHeader(nil, 0, 1), false},
		"huge":  {"frame_too_large", appendHeader(nil, 1<<32-1, 1), false},
		"torn":  {"frame_malformed", append(appendHeader(nil, 8, 1), "half"...), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAttack(t)
			l, _ := a.session()
			stream := a.stream(l, a.votes())
			a.write(stream, appendHeader(nil, 4, 1), []byte("good"))
			a.until("the good frame", func() bool {
				frames, _ := a.sink.received()
				return len(frames) == 1 && frames[0] == "good"
			})
			a.write(stream, c.wire)
			if c.finish {
				err := stream.(network.Stream).CloseWrite() //nolint:forcetypeassert // ours
				if err != nil {
					t.Fatal(err)
				}
			}
			a.rises(c.counter)
			a.ends(l)
		})
	}
}

// TestHostile_SlowFrames begins a frame and does not go on, while heartbeats say that all is well:
// neither the memory nor the stream may be kept for ever.
func TestHostile_SlowFrames(t *testing.T) {
	t.Parallel()
	for name, wire := range map[string][]byte{
		"header":  appendHeader(nil, 4, 1)[:5],
		"payload": append(appendHeader(nil, 1000, 1), "a little"...),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAttack(t, func(cfg *Config) { cfg.WriteTimeout = 300 * time.Millisecond })
			l, control := a.session()
			a.write(a.stream(l, a.votes()), wire)
			a.until("read_timeout", func() bool {
				a.beat(control)
				return a.victim.Counters()["read_timeout"] > 0
			})
			a.ends(l)
		})
	}
	t.Run("control", func(t *testing.T) {
		t.Parallel()
		a := newAttack(t, func(cfg *Config) { cfg.WriteTimeout = 300 * time.Millisecond })
		l, control := a.session()
		a.write(control, appendHeader(nil, controlSize, 0), []byte{kindPing})
		a.rises("read_timeout")
		a.ends(l)
	})
}

// beat sends a heartbeat. That the victim has ended the stream is for the caller to notice.
func (a *attack) beat(control Stream) {
	a.t.Helper()
	frame := append(appendHeader(nil, controlSize, 0), encodeControl(kindPing, 1)...)
	if _, err := control.Write(frame); err != nil {
		a.t.Logf("heartbeat: %v", err)
	}
}

// TestHostile_RawConnections has strangers who never get as far as a handshake: they send garbage,
// or nothing, or a byte now and then. A member is served meanwhile, and all of them are cut off.
func TestHostile_RawConnections(t *testing.T) {
	t.Parallel()
	const each = 10 // of three kinds; two members leave 2*2+16 places on one address, two in use
	a := newAttack(t)
	garbage := bytes.Repeat([]byte{0xff, 0x00, 'G', 'E', 'T', '\n'}, 1000)
	before := a.victim.Counters()
	var raw []net.Conn
	for kind := range 3 {
		for i := range each {
			conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", a.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			raw = append(raw, conn)
			switch kind {
			case 0:
				if _, err := conn.Write(garbage[:i*len(garbage)/each]); err != nil {
					t.Logf("garbage: %v", err)
				}
			case 1: // says nothing
			case 2:
				if _, err := conn.Write([]byte{'/'}); err != nil {
					t.Logf("first byte: %v", err)
				}
			}
		}
	}
	refused := func() uint64 {
		now := a.victim.Counters()
		return now["refused_handshakes"] + now["refused_connections"] -
			before["refused_handshakes"] - before["refused_connections"]
	}
	a.until("all are refused and counted", func() bool { return refused() >= 3*each })
	for _, conn := range raw {
		if err := conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("a connection without a handshake is kept")
		}
	}
	l, _ := a.session()
	a.write(a.stream(l, a.votes()), appendHeader(nil, 4, 1), []byte("good"))
	a.until("a member is served", func() bool {
		frames, _ := a.sink.received()
		return len(frames) == 1
	})
	if got := len(a.victim.Refusals()); got != 0 {
		t.Errorf("%d lines of log for what has no identity", got)
	}
}

// TestHostile_ReconnectsFloodNoLog comes and goes as fast as it may.
func TestHostile_ReconnectsFloodNoLog(t *testing.T) {
	t.Parallel()
	var lines lineCount
	log := logrus.New()
	log.SetOutput(&lines)
	a := newAttack(t, func(cfg *Config) { cfg.Log = log })
	for range linkBurst - 5 {
		l, _ := a.session()
		if err := l.Close(); err != nil {
			t.Log(err)
		}
		a.ends(l)
	}
	a.until("all sessions have ended", func() bool {
		c := a.victim.Counters()
		return c["sessions_up"] == linkBurst-5 && c["sessions_down"] == c["sessions_up"]
	})
	if got := lines.count(); got > newsBurst+10 {
		t.Errorf("%d lines for %d sessions", got, linkBurst-5)
	}
}

// lineCount counts the lines that are written to it.
type lineCount struct {
	mu    sync.Mutex
	lines int
}

func (w *lineCount) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines++
	return len(b), nil
}

func (w *lineCount) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lines
}

func TestHostile_Control(t *testing.T) {
	t.Parallel()
	for name, wire := range map[string][]byte{
		"kind":  append(appendHeader(nil, controlSize, 0), make([]byte, controlSize)...),
		"short": append(appendHeader(nil, 1, 0), kindPing),
		"large": appendHeader(nil, 1<<20, 0),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAttack(t)
			l, control := a.session()
			a.write(control, wire)
			a.rises("control_malformed")
			a.ends(l)
		})
	}
}

func TestHostile_NewestStreamIsRead(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	l, _ := a.session()
	for i := range 5 {
		stream := a.stream(l, a.votes())
		text := string(rune('a' + i))
		a.write(stream, appendHeader(nil, 1, 1), []byte(text))
		a.until("stream "+text, func() bool {
			frames, _ := a.sink.received()
			return len(frames) == i+1 && frames[i] == text
		})
	}
	if got := a.victim.Counters()["superseded_stream"]; got != 4 {
		t.Errorf("superseded_stream is %d, want 4", got)
	}
	if !a.victim.Peers()[0].Connected {
		t.Error("the session ended")
	}
}

// TestHostile_StreamsAreBounded opens hundreds of streams and leaves the choice of their protocol
// open. The victim must hold no more than its limit of them, and serve the one that comes after.
func TestHostile_StreamsAreBounded(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	l, _ := a.session()
	conn := l.(*link).conn //nolint:forcetypeassert // ours
	refused := 0
	var streams []network.Stream
	for range 20 * peerStreams {
		stream, err := conn.NewStream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Write([]byte("x")); err != nil {
			refused++
		}
		streams = append(streams, stream)
	}
	accepted := len(streams)
	for _, stream := range streams {
		if err := stream.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		// An accepted stream answers with its side of the negotiation, a refused one is reset.
		if _, err := stream.Read(make([]byte, 1)); err != nil {
			accepted--
		}
	}
	t.Logf("%d of %d streams were accepted, %d writes failed", accepted, len(streams), refused)
	if accepted == 0 || accepted > peerStreams {
		t.Errorf("%d streams were accepted, want 1 to %d", accepted, peerStreams)
	}
	a.until("a proper stream is served", func() bool {
		if stream, err := l.Open(t.Context(), a.votes()); err == nil {
			a.write(stream, appendHeader(nil, 1, 1), []byte("x"))
		}
		frames, _ := a.sink.received()
		return len(frames) > 0
	})
	if !a.victim.Peers()[0].Connected {
		t.Error("the session ended")
	}
}

// TestHostile_LinkRate has a member whose connections come faster than a peer's that only redials.
func TestHostile_LinkRate(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	door, ok := a.victim.(*mesh)
	if !ok {
		t.Fatalf("the victim is a %T", a.victim)
	}
	taken := 0
	for door.Linked(&mute{peer: a.hello.from, ended: make(chan struct{})}) != nil {
		if taken++; taken > 100*linkBurst {
			t.Fatal("there is no bound")
		}
	}
	if taken < linkBurst {
		t.Errorf("%d connections were taken at once, want at least %d", taken, linkBurst)
	}
	a.rises("link_rate")
	if got := len(a.victim.Refusals()); got == 0 {
		t.Error("no refusal was kept")
	}
}

// mute is a link that a member has opened and over which nothing comes.
type mute struct {
	peer  crypto.NodeID
	ended chan struct{}
	once  sync.Once
}

var errMute = errors.New("nobody answers")

func (m *mute) Peer() crypto.NodeID                        { return m.peer }
func (*mute) Dialed() bool                                 { return false }
func (*mute) Open(context.Context, string) (Stream, error) { return nil, errMute }

func (m *mute) Close() error {
	m.once.Do(func() { close(m.ended) })
	return nil
}

// TestGater_DialsGivenAddressesOnly keeps addresses that peers announce by identify from being
// used.
func TestGater_DialsGivenAddressesOnly(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	id, err := peerID(a.to)
	if err != nil {
		t.Fatal(err)
	}
	given, err := resolve(t.Context(), "127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	other, err := resolve(t.Context(), "127.0.0.1:2")
	if err != nil {
		t.Fatal(err)
	}
	a.hand.gater.allow(id, given)
	if !a.hand.gater.InterceptAddrDial(id, given[0]) {
		t.Error("a given address is refused")
	}
	if a.hand.gater.InterceptAddrDial(id, other[0]) {
		t.Error("an address that was not given may be dialled")
	}
	stranger, err := peerID(crypto.NewNetworkKey([crypto.SeedSize]byte{9}).ID())
	if err != nil {
		t.Fatal(err)
	}
	g := a.hand.gater
	if g.InterceptPeerDial(stranger) || g.InterceptAddrDial(stranger, given[0]) {
		t.Error("a stranger may be dialled")
	}
}
