package sim

import (
	"errors"
	"fmt"

	"byzd/daemon/disk"
	"byzd/daemon/journal"
	"byzd/daemon/kv"
	"byzd/daemon/loop"
	"byzd/daemon/snapshot"
	"byzd/pbft"
	"byzd/pbft/message"
	"byzd/pbft/traitor"
)

// node is one simulated process: the shipped loop, and what the daemon's owner does with it.
type node struct {
	w       *World
	index   int // in World.nodes
	replica int // its number, whatever its place in an epoch; that of a twin is its sibling's
	boot    int32

	mem     *disk.Memory
	disk    *faultyDisk
	journal *journal.Journal
	store   *kv.Store
	loop    *loop.Loop
	liar    *traitor.Traitor // nil if it does not lie
	correct bool             // neither a liar, nor charged to f
	twin    bool             // the second one with its key
	specs   []string         // what it lies about, in every epoch that it is a member of
	liarIn  *era             // what liar was made for

	up       bool
	dead     bool   // it dies in this very event: nothing it does has an effect any more
	broken   string // why it cannot start any more; empty while it can
	failures int    // of starts
	held     bool   // it stays down until the phase lets it go
	absent   bool   // it is no member yet, and nobody has started it
	gone     bool   // it was removed, and has ended
	second   bool   // it has its second key
	image    *disk.Memory
	shelf    shelf
	aim      class // that strikes its disk when it next signs something that binds it; 0: none

	inbox    []*packet
	awake    bool
	synced   uint64
	flushing bool
	flushLSN uint64
	early    bool // the flush under way has been done, only nobody knows yet
	flushErr error
	flushCut uint64 // where the journal may be cut after it
	cut      uint64
	saving   *snapshot.Snapshot
	full     bool // the disk: nothing is fed in
	paused   int64
	fuse     int // effects until it crashes; 0: none

	offset int64 // of its clock, in ms
	drift  int64 // of its clock, in millionths
	driftA int64 // µs since when the drift counts

	fetching bool  // a state
	nextJump int64 // what the wall clock has jumped by since the process started, in ms

	peers    uint64 // replicas that it talks to
	learners uint64 // those whom an announced change names
	begun    uint64 // LSN that is durable when its epoch is
	eraAt    int64  // when its epoch began

	top executed // of this boot
}

// may reports whether the node's process may be started.
func (n *node) may() bool { return !n.held && !n.absent && !n.gone && n.broken == "" }

// clock is what the node's clock says, in ms. The daemon's clock is monotonic: it starts at the
// wall clock and never steps, so a jump shows after a restart only, and drift at once.
func (n *node) clock() int64 {
	now := n.w.now
	return clockBase + n.offset + (now+(now-n.driftA)*n.drift/1_000_000)/1000
}

// clockBase is when simulations begin, in ms. It is no date of importance.
const clockBase = 1_700_000_000_000

// retryFull is between two attempts to write to a full disk, in µs, as in the daemon.
const retryFull = 500_000

// turnInputs is what one turn takes at most, as in the daemon.
const turnInputs = 256

// queuedMax is what waits for a node's owner at most; a daemon's peers are held up there.
const queuedMax = 4096

// effect counts one effect of the node, and reports whether it still happens: a fuse that burns
// down ends the process right before.
func (n *node) effect() bool {
	if n.fuse > 0 && !n.dead {
		n.fuse--
		if n.fuse == 0 {
			n.dead = true
		}
	}
	return !n.dead
}

// receive puts a packet into the node's queue.
func (n *node) receive(p *packet) {
	w := n.w
	switch {
	case !n.up:
		return
	case n.full:
		w.mark(markDeaf)
		return
	case len(n.inbox) >= queuedMax:
		w.mark(markQueueFull)
		return
	}
	n.inbox = append(n.inbox, p)
	n.wake()
}

// wake plans a turn.
func (n *node) wake() {
	if n.awake {
		return
	}
	n.awake = true
	n.w.plan(event{at: max(n.w.now+n.w.opts.Turn, n.paused), kind: evWake}, n)
}

// take is a turn that takes what has come in.
func (n *node) take() {
	n.awake = false
	if n.full || n.asleep(evWake) {
		return
	}
	count := min(len(n.inbox), turnInputs)
	for i := 0; i < count && !n.dead; i++ {
		n.w.deliver(n, n.inbox[i])
	}
	rest := copy(n.inbox, n.inbox[count:])
	clear(n.inbox[rest:])
	n.inbox = n.inbox[:rest]
	n.turn()
	if len(n.inbox) > 0 && n.up {
		n.wake()
	}
}

// asleep puts an event of a stopped process off until it goes on.
func (n *node) asleep(kind eventKind) bool {
	if n.w.now >= n.paused {
		return false
	}
	if kind == evWake {
		n.awake = true
	}
	n.w.plan(event{at: n.paused, kind: kind}, n)
	return true
}

func (n *node) tick() {
	if n.asleep(evTick) {
		return
	}
	if !n.full {
		n.loop.Tick(n.clock())
		n.turn()
		n.w.oracles.ticked(n)
	}
	if n.up {
		n.w.plan(event{at: n.w.now + n.w.opts.TickEvery*1000, kind: evTick}, n)
	}
}

// turn ends a turn as the daemon's owner does.
func (n *node) turn() {
	if n.dead || n.full {
		n.bury()
		return
	}
	n.loop.EndTurn()
	for n.loop.Release(n.synced) {
		n.loop.Resume()
	}
	if n.loop.Staged() > n.synced && !n.flushing && n.effect() {
		n.flush()
	}
	if err := n.loop.Trouble(); err != nil && !n.dead {
		if n.correct {
			n.w.fail("O11", "replica %d: %v", n.replica, err)
		}
		n.dead = true
	}
	n.retire()
	n.bury()
}

// flush starts a sync. It is done now or at its end, as it is drawn: the disk may be ahead of what
// the node knows.
func (n *node) flush() {
	w := n.w
	n.flushing, n.flushLSN, n.flushCut = true, n.loop.Staged(), n.loop.Cut()
	n.early = w.rnd[streamSchedule].IntN(2) == 0
	if n.early {
		defer n.point(pointFlush)()
		n.flushErr = n.journal.Flush()
	}
	w.plan(event{at: w.now + 1 + exponential(w.rnd[streamDelay], w.opts.Sync), kind: evFlushed}, n)
}

// flushed takes the outcome of a sync.
func (n *node) flushed() {
	if n.asleep(evFlushed) {
		return
	}
	w := n.w
	n.flushing = false
	err := n.flushErr
	n.flushErr = nil
	if !n.early {
		done := n.point(pointFlush)
		err = n.journal.Flush()
		done()
	}
	if !n.effect() { // durable, and nobody was told
		w.mark(markCrashAfterSync)
		n.bury()
		return
	}
	switch {
	case err == nil:
		n.synced, n.full = n.flushLSN, false
		_ = n.flushShelf(false) // before the journal is cut it must succeed
		n.cutJournal()
		n.turn()
		if len(n.inbox) > 0 && n.up {
			n.wake()
		}
	case errors.Is(err, disk.ErrFull):
		if !n.full {
			n.full = true
			w.mark(markDiskFull)
		}
		n.flushing, n.early = true, false
		w.plan(event{at: w.now + retryFull, kind: evFlushed}, n)
	default:
		w.mark(markPoisoned)
		n.dead = true
		n.bury()
	}
}

// bury makes a process that died in this event one that is down.
func (n *node) bury() {
	if !n.dead || !n.up {
		return
	}
	w := n.w
	w.crash(n, w.rnd[streamCrash].IntN(2) == 0)
	w.plan(event{at: w.now + exponential(w.rnd[streamCrash], 200_000), kind: evRestart}, n)
}

// applied implements the loop's door.
func (n *node) applied(a *loop.Applied) {
	if !n.effect() {
		return
	}
	defer n.point(pointResult)()
	n.w.oracles.applied(n, a)
	n.w.answer(n, a)
}

// watch implements the loop's door.
func (n *node) watch(e pbft.Effect) {
	if n.dead {
		return
	}
	n.w.noteEffect(n, e)
}

// frames are links that carry encoded frames.
type frames struct{ n *node }

// Send implements [loop.Links].
func (k frames) Send(to int, t message.Type, frame []byte) {
	if k.n.effect() {
		defer k.n.point(pointSend)()
		k.n.w.send(k.n, to, &packet{from: k.n.replica, typ: t, frame: frame})
	}
}

// decoded are links that carry messages as they are.
type decoded struct{ frames }

// SendMessage implements [loop.MessageLinks].
func (k decoded) SendMessage(to int, m message.Message) {
	if k.n.effect() {
		defer k.n.point(pointSend)()
		k.n.w.send(k.n, to, &packet{
			from: k.n.replica, typ: m.Type(), msg: m, epoch: k.n.loop.Cluster().Epoch,
		})
	}
}

// name is the node's in traces.
func (n *node) name() string {
	if n.twin {
		return fmt.Sprintf("n%d'", n.replica)
	}
	return fmt.Sprintf("n%d", n.replica)
}
