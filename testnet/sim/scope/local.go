package scope

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"

	"byzd/crypto"
	"byzd/pbft"
	"byzd/pbft/message"
)

// local is the state of one correct replica with what stands in for its daemon. Local states are
// met once and numbered; what each event makes of one is computed once. A global state is one
// number for each correct replica: what was sent follows from them.
type local struct {
	node    int
	replica *pbft.Replica
	back    []uint16                       // own durable statements still to come back, in order
	timers  int                            // how many timer events it has had
	done    int                            // how many batches it has executed in this life
	wants   *message.CheckpointCertificate // the state that it has asked for
	disk    disk
	state   pbft.State
	print   crypto.Digest
	facts   uint32   // what others can see of it, and what is promised about it
	next    []uint32 // by event: the state that follows, 0 if it is not known yet
}

// facts is what an event must change to be seen by anybody, now or ever.
type facts struct {
	sent     set
	executed []message.Ref
	entered  []entered // NEW-VIEWs that it accepted, in order
	votes    []*message.Vote
	bad      string // the promise that it broke
	height   int    // how much that is
}

// entered is a NEW-VIEW that a replica accepted.
type entered struct {
	view uint64
	base message.Rank
	ref  message.Ref
}

// key names the facts.
func (f *facts) key(l *local) string {
	st := &l.state
	return fmt.Sprint(l.node, f.sent, f.executed, st.View, st.Target, st.Stable, st.Halted,
		f.entered, f.bad)
}

// space is all local states that were met. Its lock, and that of its world, is held by whoever
// searches, and let go only while a replica works: so several can search at once.
type space struct {
	mu     sync.Mutex
	w      *world
	locals []*local // by number; the first stands for "not known"
	byKey  map[crypto.Digest]uint32
	facts  []*facts
	byFact map[string]uint32
	steps  int // events that were computed
}

func newSpace(w *world) *space {
	return &space{
		w: w, locals: []*local{nil}, byKey: map[crypto.Digest]uint32{},
		byFact: map[string]uint32{},
	}
}

// core does what needs nothing but one replica, while others search.
func (x *space) core(work func()) {
	x.mu.Unlock()
	defer x.mu.Lock()
	work()
}

// initial returns the numbers of the correct replicas' first states.
func (x *space) initial() []uint32 {
	var ids []uint32
	for i, r := range x.w.replicas() {
		if !x.w.isLiar[i] {
			l := &local{node: i, replica: r}
			x.blur(l)
			ids = append(ids, x.enter(l, nil, &facts{}))
		}
	}
	return ids
}

// enter numbers a local state.
func (x *space) enter(l, before *local, f *facts) uint32 {
	id := x.factsOf(l, before, f)
	l.facts = id
	parts := binary.LittleEndian.AppendUint32(l.print[:], id)
	parts = append(parts, byte(l.timers), byte(l.done)) //nolint:gosec // small
	if l.wants != nil {
		parts = append(parts, byte(l.wants.Seq)) //nolint:gosec // small
	}
	parts = l.disk.key(parts)
	for _, m := range l.back {
		parts = binary.LittleEndian.AppendUint16(parts, m)
	}
	key := crypto.Hash("scope/local", parts)
	if at, met := x.byKey[key]; met {
		return at
	}
	at := uint32(len(x.locals)) //nolint:gosec // memory ends first
	x.locals = append(x.locals, l)
	x.byKey[key] = at
	return at
}

// factsOf numbers the facts of a local state.
func (x *space) factsOf(l, before *local, f *facts) uint32 {
	if before != nil && f.same(x.facts[before.facts]) && l.state.View == before.state.View &&
		l.state.Target == before.state.Target && l.state.Stable == before.state.Stable &&
		l.state.Halted == before.state.Halted {
		return before.facts
	}
	name := f.key(l)
	id, known := x.byFact[name]
	if !known {
		id = uint32(len(x.facts)) //nolint:gosec // memory ends first
		f.height = f.tall()
		x.facts = append(x.facts, f)
		x.byFact[name] = id
	}
	return id
}

// same reports whether nothing was added to older facts.
func (f *facts) same(older *facts) bool {
	return f.sent == older.sent && len(f.executed) == len(older.executed) &&
		len(f.entered) == len(older.entered) && f.bad == older.bad
}

// after returns what an event makes of a local state; the state itself if it changes nothing.
func (x *space) after(at uint32, event int) uint32 {
	l := x.locals[at]
	if event < len(l.next) && l.next[event] != 0 {
		return l.next[event]
	}
	for len(l.next) <= event {
		l.next = append(l.next, 0)
	}
	to := x.compute(at, event)
	l.next[event] = to
	return to
}

// blur lets a replica forget what a scope does not look at, and notes what is left of it.
func (x *space) blur(l *local) {
	l.replica.Unthrottle()
	if x.w.scope.Certified {
		l.replica.ForgetWitnessed()
	}
	l.state, l.print = l.replica.State(), l.replica.Fingerprint()
}

// possible reports whether an event that is no delivery can happen in a local state.
func (x *space) possible(at uint32, event int) bool {
	l := x.locals[at]
	if l.disk.busy() && event != eventSync && event != eventCrash && event != eventCrashKept {
		return false // it takes nothing in while its disk writes
	}
	switch event {
	case eventReturn:
		return len(l.back) > 0
	case eventTimer:
		return l.timers < x.w.scope.Timers
	case eventInstall:
		return l.wants != nil
	case eventSync:
		return l.disk.busy()
	case eventCrash, eventCrashKept:
		return l.node == x.w.scope.Crasher && l.disk.crashes < x.w.scope.Crashes &&
			(event == eventCrash || len(l.disk.staged) > 0)
	}
	return true
}

func (x *space) compute(at uint32, event int) uint32 {
	before := x.locals[at]
	if !x.possible(at, event) {
		return at
	}
	x.steps++
	l := &local{
		node: before.node, back: slices.Clone(before.back),
		timers: before.timers, done: before.done, wants: before.wants, disk: before.disk.clone(),
	}
	old := x.facts[before.facts]
	f := &facts{
		sent: old.sent, executed: slices.Clone(old.executed), entered: slices.Clone(old.entered),
		votes: slices.Clone(old.votes), bad: old.bad,
	}
	x.core(func() { l.replica = before.replica.Clone() })
	s := step{space: x, l: l, f: f}
	switch event {
	case eventSync:
		s.flush()
	case eventCrash, eventCrashKept:
		s.crash(event == eventCrashKept)
	case eventInstall:
		s.install()
	default:
		s.take(x.input(l, event))
		if x.w.scope.Whole && event >= firstMessage {
			s.bodies(x.w.said[event].msg)
		}
	}
	for x.w.scope.AtOnce && len(l.back) > 0 {
		s.take(x.input(l, eventReturn))
	}
	x.core(func() { x.blur(l) })
	s.offer(&before.state)
	// What was not durable when it crashed was never told to anybody.
	if event != eventCrash && event != eventCrashKept {
		s.judge(&before.state)
	}
	return x.enter(l, before, f)
}

func (x *space) input(l *local, event int) pbft.Input {
	switch event {
	case eventReturn:
		m := x.w.said[l.back[0]]
		l.back = l.back[1:]
		return pbft.Received{Msg: m.own}
	case eventTurn:
		return pbft.TurnEnd{}
	case eventTimer:
		l.timers++
		return pbft.Tick{Now: clockStart + int64(l.timers)*timerStep}
	}
	return pbft.Received{Msg: x.w.said[event].in}
}

// step is one event's work.
type step struct {
	*space
	l      *local
	f      *facts
	stable []*message.CheckpointCertificate // that it reached
}

// bodies hands the replica the batches that a certificate names, from the last one down. Those that
// it has, or does not want, it drops.
func (s *step) bodies(m message.Message) {
	for _, h := range s.w.chain(certified(m), 0) {
		d := h.Digest()
		body, known := s.w.bodies[d]
		if !known {
			b := &message.Batch{Header: h, Bundles: s.w.bundles[h.Seq-1 : h.Seq]}
			body = s.w.verify(s.w.liars[0], &message.BatchReply{Batch: b})
			s.w.bodies[d] = body
		}
		s.take(pbft.Received{Msg: body})
	}
}

// certified is the batch that a message proves to be one.
func certified(m message.Message) message.Ref {
	switch m := m.(type) {
	case *message.Proof:
		switch {
		case m.Prepared != nil:
			return m.Prepared.Ref()
		case m.Commit != nil:
			return m.Commit.Ref()
		case m.Checkpoint != nil:
			return m.Checkpoint.Ref()
		}
	case *message.NewView:
		return m.Base.Ref()
	}
	return message.Ref{}
}

// timerStep is how far a timer event moves a clock: by the timeout of a first view.
const timerStep = 1000

func (s *step) blame(format string, args ...any) {
	if s.f.bad == "" {
		s.f.bad = fmt.Sprintf(format, args...)
	}
}

// take gives the replica an input and does what it asks for. What it says waits until the records
// staged before it are durable (rule R1): at once, but for the replica whose crashes are explored.
func (s *step) take(in pbft.Input) {
	var effects []pbft.Effect
	s.core(func() { effects = s.l.replica.Step(in) })
	for _, e := range effects {
		switch e := e.(type) {
		case pbft.Send:
			s.send(e)
		case pbft.Execute:
			s.execute(e)
		case pbft.Persist:
			s.stage(e.Record)
		case pbft.Transfer:
			s.l.wants = e.Target
		case pbft.Accuse:
			if !s.w.isLiar[e.Evidence.Culprit] && e.Evidence.Kind.Convicts() {
				s.blame("replica %d accuses correct replica %d of %v", s.l.node,
					e.Evidence.Culprit, e.Evidence.Kind)
			}
		case pbft.Halt:
			s.blame("replica %d halts: %s", s.l.node, e.Why)
		}
	}
}

func (s *step) send(e pbft.Send) {
	id := s.w.utter(s.l.node, e.To, e.Msg)
	if s.w.violated != "" {
		s.blame("%s", s.w.violated)
	}
	switch {
	case id < 0:
	case s.l.disk.busy():
		s.l.disk.waiting = append(s.l.disk.waiting, uint16(id)) //nolint:gosec // below maxMessages
	default:
		s.leave(id)
	}
}

// leave lets a message go, and its author's own copy come back.
func (s *step) leave(id int) {
	if m := s.w.said[id]; m.to == pbft.All {
		s.l.back = append(s.l.back, uint16(id)) //nolint:gosec // below maxMessages
	}
	if s.f.sent.has(id) {
		return
	}
	s.say(s.w.said[id])
	s.f.sent.add(id)
}

func (s *step) execute(e pbft.Execute) {
	h := &e.Batch.Header
	ref := message.Ref{Seq: h.Seq, Digest: h.Digest()}
	if h.Seq != uint64(s.l.done)+1 { //nolint:gosec // a count
		s.blame("replica %d executes batch %d after %d", s.l.node, h.Seq, s.l.done)
	}
	s.executed(ref)
	if e.Checkpoint {
		s.take(pbft.Executed{Batch: ref, Root: rootOf(ref.Digest)})
	}
}

// executed notes that a batch is executed: for the first time, or again after a crash.
func (s *step) executed(ref message.Ref) {
	s.l.done++
	switch {
	case len(s.f.executed) < s.l.done:
		s.f.executed = append(s.f.executed, ref)
	case s.f.executed[s.l.done-1] != ref:
		s.blame("replica %d executed %s at %d, and %s before its crash", s.l.node,
			ref.Digest.Short(), ref.Seq, s.f.executed[s.l.done-1].Digest.Short())
	}
}
