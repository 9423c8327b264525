package membership

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"byzd/crypto"
)

// patient is the default timing, under which crashes are measured.
func patient(_ int, cfg *Config) { cfg.Timing = Timing{} }

// hasty lets a crash be noticed within a second, where that is not what is tested.
func hasty(_ int, cfg *Config) {
	cfg.Timing = Timing{
		ProbeInterval: 200 * time.Millisecond, ProbeTimeout: 150 * time.Millisecond,
		GossipInterval: 50 * time.Millisecond, RejoinInterval: 500 * time.Millisecond,
		PushPullInterval: time.Second, SuspicionMult: 3, SuspicionMaxMult: 2,
	}
}

func TestGossip_OneContactSuffices(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 7, nil)
	c.start(0)
	for i := 1; i < 7; i++ {
		c.start(i, c.nodes[i-1].Addr())
	}
	all := upTo(7)
	wait(t, 20*time.Second, "seven in a line see each other", c.sees(all, all, Alive))
	for i, v := range c.nodes[0].View() {
		if v.Member != c.members[i] || v.LastHeard.IsZero() && i < 2 {
			t.Errorf("view of node %d: %+v", i, v)
		}
	}
}

// TestGossip_CrashOnRealSockets is [TestTime_CrashIsNoticed] with a kernel and its clock: some five
// seconds on an idle machine.
func TestGossip_CrashOnRealSockets(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 4, patient)
	all := upTo(4)
	c.startAll(all...)
	wait(t, 30*time.Second, "start", c.sees(all, all, Alive))
	c.kill(3)
	rest := upTo(3)
	wait(t, 50*time.Second, "crash is seen by all", c.sees(rest, []int{3}, Dead))
	if err := c.sees(rest, rest, Alive)(); err != nil {
		t.Error(err)
	}
}

func TestGossip_ComesBackOnAnotherPort(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 4, hasty)
	all := upTo(4)
	c.startAll(all...)
	wait(t, 20*time.Second, "start", c.sees(all, all, Alive))

	before := c.nodes[2].Addr()
	c.kill(2)
	c.start(2, c.nodes[1].Addr())
	if before == c.nodes[2].Addr() {
		t.Fatalf("the node has the same port again")
	}
	wait(t, 20*time.Second, "back before anybody missed it", c.sees(all, all, Alive))

	c.kill(2)
	wait(t, 20*time.Second, "missed", c.sees([]int{0, 1, 3}, []int{2}, Dead))
	c.start(2, c.nodes[3].Addr())
	wait(t, 20*time.Second, "back from the dead", c.sees(all, all, Alive))
}

// TestGossip_IsFoundAgain restarts a node that knows no contact, where it was before: the others
// look for it.
func TestGossip_IsFoundAgain(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 4, hasty)
	all := upTo(4)
	c.startAll(all...)
	wait(t, 20*time.Second, "start", c.sees(all, all, Alive))
	addr := c.nodes[3].Addr()
	c.kill(3)
	wait(t, 20*time.Second, "missed", c.sees(upTo(3), []int{3}, Dead))
	c.adjust = func(i int, cfg *Config) {
		hasty(i, cfg)
		cfg.Bind = addr
	}
	c.start(3)
	wait(t, 20*time.Second, "found", c.sees(all, all, Alive))
}

func TestGossip_Leaves(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 4, hasty)
	all := upTo(4)
	c.startAll(all...)
	wait(t, 20*time.Second, "start", c.sees(all, all, Alive))
	if err := c.nodes[1].Leave(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	wait(t, 20*time.Second, "left", c.sees([]int{0, 2, 3}, []int{1}, Left))
	c.kill(1)
	holds(t, 500*time.Millisecond, c.sees([]int{0, 2, 3}, []int{1}, Left))
	c.start(1, c.nodes[2].Addr())
	wait(t, 20*time.Second, "back", c.sees(all, all, Alive))
}

func TestGossip_AfterClose(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, nil)
	g := c.start(0)
	if err := g.Join("127.0.0.1:1"); !errors.Is(err, ErrNoContact) ||
		strings.Contains(err.Error(), "1 error occurred") {
		t.Errorf("join nobody: %v", err)
	}
	if err := g.Join(g.Addr()); !errors.Is(err, ErrNoContact) ||
		!strings.Contains(err.Error(), ErrSelf.Error()) {
		t.Errorf("join ourselves: %v", err)
	}
	if err := g.Join("no port"); err == nil {
		t.Error("an address without a port was accepted")
	}
	c.kill(0)
	if err := g.Close(); err != nil {
		t.Errorf("close twice: %v", err)
	}
	if err := g.Leave(time.Second); !errors.Is(err, ErrClosed) {
		t.Errorf("leave after close: %v", err)
	}
	if err := g.Join("127.0.0.1:1"); !errors.Is(err, ErrClosed) {
		t.Errorf("join after close: %v", err)
	}
}

func TestGossip_Events(t *testing.T) {
	inEther(t, 2, func(c *cluster) {
		var mu sync.Mutex
		var seen []Event
		c.adjust = func(i int, cfg *Config) {
			patient(i, cfg)
			if i == 0 {
				cfg.Events = func(e Event) {
					mu.Lock()
					defer mu.Unlock()
					seen = append(seen, e)
				}
			}
		}
		c.startAll(0, 1)
		wait(c.t, 20*time.Second, "start", c.sees([]int{0, 1}, []int{0, 1}, Alive))
		record := c.nodes[1].transport.own()
		c.kill(1)
		wait(c.t, 20*time.Second, "alive, suspect and dead are told in order", func() error {
			mu.Lock()
			defer mu.Unlock()
			var states []State
			for _, e := range seen {
				if e.Member == c.members[1] && e.Record == record {
					states = append(states, e.State)
				}
			}
			states = slices.Compact(states)
			if !slices.Equal(states, []State{Alive, Suspect, Dead}) &&
				!slices.Equal(states, []State{Unknown, Alive, Suspect, Dead}) {
				return fmt.Errorf("told %v", states)
			}
			return nil
		})
	})
}

func TestStart_RefusesConfig(t *testing.T) {
	keys, members := testKeys(3)
	for name, spoil := range map[string]func(*Config){
		"no key":            func(c *Config) { c.Key = crypto.NetworkKey{} },
		"stranger":          func(c *Config) { c.Members = members[1:] },
		"twice":             func(c *Config) { c.Members = append(slices.Clone(members), members[0]) },
		"no counter":        func(c *Config) { c.Counter = 0 },
		"no bind":           func(c *Config) { c.Bind = "nonsense" },
		"long address":      func(c *Config) { c.TransportAddr = strings.Repeat("x", 181) },
		"unprintable":       func(c *Config) { c.ClientAddr = "a b" },
		"timeout too long":  func(c *Config) { c.Timing.ProbeTimeout = time.Second },
		"interval negative": func(c *Config) { c.Timing.GossipInterval = -1 },
		"suspicion":         func(c *Config) { c.Timing.SuspicionMult = -1 },
		"advertise":         func(c *Config) { c.Advertise = "0.0.0.0:5" },
		"join, no port":     func(c *Config) { c.Join = []string{"host-a"} },
		"join, port 0":      func(c *Config) { c.Join = []string{"host-a:0"} },
		"join, no host":     func(c *Config) { c.Join = []string{":7946"} },
		"join, named port":  func(c *Config) { c.Join = []string{"host-a:gossip"} },
	} {
		cfg := Config{
			Cluster: testCluster, Key: keys[0], Members: members, Bind: "127.0.0.1:0", Counter: 1,
		}
		spoil(&cfg)
		g, err := Start(cfg)
		if !errors.Is(err, ErrConfig) {
			t.Errorf("%s: got %v, want ErrConfig", name, err)
		}
		if g != nil {
			g.Close()
		}
	}
}

func TestStart_Advertises(t *testing.T) {
	keys, members := testKeys(1)
	for _, k := range []struct{ bind, advertise, want string }{
		{"127.0.0.1:0", "", "127.0.0.1:"},
		{"127.0.0.1:0", "10.1.2.3:99", "10.1.2.3:99"},
		{"127.0.0.1:0", "10.1.2.3", "10.1.2.3:"},
		{"0.0.0.0:0", "10.1.2.3", "10.1.2.3:"},
	} {
		g, err := Start(Config{
			Key: keys[0], Members: members, Bind: k.bind, Advertise: k.advertise, Counter: 1,
		})
		if err != nil {
			t.Fatal(err)
		}
		r, ok := g.Record(members[0].ID)
		if !ok || !strings.HasPrefix(r.SwimAddr, k.want) || r.check() != nil {
			t.Errorf("bind %q, advertise %q: our record says %q", k.bind, k.advertise, r.SwimAddr)
		}
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	}
}
