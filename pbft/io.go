package pbft

import (
	"byzd/crypto"
	"byzd/pbft/message"
)

// Input is what a replica is told. The set is closed.
type Input interface{ input() }

// Tick tells what the clock says, in milliseconds. Timers go by the differences: a clock that is
// set back, or forward, ends no view.
type Tick struct{ Now int64 }

// Received is a verified message: from a peer, or one of this replica's own statements, which the
// caller hands back when the records staged before it are durable (rule R1).
type Received struct{ Msg message.Verified }

// Executed reports the state's root after a batch whose [Execute] asked for it.
type Executed struct {
	Batch message.Ref
	Root  crypto.Digest
}

// TurnEnd says that nothing more has arrived for now: a primary may batch what it has.
type TurnEnd struct{}

// Hint is advice that a peer cannot be reached; it never replaces the replica's own timers.
type Hint struct {
	Peer      int
	Reachable bool
}

// Installed reports that the state that a [Transfer] asked for is in place, durably, and that
// everything is executed from there on.
type Installed struct {
	Checkpoint *message.CheckpointCertificate
	TimeMS     int64 // of the batch's header
	Kind       message.BatchKind
	Clients    *ClientTable
}

func (Tick) input()      {}
func (Received) input()  {}
func (Executed) input()  {}
func (TurnEnd) input()   {}
func (Hint) input()      {}
func (Installed) input() {}

// Effect is what a replica wants done. The caller's duties are in the package documentation.
type Effect interface{ effect() }

// Persist stages a record. Effects after it wait until it is durable.
type Persist struct{ Record *message.Record }

// All as the receiver of a Send means every other replica.
const All = -1

// Send wants a message sealed (by the caller's guard, where it is a statement), sent to one replica
// or to all others, and, if it is a statement, handed back as Received, all of it after everything
// persisted before is durable.
type Send struct {
	To  int
	Msg message.Message
}

// Execute wants a batch applied to the store, in order, each operation as its verdict says.
type Execute struct {
	Batch      *message.Batch
	Verdicts   []Verdict
	Checkpoint bool  // answer with Executed
	Rows       []Row // with Checkpoint: what changed in the client table since the last one
}

// Serve wants decided batches after a sequence number sent to a replica, from the caller's log.
type Serve struct {
	To    int
	After uint64
}

// Transfer wants the state that a checkpoint certifies fetched from other replicas, checked, made
// durable and installed, in whatever time that takes; [Installed] answers it. A later one, of a
// newer checkpoint, says what to turn to if nobody has the earlier one any more. It is needless
// when execution has passed the checkpoint meanwhile, unless Repair is set: then the state here is
// wrong, however far it has come.
type Transfer struct {
	Target *message.CheckpointCertificate
	Repair bool
}

// Accuse reports a new proof of a lie. It is also persisted and sent to all.
type Accuse struct{ Evidence *message.Evidence }

// Halt reports that this replica stopped voting for good, and why.
type Halt struct{ Why string }

// Release says that batches up to a sequence number may leave the caller's memory and, once a
// snapshot at or above it is durable, its disk (rule R14).
type Release struct{ Stable uint64 }

// Dropped reports a message that changed nothing.
type Dropped struct {
	From int
	Why  Drop
}

// Observed reports a step of the protocol, for traces and people. It asks for nothing.
type Observed struct {
	Event Event
	View  uint64
	Batch message.Ref
	Peer  int
	Note  string
}

// Event names a step of the protocol.
type Event string

// The steps.
const (
	EventProposed   Event = "proposed"
	EventAccepted   Event = "accepted"
	EventPrepared   Event = "prepared"
	EventCommitted  Event = "committed"
	EventExecuted   Event = "executed"
	EventStable     Event = "stable"
	EventComplained Event = "complained"
	EventViewChange Event = "view-change"
	EventNewView    Event = "new-view"
	EventOpen       Event = "view-open"
	EventFrozen     Event = "frozen"
	EventFence      Event = "fence-lifted"
	EventForgot     Event = "forgot"
	EventRecovered  Event = "recovered"
	EventTransfer   Event = "state-transfer"
	EventInstalled  Event = "state-installed"
	EventDiverged   Event = "diverged"
	EventEpochEnd   Event = "epoch-end"
)

func (Persist) effect()  {}
func (Send) effect()     {}
func (Execute) effect()  {}
func (Serve) effect()    {}
func (Transfer) effect() {}
func (Accuse) effect()   {}
func (Halt) effect()     {}
func (Release) effect()  {}
func (Dropped) effect()  {}
func (Observed) effect() {}
