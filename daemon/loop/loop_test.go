package loop_test

import (
	"fmt"
	"testing"

	"byzd/crypto"
	"byzd/daemon/disk"
	"byzd/daemon/journal"
	"byzd/daemon/kv"
	"byzd/daemon/loop"
	"byzd/daemon/snapshot"
	"byzd/pbft"
	"byzd/pbft/message"
	"byzd/pbft/pbfttest"
)

// node is one loop with its disk.
type node struct {
	disk    *disk.Memory
	journal *journal.Journal
	store   *kv.Store
	loop    *loop.Loop
	results map[uint64]loop.Result
	halted  string
	forgot  string // what its next start is told to have forgotten
	events  map[pbft.Event]int
	drops   map[string]int
	down    bool
	noSync  bool
}

// cluster drives loops in one goroutine.
type cluster struct {
	t       *testing.T
	cfg     *message.Config
	signers []crypto.Signer
	nodes   []*node
	queue   []packet
	now     int64
	pass    func(from, to int, t message.Type) bool
	twist   func(from, to int, m message.Message) message.Message // what is sent in place of m
	keep    loop.Retention
	segment int64                             // bytes of a journal's segments; 0 for the default
	tap     func(from, to int, frame []byte)  // sees every frame that a node sends, lost or not
	save    func(i int, s *snapshot.Snapshot) // if not nil, it is given what is to be saved
}

type packet struct {
	from, to int
	frame    []byte
}

type links struct {
	c    *cluster
	self int
}

func (k links) Send(to int, t message.Type, frame []byte) {
	if k.c.tap != nil {
		k.c.tap(k.self, to, frame)
	}
	for i := range k.c.nodes {
		if i == k.self || to != pbft.All && i != to {
			continue
		}
		if k.c.twist != nil {
			frame = k.c.twisted(k.self, i, frame)
		}
		if k.c.pass == nil || k.c.pass(k.self, i, t) {
			k.c.queue = append(k.c.queue, packet{k.self, i, frame})
		}
	}
}

func (c *cluster) twisted(from, to int, frame []byte) []byte {
	_, m, err := message.Decode(frame)
	if err != nil {
		c.t.Fatal(err)
	}
	return message.Encode(c.cfg.Epoch, c.twist(from, to, m))
}

type noCache struct{}

func (noCache) Has(crypto.Digest) bool { return false }
func (noCache) Add(crypto.Digest)      {}

func newCluster(t *testing.T, n int) *cluster {
	t.Helper()
	p := message.DefaultParams()
	p.CheckpointEvery, p.Window = 8, 32
	cfg, signers := pbfttest.Config(n, crypto.SchemeEd25519, p)
	cfg.Scheme = pbfttest.Memo(cfg.Scheme)
	c := &cluster{t: t, cfg: cfg, signers: signers, now: 1_000_000}
	for range n {
		c.nodes = append(c.nodes, &node{
			disk: disk.NewMemory(), results: map[uint64]loop.Result{}, drops: map[string]int{},
			events: map[pbft.Event]int{},
		})
	}
	for i := range c.nodes {
		c.open(i)
	}
	return c
}

func (c *cluster) open(i int) {
	c.t.Helper()
	n := c.nodes[i]
	j, err := journal.Open(n.disk, journal.Options{
		Owner: c.cfg.Cluster, SegmentBytes: c.segment,
	})
	if err != nil {
		c.t.Fatalf("node %d: %v", i, err)
	}
	n.journal, n.store, n.down, n.noSync = j, kv.New(), false, false
	cfg := loop.Config{
		Cluster: c.cfg, Self: i, Journal: j, Disk: n.disk, Store: n.store, Links: links{c, i},
		Keep: c.keep, Forgot: n.forgot,
		Sealer: message.Sealer{Config: c.cfg, Self: i, Signer: c.signers[i]},
		Applied: func(a *loop.Applied) {
			for _, r := range a.Own {
				n.results[r.Tag] = r
			}
		},
		Watch: func(e pbft.Effect) {
			switch e := e.(type) {
			case pbft.Halt:
				n.halted = e.Why
			case pbft.Observed:
				n.events[e.Event]++
			case pbft.Dropped:
				n.drops[string(e.Why)]++
			case pbft.Accuse:
				n.drops["accused"]++
			}
		},
	}
	if c.save != nil {
		cfg.Save = func(s *snapshot.Snapshot) { c.save(i, s) }
	}
	n.loop, err = loop.Open(cfg)
	if err != nil {
		c.t.Fatalf("node %d: %v", i, err)
	}
	n.loop.Tick(c.now)
}

// turn finishes a node's turn: flush, release, resume.
func (c *cluster) turn(i int) {
	n := c.nodes[i]
	if n.down || n.noSync {
		return
	}
	n.loop.EndTurn()
	for !n.loop.Idle() {
		lsn := n.loop.Staged()
		if err := n.journal.Flush(); err != nil {
			c.t.Fatalf("node %d: %v", i, err)
		}
		n.loop.Release(lsn)
		n.loop.Resume()
		if err := n.journal.TruncateBefore(n.loop.Cut()); err != nil {
			c.t.Fatalf("node %d: %v", i, err)
		}
	}
}

func (c *cluster) run() {
	for range 10_000 {
		for i := range c.nodes {
			c.turn(i)
		}
		if len(c.queue) == 0 {
			return
		}
		batch := c.queue
		c.queue = nil
		for _, p := range batch {
			n := c.nodes[p.to]
			if n.down {
				continue
			}
			epoch, m, err := message.Decode(p.frame)
			if err != nil {
				n.drops["malformed"]++
				continue
			}
			v, err := message.Verify(c.cfg, noCache{}, p.from, epoch, m)
			if err != nil {
				n.drops[err.Error()]++
				continue
			}
			n.loop.Receive(v)
		}
	}
	c.t.Fatal("the cluster does not come to rest")
}

func (c *cluster) runFor(ms int64, done func() bool) bool {
	for end := c.now + ms; c.now < end; {
		c.run()
		if done != nil && done() {
			return true
		}
		c.now += 10
		for _, n := range c.nodes {
			if !n.down {
				n.loop.Tick(c.now)
			}
		}
	}
	return done == nil || done()
}

func (c *cluster) put(i int, tag uint64, key, value string) {
	op, err := kv.Encode(kv.Put{Key: []byte(key), Value: []byte(value)})
	if err != nil {
		c.t.Fatal(err)
	}
	if !c.nodes[i].loop.Submit(message.Item{Op: op}, "test", tag) {
		c.t.Fatalf("node %d is busy", i)
	}
}

// crash takes a node down at once: what was not synced is gone.
func (c *cluster) crash(i int) {
	c.nodes[i].down = true
	c.nodes[i].disk.Crash()
}

func (c *cluster) sameRoot(except ...int) {
	c.t.Helper()
	var want crypto.Digest
	for i, n := range c.nodes {
		if n.down || len(except) > 0 && except[0] == i {
			continue
		}
		if n.halted != "" {
			c.t.Errorf("node %d halted: %s", i, n.halted)
		}
		if want.IsZero() {
			want = n.store.Root()
		} else if n.store.Root() != want {
			c.t.Errorf("node %d has another state", i)
		}
	}
}

// Four loops agree, change the view, and keep what was acknowledged when a node crashes between
// recording a vote and sending it (rules R1 and R14).
func TestViewChangeAndCrashBetweenRecordAndSend(t *testing.T) {
	c := newCluster(t, 4)
	c.runFor(1000, nil)
	c.put(1, 1, "a", "1")
	if !c.runFor(5000, func() bool { return len(c.nodes[1].results) == 1 }) {
		t.Fatal("the first put was not acknowledged")
	}
	// Node 2 records its votes and crashes before they leave.
	c.put(1, 2, "b", "2")
	c.nodes[2].noSync = true
	c.runFor(300, nil)
	if err := c.nodes[2].journal.Flush(); err != nil {
		t.Fatal(err)
	}
	c.crash(2)
	if !c.runFor(5000, func() bool { return len(c.nodes[1].results) == 2 }) {
		t.Fatal("three of four did not go on")
	}
	c.crash(0) // the primary
	c.open(2)
	c.put(1, 3, "c", "3")
	if !c.runFor(20_000, func() bool { return len(c.nodes[1].results) == 3 }) {
		t.Fatalf("no progress after the primary's crash: %+v", c.nodes[1].loop.Replica().Status())
	}
	if v := c.nodes[1].loop.Replica().Status().View; v == 0 {
		t.Error("the view did not change")
	}
	c.open(0)
	c.put(0, 4, "d", "4")
	if !c.runFor(20_000, func() bool { return len(c.nodes[0].results) == 1 }) {
		t.Fatalf("the old primary did not come back: %+v", c.nodes[0].loop.Replica().Status())
	}
	c.runFor(3000, nil)
	c.sameRoot()
}

// Killing all nodes at once under load loses no acknowledged write.
func TestAllCrashAtOnce(t *testing.T) {
	c := newCluster(t, 4)
	c.runFor(1000, nil)
	tag := uint64(0)
	acked := map[uint64]bool{}
	for round := range 5 {
		for range 30 {
			tag++
			c.put(int(tag%4), tag, fmt.Sprintf("k%d", tag), fmt.Sprint(tag))
			if tag%3 == 0 {
				c.run()
			}
		}
		for _, n := range c.nodes {
			for tag := range n.results {
				acked[tag] = true
			}
		}
		for i := range c.nodes {
			c.crash(i)
		}
		c.queue = nil
		for i := range c.nodes {
			c.open(i)
		}
		c.put(round%4, 1000+uint64(round), "alive", fmt.Sprint(round))
		ok := func() bool { _, ok := c.nodes[round%4].results[1000+uint64(round)]; return ok }
		if !c.runFor(20_000, ok) {
			t.Fatalf("round %d: no progress after the restart: %+v", round,
				c.nodes[1].loop.Replica().Status())
		}
	}
	c.runFor(5000, nil)
	c.sameRoot()
	if len(acked) == 0 {
		t.Fatal("nothing was acknowledged before the crashes")
	}
	for tag := range acked {
		get, err := kv.Encode(kv.Range{Key: fmt.Appendf(nil, "k%d", tag)})
		if err != nil {
			t.Fatal(err)
		}
		res, err := kv.DecodeResult(c.nodes[0].store.Apply(get))
		if err != nil || tag < 1000 && len(res.KVs) != 1 {
			t.Errorf("acknowledged put %d is gone (%v)", tag, err)
		}
	}
}
