package loop_test

import (
	"strings"
	"testing"

	"byzd/crypto"
	"byzd/daemon/disk"
	"byzd/daemon/kv"
	"byzd/daemon/loop"
	"byzd/pbft"
	"byzd/pbft/message"
	"byzd/pbft/pbfttest"
)

// newClusterWith is newCluster with other parameters.
func newClusterWith(t *testing.T, n int, change func(*message.Params)) *cluster {
	t.Helper()
	p := message.DefaultParams()
	p.CheckpointEvery, p.Window = 8, 32
	change(&p)
	cfg, signers := pbfttest.Config(n, crypto.SchemeEd25519, p)
	cfg.Scheme = pbfttest.Memo(cfg.Scheme)
	c := &cluster{t: t, cfg: cfg, signers: signers, now: 1_000_000}
	for i := range n {
		c.nodes = append(c.nodes, &node{
			disk: disk.NewMemory(), results: map[uint64]loop.Result{}, drops: map[string]int{},
			events: map[pbft.Event]int{},
		})
		c.open(i)
	}
	return c
}

// bundles collects the bundles that a node submits, in order, each once.
func (c *cluster) bundles(from int) *[]*message.Bundle {
	var seen []*message.Bundle
	known := map[crypto.Digest]bool{}
	c.tap = func(sender, _ int, frame []byte) {
		_, m, err := message.Decode(frame)
		if err != nil || sender != from {
			return
		}
		if s, is := m.(*message.Submission); is && s.Bundle.Gateway == from && !known[s.Bundle.ID()] {
			known[s.Bundle.ID()] = true
			seen = append(seen, s.Bundle)
		}
	}
	return &seen
}

// Rules R7.3 and R14: a gateway signs no bundle while its node is fenced. With a disk from
// yesterday its numbers were used already, and a second bundle of one number is a proof against it
// (E9).
func TestGatewayWaitsForTheFence(t *testing.T) {
	c := newCluster(t, 4)
	c.runFor(1000, nil)
	c.put(1, 1, "k", "v")
	c.runFor(200, nil)
	c.crash(1)
	c.pass = func(from, to int, _ message.Type) bool { return from != 1 && to != 1 }
	seen := c.bundles(1)
	c.open(1)
	c.put(1, 2, "k", "w")
	c.runFor(2000, nil)
	if !c.nodes[1].loop.Replica().Fenced() || len(*seen) > 0 {
		t.Fatalf("fenced is %t, and %d bundles left", c.nodes[1].loop.Replica().Fenced(), len(*seen))
	}
	c.pass = nil
	done := func() bool { _, ok := c.nodes[1].results[2]; return ok }
	if !c.runFor(10_000, done) || len(*seen) == 0 {
		t.Error("its client is not served when the fence is lifted")
	}
}

// Rule R7.3: bundle numbers are reserved on disk before they are used, in steps; after a restart
// the gateway goes on behind the reserved mark and acknowledges everything below it, so that no
// number is ever used for two bundles, whatever was under way.
func TestGatewayNumbersAcrossRestarts(t *testing.T) {
	c := newCluster(t, 4)
	c.runFor(1000, nil)
	seen := c.bundles(1)
	tag := uint64(0)
	put := func() {
		tag++
		c.put(1, tag, "k", "v")
		c.run()
	}
	for range 5 {
		put()
	}
	// The sixth bundle leaves, and nobody else gets it: after the crash its number stays burnt.
	c.nodes[0].down, c.nodes[2].down, c.nodes[3].down = true, true, true
	put()
	c.nodes[0].down, c.nodes[2].down, c.nodes[3].down = false, false, false
	if len(*seen) != 6 {
		t.Fatalf("%d bundles left node 1", len(*seen))
	}
	for round := range uint64(3) {
		c.crash(1)
		c.queue = nil
		c.open(1)
		c.runFor(500, nil) // lifts the fence
		put()
		b := (*seen)[len(*seen)-1]
		mark := (round + 1) * 1024
		if b.Seq != mark || b.Ack != mark {
			t.Errorf("restart %d: the next bundle is number %d and acknowledges %d, want %d",
				round, b.Seq, b.Ack, mark)
		}
		last := tag
		if !c.runFor(5000, func() bool { _, ok := c.nodes[1].results[last]; return ok }) {
			t.Fatalf("restart %d: the put was not acknowledged", round)
		}
	}
	used := map[uint64]crypto.Digest{}
	for _, b := range *seen {
		if other, taken := used[b.Seq]; taken && other != b.ID() {
			t.Errorf("number %d was used for two bundles", b.Seq)
		}
		used[b.Seq] = b.ID()
		if b.Session != 1 || b.Ack > b.Seq {
			t.Errorf("bundle %d of session %d acknowledges %d", b.Seq, b.Session, b.Ack)
		}
	}
	c.runFor(3000, nil)
	c.sameRoot()
}

// A crash before the reservation is durable uses no number: the bundle never left.
func TestGatewayReservesBeforeItSends(t *testing.T) {
	c := newCluster(t, 4)
	c.runFor(1000, nil)
	seen := c.bundles(1)
	c.nodes[1].noSync = true
	c.put(1, 1, "k", "v")
	c.nodes[1].loop.EndTurn() // it is recorded, and nothing is flushed
	c.run()
	if len(*seen) != 0 {
		t.Fatal("a bundle left before its number was reserved on disk")
	}
	c.crash(1)
	c.open(1)
	c.runFor(500, nil)
	c.put(1, 2, "k", "w")
	if !c.runFor(5000, func() bool { return len(c.nodes[1].results) == 1 }) {
		t.Fatal("the put after the restart was not acknowledged")
	}
	if b := (*seen)[0]; b.Seq != 0 {
		t.Errorf("the first bundle is number %d", b.Seq)
	}
}

// A bundle that was lost on the way is sent again, after growing waits and with the same bytes,
// until it is executed; then no more.
func TestGatewayRebroadcasts(t *testing.T) {
	c := newCluster(t, 4)
	c.runFor(1000, nil)
	sent := map[crypto.Digest][]int64{}
	c.tap = func(sender, to int, frame []byte) {
		if _, m, err := message.Decode(frame); err == nil && sender == 1 && to == pbft.All {
			if s, is := m.(*message.Submission); is {
				times := sent[s.Bundle.ID()]
				if len(times) == 0 || times[len(times)-1] != c.now {
					sent[s.Bundle.ID()] = append(times, c.now)
				}
			}
		}
	}
	c.pass = func(from, _ int, typ message.Type) bool {
		return from != 1 || typ != message.TypeSubmission
	}
	c.put(1, 1, "k", "v")
	c.runFor(3500, nil)
	if len(c.nodes[1].results) != 0 {
		t.Fatal("a bundle that nobody got was executed")
	}
	if len(sent) != 1 {
		t.Fatalf("%d different bundles were sent", len(sent))
	}
	for _, times := range sent {
		// At 0, 200, 600, then every second.
		if len(times) < 5 || len(times) > 7 {
			t.Errorf("it was sent %d times in 3.5 s", len(times))
		}
		for i := 2; i < len(times); i++ {
			now, before := times[i]-times[i-1], times[i-1]-times[i-2]
			if now < before || now > 1010 {
				t.Errorf("waits were %d and %d ms", before, now)
			}
		}
	}
	c.pass = nil
	if !c.runFor(5000, func() bool { return len(c.nodes[1].results) == 1 }) {
		t.Fatal("it was not executed when the way was free")
	}
	for id := range sent {
		delete(sent, id)
	}
	c.runFor(3000, nil)
	if len(sent) != 0 {
		t.Error("an executed bundle was sent again")
	}
	if c.nodes[1].loop.Waiting() != 0 {
		t.Errorf("%d operations wait still", c.nodes[1].loop.Waiting())
	}
}

// However much is submitted at once, no bundle exceeds what the cluster accepts.
func TestGatewayKeepsToTheLargestBundle(t *testing.T) {
	c := newClusterWith(t, 4, func(p *message.Params) {
		p.MaxBundleBytes, p.MaxBatchBytes = 8<<10, 16<<10
	})
	c.runFor(1000, nil)
	for tag := range uint64(20) {
		c.put(1, tag+1, "k", strings.Repeat("v", 3<<10))
	}
	if !c.runFor(5000, func() bool { return len(c.nodes[1].results) == 20 }) {
		t.Fatalf("%d of 20 puts were acknowledged; drops: %v",
			len(c.nodes[1].results), c.nodes[0].drops)
	}
	for i := range c.nodes {
		if n := c.nodes[i].drops[string(message.RefusedTooLarge)]; n > 0 {
			t.Errorf("node %d refused %d bundles as too large", i, n)
		}
	}
}

// A gateway that has too much waiting says so, and takes more when it has less.
func TestGatewayPushesBack(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 4)
	c.runFor(1000, nil)
	l := c.nodes[1].loop
	op, err := kv.Encode(kv.Put{Key: []byte("k"), Value: make([]byte, 64<<10)})
	if err != nil {
		t.Fatal(err)
	}
	taken := uint64(0)
	for l.Submit(message.Item{Op: op}, "test", taken) {
		if taken++; taken > 100_000 {
			t.Fatal("it never had enough")
		}
	}
	if taken < 100 {
		t.Errorf("only %d operations were taken", taken)
	}
	if l.Waiting() != int(taken) {
		t.Errorf("%d operations wait, %d were taken", l.Waiting(), taken)
	}
	if !c.runFor(60_000, func() bool { return len(c.nodes[1].results) == int(taken) }) {
		t.Fatalf("%d of %d were executed", len(c.nodes[1].results), taken)
	}
	for tag, r := range c.nodes[1].results {
		if r.Outcome != pbft.Run || r.Client != "test" {
			t.Fatalf("operation %d: %v for %q", tag, r.Outcome, r.Client)
		}
	}
	if !l.Submit(message.Item{Op: op}, "test", taken) {
		t.Error("an idle gateway is busy")
	}
}

// A client that repeats itself while there is no quorum fills nobody's memory: the gateway takes the
// same signed request once (PROTOCOL §4.15), and takes it again when it is done with it.
func TestGatewayTakesARepeatedRequestOnce(t *testing.T) {
	c := newCluster(t, 4)
	c.runFor(1000, nil)
	c.crash(2)
	c.crash(3)
	key := crypto.NewNetworkKey([32]byte{7})
	ask := func(seq uint64) {
		r := &message.ClientRequest{Seq: seq} // REGISTER
		message.SealClientRequest(c.cfg.RequestDomain(), key, r)
		if !c.nodes[0].loop.Submit(message.Item{Signed: r}, "client", 0) {
			t.Fatal("node 0 is busy")
		}
		c.runFor(100, nil)
	}
	for range 100 {
		ask(1)
	}
	ask(2)
	waiting, pending := c.nodes[0].loop.Waiting(), c.nodes[1].loop.Replica().State().Pending
	if waiting != 2 || pending != 2 {
		t.Fatalf("%d operations wait at node 0 and %d at node 1, not 2", waiting, pending)
	}
	c.open(2)
	if !c.runFor(60_000, func() bool { return c.nodes[0].loop.Waiting() == 0 }) {
		t.Fatalf("%d operations still wait", c.nodes[0].loop.Waiting())
	}
	before := executed(c, 0)
	ask(2)
	if !c.runFor(10_000, func() bool { return executed(c, 0) > before }) {
		t.Error("a repeated request that was done is not taken again")
	}
}

// R17, R18: a change of the members that no bundle can hold is refused where it is handed in. Its
// bundle would be refused by all others, and its gateway complain of every primary, for ever.
func TestChangeLargerThanABundle(t *testing.T) {
	c := newClusterWith(t, 4, func(p *message.Params) { p.MaxBundleBytes = 1 << 10 })
	c.runFor(1000, nil)
	change := message.ChangeOf(c.cfg)
	for i := 4; i < 16; i++ {
		m, _ := pbfttest.Member(c.cfg.Scheme, i)
		change.Members = append(change.Members, m)
	}
	rc := &message.Reconfiguration{Change: change}
	if c.nodes[0].loop.Submit(message.Item{Reconfig: rc}, "admin", 1) {
		t.Error("a change that fits into no bundle is taken")
	}
	rc = &message.Reconfiguration{Change: message.ChangeOf(c.cfg)}
	if !c.nodes[0].loop.Submit(message.Item{Reconfig: rc}, "admin", 1) {
		t.Error("a small change is not taken")
	}
	c.put(0, 2, "k", "v")
	c.runFor(1000, nil)
	if _, done := c.nodes[0].results[2]; !done {
		t.Error("nothing is ordered any more")
	}
}
