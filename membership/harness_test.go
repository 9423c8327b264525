package membership

import (
	"fmt"
	"io"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"go.uber.org/goleak"

	"byzd/crypto"
)

// TestMain fails the package if a goroutine outlives its tests.
func TestMain(m *testing.M) { goleak.VerifyTestMain(lateEnd{m}) }

// lateEnd gives memberlist's last probes their time: each ends up to four probe intervals after its
// Shutdown.
type lateEnd struct{ *testing.M }

func (m lateEnd) Run() int {
	code := m.M.Run()
	for limit := time.Now().Add(20 * time.Second); time.Now().Before(limit); {
		if goleak.Find() == nil {
			break
		}
	}
	return code
}

var (
	testCluster = crypto.Digest{1, 2, 3}
	testCounter atomic.Uint64
)

// testKeys returns the network keys of n members, the same at each call.
func testKeys(n int) ([]crypto.NetworkKey, []Member) {
	keys := make([]crypto.NetworkKey, n)
	members := make([]Member, n)
	for i := range keys {
		keys[i] = crypto.NewNetworkKey([crypto.SeedSize]byte{byte(i), byte(i >> 8), 7})
		members[i] = Member{ID: keys[i].ID(), Name: fmt.Sprintf("node%d", i)}
	}
	return keys, members
}

// cluster is n members, each of which may run.
type cluster struct {
	t       *testing.T
	keys    []crypto.NetworkKey
	members []Member
	nodes   []*Gossip
	ether   *ether // nil: the kernel's loopback
	adjust  func(i int, cfg *Config)
}

func newCluster(t *testing.T, n int, adjust func(i int, cfg *Config)) *cluster {
	t.Helper()
	c := &cluster{t: t, nodes: make([]*Gossip, n), adjust: adjust}
	c.keys, c.members = testKeys(n)
	t.Cleanup(func() {
		for i := range c.nodes {
			c.kill(i)
		}
	})
	return c
}

// config is node i's, with the addresses of all running nodes as contacts.
func (c *cluster) config(i int, contacts ...string) Config {
	cfg := Config{
		Cluster: testCluster, Key: c.keys[i], Members: c.members, Bind: "127.0.0.1:0",
		TransportAddr: fmt.Sprintf("/transport/%d", i), ClientAddr: fmt.Sprintf("client-%d:1", i),
		Join: contacts, Counter: testCounter.Add(1), Timing: quick(), Log: testLog(c.t, i),
	}
	if c.adjust != nil {
		c.adjust(i, &cfg)
	}
	return cfg
}

// quick is for tests in which nobody crashes: news travels fast.
func quick() Timing {
	return Timing{GossipInterval: 50 * time.Millisecond, RejoinInterval: 500 * time.Millisecond}
}

func testLog(t *testing.T, i int) logrus.FieldLogger {
	log := logrus.New()
	out := &lateWriter{out: t.Output()}
	t.Cleanup(out.close)
	log.SetOutput(out)
	log.SetLevel(logrus.InfoLevel)
	return log.WithField("node", i)
}

// lateWriter is a log that may be written to when the test has ended.
type lateWriter struct {
	mu  sync.Mutex
	out io.Writer
}

func (w *lateWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.out.Write(b)
}

func (w *lateWriter) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.out = io.Discard
}

func (c *cluster) start(i int, contacts ...string) *Gossip {
	c.t.Helper()
	g, err := c.launch(c.config(i, contacts...))
	if err != nil {
		c.t.Fatalf("start node %d: %v", i, err)
	}
	c.nodes[i] = g
	return g
}

// launch starts a node on the cluster's network. On an ether Bind says where, if it is an address
// of one.
func (c *cluster) launch(cfg Config) (*Gossip, error) {
	if c.ether == nil {
		return Start(cfg)
	}
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	addr, err := netip.ParseAddrPort(cfg.Bind)
	if err != nil || addr.Port() == 0 {
		addr = netip.AddrPort{}
	}
	return startOn(cfg, c.ether.listen(addr))
}

// startAll starts the nodes that are listed, all with the first as their contact.
func (c *cluster) startAll(which ...int) {
	c.t.Helper()
	first := c.start(which[0])
	for _, i := range which[1:] {
		c.start(i, first.Addr())
	}
}

// kill is a crash: nobody is told.
func (c *cluster) kill(i int) {
	g := c.nodes[i]
	if g == nil {
		return
	}
	c.nodes[i] = nil
	if err := g.Close(); err != nil {
		c.t.Errorf("close node %d: %v", i, err)
	}
}

// elapse lets time pass.
func elapse(d time.Duration) { <-time.NewTimer(d).C }

// wait polls a condition until it holds, and fails the test after limit.
func wait(t *testing.T, limit time.Duration, what string, condition func() error) time.Duration {
	t.Helper()
	start := time.Now()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := condition()
		took := time.Since(start)
		if err == nil {
			t.Logf("%s: took %v", what, took.Round(time.Millisecond))
			return took
		}
		if took > limit {
			t.Fatalf("%s: not after %v: %v", what, took.Round(time.Millisecond), err)
		}
		<-ticker.C
	}
}

// sees says what is missing until every running node among observers has each of subjects in the
// state, with the address that the subject has.
func (c *cluster) sees(observers, subjects []int, state State) func() error {
	return func() error {
		for _, o := range observers {
			view := c.nodes[o].View()
			for _, s := range subjects {
				v := view[s]
				if v.State != state {
					return fmt.Errorf("node %d holds node %d for %v, want %v", o, s, v.State, state)
				}
				if g := c.nodes[s]; g != nil && v.Record != g.transport.own() {
					return fmt.Errorf("node %d knows %+v of node %d, want %+v",
						o, v.Record, s, g.transport.own())
				}
			}
		}
		return nil
	}
}

// holds fails the test if condition stops to hold within the time.
func holds(t *testing.T, during time.Duration, condition func() error) {
	t.Helper()
	end := time.NewTimer(during)
	defer end.Stop()
	ticker := time.NewTicker(50 * time.Millisecond) // Opinions are asked for every 200 ms.
	defer ticker.Stop()
	for {
		if err := condition(); err != nil {
			t.Fatal(err)
		}
		select {
		case <-end.C:
			return
		case <-ticker.C:
		}
	}
}

func upTo(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

func counted(g *Gossip) string {
	var b strings.Builder
	for name, n := range g.Counters() {
		if n > 0 {
			fmt.Fprintf(&b, " %s=%d", name, n)
		}
	}
	return b.String()
}
