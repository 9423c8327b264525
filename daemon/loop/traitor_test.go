package loop_test

import (
	"fmt"
	"maps"
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

// Every behaviour that speaks to other nodes fires, on the first primary and on the last node,
// while the correct nodes serve their clients and agree, its defence rises, and exactly what is
// provable is proved.
func TestEveryLie(t *testing.T) {
	for _, b := range lies() {
		for _, node := range []int{0, 3} {
			t.Run(fmt.Sprintf("%s on %d", b.Name, node), func(t *testing.T) {
				rotate := uint64(0)
				leads := slices.Contains(b.Rises, "view-change")
				if b.NeedsViewChange || (b.NeedsPrimary || leads) && node != 0 {
					rotate = 8
				}
				s := newPlay(t, 4, rotate)
				s.arm(node, nil, b.Name)
				done := func() bool {
					return s.fired() > 0 && s.rose(b.Rises) &&
						(len(b.Evidence) == 0 || s.rose([]string{"proof"}))
				}
				k := 0
				for ; k < 60 && !done(); k++ {
					s.wave(k)
				}
				for range 5 { // and life goes on
					s.wave(k)
					k++
				}
				fired := s.players[node].traitor.Fired()[b.Name]
				if fired == 0 {
					t.Errorf("it never fired: %v", s.players[node].traitor.Status())
				}
				if !s.rose(b.Rises) {
					t.Errorf("none of %v rose on a correct node: %v", b.Rises,
						s.players[1].counters)
				}
				s.agree()
				s.proven(map[int][]string{node: b.Evidence})
				t.Logf("%d lies in %d waves, view %d: %s", fired, k,
					s.players[1].loop.Replica().Status().View, s.summary(b.Rises))
			})
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

// More than f traitors that collude make correct nodes execute different batches at one sequence
// number, whichever of the equivocations they are told to use. The COMMITs of each side name every
// one of them, and none of the other side.
func TestCoalitionSplitsTheCorrect(t *testing.T) {
	const proposes, votes = "equivocate-preprepare", "equivocate-votes"
	for _, c := range []struct {
		n      int
		rotate uint64
		specs  map[int]string
	}{
		{4, 0, map[int]string{0: proposes, 3: votes}},
		{4, 0, map[int]string{0: proposes, 3: proposes}},
		{4, 0, map[int]string{0: "equivocate-per-peer", 3: votes}},
		{4, 0, map[int]string{0: proposes + ":from-seq=5", 3: votes + ":from-seq=5"}},
		{4, 0, map[int]string{0: proposes + ":seed=7", 3: votes + ":seed=7"}},
		{4, 0, map[int]string{0: proposes + ":with=3", 3: votes + ":with=0"}},
		{4, 8, map[int]string{1: proposes, 2: proposes}}, // neither leads at first
		{7, 0, map[int]string{0: proposes, 2: votes, 5: votes}},
	} {
		t.Run(fmt.Sprintf("%v of %d", c.specs, c.n), func(t *testing.T) {
			s := newPlay(t, c.n, c.rotate)
			coalition := slices.Sorted(maps.Keys(c.specs))
			for _, i := range coalition {
				if strings.Contains(c.specs[i], "with=") {
					s.arm(i, nil, c.specs[i])
				} else {
					s.arm(i, coalition, c.specs[i])
				}
			}
			signers := map[crypto.Digest]map[int]bool{} // of COMMITs for each batch
			s.said = func(from, _ int, m message.Message) {
				if v, is := m.(*message.Vote); is && v.Kind == crypto.KindCommit && from == v.Voter {
					if signers[v.Digest] == nil {
						signers[v.Digest] = map[int]bool{}
					}
					signers[v.Digest][v.Voter] = true
				}
			}
			at, one, other := uint64(0), 0, 0
			for k := 0; k < 40 && at == 0; k++ {
				for _, i := range s.correct() {
					put := kv.Put{Key: []byte("k"), Value: fmt.Appendf(nil, "%d", i)}
					s.submit(i, "client", put)
				}
				s.runFor(500, func() bool { at, one, other = s.split(); return at > 0 })
			}
			if at == 0 {
				t.Fatalf("the correct nodes still agree: %v", s.players[s.correct()[0]].counters)
			}
			for _, i := range []int{one, other} {
				committed := signers[s.players[i].executed[at].Header.Digest()]
				for _, traitor := range coalition {
					if !committed[traitor] {
						t.Errorf("node %d executed what traitor %d did not commit", i, traitor)
					}
				}
				if !committed[i] || committed[one+other-i] {
					t.Errorf("node %d executed what %v committed", i, committed)
				}
			}
			for _, i := range coalition {
				if p := s.players[i]; p.halted != "" || p.traitor.Status()[0].Fired == 0 {
					t.Errorf("traitor %d: %v, halted: %q", i, p.traitor, p.halted)
				}
			}
			t.Logf("nodes %d and %d are split at %d", one, other, at)
		})
	}
}

// split returns the lowest sequence number at which two correct nodes executed different batches,
// and who they are, or 0.
func (s *play) split() (at uint64, one, other int) {
	list := s.correct()
	for seq := uint64(1); seq <= s.tag; seq++ {
		for _, i := range list {
			for _, k := range list {
				b, c := s.players[i].executed[seq], s.players[k].executed[seq]
				if b != nil && c != nil && b.Header.Digest() != c.Header.Digest() {
					return seq, i, k
				}
			}
		}
	}
	return 0, 0, 0
}

// With planned rotation, one primary that never starts its view costs a bounded wait each time it
// is its turn: the views between that end as planned make up for it (rule R11). Every put of every
// wave is acknowledged within ten seconds; see [play.wave].
func TestWaitForSilentPrimaryDoesNotGrow(t *testing.T) {
	s := newPlay(t, 4, 8)
	s.arm(3, nil, "silent-new-primary")
	for k := range 150 {
		s.wave(k)
	}
	if view := s.players[1].loop.Replica().Status().View; view < 20 {
		t.Errorf("only %d views", view)
	}
	s.agree()
}

// lies lists the catalogue's behaviours that speak to other nodes.
func lies() []traitor.Behaviour {
	return slices.DeleteFunc(traitor.Catalogue(), func(b traitor.Behaviour) bool {
		return b.Group == traitor.Clients || b.Group == traitor.Gossip ||
			b.NeedsTransfer // nobody fetches a state here; see TestWipedUnderLoad of testnet/acceptance
	})
}

// Two traitors of seven, with different behaviours and in one coalition, do no more than one of
// four: both fire, the others serve and agree, and only what is provable is proved.
func TestTwoDifferentLies(t *testing.T) {
	all := lies()
	for i := range all {
		for _, step := range []int{1, 6} {
			first, second := all[i], all[(i+step)%len(all)]
			t.Run(first.Name+" and "+second.Name, func(t *testing.T) { twoLies(t, first, second) })
		}
	}
}

func twoLies(t *testing.T, first, second traitor.Behaviour) {
	t.Helper()
	s := newPlay(t, 7, 8)
	s.arm(0, []int{0, 3}, first.Name)
	s.arm(3, []int{0, 3}, second.Name)
	done := func() bool {
		proven := map[int]bool{}
		for _, i := range s.correct() {
			for _, e := range s.players[i].proofs {
				proven[e.Culprit] = true
			}
		}
		return s.players[0].traitor.Fired()[first.Name] > 0 && s.rose(first.Rises) &&
			s.players[3].traitor.Fired()[second.Name] > 0 && s.rose(second.Rises) &&
			(len(first.Evidence) == 0 || proven[0]) && (len(second.Evidence) == 0 || proven[3])
	}
	k := 0
	for ; k < 100 && !done(); k++ {
		s.wave(k)
	}
	if !done() {
		t.Errorf("after %d waves: %v %v; %s; %s", k, s.players[0].traitor, s.players[3].traitor,
			s.summary(first.Rises), s.summary(second.Rises))
	}
	s.wave(k)
	s.agree()
	s.proven(map[int][]string{0: first.Evidence, 3: second.Evidence})
}

// person is a client with a key of its own, who believes f+1 equal replies of distinct members.
type person struct {
	s       *play
	key     crypto.NetworkKey
	session uint64
	next    uint64
}

// request signs an operation, or a REGISTER if there is no session yet.
func (c *person) request(op []byte) *message.ClientRequest {
	c.next++
	r := &message.ClientRequest{Session: c.session, Seq: c.next, Ack: c.next, Op: op}
	if c.session == 0 {
		r.Ack = 0
	}
	message.SealClientRequest(c.s.cfg.RequestDomain(), c.key, r)
	return r
}

// bring hands a request to a node.
func (c *person) bring(i int, r *message.ClientRequest) {
	c.s.t.Helper()
	c.s.tag++
	if !c.s.players[i].loop.Submit(message.Item{Signed: r}, "person", c.s.tag) {
		c.s.t.Fatalf("node %d is busy", i)
	}
	c.s.runFor(1000, nil)
}

// replies counts the members that gave each reply to a request, and returns what one said first.
func (c *person) replies(
	r *message.ClientRequest, member int,
) (count map[crypto.Digest]int, said *message.Reply) {
	c.s.t.Helper()
	count = map[crypto.Digest]int{}
	for i, p := range c.s.players {
		seen := map[crypto.Digest]bool{}
		for _, reply := range p.replies {
			if reply.Client != r.Client || reply.Seq != r.Seq || r.Session != 0 && reply.Session != r.Session {
				continue
			}
			if err := reply.Verify(c.s.cfg); err != nil || reply.Member != i {
				c.s.t.Errorf("a reply of member %d does not verify: %v", i, err)
			}
			if !seen[reply.Leaf()] {
				seen[reply.Leaf()] = true
				count[reply.Leaf()]++
			}
			if i == member && said == nil {
				said = reply
			}
		}
	}
	return count, said
}

// believed returns the reply that f+1 members gave, which member also did, or nil.
func (c *person) believed(r *message.ClientRequest) *message.Reply {
	for i := range c.s.players {
		count, said := c.replies(r, i)
		if said != nil && count[said.Leaf()] >= c.s.cfg.Sizes.Weak {
			return said
		}
	}
	return nil
}

// value reads a key in a node's store, past all protocol.
func (p *player) value(t *testing.T, key string) string {
	t.Helper()
	op, err := kv.Encode(kv.Range{Key: []byte(key)})
	if err != nil {
		t.Fatal(err)
	}
	return firstValue(t, p.store.Clone().Apply(op))
}

func firstValue(t *testing.T, result []byte) string {
	t.Helper()
	r, err := kv.DecodeResult(result)
	if err != nil {
		t.Fatalf("a result does not decode: %v", err)
	}
	if len(r.KVs) == 0 {
		return ""
	}
	return string(r.KVs[0].Value)
}

// ask brings a plain operation to a node and returns what its client is told, "silence" included.
func (s *play) ask(i int, client string, op kv.Op) (loop.Result, bool) {
	s.t.Helper()
	tag := s.submit(i, client, op)
	s.runFor(1000, nil)
	r, told := s.players[i].results[tag]
	return r, told
}

// A client of the node that confirms and forgets is fooled; one that wants f+1 replies is not.
func TestAckAndForget(t *testing.T) {
	s := newPlay(t, 4, 0)
	s.arm(3, nil, "ack-and-forget")
	r, told := s.ask(3, "trusting", kv.Put{Key: []byte("k"), Value: []byte("v")})
	if res, err := kv.DecodeResult(r.Value); !told || err != nil || res.Code != kv.CodeOK {
		t.Errorf("its client was not told that all went well: %v, %v", res, err)
	}
	for i, p := range s.players {
		if got := p.value(t, "k"); got != "" {
			t.Errorf("node %d executed the put: %q", i, got)
		}
	}
	s.doubter(t, 1)
}

// A client of the node that processes and keeps silent waits in vain, although it was served.
func TestProcessAndMute(t *testing.T) {
	s := newPlay(t, 4, 0)
	s.arm(3, nil, "process-and-mute")
	if r, told := s.ask(3, "patient", kv.Put{Key: []byte("k"), Value: []byte("v")}); told {
		t.Errorf("its client was answered: %v", r)
	}
	for i, p := range s.players {
		if got := p.value(t, "k"); got != "v" {
			t.Errorf("node %d has %q", i, got)
		}
	}
	s.doubter(t, 0)
}

// Clients of the node that contradicts itself read different values of one key.
func TestContradict(t *testing.T) {
	s := newPlay(t, 4, 0)
	s.arm(3, nil, "contradict")
	s.ask(1, "writer", kv.Put{Key: []byte("k"), Value: []byte("truth")})
	read := map[string]bool{}
	for _, client := range []string{"ann", "bob"} {
		r, told := s.ask(3, client, kv.Range{Key: []byte("k")})
		if !told {
			t.Fatalf("%s was told nothing", client)
		}
		read[firstValue(t, r.Value)] = true
	}
	if len(read) != 2 || read["truth"] {
		t.Errorf("ann and bob read %v", read)
	}
	s.doubter(t, 1)
}

// Clients of the node that lies in its replies all read the same wrong value.
func TestLieReply(t *testing.T) {
	s := newPlay(t, 4, 0)
	s.arm(3, nil, "lie-reply")
	s.ask(1, "writer", kv.Put{Key: []byte("k"), Value: []byte("truth")})
	read := map[string]bool{}
	for _, client := range []string{"ann", "bob"} {
		r, _ := s.ask(3, client, kv.Range{Key: []byte("k")})
		read[firstValue(t, r.Value)] = true
	}
	if len(read) != 1 || read["truth"] {
		t.Errorf("ann and bob read %v", read)
	}
	r, _ := s.ask(1, "carl", kv.Range{Key: []byte("k")})
	if got := firstValue(t, r.Value); got != "truth" {
		t.Errorf("the client of a correct node reads %q", got)
	}
	s.doubter(t, 1)
}

// doubter plays a client that trusts no node: it asks the traitor (3) first, then a correct node,
// and in the end believes what is true. alone is how many members give the traitor's own answer.
func (s *play) doubter(t *testing.T, alone int) {
	t.Helper()
	c := &person{s: s, key: crypto.NewNetworkKey([32]byte{9})}
	register := c.request(nil)
	c.bring(1, register)
	session := c.believed(register)
	if session == nil || session.Outcome != uint8(pbft.Registered) {
		t.Fatalf("no session: %+v", session)
	}
	c.session = session.Session
	for _, op := range []kv.Op{
		kv.Put{Key: []byte("d"), Value: []byte("doubt")}, kv.Range{Key: []byte("d")},
	} {
		data, err := kv.Encode(op)
		if err != nil {
			t.Fatal(err)
		}
		r := c.request(data)
		c.bring(3, r)
		c.bring(1, r) // nothing was believed, or it wants to be sure
		count, lie := c.replies(r, 3)
		if alone == 0 && lie != nil || alone > 0 && (lie == nil || count[lie.Leaf()] != alone) {
			t.Errorf("the traitor's answer %v is given by other than %d members", lie, alone)
		}
		truth := c.believed(r)
		if truth == nil || truth.Member == 3 {
			t.Fatalf("no correct reply to %T is believed: %v", op, count)
		}
		if res, err := kv.DecodeResult(truth.Result); err != nil || res.Code != kv.CodeOK ||
			len(res.KVs) > 0 && string(res.KVs[0].Value) != "doubt" {
			t.Errorf("what is believed of %T is wrong: %+v, %v", op, res, err)
		}
	}
	for _, i := range s.correct() {
		if got := s.players[i].value(t, "d"); got != "doubt" {
			t.Errorf("node %d has %q", i, got)
		}
	}
	if s.fired() == 0 {
		t.Error("no lie was told")
	}
	s.agree()
	s.proven(nil)
}

// What a node lies about can be changed while it runs; what it is not armed for any more ends.
func TestTraitorIsReplacedAtRunTime(t *testing.T) {
	s := newPlay(t, 4, 0)
	s.arm(3, nil, "mute")
	s.wave(0)
	muted := s.fired()
	if muted == 0 {
		t.Fatal("it said something")
	}
	s.arm(3, nil, "impersonate")
	s.wave(1)
	if got := s.players[3].traitor.Fired(); got["impersonate"] == 0 || len(got) != 1 {
		t.Errorf("after the change it told %v", got)
	}
	s.players[3].loop.SetAdversary(nil)
	before := s.fired()
	s.wave(2)
	if s.fired() != before {
		t.Error("it lies on")
	}
	s.agree()
	s.proven(nil)
}

// The same specs and the same inputs give the same lies, frame for frame.
func TestLiesCanBeRepeated(t *testing.T) {
	for _, spec := range []string{"corrupt:p=0.5", "equivocate-per-peer", "replay-old", "mute:p=0.3"} {
		transcript := func(seed string) crypto.Digest {
			s := newPlay(t, 4, 8)
			s.arm(0, nil, spec+seed)
			var d crypto.Digest
			s.said = func(from, to int, m message.Message) {
				frame := message.Encode(s.cfg.Epoch, m)
				d = crypto.Hash("transcript", d[:], []byte{byte(from), byte(to)}, frame)
			}
			for k := range 12 {
				s.wave(k)
			}
			return d
		}
		seed := ",seed="
		if !strings.Contains(spec, ":") {
			seed = ":seed="
		}
		one := transcript(seed + "1")
		if transcript(seed+"1") != one {
			t.Errorf("%s: the same seed gives another run", spec)
		}
		if transcript(seed+"2") == one && spec != "equivocate-per-peer" {
			t.Errorf("%s: another seed gives the same run", spec)
		}
	}
}

// More than f traitors that collude and a network that keeps the correct nodes apart: one side
// executes a batch of view 0, the other one of a later view in its place. Who sent a COMMIT hid it
// (R7.7, E5).
func TestCoalitionForksAcrossViews(t *testing.T) {
	for _, c := range []struct {
		n         int
		coalition []int
		cut       [2][]int
	}{
		{4, []int{0, 1}, [2][]int{{2}, {3}}},
		{4, []int{0, 3}, [2][]int{{1}, {2}}}, // view 1 is led by a correct node
		{7, []int{0, 1, 4}, [2][]int{{2, 3}, {5, 6}}},
	} {
		t.Run(fmt.Sprintf("%v of %d", c.coalition, c.n), func(t *testing.T) {
			s := newPlay(t, c.n, 0)
			victims := strings.Trim(strings.Join(strings.Fields(fmt.Sprint(c.cut[1])), "+"), "[]")
			for _, i := range c.coalition {
				s.arm(i, c.coalition, "fork-views:to="+victims)
			}
			s.cut = func(from, to int) bool {
				return slices.Contains(c.cut[0], from) && slices.Contains(c.cut[1], to) ||
					slices.Contains(c.cut[1], from) && slices.Contains(c.cut[0], to)
			}
			at, one, other := uint64(0), 0, 0
			for k := 0; k < 60 && at == 0; k++ {
				for _, i := range s.correct() {
					put := kv.Put{Key: []byte("k"), Value: fmt.Appendf(nil, "%d", i)}
					s.submit(i, "client", put)
				}
				s.runFor(500, func() bool { at, one, other = s.split(); return at > 0 })
			}
			if at == 0 {
				t.Fatalf("the correct nodes still agree: %v, %v", s.players[c.coalition[0]].traitor,
					s.players[s.correct()[0]].loop.Replica().State())
			}
			a := s.players[one].executed[at].Header.PropView
			b := s.players[other].executed[at].Header.PropView
			if a == b {
				t.Errorf("both batches are of view %d", a)
			}
			t.Logf("nodes %d and %d are split at %d, in views %d and %d", one, other, at, a, b)
		})
	}
}
