package loop_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"byzd/crypto"
	"byzd/daemon/disk"
	"byzd/daemon/journal"
	"byzd/daemon/kv"
	"byzd/daemon/loop"
	"byzd/pbft"
	"byzd/pbft/message"
	"byzd/pbft/pbfttest"
	"byzd/pbft/traitor"
)

// town is a cluster whose members change: n nodes that run, of which the first few are members of
// the first epoch. Everything but sockets and the clock is what ships.
type town struct {
	t       testing.TB
	genesis *message.Config
	nodes   []*townsman
	letters []letter
	now     int64
	seq     uint64
	lost    func(from, to int, m message.Message) bool
	acked   map[string]string // what clients were told that was written
	sent    map[uint64][2]string
	keep    loop.Retention
	segment int64
	twist   func(from, to int, epoch uint64, m message.Message) message.Message // lies on the way
}

type townsman struct {
	self    int // the number of the process
	id      crypto.NodeID
	disk    *disk.Memory
	journal *journal.Journal
	store   *kv.Store
	loop    *loop.Loop
	drops   map[string]int
	halted  string
	down    bool
	noSync  bool
	began   []uint64              // epochs, as it was told
	lie     string                // what it tells if it is a traitor; empty if it is none
	ends    []*message.EpochProof // what its invitation has
	mortal  *mortal               // in place of the disk
	key     crypto.Signer         // its own, if it is not that of its number any more
	forgot  string                // why its journal does not hold all that it said
}

type letter struct {
	from, to int
	frame    []byte
}

// street is one node's links.
type street struct {
	town *town
	man  *townsman
}

func (s street) Send(to int, t message.Type, frame []byte) {
	cfg := s.man.loop.Cluster()
	for i := range cfg.Members {
		if to == pbft.All || to == i {
			s.SendNode(cfg.Members[i].Node, t, frame)
		}
	}
}

func (s street) SendNode(to crypto.NodeID, _ message.Type, frame []byte) {
	for i, n := range s.town.nodes {
		if n.id == to && i != s.man.self {
			s.town.letters = append(s.town.letters, letter{s.man.self, i, frame})
		}
	}
}

func newTown(t testing.TB, members, others int) *town {
	t.Helper()
	p := message.DefaultParams()
	p.CheckpointEvery, p.Window = 8, 32
	cfg, _ := pbfttest.Config(members, crypto.SchemeEd25519, p)
	cfg.Scheme = pbfttest.Memo(cfg.Scheme)
	w := &town{
		t: t, genesis: cfg, now: 1_000_000, acked: map[string]string{},
		sent: map[uint64][2]string{},
	}
	for i := range members + others {
		m, _ := pbfttest.Member(cfg.Scheme, i)
		w.nodes = append(w.nodes, &townsman{
			self: i, id: m.Node, disk: disk.NewMemory(), drops: map[string]int{},
		})
	}
	for i := range w.nodes {
		w.open(i)
	}
	return w
}

func (w *town) open(i int, more ...crypto.Signer) {
	w.t.Helper()
	n := w.nodes[i]
	var d disk.Disk = n.disk
	if n.mortal != nil {
		d = n.mortal
	}
	j, err := journal.Open(d, journal.Options{Owner: w.genesis.Cluster, SegmentBytes: w.segment})
	if err != nil {
		w.t.Fatalf("node %d: %v", i, err)
	}
	_, signer := pbfttest.Member(w.genesis.Scheme, i)
	if n.key != nil {
		signer = n.key
	}
	self := w.genesis.Member(n.id)
	n.journal, n.store, n.down, n.noSync, n.halted = j, kv.New(), false, false, ""
	n.loop, err = loop.Open(loop.Config{
		Cluster: w.genesis, Self: self, Node: n.id, Journal: j, Disk: d, Store: n.store,
		Links: street{w, n}, Signers: more, Keep: w.keep, Ends: n.ends,
		Forgot: n.forgot,
		Sealer: message.Sealer{Config: w.genesis, Self: self, Signer: signer},
		Applied: func(a *loop.Applied) {
			for _, r := range a.Own {
				w.ack(r)
			}
		},
		Reconfigured: func(c *message.Config, self int) {
			n.began = append(n.began, c.Epoch)
			w.arm(n, c, self, signer)
		},
		Watch: func(e pbft.Effect) {
			switch e := e.(type) {
			case pbft.Halt:
				n.halted = e.Why
			case pbft.Observed:
				n.drops[string(e.Event)]++
			case pbft.Dropped:
				n.drops[string(e.Why)]++
			case pbft.Accuse:
				culprit := n.loop.Cluster().Members[e.Evidence.Culprit].Node
				for _, liar := range w.nodes {
					if liar.id == culprit && liar.lie == "" {
						n.drops["accused"]++
					}
				}
			}
		},
	})
	if err != nil {
		w.t.Fatalf("node %d: %v", i, err)
	}
	w.arm(n, n.loop.Cluster(), n.loop.Self(), signer)
	n.loop.Tick(w.now)
}

// arm makes a node the traitor that it is, in an epoch.
func (w *town) arm(n *townsman, c *message.Config, self int, signer crypto.Signer) {
	if n.lie == "" || self < 0 {
		return
	}
	spec, err := traitor.Parse(n.lie)
	if err != nil {
		w.t.Fatal(err)
	}
	made, err := traitor.New(traitor.Config{
		Cluster: c, Self: self, Specs: []traitor.Spec{spec}, Forge: loop.Forger{},
		Sealer: message.Sealer{Config: c, Self: self, Signer: signer},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	n.loop.SetAdversary(made)
}

// ack notes what a client was told.
func (w *town) ack(r loop.Result) {
	if kv, known := w.sent[r.Tag]; known && r.Outcome == pbft.Run {
		w.acked[kv[0]] = kv[1]
	}
}

func (w *town) crash(i int) {
	w.nodes[i].down = true
	w.nodes[i].disk.Crash()
}

func (w *town) turn(i int) {
	n := w.nodes[i]
	if n.down || n.noSync {
		return
	}
	n.loop.EndTurn()
	for !n.loop.Idle() {
		lsn := n.loop.Staged()
		err := n.journal.Flush()
		if n.mortal != nil && n.mortal.dead() {
			n.down = true
			return
		}
		if err != nil {
			w.t.Fatalf("node %d: %v", i, err)
		}
		n.loop.Release(lsn)
		n.loop.Resume()
		if err := n.journal.TruncateBefore(n.loop.Cut()); err != nil && n.mortal == nil {
			w.t.Fatalf("node %d: %v", i, err)
		}
	}
	if err := n.loop.Trouble(); err != nil {
		w.t.Fatalf("node %d: %v", i, err)
	}
}

// deliver hands over a letter, as the daemon does: what is of this epoch and of a member is
// verified, the rest is told to the loop as it is.
func (w *town) deliver(l letter) {
	n := w.nodes[l.to]
	if n.down {
		return
	}
	epoch, m, err := message.Decode(l.frame)
	if err != nil {
		w.t.Fatalf("node %d: %v", l.from, err)
	}
	if w.lost != nil && w.lost(l.from, l.to, m) {
		return
	}
	if w.twist != nil {
		if m = w.twist(l.from, l.to, epoch, m); m == nil {
			return
		}
	}
	cfg, id := n.loop.Cluster(), w.nodes[l.from].id
	from := cfg.Member(id) // or a stranger
	if epoch != cfg.Epoch || from < 0 && !message.ProvesItself(m) {
		n.loop.Outside(id, epoch, m)
		return
	}
	v, err := message.Verify(cfg, noCache{}, from, epoch, m)
	if err != nil {
		n.drops[err.Error()]++
		return
	}
	n.loop.Receive(v)
}

func (w *town) run() {
	for range 10_000 {
		for i := range w.nodes {
			w.turn(i)
		}
		if len(w.letters) == 0 {
			return
		}
		letters := w.letters
		w.letters = nil
		for _, l := range letters {
			w.deliver(l)
		}
	}
	w.t.Fatal("the town does not come to rest")
}

func (w *town) tick(ms int64) {
	w.now += ms
	for _, n := range w.nodes {
		if !n.down {
			n.loop.Tick(w.now)
		}
	}
}

func (w *town) runFor(ms int64, done func() bool) bool {
	w.t.Helper()
	for end := w.now + ms; w.now < end; {
		w.run()
		if done != nil && done() {
			return true
		}
		w.tick(10)
	}
	return done == nil || done()
}

// put lets a client of a node write something new.
func (w *town) put(i int) {
	if w.nodes[i].down {
		return
	}
	w.seq++
	key, value := fmt.Sprintf("k%d", w.seq), fmt.Sprintf("v%d", w.seq)
	op, err := kv.Encode(kv.Put{Key: []byte(key), Value: []byte(value)})
	if err != nil {
		w.t.Fatal(err)
	}
	w.sent[w.seq] = [2]string{key, value}
	if !w.nodes[i].loop.Submit(message.Item{Op: op}, "test", w.seq) {
		delete(w.sent, w.seq)
	}
}

// change has a change of the members announced through a node.
func (w *town) change(via int, members ...int) {
	cfg := w.nodes[via].loop.Cluster()
	rc := pbfttest.Reconfiguration(cfg, members, message.Header{})
	w.nodes[via].loop.Submit(message.Item{Reconfig: rc}, "admin", 1<<40)
}

// in reports whether nodes are in an epoch.
func (w *town) in(epoch uint64, nodes ...int) func() bool {
	return func() bool {
		for _, i := range nodes {
			if !w.nodes[i].down && w.nodes[i].loop.Cluster().Epoch != epoch {
				return false
			}
		}
		return true
	}
}

// settled waits until nodes have the same state and everything that was acknowledged is in it.
func (w *town) settled(nodes ...int) {
	w.t.Helper()
	same := func() bool {
		first := w.nodes[nodes[0]]
		for _, i := range nodes {
			if w.nodes[i].store.Root() != first.store.Root() ||
				w.nodes[i].loop.Waiting() > 0 {
				return false
			}
		}
		return true
	}
	if !w.runFor(60_000, same) {
		for _, i := range nodes {
			w.t.Errorf("node %d: epoch %d, %d wait: %+v", i, w.nodes[i].loop.Cluster().Epoch,
				w.nodes[i].loop.Waiting(), w.nodes[i].loop.Replica().State())
		}
		w.t.Fatal("they do not come to one state")
	}
	for _, i := range nodes {
		if w.nodes[i].halted != "" {
			w.t.Errorf("node %d halted: %s", i, w.nodes[i].halted)
		}
		for key, value := range w.acked {
			if got := w.read(i, key); got != value {
				w.t.Errorf("node %d: %s is %q, and %q was acknowledged", i, key, got, value)
			}
		}
	}
}

func (w *town) read(i int, key string) string {
	get, err := kv.Encode(kv.Range{Key: []byte(key)})
	if err != nil {
		w.t.Fatal(err)
	}
	res, err := kv.DecodeResult(w.nodes[i].store.Apply(get))
	if err != nil || len(res.KVs) != 1 {
		return ""
	}
	return string(res.KVs[0].Value)
}

// Done when 6, in one process: 4 members become 7, and then other 4, under load; newcomers follow
// and say that they are ready, and nobody has to do anything but announce the change.
func TestFourToSevenToFour(t *testing.T) {
	w := newTown(t, 4, 3)
	load := func(ms int64, done func() bool, via ...int) bool {
		for end := w.now + ms; w.now < end; {
			w.put(via[int(w.seq)%len(via)])
			if w.runFor(20, nil); done() {
				return true
			}
		}
		return done()
	}
	load(1000, func() bool { return false }, 0, 1, 2, 3)
	w.change(1, 0, 1, 2, 3, 4, 5, 6)
	if !load(20_000, w.in(1, 0, 1, 2, 3, 4, 5, 6), 0, 1, 2, 3) {
		t.Fatalf("seven are not in epoch 1: %+v", w.nodes[6].loop.Replica().State())
	}
	load(1000, func() bool { return false }, 0, 1, 2, 3, 4, 5, 6)
	w.settled(0, 1, 2, 3, 4, 5, 6)
	w.change(5, 6, 5, 3, 1)
	if !load(20_000, w.in(2, 6, 5, 3, 1), 0, 1, 2, 3, 4, 5, 6) {
		t.Fatalf("four are not in epoch 2: %+v", w.nodes[6].loop.Replica().State())
	}
	load(3000, func() bool { return false }, 1, 3, 5, 6)
	w.settled(1, 3, 5, 6)
	if len(w.acked) < 100 {
		t.Errorf("only %d writes were acknowledged", len(w.acked))
	}
	cfg, err := message.FollowEpochs(w.genesis, w.nodes[6].loop.Ends())
	if err != nil || cfg.Epoch != 2 || cfg.Digest() != w.nodes[1].loop.Cluster().Digest() {
		t.Errorf("the chain of proofs leads to epoch %d: %v", cfg.Epoch, err)
	}
	for _, i := range []int{0, 2, 4} { // B52
		done := func() bool { _, done := w.nodes[i].loop.Retired(); return done }
		if !w.runFor(20_000, done) {
			t.Errorf("node %d was removed and does not know that it may go", i)
		}
	}
	for i := range w.nodes {
		if w.nodes[i].drops["accused"] > 0 {
			t.Errorf("node %d accuses somebody", i)
		}
		w.crash(i)
	}
	for i := range w.nodes {
		w.open(i)
		if got := w.nodes[i].loop.Cluster().Epoch; got != 2 && i != 0 && i != 2 && i != 4 {
			t.Errorf("node %d starts in epoch %d", i, got)
		}
	}
	w.put(3)
	w.settled(1, 3, 5, 6)
}

// A key is replaced: the member signs with the new one from the next epoch on, and what is signed
// with the old one is worth nothing there.
func TestKeyRotation(t *testing.T) {
	w := newTown(t, 4, 0)
	w.runFor(1000, nil)
	fresh := pbfttest.Signer(w.genesis.Scheme, "rotated", 2)
	change := message.ChangeOf(w.genesis)
	change.Members[2].Key = fresh.Public().Bytes()
	rc := &message.Reconfiguration{Change: change}
	_, keys := pbfttest.Administrators(w.genesis.Scheme)
	rc.Approve(w.genesis, keys[0])
	rc.Approve(w.genesis, keys[2])
	w.nodes[0].loop.Submit(message.Item{Reconfig: rc}, "admin", 1<<40)
	w.runFor(3000, nil)
	if !w.in(0, 0, 1, 2, 3)() {
		t.Fatal("the key was replaced although its owner does not have the new one")
	}
	w.crash(2)
	w.open(2, fresh)
	if !w.runFor(20_000, w.in(1, 0, 1, 2, 3)) {
		t.Fatalf("no next epoch: %+v", w.nodes[2].loop.Replica().State())
	}
	w.crash(0) // now node 2 is needed
	w.put(1)
	w.settled(1, 2, 3)
	if w.nodes[2].loop.Self() != 2 {
		t.Errorf("node 2 is member %d", w.nodes[2].loop.Self())
	}
}

// The parameters change as the members do: checkpoints stand elsewhere from the next epoch on, the
// window is another one, and whoever starts again goes by them.
func TestParametersChange(t *testing.T) {
	w := newTown(t, 4, 0)
	w.work(0, 30)
	for epoch, set := range []func(*message.Params){
		func(p *message.Params) { p.CheckpointEvery, p.Window, p.MaxBundleBytes = 5, 100, 4<<20 },
		func(p *message.Params) { p.CheckpointEvery, p.Window, p.MaxClientRows = 16, 32, 128 },
	} {
		change := message.ChangeOf(w.nodes[0].loop.Cluster())
		set(&change.Params)
		rc := &message.Reconfiguration{Change: change}
		_, keys := pbfttest.Administrators(w.genesis.Scheme)
		rc.Approve(w.genesis, keys[0])
		rc.Approve(w.genesis, keys[2])
		w.nodes[0].loop.Submit(message.Item{Reconfig: rc}, "admin", 1<<40)
		if !w.runFor(20_000, w.in(uint64(epoch+1), 0, 1, 2, 3)) {
			t.Fatalf("epoch %d does not begin: %+v", epoch+1, w.nodes[0].loop.Replica().State())
		}
		w.work(1, 120)
		w.crash(2)
		w.open(2)
		w.work(2, 5)
		w.needed(2, 0, 0, 1, 2, 3)
		w.open(0)
		w.settled(0, 1, 2, 3)
		want := change.Params.CheckpointEvery
		if s := w.nodes[0].loop.Replica().Stable(); s.Seq%want != 0 {
			t.Errorf("a checkpoint stands at %d, one is due every %d", s.Seq, want)
		}
		if got := w.nodes[0].loop.Cluster().Params; got != change.Params {
			t.Errorf("the parameters are %+v", got)
		}
	}
}

// B29, B53 and §4.6: whoever crashes round the hand-over, and wherever its journal ends, comes back
// in the one epoch or the other, and everybody comes to the same.
func TestCrashesAtTheHandover(t *testing.T) {
	t.Parallel()
	seeds := uint64(60)
	if testing.Short() {
		seeds = 6
	}
	for seed := uint64(1); seed <= seeds; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { handoverWalk(t, seed) })
	}
}

// handoverWalk changes the members twice at random while nodes crash, syncs do not return and
// letters are lost; then it heals, and all that was acknowledged is there.
func handoverWalk(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 0))
	w := newTown(t, 4, 3)
	liar := -1
	if seed%2 == 0 { // node 3 is a member of all epochs
		lies := []string{
			"equivocate-votes", "withhold-commit", "wrong-root", "equivocate-preprepare", "mute",
		}
		liar, w.nodes[3].lie = 3, lies[seed/2%uint64(len(lies))]
		w.crash(3)
		w.open(3)
	}
	w.runFor(500, nil)
	w.lost = func(from, to int, _ message.Message) bool { return from != to && rng.IntN(30) == 0 }
	targets := [][]int{{0, 1, 2, 3, 4, 5, 6}, {1, 3, 4, 6}}
	if seed%3 == 0 && liar < 0 {
		targets = [][]int{{2, 3, 4, 5}, {0, 1, 4, 5, 6}}
	}
	members := []int{0, 1, 2, 3}
	for k, target := range targets {
		epoch := uint64(k + 1)
		for round := 0; !w.in(epoch, without(target, liar)...)(); round++ {
			if round > 1500 {
				t.Fatalf("epoch %d does not begin: %+v", epoch,
					w.nodes[target[0]].loop.Replica().State())
			}
			w.put(rng.IntN(len(w.nodes)))
			via := members[rng.IntN(len(members))]
			if n := w.nodes[via]; round%40 == 0 && !n.down && n.loop.Cluster().Epoch == epoch-1 {
				w.change(via, target...)
			}
			w.disturb(rng)
			w.runFor(int64(10+rng.IntN(60)), nil)
		}
		members = target
	}
	w.lost = nil
	for i, n := range w.nodes {
		if n.down {
			w.open(i)
		}
		n.noSync = false
	}
	for _, i := range members {
		w.put(i)
	}
	honest := without(members, liar)
	if !w.runFor(60_000, w.in(2, honest...)) {
		t.Fatalf("not all are in epoch 2")
	}
	w.settled(honest...)
	for i, n := range w.nodes {
		if i != liar && (n.drops["accused"] > 0 || n.halted != "") {
			t.Errorf("node %d: %v %s", i, n.drops, n.halted)
		}
	}
}

func without(list []int, one int) []int {
	return slices.DeleteFunc(slices.Clone(list), func(i int) bool { return i == one })
}

// disturb crashes a node, or brings one back, or stops or resumes a disk; at most one at a time.
func (w *town) disturb(rng *rand.Rand) {
	bad := slices.IndexFunc(w.nodes, func(n *townsman) bool { return n.down || n.noSync })
	switch dice := rng.IntN(10); {
	case bad < 0 && dice == 0:
		w.crash(rng.IntN(len(w.nodes)))
	case bad < 0 && dice == 1:
		w.nodes[rng.IntN(len(w.nodes))].noSync = true
	case bad >= 0 && dice < 3 && w.nodes[bad].down:
		w.open(bad)
	case bad >= 0 && dice < 3:
		if rng.IntN(2) == 0 {
			w.crash(bad) // what was staged and not synced is gone
			return
		}
		w.nodes[bad].noSync = false
	}
}
