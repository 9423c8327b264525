package sim

import (
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"byzd/crypto"
	"byzd/daemon/promises"
	"byzd/pbft"
	"byzd/pbft/message"
	"byzd/pbft/traitor"
)

// phase is what a run is doing.
type phase uint8

// The phases, in their order.
const (
	phaseWarm phase = iota
	phaseFaults
	phaseLive
	phaseDrain
	phaseDone
)

// String is the phase's name in traces.
func (p phase) String() string {
	return [...]string{"warm-up", "faults", "liveness", "drain", "done"}[p]
}

// World is one run: a cluster, its clients and everything that goes wrong. One goroutine owns it.
type World struct {
	seed    uint64
	opts    Options
	cfg     *message.Config // the first epoch
	eras    []*era          // those that some node has begun
	signers [][2]crypto.Signer
	admin   admin
	bundles cache
	rnd     streams
	choices choices

	now   int64 // µs
	queue queue
	nodes []*node
	last  []int64 // by link, when the last packet in order arrives
	walls []int16 // by link, how many cuts are on it
	cuts  []cut

	phase   phase
	healed  int64 // when the liveness phase began
	core    []bool
	settled int64 // when what the liveness phase waits for was done

	clients []*client
	ops     map[string]*operation
	tags    []*operation
	liar    *client         // nil if none lies
	asked   map[string]bool // signatures of requests that clients have made
	recent  [16]said        // statements that were sent lately
	pending int             // operations that the liveness phase waits for

	oracles *oracles
	current *packet // that is being delivered
	marks   [markCount]uint64
	faults  [classCount]uint64
	beyond  bool   // more than f lie: what is looked for is who is named
	lied    bool   // some traitor has told a lie
	topView uint64 // that a correct replica has entered

	viewsUsed uint64 // by the core, after the healing

	dropCount uint64 // messages that changed nothing
	lastDrop  pbft.Drop
	events    uint64
	sends     uint64
	hash      uint64
	failure   *Failure
	flagged   *Failure    // beyond f: what an oracle found first
	trace     io.Writer   // nil if nobody looks
	from      uint64      // the event that the trace begins with
	until     uint64      // the event that the run ends before; 0: none
	probe     *probe      // of the crash-point sweep; nil if there is none
	deviate   *deviations // of the search for them; nil if there is none
	tap       func(frame []byte)
}

// said is a statement, and the epoch that it was made in.
type said struct {
	epoch uint64
	msg   message.Message
}

// Failure is what an oracle found.
type Failure struct {
	Oracle string
	Text   string
	Event  uint64
	At     int64 // µs of virtual time
	Stack  string
}

// Error implements error.
func (f *Failure) Error() string {
	return fmt.Sprintf("%s: %s (event %d, %.3f ms)", f.Oracle, f.Text, f.Event, float64(f.At)/1000)
}

// cache remembers the bundles whose signatures hold, for all nodes: what is true of the same bytes
// at one of them is true at all.
type cache map[crypto.Digest]struct{}

// Has implements [message.Cache].
func (c cache) Has(id crypto.Digest) bool {
	_, known := c[id]
	return known
}

// Add implements [message.Cache].
func (c cache) Add(id crypto.Digest) { c[id] = struct{}{} }

// Setup is what a run is told besides its seed.
type Setup struct {
	Twice   bool              // run every seed twice, and compare
	Options *Options          // nil: those of the seed
	Beyond  bool              // those of the seed with f+1 traitors, see [DrawBeyond]
	Seeds   *Seeds            // is told which seeds run; may be nil
	Off     map[string]bool   // oracles that are switched off
	Only    map[Decision]bool // the faults that may strike; nil: all
	Trace   io.Writer         // who wants to read what happens; may be nil
	From    uint64            // the event that the trace begins with
	Until   uint64            // the event that the run ends before; 0: its own end

	// Sent is called with each frame that leaves a node, in runs that encode; may be nil.
	Sent func(frame []byte)

	probe   *probe      // counts effects, and crashes a node at one of them
	deviate *deviations // counts deliveries, and lets some deviate
}

// Run runs a seed, twice if that is asked for: the same seed must give the same trace (O17).
func Run(seed uint64, s Setup) *Result {
	s.Seeds.Begin(seed)
	defer s.Seeds.End(seed)
	r := New(seed, s).Run()
	if s.Twice && r.Failure == nil {
		if again := New(seed, s).Run(); again.Hash != r.Hash {
			r.Failure = &Failure{
				Oracle: "O17", Event: r.Events, At: r.Virtual,
				Text: fmt.Sprintf("the hashes %016x and %016x", r.Hash, again.Hash),
			}
		}
	}
	return r
}

// New prepares the run of a seed.
func New(seed uint64, s Setup) *World {
	w := &World{
		seed: seed, rnd: newStreams(seed), bundles: cache{}, ops: map[string]*operation{},
		asked: map[string]bool{},
		trace: s.Trace, from: s.From, until: s.Until, hash: seed, probe: s.probe, tap: s.Sent,
		deviate: s.deviate,
	}
	switch {
	case s.Options != nil:
		w.opts = *s.Options
	case s.Beyond:
		w.opts = DrawBeyond(seed)
	default:
		w.opts = Draw(seed)
	}
	w.beyond = w.opts.Beyond
	w.choices.only = s.Only
	w.configure()
	for i := range w.opts.people() {
		w.addNode(i)
	}
	for _, i := range w.opts.Twins {
		w.addNode(i).twin = true
	}
	links := len(w.nodes) * len(w.nodes)
	w.last, w.walls = make([]int64, links), make([]int16, links)
	w.core = make([]bool, len(w.nodes))
	w.oracles = newOracles(w, s.Off)
	w.addClients()
	return w
}

func (w *World) configure() {
	ring := keys()
	members := make([]message.Member, w.opts.N)
	for i := range members {
		members[i] = message.Member{
			Name: fmt.Sprintf("n%d", i), Node: ring.nodes[i], Key: ring.signers[0][i].Public(),
		}
	}
	var signers []crypto.Signer // the first keys, the second ones, the administrators'
	people := w.opts.people()
	for k := range ring.signers {
		signers = append(signers, ring.signers[k][:people]...)
	}
	signers = append(signers, ring.admins[:]...)
	var scheme crypto.Scheme = &memo{Scheme: ring.scheme, answers: map[crypto.Digest]bool{}}
	if !w.opts.Real {
		pubs := make([]crypto.PublicKey, len(signers))
		for i := range signers {
			pubs[i] = signers[i].Public()
		}
		tags := newTagScheme(ring.scheme, pubs, w.seed)
		for i := range signers {
			signers[i] = &tags.holders[i]
		}
		scheme = tags
	}
	for i := range people {
		w.signers = append(w.signers, [2]crypto.Signer{signers[i], signers[people+i]})
	}
	w.admin = admin{
		keys: signers[2*people:], latest: -1,
		made: map[int]bool{}, asked: map[crypto.Digest]*asked{},
	}
	var name [8]byte
	for i := range name {
		name[i] = byte(w.seed >> (8 * i)) //nolint:gosec // a byte of it
	}
	cfg, err := message.NewConfig(
		crypto.Hash("byzd/sim/1", name[:]), scheme, members, w.opts.Params)
	if err != nil {
		panic(fmt.Sprintf("sim: seed %d: %v", w.seed, err))
	}
	cfg.Admins.Threshold = adminsNeeded
	for _, s := range w.admin.keys {
		cfg.Admins.Keys = append(cfg.Admins.Keys, s.Public())
	}
	w.cfg, w.eras = cfg, []*era{newEra(cfg)}
}

func (w *World) addNode(replica int) *node {
	n := &node{
		w: w, index: len(w.nodes), replica: replica, correct: true, absent: replica >= w.opts.N,
	}
	n.mem = newMemory()
	if err := promises.MarkNew(n.mem); err != nil {
		panic(fmt.Sprintf("sim: %v", err))
	}
	for _, t := range w.opts.Traitors {
		if t.Node == replica {
			n.correct, n.specs = false, t.Specs
			n.liar, n.liarIn = w.arm(n, w.eras[0]), w.eras[0]
		}
	}
	for _, t := range w.opts.Twins {
		if t == replica {
			n.correct = false
		}
	}
	if w.opts.Charged == replica {
		n.correct = false
	}
	w.nodes = append(w.nodes, n)
	return n
}

// plan plans an event of a node.
func (w *World) plan(e event, n *node) {
	e.node, e.boot, e.tie = int16(n.index), n.boot, w.tie() //nolint:gosec // small
	w.queue.push(e)
}

// later plans an event of no node.
func (w *World) later(kind eventKind, after, arg int64) {
	w.queue.push(event{at: w.now + after, kind: kind, node: -1, arg: arg, tie: w.tie()})
}

func (w *World) tie() uint32 { return w.rnd[streamSchedule].Uint32() }

// eventsMax ends a run that does not end: it is many times what a long one has.
const eventsMax = 2_000_000

// Run runs to the end, or to the first failure, and returns what came of it.
func (w *World) Run() *Result {
	w.tracef("seed %d %s", w.seed, w.opts.String())
	for _, n := range w.nodes {
		if !n.absent {
			w.guard(n.start)
		}
	}
	w.later(evPhase, warmUp, 0)
	for w.failure == nil && w.phase != phaseDone && len(w.queue.heap) > 0 {
		if w.until > 0 && w.events >= w.until {
			break
		}
		e := w.queue.pop()
		w.now = e.at
		w.events++
		what := uint64(e.kind)<<8 ^ uint64(uint16(e.node)) //nolint:gosec // bits
		w.hash = mix(w.hash, uint64(e.at)<<16^what)        //nolint:gosec // not negative
		w.guard(func() { w.happen(&e) })
		if w.events > eventsMax {
			w.fail("O13", "the run does not end: %d events", w.events)
		}
	}
	if w.failure == nil && w.phase == phaseDone {
		w.guard(w.oracles.end)
	}
	return w.result()
}

// guard runs a step and makes a failure of a panic.
func (w *World) guard(step func()) {
	defer func() {
		if p := recover(); p != nil {
			if loss, ok := p.(powerLoss); ok {
				w.lose(loss)
				return
			}
			w.fail("panic", "%v", p)
			if w.beyond {
				w.phase = phaseDone // an invariant that f+1 liars may break
				return
			}
			if w.failure.Stack == "" {
				w.failure.Stack = trimStack(string(debug.Stack()))
			}
		}
	}()
	step()
}

func trimStack(s string) string {
	if at := strings.LastIndex(s, "panic("); at >= 0 {
		s = s[at:]
	}
	return s
}

// happen lets one event happen.
func (w *World) happen(e *event) {
	if e.node < 0 {
		w.happenToAll(e)
		return
	}
	n := w.nodes[e.node]
	if e.kind == evRestart {
		if !n.up && n.may() && n.boot == e.boot {
			w.tracef("%s starts", n.name())
			n.jump()
			n.start()
		}
		return
	}
	if !n.up || n.boot != e.boot {
		return
	}
	switch e.kind {
	case evTick:
		n.tick()
	case evArrive:
		w.traceArrive(n, e.pack)
		n.receive(e.pack)
	case evPower:
		w.crash(n, true)
		w.plan(event{at: w.now + restartAfter, kind: evRestart}, n)
	case evWake:
		n.take()
	case evFlushed:
		n.flushed()
	case evSaved:
		n.saved()
	default:
	}
}

func (w *World) happenToAll(e *event) {
	switch e.kind {
	case evClient:
		w.clients[e.arg].begin()
	case evPatience:
		w.tags[e.arg].patience()
	case evFault:
		w.fault(class(e.arg)) //nolint:gosec // a class
	case evMend:
		w.mend(int(e.arg))
	case evPhase:
		w.nextPhase()
	case evAdmin:
		w.administer(int(e.arg))
	case evStrike:
		w.lyingDisk(class(e.arg), 20_000) //nolint:gosec // a class
	default:
	}
}

// fail notes the first thing that an oracle found.
func (w *World) fail(oracle, format string, args ...any) {
	if w.failure != nil || w.oracles != nil && w.oracles.off[oracle] {
		return
	}
	f := &Failure{
		Oracle: oracle, Text: fmt.Sprintf(format, args...), Event: w.events, At: w.now,
	}
	if w.beyond && oracle != "O21" {
		if w.flagged == nil {
			w.flagged = f
			w.tracef("flagged %s", f.Error())
		}
		return
	}
	w.failure = f
	w.tracef("FAILED %s", f.Error())
}

func (w *World) mark(m marker) { w.marks[m]++ }

// noteEffect takes what a replica tells about itself.
func (w *World) noteEffect(n *node, e pbft.Effect) {
	switch e := e.(type) {
	case pbft.Dropped:
		w.hash = mix(w.hash, uint64(len(e.Why))<<8^uint64(uint8(e.From))) //nolint:gosec // bits
		w.dropped(n, e)
	case pbft.Observed:
		w.hash = mix(w.hash, e.Batch.Seq<<32^e.View<<8^uint64(len(e.Event)))
		w.tracef("%s %s view %d batch %d %s %s", n.name(), e.Event, e.View, e.Batch.Seq,
			e.Batch.Digest.Short(), e.Note)
		w.oracles.observed(n, e)
		w.observed(n, e)
	case pbft.Accuse:
		w.tracef("%s accuses %d: %v", n.name(), e.Evidence.Culprit, e.Evidence.Kind)
		w.oracles.accused(n, e.Evidence)
	case pbft.Halt:
		w.tracef("%s halts: %s", n.name(), e.Why)
		w.oracles.halted(n, e.Why)
	}
}

// liarsOf lists the traitors that are armed.
func (w *World) liars() []*traitor.Traitor {
	var list []*traitor.Traitor
	for _, n := range w.nodes {
		if n.liar != nil {
			list = append(list, n.liar)
		}
	}
	return list
}
