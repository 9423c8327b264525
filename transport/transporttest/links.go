package transporttest

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"byzd/crypto"
	"byzd/transport"
)

// refused checks that a refusal was kept in words that contain all the parts.
func refused(t *testing.T, n *node, name string, parts ...string) {
	t.Helper()
	var texts []string
	for _, r := range n.Refusals() {
		if r.Name != name {
			continue
		}
		texts = append(texts, r.Text)
		found := r.Count > 0 && !r.Last.Before(r.First)
		for _, part := range parts {
			found = found && strings.Contains(r.Text, part)
		}
		if found {
			return
		}
	}
	t.Errorf("no refusal %s says %q; it says %q", name, parts, texts)
}

func testStranger(t *testing.T, w World) {
	known := keys(3)
	members, stranger := known[:2], known[2]
	nodes := []*node{
		start(t, w, config(members[0], members)), start(t, w, config(members[1], members)),
	}
	connect(t, w, nodes...)
	outside := start(t, w, config(stranger, known))
	for _, n := range nodes {
		outside.Heard(n.id, []string{w.Route(outside.id, n.id)})
	}
	for _, n := range nodes {
		rises(t, n, "gater_stranger")
		refused(t, n, "gater_stranger", stranger.ID().String(), "no member")
		if ups, _ := outside.counts(n.id); ups != 0 {
			t.Errorf("the stranger came up %d times", ups)
		}
	}
	if !connected(nodes...) {
		t.Error("the members lost each other")
	}
}

// testMismatch starts two nodes that differ, and wants both to name both values.
func testMismatch(
	t *testing.T, w World, counter string, values [2]string, edit func(cfg *transport.Config),
) {
	t.Helper()
	members := keys(2)
	other := config(members[1], members)
	edit(&other)
	nodes := []*node{start(t, w, config(members[0], members)), start(t, w, other)}
	introduce(w, nodes...)
	for _, n := range nodes {
		rises(t, n, counter)
		refused(t, n, counter, values[0], values[1])
		until(t, "the reason is kept", func() bool { return n.Peers()[0].LastError != "" })
		if ups, _ := n.counts(n.Peers()[0].ID); ups != 0 || n.Peers()[0].Connected {
			t.Errorf("the other came up %d times", ups)
		}
	}
}

func testOtherCluster(t *testing.T, w World) {
	testMismatch(t, w, "hello_cluster", [2]string{"c1000000", "c2000000"},
		func(cfg *transport.Config) { cfg.Cluster = crypto.Digest{0xc2} })
}

func testOtherEpoch(t *testing.T, w World) {
	testMismatch(t, w, "hello_epoch", [2]string{"in epoch ", "in 7"},
		func(cfg *transport.Config) { cfg.Epoch = 7777 })
}

func testOtherVersion(t *testing.T, w World) {
	testMismatch(t, w, "hello_version", [2]string{"speaks wire version ", "this node speaks "},
		func(cfg *transport.Config) { cfg.WireVersion = 2 })
}

// testFrozenPeer stops one of two nodes with a heartbeat of 200 ms.
func testFrozenPeer(t *testing.T, w World) {
	const heartbeat = 200 * time.Millisecond
	nodes := cluster(t, w, 3, func(_ int, cfg *transport.Config) { cfg.Heartbeat = heartbeat })
	w.Freeze(nodes[1].id)
	took := until(t, "the frozen peer is noticed", func() bool {
		return !nodes[0].isUp(nodes[1]) && !nodes[2].isUp(nodes[1])
	})
	if took < 3*heartbeat {
		t.Errorf("noticed after %s, that is before 4 silent heartbeats", took)
	}
	rises(t, nodes[0], "heartbeat_lost")
	if !connected(nodes[0], nodes[2]) {
		t.Error("the others lost each other")
	}
	w.Thaw(nodes[1].id)
	until(t, "reconnected", func() bool { return connected(nodes...) })
	again(t, nodes[1], nodes[0])
}

// again checks that frames pass in both directions.
func again(t *testing.T, nodes ...*node) {
	t.Helper()
	for i, from := range nodes {
		to := nodes[(i+1)%len(nodes)]
		before := len(to.of(transport.Proposals))
		until(t, "frames pass", func() bool {
			from.Send(to.id, transport.Proposals, []byte("again"))
			return len(to.of(transport.Proposals)) > before
		})
	}
}

func testKilledPeer(t *testing.T, w World) {
	nodes := cluster(t, w, 3, nil)
	w.Kill(nodes[2].id)
	took := until(t, "the killed peer is noticed", func() bool {
		return !nodes[0].isUp(nodes[2]) && !nodes[1].isUp(nodes[2])
	})
	if took > 3*time.Second {
		t.Errorf("noticed after %s; a broken connection needs no heartbeat", took)
	}
	if !connected(nodes[0], nodes[1]) {
		t.Error("the others lost each other")
	}
}

// testOtherPort restarts either node on another port; the one that stayed hears of it.
func testOtherPort(t *testing.T, w World) {
	members := keys(2)
	for moved := range members {
		stays := start(t, w, config(members[1-moved], members))
		first := start(t, w, config(members[moved], members))
		connect(t, w, stays, first)
		first.close()
		until(t, "the end is noticed", func() bool { return !stays.isUp(first) })
		second := start(t, w, config(members[moved], members))
		if first.Addr() == second.Addr() {
			t.Fatalf("both listened on %s", first.Addr())
		}
		stays.Heard(second.id, []string{w.Route(stays.id, second.id)})
		until(t, "connected at the new port", func() bool { return connected(stays, second) })
		again(t, stays, second)
		if got := stays.Peers()[0].Addrs; len(got) != 1 || got[0] != w.Route(stays.id, second.id) {
			t.Errorf("addresses: %v", got)
		}
		stays.close()
		second.close()
	}
}

func testOneSideKnows(t *testing.T, w World) {
	for knows := range 2 {
		members := keys(2)
		nodes := []*node{
			start(t, w, config(members[0], members)), start(t, w, config(members[1], members)),
		}
		nodes[knows].Heard(nodes[1-knows].id, []string{w.Route(nodes[knows].id, nodes[1-knows].id)})
		until(t, fmt.Sprintf("connected though only node %d knows an address", knows), func() bool {
			return connected(nodes...)
		})
		again(t, nodes...)
		for _, n := range nodes {
			n.close()
		}
	}
}

// hold is a set of conditions that lets nobody dial until it is released.
type hold struct {
	released *atomic.Bool
	asked    atomic.Int64
}

func (h *hold) DialAllowed(crypto.NodeID) bool {
	h.asked.Add(1)
	return h.released.Load()
}

func (*hold) AcceptAllowed(crypto.NodeID) bool { return true }

func (*hold) Frame(crypto.NodeID, transport.Class, int) transport.Fate { return transport.Fate{} }

// testBothDial holds both sides back until both want to dial, and lets them go at once.
func testBothDial(t *testing.T, w World) {
	duplicates := uint64(0)
	for range 20 {
		members := keys(2)
		var released atomic.Bool
		var nodes []*node
		var holds []*hold
		for _, key := range members {
			cfg := config(key, members)
			cfg.RedialMin, cfg.RedialMax = time.Millisecond, 2*time.Millisecond
			h := &hold{released: &released}
			holds = append(holds, h)
			cfg.Conditions = h
			nodes = append(nodes, start(t, w, cfg))
		}
		introduce(w, nodes...)
		until(t, "both want to dial", func() bool {
			return holds[0].asked.Load() > 0 && holds[1].asked.Load() > 0
		})
		released.Store(true)
		until(t, "connected", func() bool { return connected(nodes...) })
		again(t, nodes...)
		settled(t, nodes)
		for _, n := range nodes {
			counters := n.Counters()
			duplicates += counters["link_duplicate"] + counters["superseded_link"]
		}
		for _, n := range nodes {
			n.close()
		}
	}
	t.Logf("%d links gave way to another", duplicates)
}

// testDialStorm lets seven nodes dial each other at once, both sides of every pair, and wants one
// connection of each pair to remain.
func testDialStorm(t *testing.T, w World) {
	members := keys(7)
	var released atomic.Bool
	var nodes []*node
	var holds []*hold
	for _, key := range members {
		cfg := config(key, members)
		cfg.RedialMin, cfg.RedialMax = time.Millisecond, 2*time.Millisecond
		h := &hold{released: &released}
		holds = append(holds, h)
		cfg.Conditions = h
		nodes = append(nodes, start(t, w, cfg))
	}
	introduce(w, nodes...)
	until(t, "all want to dial", func() bool {
		for _, h := range holds {
			if h.asked.Load() < int64(len(members)) {
				return false
			}
		}
		return true
	})
	released.Store(true)
	until(t, "all connected", func() bool { return connected(nodes...) })
	sessions := func() (up, down uint64) {
		for _, n := range nodes {
			c := n.Counters()
			up, down = up+c["sessions_up"], down+c["sessions_down"]
		}
		return up, down
	}
	// One at each end of each pair.
	want := uint64(len(nodes) * (len(nodes) - 1)) //nolint:gosec // 42
	before, since := uint64(0), time.Now()
	until(t, "one connection of each pair remains", func() bool {
		up, down := sessions()
		if up != before || up-down != want || !connected(nodes...) {
			before, since = up, time.Now()
		}
		return time.Since(since) > 100*time.Millisecond
	})
	t.Logf("%d sessions came up for %d that remain", before, want)
	again(t, nodes...)
}

// settled checks that the pair stays as it is: a sender and a receiver that kept different links
// would lose them within moments.
func settled(t *testing.T, nodes []*node) {
	t.Helper()
	ups := func() (sum int) {
		for i, n := range nodes {
			count, _ := n.counts(nodes[1-i].id)
			sum += count
		}
		return sum
	}
	before, since := ups(), time.Now()
	until(t, "the pair is stable", func() bool {
		if now := ups(); now != before {
			before, since = now, time.Now()
		}
		return time.Since(since) > 50*time.Millisecond
	})
	if before > 6 {
		t.Errorf("connections came up %d times", before)
	}
	again(t, nodes...)
}

func testConfiguration(t *testing.T, w World) {
	members := keys(2)
	for name, edit := range map[string]func(cfg *transport.Config){
		"no key":          func(cfg *transport.Config) { cfg.Key = crypto.NetworkKey{} },
		"no cluster":      func(cfg *transport.Config) { cfg.Cluster = crypto.Digest{} },
		"no handler":      func(cfg *transport.Config) { cfg.Handler = nil },
		"no port":         func(cfg *transport.Config) { cfg.Listen = "127.0.0.1" },
		"peer twice":      func(c *transport.Config) { c.Peers = append(c.Peers, c.Peers[0]) },
		"negative":        func(cfg *transport.Config) { cfg.Heartbeat = -1 },
		"redial reversed": func(cfg *transport.Config) { cfg.RedialMin = time.Hour },
		"small queue":     func(c *transport.Config) { c.Limits.QueueBytes[transport.Sync] = 8 },
		"large frame": func(cfg *transport.Config) {
			cfg.Limits.MaxFrame[transport.Sync] = 1 << 30
		},
	} {
		cfg := config(members[0], members)
		cfg.Handler = newRecorder()
		edit(&cfg)
		if made, err := w.New(cfg); !errors.Is(err, transport.ErrConfig) {
			t.Errorf("%s: %v", name, err)
			if err == nil {
				t.Error(made.Close())
			}
		}
	}
	first := start(t, w, config(members[0], members))
	cfg := config(members[1], members)
	cfg.Handler, cfg.Listen = newRecorder(), first.Addr()
	if made, err := w.New(cfg); err == nil {
		t.Errorf("two nodes listen on %s", first.Addr())
		t.Error(made.Close())
	}
}
