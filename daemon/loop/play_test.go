package loop_test

import (
	"fmt"
	"slices"
	"strings"
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

// player is one loop of a play, correct or not, with what is noted of it.
type player struct {
	journal  *journal.Journal
	store    *kv.Store
	loop     *loop.Loop
	traitor  *traitor.Traitor // nil if it is correct
	results  map[uint64]loop.Result
	replies  []*message.Reply
	executed map[uint64]*message.Batch
	counters map[string]int // drops and refusals; complained, view-change, committed, proof
	proofs   []*message.Evidence
	halted   string
}

// play drives loops in one goroutine, some of them traitors, and notes what they say.
type play struct {
	t       *testing.T
	cfg     *message.Config
	signers []crypto.Signer
	players []*player
	queue   []packet
	now     int64
	tag     uint64
	said    func(from, to int, m message.Message) // sees every frame that decodes
	paused  map[int]bool
	cut     func(from, to int) bool // links that carry nothing; nil for none
}

func newPlay(t *testing.T, n int, rotate uint64) *play {
	t.Helper()
	p := message.DefaultParams()
	p.CheckpointEvery, p.Window, p.RotateEvery, p.Testnet = 8, 32, rotate, true
	cfg, signers := pbfttest.Config(n, crypto.SchemeEd25519, p)
	cfg.Scheme = pbfttest.Memo(cfg.Scheme)
	s := &play{
		t: t, cfg: cfg, signers: signers, now: 1_000_000, paused: map[int]bool{},
	}
	for i := range n {
		s.players = append(s.players, s.open(i))
	}
	s.runFor(600, nil) // the fences are lifted
	return s
}

type stageLinks struct {
	s    *play
	self int
}

func (k stageLinks) Send(to int, _ message.Type, frame []byte) {
	for i := range k.s.players {
		if k.s.cut != nil && k.s.cut(k.self, i) {
			continue
		}
		if i != k.self && (to == pbft.All || i == to) {
			k.s.queue = append(k.s.queue, packet{k.self, i, frame})
		}
	}
}

func (s *play) sealer(i int) message.Sealer {
	return message.Sealer{Config: s.cfg, Self: i, Signer: s.signers[i]}
}

func (s *play) open(i int) *player {
	s.t.Helper()
	p := &player{
		store: kv.New(), results: map[uint64]loop.Result{},
		executed: map[uint64]*message.Batch{}, counters: map[string]int{},
	}
	d := disk.NewMemory()
	j, err := journal.Open(d, journal.Options{Owner: s.cfg.Cluster})
	if err != nil {
		s.t.Fatal(err)
	}
	p.journal = j
	p.loop, err = loop.Open(loop.Config{
		Cluster: s.cfg, Self: i, Journal: j, Disk: d, Store: p.store, Links: stageLinks{s, i},
		Sealer: s.sealer(i), Watch: p.watch,
		Applied: func(a *loop.Applied) {
			for _, r := range a.Own {
				p.results[r.Tag] = r
			}
			p.replies = append(p.replies, a.Replies...)
			if a.Batch != nil {
				p.executed[a.Batch.Header.Seq] = a.Batch
			}
		},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	p.loop.Tick(s.now)
	return p
}

func (p *player) watch(e pbft.Effect) {
	switch e := e.(type) {
	case pbft.Halt:
		p.halted = e.Why
	case pbft.Dropped:
		p.counters[string(e.Why)]++
	case pbft.Accuse:
		p.proofs = append(p.proofs, e.Evidence)
		p.counters["proof"]++
	case pbft.Observed:
		switch e.Event {
		case pbft.EventComplained:
			p.counters["complained"]++
		case pbft.EventViewChange:
			// A step to the next view may be planned. Giving up a view that never began is not.
			var to uint64
			if _, err := fmt.Sscanf(e.Note, "to view %d", &to); err == nil && to > e.View+1 {
				p.counters["view-change"]++
			}
		case pbft.EventCommitted:
			p.counters["committed"]++
		default:
		}
	}
}

// arm makes a node a traitor. coalition are all of them.
func (s *play) arm(i int, coalition []int, specs ...string) {
	s.t.Helper()
	cfg := traitor.Config{
		Cluster: s.cfg, Self: i, Sealer: s.sealer(i), Coalition: coalition, Forge: loop.Forger{},
	}
	for _, text := range specs {
		spec, err := traitor.Parse(text)
		if err != nil {
			s.t.Fatal(err)
		}
		cfg.Specs = append(cfg.Specs, spec)
	}
	tr, err := traitor.New(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	s.players[i].traitor = tr
	s.players[i].loop.SetAdversary(tr)
}

func (s *play) turn(i int) {
	p := s.players[i]
	p.loop.EndTurn()
	for !p.loop.Idle() {
		lsn := p.loop.Staged()
		if err := p.journal.Flush(); err != nil {
			s.t.Fatal(err)
		}
		p.loop.Release(lsn)
		p.loop.Resume()
	}
}

func (s *play) run() {
	for range 10_000 {
		for i := range s.players {
			if !s.paused[i] {
				s.turn(i)
			}
		}
		if len(s.queue) == 0 {
			return
		}
		batch := s.queue
		s.queue = nil
		for _, p := range batch {
			if !s.paused[p.to] {
				s.deliver(p)
			}
		}
	}
	s.t.Fatal("the play does not come to rest")
}

// deliver does what a daemon does with a frame.
func (s *play) deliver(p packet) {
	to := s.players[p.to]
	epoch, m, err := message.Decode(p.frame)
	if err != nil {
		to.counters["malformed"]++
		return
	}
	if s.said != nil {
		s.said(p.from, p.to, m)
	}
	v, err := message.Verify(s.cfg, noCache{}, p.from, epoch, m)
	if err != nil {
		to.counters[err.Error()]++
		proof, provable := message.Incriminate(s.cfg, p.from, epoch, m, err)
		if !provable {
			return
		}
		v = proof
	}
	to.loop.Receive(v)
}

func (s *play) runFor(ms int64, done func() bool) bool {
	for end := s.now + ms; s.now < end; {
		s.run()
		if done != nil && done() {
			return true
		}
		s.now += 10
		for i, p := range s.players {
			if !s.paused[i] {
				p.loop.Tick(s.now)
			}
		}
	}
	return done == nil || done()
}

// submit brings an operation of a client to a node and returns its tag.
func (s *play) submit(i int, client string, op kv.Op) uint64 {
	s.t.Helper()
	data, err := kv.Encode(op)
	if err != nil {
		s.t.Fatal(err)
	}
	s.tag++
	if !s.players[i].loop.Submit(message.Item{Op: data}, client, s.tag) {
		s.t.Fatalf("node %d is busy", i)
	}
	return s.tag
}

func (s *play) correct() []int {
	var list []int
	for i, p := range s.players {
		if p.traitor == nil {
			list = append(list, i)
		}
	}
	return list
}

// wave puts once through every correct node, and waits until all are acknowledged.
func (s *play) wave(k int) {
	s.t.Helper()
	waits := map[uint64]int{}
	for _, i := range s.correct() {
		put := kv.Put{Key: fmt.Appendf(nil, "k%d", k%7), Value: fmt.Appendf(nil, "%d of %d", k, i)}
		waits[s.submit(i, "client", put)] = i
	}
	start := s.now
	acknowledged := s.runFor(10_000, func() bool {
		for tag, i := range waits {
			if _, done := s.players[i].results[tag]; done {
				delete(waits, tag)
			}
		}
		return len(waits) == 0
	})
	if acknowledged {
		s.runFor(50, nil) // let time pass for what is done in its course
		return
	}
	for _, i := range s.correct() {
		s.t.Logf("node %d: %+v %v", i, s.players[i].loop.Replica().Status(), s.players[i].counters)
	}
	s.t.Fatalf("wave %d: %d puts were not acknowledged within %d ms", k, len(waits), s.now-start)
}

func (s *play) fired() uint64 {
	sum := uint64(0)
	for _, p := range s.players {
		if p.traitor != nil {
			for _, n := range p.traitor.Fired() {
				sum += n
			}
		}
	}
	return sum
}

// rose reports whether one of some counters rose on a correct node.
func (s *play) rose(names []string) bool {
	return slices.ContainsFunc(s.correct(), func(i int) bool {
		return slices.ContainsFunc(names, func(name string) bool {
			return s.players[i].counters[name] > 0
		})
	})
}

// agree checks agreement among the correct nodes: the same batch at each sequence number, the same
// state in the end, and nobody stopped.
func (s *play) agree() {
	s.t.Helper()
	settled := func() bool {
		first := s.players[s.correct()[0]].store.Root()
		for _, i := range s.correct() {
			if s.players[i].store.Root() != first {
				return false
			}
		}
		return true
	}
	if !s.runFor(10_000, settled) {
		s.t.Error("the correct nodes do not reach one state")
	}
	batches := map[uint64]crypto.Digest{}
	for _, i := range s.correct() {
		p := s.players[i]
		if p.halted != "" {
			s.t.Errorf("node %d halted: %s", i, p.halted)
		}
		for seq, b := range p.executed {
			d := b.Header.Digest()
			if other, known := batches[seq]; known && other != d {
				s.t.Errorf("two batches were executed at %d", seq)
			}
			batches[seq] = d
		}
	}
}

// proven checks the proofs that correct nodes hold: they verify, they name nobody but traitors, and
// they are of the kinds that the catalogue promises.
func (s *play) proven(kinds map[int][]string) {
	s.t.Helper()
	named := map[int]bool{}
	for _, i := range s.correct() {
		for _, e := range s.players[i].proofs {
			if err := e.Verify(s.cfg); err != nil {
				s.t.Errorf("node %d holds a proof that does not verify: %v", i, err)
			}
			if !e.Kind.Convicts() && s.players[e.Culprit].traitor != nil {
				continue // it is reported, and convicts nobody
			}
			if s.players[e.Culprit].traitor == nil {
				s.t.Errorf("node %d accuses the correct node %d of %v", i, e.Culprit, e.Kind)
			} else if !slices.Contains(kinds[e.Culprit], e.Kind.String()) {
				s.t.Errorf("node %d proves %v against %d, not one of %v",
					i, e.Kind, e.Culprit, kinds[e.Culprit])
			}
			named[e.Culprit] = true
		}
	}
	for culprit, list := range kinds {
		if len(list) > 0 && !named[culprit] {
			s.t.Errorf("no correct node holds a proof against %d", culprit)
		}
	}
}

// summary tells what rose on correct nodes.
func (s *play) summary(names []string) string {
	var parts []string
	for _, name := range names {
		sum := 0
		for _, i := range s.correct() {
			sum += s.players[i].counters[name]
		}
		parts = append(parts, fmt.Sprintf("%s %d", name, sum))
	}
	return strings.Join(parts, ", ")
}
