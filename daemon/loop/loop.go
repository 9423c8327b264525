package loop

import (
	"byzd/crypto"
	"byzd/daemon/disk"
	"byzd/daemon/journal"
	"byzd/daemon/snapshot"
	"byzd/pbft"
	"byzd/pbft/message"
	"byzd/pbft/traitor"
)

// Links carries frames to other replicas. It must not block.
type Links interface {
	// Send hands a frame to one replica, or to all others if to is pbft.All.
	Send(to int, t message.Type, frame []byte)
}

// MessageLinks are links that take messages as they are, where nobody needs their bytes: a
// simulation's. Receivers share what they get, and must not change it.
type MessageLinks interface {
	Links
	// SendMessage does with a message what Send does with its frame.
	SendMessage(to int, m message.Message)
}

// Archive keeps what the journal forgets: package daemon/archive.
type Archive interface {
	// Keep is told of a record that is, or will be, in the journal. It must not change it.
	Keep(rec *message.Record)
}

// Config is what a loop is made of. Cluster is the first epoch, that of the genesis; the journal
// tells which one the node is in. Only what says so may be left out.
type Config struct {
	Cluster   *message.Config
	Self      int           // in that epoch; pbft.Observer, with Node, if it was no member then
	Node      crypto.NodeID // may be left out by a member of the first epoch
	Sealer    message.Sealer
	Signers   []crypto.Signer // further keys of this node, old and new ones; may be nil
	Journal   *journal.Journal
	Disk      disk.Disk // for snapshots and half-done transfers
	Store     Store
	Links     Links
	Adversary traitor.Adversary // may be nil
	// Applied receives what executed, when it is durable. It must not block.
	Applied func(*Applied)
	// Forgot says, in words, why this node must have said more than the journal knows, for instance
	// since its disk was lost: then it recovers (rule R15). Empty if nothing is known of that.
	Forgot string
	// Salt is a number that no other start of this node had, such as a random one.
	Salt uint64
	// Save has a snapshot written, and Saved called with the outcome on the loop's goroutine; it
	// must not block. While nil snapshots are written at once, by the loop itself.
	Save func(s *snapshot.Snapshot)
	Keep Retention
	// Archive is shown every record that is staged, and at the start those that the journal holds,
	// to keep of them what outlives the journal (rule R7.8). It must not block; nil for none.
	Archive Archive
	// Ends are proofs that epochs ended, from the first on or from one that the journal leads to,
	// if this node was given any: by them it finds members of today (see leap.go).
	Ends []*message.EpochProof
	// Announced, if not nil, is told what a change that was announced leads to: whom to let in.
	Announced func(next *message.Config)
	// Proved, if not nil, is told of the newest epoch that is proved to have begun, when that is
	// beyond the one that this node is in: its members are to be let in.
	Proved func(newest *message.Config)
	// Reconfigured, if not nil, is told that another epoch has begun, and the node's number in it.
	Reconfigured func(now *message.Config, self int)
	// Watch receives every effect that only informs: Dropped, Observed, Accuse, Halt.
	Watch func(pbft.Effect)
}

// Loop is one node's replica, journal, store and gateway. One goroutine owns it.
type Loop struct {
	cfg     Config
	replica *pbft.Replica
	guard   *Guard
	exec    *executor
	archive *archive
	gateway gateway

	now     int64
	applied uint64 // the highest batch whose results were handed out
	staged  uint64 // LSN of the last staged record
	synced  uint64
	held    []held // in order, behind the sync
	returns []message.Verified
	roots   []pbft.Executed     // of what was executed in the step under way, see answer
	proofs  []*message.Evidence // restored
	trouble error               // an archive that cannot be read

	fold    pbft.Fold // what the journal adds up to
	states  *states
	keep    Retention
	saving  *snapshot.Snapshot // being written
	savedAt int64
	retryAt int64
	cut     uint64    // see Cut
	fetch   *transfer // of a state, or nil
	given   allowance
	damaged []error

	node      crypto.NodeID
	signers   []crypto.Signer
	epochs    epochs
	leap      leap
	since     uint64                         // the LSN that this epoch rests on
	last      *message.Header                // of what is executed; nil before anything is
	ended     *message.CheckpointCertificate // of the epoch's last batch, until the next begins
	handover  handover
	outsiders map[crypto.NodeID]*outsider
	strangers allowance // what all of them may fetch
}

// held is something that waits until a record is durable.
type held struct {
	lsn     uint64
	to      int
	msg     message.Verified
	send    bool
	back    bool // hand it back to the replica
	applied *Applied
	cut     uint64 // from then on the journal may be cut here
	epoch   uint64 // that msg is of
}

// Replica gives read access to the protocol's state, for status and tests.
func (l *Loop) Replica() *pbft.Replica { return l.replica }

// SetAdversary changes who wraps the replica, on a testnet; nil for nobody.
func (l *Loop) SetAdversary(a traitor.Adversary) { l.cfg.Adversary = a }

// Sealer signs for this node in the epoch that it is in. It is not used if the node is no member.
func (l *Loop) Sealer() message.Sealer { return l.cfg.Sealer }

// Staged is the LSN that must be durable before everything said so far may leave.
func (l *Loop) Staged() uint64 { return l.staged }

// Idle reports whether nothing waits: no record to be synced, nothing held, nothing to hand back.
func (l *Loop) Idle() bool {
	return l.staged == l.synced && len(l.held) == 0 && len(l.returns) == 0
}

// Trouble returns why this node cannot go on, for instance a journal that no longer reads.
func (l *Loop) Trouble() error { return l.trouble }

// Bounds lists what this node holds in memory because of others, and what that may be at most.
func (l *Loop) Bounds() []pbft.Bound {
	open := 0
	if l.fetch != nil {
		open = len(l.fetch.asks)
	}
	return append(l.replica.Bounds(),
		pbft.Bound{
			Resource: "gathered_bytes", Used: int64(l.gateway.size),
			Limit: maxGatherFactor*bundleBytes + int64(l.cfg.Cluster.MaxOp()),
		},
		pbft.Bound{
			Resource: "own_bundles", Used: int64(len(l.gateway.waiting)), Limit: maxOutstanding,
		},
		pbft.Bound{
			Resource: "state_questions", Used: int64(open),
			Limit: int64(asksPerSource * len(l.cfg.Cluster.Members)),
		},
		pbft.Bound{
			Resource: "loose_bodies", Used: int64(len(l.archive.bodies)), Limit: keptParents + 1,
		},
	)
}

// Receive takes a verified message from a peer.
func (l *Loop) Receive(v message.Verified) {
	if v.From() == message.Stranger {
		before := l.replica.Executed().Seq
		l.receive(v)
		if l.replica.Executed().Seq > before {
			l.leap.askAt = min(l.leap.askAt, l.now) // more may follow at once
		}
		return
	}
	if l.cfg.Adversary == nil {
		l.receive(v)
		return
	}
	for _, m := range l.cfg.Adversary.In(l.now, v) {
		l.receive(m)
	}
}

// receive hands a message to whom it concerns: pieces of states are the loop's own matter.
func (l *Loop) receive(v message.Verified) {
	if v.Epoch() != l.cfg.Cluster.Epoch {
		l.drop(v.From(), pbft.DropEpoch)
		return
	}
	switch m := v.Message().(type) {
	case *message.FetchState:
		l.giveState(v.From(), m)
	case *message.StatePart:
		l.takeState(l.cfg.Cluster.Members[v.From()].Node, m)
	case *message.Ready:
		l.onReady(l.cfg.Cluster.Members[v.From()].Node, m)
	case *message.Announcement:
		l.onAnnouncement(l.cfg.Cluster.Members[v.From()].Node, m)
	case *message.EpochProof:
		l.step(pbft.Received{Msg: v})
		l.learnEnd(m)
	default:
		l.step(pbft.Received{Msg: v})
	}
}

// Tick tells the time in milliseconds.
func (l *Loop) Tick(now int64) {
	l.now = max(l.now, now)
	if l.gateway.forgot && l.cfg.Self != pbft.Observer {
		l.renumber()
	}
	l.step(pbft.Tick{Now: l.now})
	l.rebroadcast()
	l.tickTransfer()
	l.tickHandover()
	l.tickLeap()
	if l.cfg.Adversary != nil {
		for _, o := range l.cfg.Adversary.Tick(l.now) {
			l.dispatch(o)
		}
	}
}

// Hint passes on that a peer can or cannot be reached.
func (l *Loop) Hint(peer int, reachable bool) {
	if peer >= len(l.cfg.Cluster.Members) {
		return // of the epoch before
	}
	l.step(pbft.Hint{Peer: peer, Reachable: reachable})
}

// EndTurn lets the gateway bundle what it gathered and the primary batch what it has.
func (l *Loop) EndTurn() {
	l.submitGathered()
	l.step(pbft.TurnEnd{})
}

// Release tells that records up to an LSN are durable: what waited for them leaves, and this node's
// own statements among it count for itself from now on (rule R1). It reports whether there are such
// statements: then Resume is due.
func (l *Loop) Release(lsn uint64) bool {
	l.synced = max(l.synced, lsn)
	n := 0
	for n < len(l.held) && l.held[n].lsn <= l.synced {
		h := &l.held[n]
		n++
		if h.applied != nil {
			l.cfg.Applied(h.applied)
			continue
		}
		l.cut = max(l.cut, h.cut)
		if h.epoch != l.cfg.Cluster.Epoch {
			continue // the epoch has ended meanwhile, and with it what this was good for
		}
		if h.send {
			l.transmit(h.to, h.msg)
		}
		if h.back {
			l.returns = append(l.returns, h.msg)
		}
	}
	rest := copy(l.held, l.held[n:])
	clear(l.held[rest:])
	l.held = l.held[:rest]
	return len(l.returns) > 0
}

// Resume hands the released statements of this node back to the replica.
func (l *Loop) Resume() {
	returns := l.returns
	l.returns = nil
	for _, v := range returns {
		l.step(pbft.Received{Msg: v})
	}
}

// Reply returns the reply to a client's request that this node has executed, or nil.
func (l *Loop) Reply(session, seq uint64) *message.Reply {
	p := l.exec.cached(session, seq)
	if p == nil || l.cfg.Adversary == nil {
		return p
	}
	return l.cfg.Adversary.Replied(l.now, p)
}

// Evidence returns the proofs of lies that the journal held when it was opened.
func (l *Loop) Evidence() []*message.Evidence { return l.proofs }
