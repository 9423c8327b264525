package loop

import (
	"fmt"

	"byzd/crypto"
	"byzd/daemon/snapshot"
	"byzd/pbft"
	"byzd/pbft/message"
)

// leap brings a node over the epochs in which it cannot execute: it is behind by more than one, or
// has just come, and the batches up to the end of its own epoch are gone everywhere (PROTOCOL
// §4.9).
//
// Only what proves itself leads it on. The ends of epochs are verified one after another, from the
// epoch that it is in, which it trusts; so it knows who the members of the newest one are. It asks
// those which states they have, and when f+1 of them offer one, since the batches before it are
// gone, it fetches the newest of these: the certificate of that state is verified by the members of
// its epoch, and the pieces as in every transfer. Meanwhile it executes whatever batches it gets.
//
// Landing is one step between two inputs. Whatever of it a crash leaves on the disk is recovered
// from: without the proofs in the journal the state that was fetched counts for nothing, and with
// some or all of the proofs and without the state the node is behind its own journal, learns, and
// leaps again (see [Loop.stayBehind]).
type leap struct {
	epoch  uint64                   // the newest that is known, of whose members the offers are
	offers map[crypto.NodeID]*offer // of states, and which of them were tried in vain
	askAt  int64
	turn   int
}

// offer is what a member of the newest epoch has.
type offer struct {
	epoch  uint64 // of the state
	state  *message.Offer
	failed int // how often a state that it offered was not to be had
}

// EventLeap is observed when a node goes on in a later epoch from a state that it fetched.
const EventLeap pbft.Event = "leap"

const (
	// leapAfter is how long a node waits for batches, after it has heard that its epoch ended.
	leapAfter = 1_000
	// leapAsk is the time between two rounds of questions, in milliseconds.
	leapAsk = 300
)

// LeadsAhead reports whether a message of a later epoch is for a node that is behind.
func LeadsAhead(m message.Message) bool {
	switch m.(type) {
	case *message.EpochProof, *message.Offer, *message.StatePart:
		return true
	default:
		return false
	}
}

// ahead takes what members of a later epoch, or strangers in this one, tell a node that is behind.
func (l *Loop) ahead(from crypto.NodeID, epoch uint64, m message.Message) {
	if epoch < l.cfg.Cluster.Epoch {
		return // it came too late
	}
	switch m := m.(type) {
	case *message.StatePart:
		l.takeState(from, m)
	case *message.EpochProof:
		if epoch == l.epochs.last().Epoch && l.heeds(from) && !l.learnEpoch(m) {
			l.lied(from)
		}
	case *message.Offer:
		if l.epochs.last().Epoch > l.cfg.Cluster.Epoch && l.heeds(from) {
			l.takeOffer(from, epoch, m)
		}
	}
}

// learnEpoch takes in a proof that the newest epoch that is known has ended, and reports whether it
// holds.
func (l *Loop) learnEpoch(p *message.EpochProof) bool {
	before := l.epochs.last()
	if p.Manifest.Header.Epoch != before.Epoch {
		return p.Manifest.Header.Epoch < before.Epoch
	}
	if err := l.epochs.add(p); err != nil {
		return false
	}
	if before == l.cfg.Cluster {
		l.leap.askAt = l.now + leapAfter // batches may come yet
	} else {
		l.leap.askAt = min(l.leap.askAt, l.now)
	}
	if l.cfg.Proved != nil {
		l.cfg.Proved(l.epochs.last())
	}
	return true
}

// heeds reports whether a node is listened to. What does not hold cost signature checks, so
// whoever sends it is not listened to for a while.
func (l *Loop) heeds(from crypto.NodeID) bool {
	o := l.outsider(from)
	return o.liedAt == 0 || l.now >= o.liedAt+lieAgain
}

func (l *Loop) lied(from crypto.NodeID) {
	l.outsider(from).liedAt = l.now
	l.drop(message.Stranger, dropUnproved)
}

// lieAgain is for how long a node is not listened to that told what did not hold, in milliseconds.
const lieAgain = 1_000

const dropUnproved pbft.Drop = "ahead_not_proved"

// takeOffer notes which state a member of the newest epoch has.
func (l *Loop) takeOffer(from crypto.NodeID, epoch uint64, m *message.Offer) {
	of := l.epochs.at(epoch)
	if of == nil || l.epochs.last().Member(from) < 0 || m.Snapshot.Seq <= of.Base.Seq {
		return
	}
	l.leap.follow(l.epochs.last().Epoch)
	have := l.leap.offers[from]
	if have == nil || have.state.Snapshot.Root != m.Snapshot.Root {
		if err := m.Snapshot.Verify(of); err != nil {
			l.lied(from)
			return
		}
	}
	if have == nil {
		have = &offer{}
		l.leap.offers[from] = have
	}
	have.epoch, have.state = epoch, m
	l.seekState()
}

// tickLeap asks members of the newest epoch for what this one lacks.
func (l *Loop) tickLeap() {
	p, newest := &l.leap, l.epochs.last()
	if newest.Epoch <= l.cfg.Cluster.Epoch {
		p.offers = nil
		return
	}
	p.follow(newest.Epoch)
	if l.now < p.askAt || l.replica.State().Halted != "" {
		return
	}
	p.askAt = l.now + leapAsk
	for range newest.Sizes.Weak {
		p.turn = (p.turn + 1) % len(newest.Members)
		if to := newest.Members[p.turn].Node; to != l.node {
			l.askAhead(to, newest.Epoch)
		}
	}
	l.seekState()
}

// follow begins to gather the offers of another epoch's members.
func (p *leap) follow(newest uint64) {
	if p.offers == nil || p.epoch != newest {
		p.epoch, p.offers = newest, map[crypto.NodeID]*offer{}
	}
}

// askAhead asks a member of an epoch that this node is not in yet: what it has of this one, if the
// replica does not ask it anyhow, and by a question about no state, which state it has, and whether
// its epoch has ended as well.
func (l *Loop) askAhead(to crypto.NodeID, epoch uint64) {
	if l.cfg.Cluster.Member(to) < 0 && l.ended == nil {
		l.sendNode(to, l.cfg.Cluster.Epoch,
			&message.FetchDecided{After: l.replica.Executed().Seq})
	}
	l.sendNode(to, epoch, &message.FetchState{})
}

// seekState begins to fetch the best state on offer, when f+1 members of the newest epoch say that
// what is before it is gone, so that one of them who is correct says so; and turns to another one
// when nobody has this one any more.
func (l *Loop) seekState() {
	t := l.fetch
	if t != nil && t.done != nil {
		return
	}
	given := t != nil && t.from != l.cfg.Cluster && l.exhausted() // up
	if given {
		t.pieceAt = l.now
		for _, o := range l.leap.offers { // any order
			if o.state.Snapshot.Root == t.target.Root {
				o.failed++
			}
		}
	}
	best := l.bestOffer()
	if best == nil {
		return
	}
	to := &transfer{target: best.state.Snapshot, epoch: best.epoch, from: l.epochs.last()}
	switch {
	case t == nil:
	case to.target.Root == t.target.Root && to.from == t.from:
		return
	case to.from == t.from && !given: // what is under way goes on
		return
	case t.from == l.cfg.Cluster && to.target.Seq <= t.target.Seq:
		return
	}
	l.learnTarget(to)
	switch {
	case l.fetch != t: // the replica has turned to something else meanwhile
	case t == nil:
		l.startTransfer(to)
	default:
		l.retarget(to)
	}
}

// learnTarget tells the replica of a checkpoint of its own epoch that is to be installed.
func (l *Loop) learnTarget(t *transfer) {
	if t.epoch != l.cfg.Cluster.Epoch {
		return
	}
	v, err := message.Verify(l.cfg.Cluster, nil, 0, t.epoch, &message.Proof{Checkpoint: t.target})
	if err != nil {
		panic(fmt.Sprintf("loop: checkpoint %d does not hold any more: %v", t.target.Seq, err))
	}
	l.step(pbft.Received{Msg: v})
}

// bestOffer is the newest state of those that failed least often: who offers what nobody has must
// not keep this node from what others have.
func (l *Loop) bestOffer() *offer {
	newest, executed := l.epochs.last(), l.replica.Executed().Seq
	var best *offer
	useful := 0
	for i := range newest.Members {
		o := l.leap.offers[newest.Members[i].Node]
		if o == nil || o.state.First <= executed+1 || o.state.Snapshot.Seq <= executed {
			continue
		}
		useful++
		if best == nil || o.failed < best.failed ||
			o.failed == best.failed && o.state.Snapshot.Seq > best.state.Snapshot.Seq {
			best = o
		}
	}
	if useful < newest.Sizes.Weak {
		return nil
	}
	return best
}

// land goes on in the epoch of a state that was fetched and is durable as a snapshot: exactly like
// one that executed up to there and has said nothing in that epoch yet. Whatever this node said
// there in an earlier life it hears at the start fence.
func (l *Loop) land(epoch uint64, s *snapshot.Snapshot) {
	before := l.replica.State()
	if before.Halted != "" {
		return // it has seen what cannot be, and must not go on as if it had not
	}
	l.exec.become(message.Sealer{
		Config: l.epochs.at(epoch), Self: pbft.Observer, Signer: l.cfg.Sealer.Signer,
	})
	clients, err := l.exec.install(&s.State)
	if err != nil {
		l.trouble = fmt.Errorf("installing a certified state: %w", err)
		return
	}
	ref, h := s.Certificate.Ref(), s.Manifest.Header
	l.archive.reset(ref)
	l.states.installed(s)
	l.last = &h
	l.giveUp(clients)
	st := pbft.Restored{
		Executed: ref, Time: h.TimeMS, Kind: h.Kind, Clients: clients, Stable: s.Certificate,
		History: map[uint64]crypto.Digest{ref.Seq: ref.Digest},
		Salt:    l.cfg.Salt, Forgot: before.Recovering, Why: before.Reason,
	}
	l.enter(l.epochs.at(epoch), &st)
	l.cfg.Watch(pbft.Observed{Event: pbft.EventInstalled, Batch: ref, Peer: l.cfg.Self})
	l.cfg.Watch(pbft.Observed{Event: EventLeap, Batch: ref, Peer: l.cfg.Self})
}
