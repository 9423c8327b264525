package transporttest

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"byzd/crypto"
	"byzd/transport"
)

// World makes transports and controls what is between them.
type World interface {
	// New starts a transport; a second one with the same key takes the first one's place for Route.
	New(cfg transport.Config) (transport.Transport, error)
	// Route returns the address at which from reaches to.
	Route(from, to crypto.NodeID) string
	// Freeze stops all bytes to and from id, without ending connections; Thaw lets them go on.
	Freeze(id crypto.NodeID)
	Thaw(id crypto.NodeID)
	// Kill breaks id's connections at once and lets no new one come up.
	Kill(id crypto.NodeID)
}

const (
	// patience is ten times what the slowest wait of these tests should take on a busy machine.
	patience = 30 * time.Second
	pause    = 2 * time.Millisecond
)

// until waits for the condition, and says how long that took.
func until(t *testing.T, what string, condition func() bool) time.Duration {
	t.Helper()
	start := time.Now()
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for !condition() {
		if time.Since(start) > patience {
			t.Fatalf("%s: not within %s", what, patience)
		}
		<-ticker.C
	}
	took := time.Since(start)
	t.Logf("%s: after %s", what, took.Round(time.Millisecond))
	return took
}

// delivery is one frame that a node received.
type delivery struct {
	from    crypto.NodeID
	class   transport.Class
	lamport uint64
	frame   []byte
}

// number returns what numbered put into the frame.
func (d delivery) number() int { return int(binary.BigEndian.Uint32(d.frame)) }

// numbered returns a frame of the given size that carries a number.
func numbered(number, size int) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(number)) //nolint:gosec // a test's count
	return append(b, make([]byte, size-4)...)
}

// recorder is a handler that keeps everything, and blocks while its gate is shut.
type recorder struct {
	mu         sync.Mutex
	deliveries []delivery
	ups, downs map[crypto.NodeID]int
	errors     []string
	gate       chan struct{} // nil: open
	quit       chan struct{} // closed when the node closes
}

func newRecorder() *recorder {
	return &recorder{
		ups: make(map[crypto.NodeID]int), downs: make(map[crypto.NodeID]int),
		quit: make(chan struct{}),
	}
}

// Receive implements transport.Handler.
func (r *recorder) Receive(
	from crypto.NodeID, class transport.Class, lamport uint64, frame []byte,
) {
	r.mu.Lock()
	if r.ups[from] == 0 {
		r.errors = append(r.errors, "a frame came before PeerUp")
	}
	gate := r.gate
	r.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-r.quit:
			return
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deliveries = append(r.deliveries, delivery{from, class, lamport, frame})
}

// PeerUp implements transport.Handler.
func (r *recorder) PeerUp(id crypto.NodeID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ups[id]++
	if r.ups[id] != r.downs[id]+1 {
		r.errors = append(r.errors, "PeerUp without PeerDown before")
	}
}

// PeerDown implements transport.Handler.
func (r *recorder) PeerDown(id crypto.NodeID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.downs[id]++
	if r.ups[id] != r.downs[id] {
		r.errors = append(r.errors, "PeerDown without PeerUp before")
	}
}

// shut makes Receive block until the returned function is called.
func (r *recorder) shut() (open func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	gate := make(chan struct{})
	r.gate = gate
	return sync.OnceFunc(func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.gate = nil
		close(gate)
	})
}

// of returns what has come of one class.
func (r *recorder) of(class transport.Class) []delivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(r.deliveries), func(d delivery) bool {
		return d.class != class
	})
}

func (r *recorder) counts(id crypto.NodeID) (ups, downs int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ups[id], r.downs[id]
}

// node is one transport under test.
type node struct {
	transport.Transport
	*recorder
	id    crypto.NodeID
	clock *transport.Lamport
	close func()
}

// isUp reports whether the handler knows of a connection to the other node.
func (n *node) isUp(other *node) bool {
	ups, downs := n.counts(other.id)
	return ups > downs
}

func (n *node) state(t *testing.T, other *node) transport.PeerState {
	t.Helper()
	for _, p := range n.Peers() {
		if p.ID == other.id {
			return p
		}
	}
	t.Fatalf("no state of peer %s", other.id)
	return transport.PeerState{}
}

// keys returns n keys in the order of their IDs.
func keys(n int) []crypto.NetworkKey {
	made := make([]crypto.NetworkKey, n)
	for i := range made {
		made[i] = crypto.NewNetworkKey([crypto.SeedSize]byte{1, byte(i + 1)})
	}
	slices.SortFunc(made, func(a, b crypto.NetworkKey) int {
		x, y := a.ID(), b.ID()
		return slices.Compare(x[:], y[:])
	})
	return made
}

func peersOf(members []crypto.NetworkKey) []transport.Peer {
	peers := make([]transport.Peer, len(members))
	for i, k := range members {
		peers[i] = transport.Peer{ID: k.ID(), Name: fmt.Sprintf("n%d", i)}
	}
	return peers
}

// config is that of all tests, but for what they change: fast redials, and a heartbeat that a busy
// machine still keeps.
func config(key crypto.NetworkKey, members []crypto.NetworkKey) transport.Config {
	return transport.Config{
		Cluster: crypto.Digest{0xc1}, Epoch: 7, WireVersion: 1,
		Key: key, Peers: peersOf(members), Listen: "127.0.0.1:0",
		RedialMin: 5 * time.Millisecond, RedialMax: 50 * time.Millisecond,
	}
}

// start makes a node of the configuration and ends it with the test.
func start(t *testing.T, w World, cfg transport.Config) *node {
	t.Helper()
	n := &node{recorder: newRecorder(), id: cfg.Key.ID(), clock: cfg.Clock}
	if n.clock == nil {
		n.clock = new(transport.Lamport)
	}
	cfg.Handler, cfg.Clock = n.recorder, n.clock
	made, err := w.New(cfg)
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	n.Transport = made
	n.close = sync.OnceFunc(func() {
		close(n.quit)
		if err := n.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		n.mu.Lock()
		defer n.mu.Unlock()
		for _, e := range n.errors {
			t.Error(e)
		}
	})
	t.Cleanup(n.close)
	return n
}

// introduce tells each node where all others are.
func introduce(w World, nodes ...*node) {
	for _, a := range nodes {
		for _, b := range nodes {
			if a != b {
				a.Heard(b.id, []string{w.Route(a.id, b.id)})
			}
		}
	}
}

// connect introduces the nodes and waits until all are connected to all.
func connect(t *testing.T, w World, nodes ...*node) {
	t.Helper()
	introduce(w, nodes...)
	until(t, "all connected", func() bool { return connected(nodes...) })
}

func connected(nodes ...*node) bool {
	for _, a := range nodes {
		for _, b := range nodes {
			if a != b && !a.isUp(b) {
				return false
			}
		}
	}
	return true
}

// cluster starts n nodes, after edit has changed their configurations, and connects them.
func cluster(
	t *testing.T, w World, n int, edit func(i int, cfg *transport.Config),
) []*node {
	t.Helper()
	members := keys(n)
	nodes := make([]*node, n)
	for i, key := range members {
		cfg := config(key, members)
		if edit != nil {
			edit(i, &cfg)
		}
		nodes[i] = start(t, w, cfg)
	}
	connect(t, w, nodes...)
	return nodes
}

// numbers returns the numbers in the deliveries.
func numbers(deliveries []delivery) []int {
	all := make([]int, len(deliveries))
	for i, d := range deliveries {
		all[i] = d.number()
	}
	return all
}

// rises waits for a counter to become positive.
func rises(t *testing.T, n *node, counter string) {
	t.Helper()
	if _, known := n.Counters()[counter]; !known {
		t.Fatalf("no counter %q", counter)
	}
	until(t, counter+" rises", func() bool { return n.Counters()[counter] > 0 })
}
