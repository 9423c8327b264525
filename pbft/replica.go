package pbft

import (
	"fmt"

	"byzd/crypto"
	"byzd/pbft/message"
	"byzd/pbft/quorum"
)

// Replica is one replica's protocol state. It belongs to one owner, who feeds it with
// [Replica.Step] and does what the effects say. It never looks at a clock, a file or a map's order:
// the same inputs give the same effects, byte for byte.
type Replica struct {
	cfg  *message.Config
	self int
	now  int64 // what timers go by: it never steps back and never leaps
	wall int64 // what the clock says: what proposals are dated by

	// The view that this replica is in, and the one that it is bound to. While target > view it has
	// sent a VIEW-CHANGE and votes no more.
	view, target uint64
	newView      *message.NewView    // what started view; nil in view 0
	ownNewView   *message.NewView    // the last one that this replica made
	change       *message.ViewChange // the last one that this replica made
	base         message.Ref         // of view
	open         bool                // a commit certificate of view is known (rule R2)

	// What is known to be decided, and what of it is executed.
	executed     message.Ref
	executedTime int64
	executedKind message.BatchKind
	closedAt     int64                // when the epoch's last batch was decided; -1 if it is not
	ended        bool                 // the end of the epoch was reported
	decided      message.Ref          // the highest batch under a certificate
	committed    *message.Certificate // the commit certificate of the highest rank; nil at first
	logged       message.Rank         // of the last commit certificate that was persisted
	high         *message.Certificate // the prepared certificate of the highest rank
	highLogged   message.Rank
	stable       *message.CheckpointCertificate
	history      map[uint64]crypto.Digest // executed batches within the window

	// This replica's own chain of votes in view (rule R6).
	tip      message.Ref // proposals must extend this
	prepared message.Ref // the last batch that it PREPAREd in view; Seq 0 and no digest if none
	lastCmt  message.Ref // the highest batch that it COMMITted in view
	frozen   bool        // it must not PREPARE in view any more
	thawAt   int64       // when it next asks for another view because of that

	entries     map[crypto.Digest]*entry
	incomplete  []*entry // entries that miss bundles
	slots       map[slotKey]*slot
	ahead       []int // votes of views to come, by voter
	checkpoints map[uint64][]*message.Checkpoint
	own         map[uint64]*message.Checkpoint // own checkpoints not yet stable
	mute        uint64                         // up to here something else may have been said
	changes     []*message.ViewChange          // the highest of each replica
	newest      [2][]*message.Vote             // of each voter, the highest PREPARE and COMMIT
	told        statements                     // what the primaries said
	newViews    []*message.NewView             // the last few of all, ascending
	words       [][]*message.Word              // of each gateway, of the bundles executed last

	clients *ClientTable
	pool    pool
	rr      int // where the next round robin starts

	monitor   monitor
	peers     []peer
	convicted quorum.Set
	proofs    map[string]*message.Evidence
	fence     fence
	strayed   *message.CheckpointCertificate // what this replica's state differs from, or nil
	wanted    *message.CheckpointCertificate // the state that is being fetched, or nil
	salt      uint64                         // no two starts have the same
	recovery  recovery
	said      [2]*message.Vote // own, the highest PREPARE and COMMIT
	pointed   uint64           // of the highest CHECKPOINT of its own that was restored
	restored  []*message.Vote  // own votes of this view, to be sent again after a start

	// When and whom to ask for what is missing.
	fetchAt, decidedAt, certifiedAt, votedAt          int64
	decidedTurn, certifiedTurn, votedTurn, bundleTurn int

	halted string // why this replica says nothing any more; empty while it does

	out []Effect
}

// Restored is what a replica knows when it starts: everything that it ever made irrevocable, and
// the executed state that the caller rebuilt. The zero value is a first start.
type Restored struct {
	View       uint64
	Target     uint64
	NewView    *message.NewView
	OwnNewView *message.NewView
	Change     *message.ViewChange
	High       *message.Certificate
	Committed  *message.Certificate
	Stable     *message.CheckpointCertificate
	Votes      []*message.Vote  // own, unsigned
	Batches    []*message.Batch // bodies that may be needed, executed ones of the window included
	// Checkpoints are this replica's own CHECKPOINTs, unsigned: recorded ones, or made again while
	// executing again. Those that are not stable yet are said again.
	Checkpoints []*message.Checkpoint
	// Said are the CHECKPOINTs that the journal holds, the same ones unless the state was damaged
	// since: about those nothing is said any more.
	Said     []*message.Checkpoint
	Executed message.Ref
	Time     int64                    // of the last executed header
	Kind     message.BatchKind        // of that batch
	History  map[uint64]crypto.Digest // of the executed batches within two windows
	Clients  *ClientTable
	Proofs   []*message.Evidence
	Alarm    *message.Alarm
	Pointed  uint64 // the sequence number of the highest CHECKPOINT of its own
	// Forgot says that this replica said more than the journal knows: it recovers (rule R15). Why
	// is for people.
	Forgot bool
	Why    string
	// Salt is a number that no other start of this replica had: answers to its questions are to be
	// told from those to an earlier life's.
	Salt    uint64
	Waiting []*message.Bundle // verified bundles that wait, from the epoch before
}

// New returns a replica that continues from what was restored. It is fenced until enough members
// have confirmed that it forgot nothing (rule R14); alone it needs nobody.
func New(cfg *message.Config, self int, st Restored) *Replica {
	n := len(cfg.Members)
	r := &Replica{
		cfg: cfg, self: self, executed: cfg.Base, decided: cfg.Base,
		high: cfg.BaseCertificate(), stable: cfg.BaseCheckpoint(),
		base: cfg.Base, tip: cfg.Base, open: true,
		history: map[uint64]crypto.Digest{cfg.Base.Seq: cfg.Base.Digest},
		entries: map[crypto.Digest]*entry{}, slots: map[slotKey]*slot{},
		ahead: make([]int, n), checkpoints: map[uint64][]*message.Checkpoint{},
		own:     map[uint64]*message.Checkpoint{},
		changes: make([]*message.ViewChange, n), peers: make([]peer, n),
		newest: [2][]*message.Vote{make([]*message.Vote, n), make([]*message.Vote, n)},
		pool:   newPool(n), clients: NewClientTable(cfg), proofs: map[string]*message.Evidence{},
		told: newStatements(), words: make([][]*message.Word, n), closedAt: -1,
	}
	r.monitor = newMonitor(cfg)
	r.salt, r.pointed = st.Salt, st.Pointed
	r.restore(st)
	r.fence.raised = cfg.Sizes.Quorum > 1
	if st.Forgot {
		r.beginRecovery(st.Why)
	}
	return r
}

// Step takes one input and returns what follows from it, in order.
func (r *Replica) Step(in Input) []Effect {
	r.out = nil
	switch in := in.(type) {
	case Tick:
		r.onTick(in.Now)
	case Received:
		r.onReceived(in.Msg)
	case Executed:
		r.onExecuted(in)
	case Hint:
		r.peers[in.Peer].unreachable = !in.Reachable
	case Installed:
		r.onInstalled(in)
	case TurnEnd:
		r.propose()
	default:
		panic(fmt.Sprintf("pbft: unknown input %T", in))
	}
	return r.out
}

func (r *Replica) emit(e Effect) { r.out = append(r.out, e) }

func (r *Replica) drop(from int, why Drop) { r.emit(Dropped{From: from, Why: why}) }

func (r *Replica) persist(rec *message.Record) {
	rec.Epoch = r.cfg.Epoch
	r.emit(Persist{Record: rec})
}

// send wants a message sent. A learner only asks for what was decided.
func (r *Replica) send(to int, m message.Message) {
	if _, asks := m.(*message.FetchDecided); r.observes() && !asks {
		return
	}
	r.emit(Send{To: to, Msg: m})
}

func (r *Replica) observe(e Event, batch message.Ref, note string) {
	r.emit(Observed{Event: e, View: r.view, Batch: batch, Peer: r.self, Note: note})
}

// halt stops this replica for good: it says nothing any more, and why.
func (r *Replica) halt(why string) {
	if r.halted == "" {
		r.halted = why
		r.emit(Halt{Why: why})
	}
}

// alarm is raised by two certificates that cannot both be with at most f liars: keep both, stop,
// and say so (DESIGN §5 point 12).
func (r *Replica) alarm(a *message.Alarm, seq uint64) {
	r.persist(&message.Record{Type: message.RecordAlarm, Alarm: a})
	r.halt(fmt.Sprintf("two certificates for sequence number %d: more than %d replicas lie",
		seq, r.cfg.Sizes.F))
}

// mayVote reports whether this replica may sign in its view.
func (r *Replica) mayVote() bool {
	return r.target == r.view && !r.silent()
}

// silent reports whether this replica must say nothing that binds it: it has stopped for good, has
// just started and does not know what it has said before, has forgotten it, has a state that is not
// the certified one, or is a learner.
func (r *Replica) silent() bool {
	return r.fence.raised || r.recovery.active || r.halted != "" || r.strayed != nil ||
		r.observes()
}

// mayExecute reports whether decided batches may be applied to the state that this replica has.
func (r *Replica) mayExecute() bool { return r.halted == "" && r.strayed == nil }

// Primary returns the primary of the current view.
func (r *Replica) Primary() int { return r.cfg.Primary(r.view) }

func (r *Replica) leads() bool { return r.Primary() == r.self }

func (r *Replica) onReceived(v message.Verified) {
	from := v.From()
	if v.Epoch() != r.cfg.Epoch { // it waited while the epoch ended (B53)
		r.drop(from, DropEpoch)
		return
	}
	if from != r.self && from != message.Stranger {
		r.peers[from].heard = r.now
	}
	if r.observes() && !informs(v.Message()) {
		r.drop(from, DropObserver)
		return
	}
	if !r.onAgreement(from, v.Message()) {
		r.onRepair(from, v.Message())
	}
	r.advance()
}

// onAgreement takes in what agreement is made of, and reports whether it was that.
func (r *Replica) onAgreement(from int, m message.Message) bool {
	switch m := m.(type) {
	case *message.PrePrepare:
		r.onPrePrepare(from, m)
	case *message.Vote:
		r.onVote(from, m)
	case *message.Checkpoint:
		r.onCheckpoint(from, m)
	case *message.ViewChange:
		r.onViewChange(from, m)
	case *message.NewView:
		r.onNewView(from, m)
	case *message.Complain:
		r.onComplain(from, m)
	case *message.Submission:
		r.onSubmission(from, m.Bundle)
	case *message.Evidence:
		r.accuse(from, m)
	case *message.Spoilt:
		r.onSpoilt(m)
	default:
		return false
	}
	return true
}

// onRepair takes in what replicas tell and ask each other so that nobody lacks anything.
func (r *Replica) onRepair(from int, m message.Message) {
	switch m := m.(type) {
	case *message.Status:
		r.onStatus(from, m)
	case *message.Have:
		r.onHave(from, m)
	case *message.FetchBundles:
		r.onFetchBundles(from, m)
	case *message.FetchBatches:
		r.onFetchBatches(from, m)
	case *message.BatchReply:
		r.onBatchReply(from, m)
	case *message.FetchDecided:
		if r.charge(from, message.DecidedBytes) {
			r.emit(Serve{To: from, After: m.After})
		}
	case *message.Decided:
		r.onDecided(from, m)
	case *message.Proof:
		r.onProof(from, m)
	case *message.EpochProof:
		r.learnStable(m.Certificate)
	case *message.Offer:
		r.onOffer(from, m)
	case *message.FenceAsk:
		r.onFenceAsk(from, m)
	case *message.FenceAnswer:
		r.onFenceAnswer(from, m)
	case *message.Recover:
		r.onRecover(from, m)
	case *message.Recovery:
		r.onRecovery(from, m)
	default:
		panic(fmt.Sprintf("pbft: unknown message %T", m))
	}
}

// advance does whatever has become possible, in the order of the protocol.
func (r *Replica) advance() {
	r.execute()
	r.recover()
	r.prepareBase()
	r.moveTip()
	r.accept()
	r.commit()
	r.finish()
}
