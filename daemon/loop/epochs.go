package loop

import (
	"fmt"

	"byzd/crypto"
	"byzd/pbft"
	"byzd/pbft/message"
)

// epochs are the configurations that this node knows, from the first on, and the proofs between
// them. The journal keeps the proofs for ever: they are how others, who know the genesis only,
// learn who the members are today. They may reach beyond the epoch that the node is in (leap.go).
type epochs struct {
	configs []*message.Config // by epoch
	ends    []*message.EpochProof
}

// follow verifies the proofs that a journal holds.
func (e *epochs) follow(genesis *message.Config, ends []*message.EpochProof) error {
	e.configs = []*message.Config{genesis}
	for _, p := range ends {
		if err := e.add(p); err != nil {
			return fmt.Errorf("the journal's proof that epoch %d ended: %w",
				p.Manifest.Header.Epoch, err)
		}
	}
	return nil
}

func (e *epochs) add(p *message.EpochProof) error {
	next, err := p.Verify(e.last())
	if err != nil {
		return err
	}
	e.configs, e.ends = append(e.configs, next), append(e.ends, p)
	return nil
}

// learn adds those of a chain of proofs that are not known yet.
func (e *epochs) learn(chain []*message.EpochProof) error {
	for _, p := range chain {
		epoch := p.Manifest.Header.Epoch
		if epoch < e.last().Epoch {
			continue
		}
		if err := e.add(p); err != nil {
			return fmt.Errorf("the proof that epoch %d ended: %w", epoch, err)
		}
	}
	return nil
}

// last is the newest one that is proved to have begun.
func (e *epochs) last() *message.Config { return e.configs[len(e.configs)-1] }

// at returns the configuration of an epoch, or nil if this node does not know of it.
func (e *epochs) at(epoch uint64) *message.Config {
	if epoch >= uint64(len(e.configs)) {
		return nil
	}
	return e.configs[epoch]
}

// end returns the proof that an epoch ended, or nil.
func (e *epochs) end(epoch uint64) *message.EpochProof {
	if epoch >= uint64(len(e.ends)) {
		return nil
	}
	return e.ends[epoch]
}

// Cluster returns the configuration of the epoch that this node is in.
func (l *Loop) Cluster() *message.Config { return l.cfg.Cluster }

// Config returns the configuration of an epoch, or nil if this node does not know of it.
func (l *Loop) Config(epoch uint64) *message.Config { return l.epochs.at(epoch) }

// Newest returns the configuration of the newest epoch that is proved to have begun. It is beyond
// that of [Loop.Cluster] while this node is behind.
func (l *Loop) Newest() *message.Config { return l.epochs.last() }

// Self returns this node's number in it, or [pbft.Observer].
func (l *Loop) Self() int { return l.cfg.Self }

// Ends returns the proofs that the epochs before the one that this node is in ended, from the first
// on.
func (l *Loop) Ends() []*message.EpochProof { return l.epochs.ends[:l.cfg.Cluster.Epoch] }

// Retired reports whether this node was a member and is none any more, and whether it has seen a
// checkpoint of the members after it: from then on nobody needs it (B52).
func (l *Loop) Retired() (retired, done bool) {
	now, newest, last := l.cfg.Cluster, l.epochs.last(), uint64(0)
	for _, c := range l.epochs.configs {
		if c.Member(l.node) >= 0 {
			retired, last = true, c.Epoch
		}
	}
	retired = retired && last < newest.Epoch && (last < now.Epoch || last+1 < newest.Epoch)
	// That an epoch ended is a checkpoint of its members as well.
	return retired, retired && (last+1 < newest.Epoch || l.replica.Stable().Seq > now.Base.Seq)
}

// take makes the loop one of an epoch: the number that this node has in it, and the key that it
// signs with. Without a key that the configuration names it only observes, and so it does in an
// epoch that the journal says is over: what it said there is forgotten.
func (l *Loop) take(c *message.Config) {
	l.cfg.Cluster, l.cfg.Self = c, pbft.Observer
	if i := c.Member(l.node); i >= 0 && c.Epoch >= l.fold.Epoch {
		for _, s := range l.signers {
			if s.Public().Equal(c.Members[i].Key) {
				l.cfg.Self, l.cfg.Sealer.Signer = i, s
			}
		}
	}
	l.cfg.Sealer.Config, l.cfg.Sealer.Self = c, l.cfg.Self
	l.exec.become(l.cfg.Sealer)
	l.given = newAllowance(len(c.Members))
}

// become makes the executor one of an epoch. Replies that were signed in an earlier one are signed
// anew when somebody asks, each alone, so that those of all members are the same (rule R19).
func (x *executor) become(s message.Sealer) {
	x.cfg, x.sealer, x.config, x.next = s.Config, s, s.Config.Digest(), nil
	x.quiet = s.Self == pbft.Observer
	for _, rows := range x.replies {
		for _, k := range rows {
			p := *k.reply
			p.Member, p.Index, p.Count, p.Path, p.Sig = s.Self, 0, 1, nil, nil
			p.Root = crypto.MerkleRoot([]crypto.Digest{k.leaf})
			k.reply = &p
		}
	}
}

// ending remembers what a batch of kind RECONFIG leads to, which the state after it includes. It is
// a pure function of the batch, which was certified.
func (x *executor) ending(b *message.Batch) {
	rc := b.Reconfiguration()
	if rc == nil {
		return
	}
	next, err := rc.NextConfig(x.cfg, &b.Header)
	if err != nil {
		panic(fmt.Sprintf("loop: batch %d ended epoch %d, and does not: %v",
			b.Header.Seq, b.Header.Epoch, err))
	}
	x.next = next
}

// outcome is what whoever submitted a change is told.
func (x *executor) outcome(b *message.Batch, rc *message.Reconfiguration) []byte {
	if b.Header.Kind == message.Reconfig {
		return []byte(ChangeMade)
	}
	if _, err := rc.Approved(x.cfg, message.Ref{}); err != nil {
		return []byte(err.Error())
	}
	return []byte(ChangeAnnounced)
}

// What becomes of a change that was submitted; anything else says why it was refused.
const (
	ChangeAnnounced = "announced" // it is made when those whom it names are ready
	ChangeMade      = "made"
)

// endEpoch takes the end of the epoch that the replica reports: what it leads to becomes durable,
// and everything goes on in the next one. Whatever is said there waits for that record (PROTOCOL
// §4.6).
func (l *Loop) endEpoch(e pbft.EpochEnd) {
	l.ended = e.Certificate
	state := l.states.stable
	if l.exec.next == nil || state == nil || state.Certificate.Ref() != e.Certificate.Ref() {
		// The state came without the batch: whoever knows the next epoch tells.
		if p := l.epochs.end(l.cfg.Cluster.Epoch); p != nil {
			l.begin(p)
		}
		return
	}
	l.begin(message.NewEpochProof(e.Certificate, state.Manifest, l.exec.next))
}

// learnEnd takes the proof that this epoch ended from a peer. The replica learns from it what is
// decided; only who was given the state and not the batch needs to be told what follows.
func (l *Loop) learnEnd(p *message.EpochProof) {
	l.learnEpoch(p)
	if l.ended != nil && p.Certificate.Ref() == l.ended.Ref() {
		l.begin(p)
	}
}

// begin goes on in the next epoch, now that this one's last batch is executed.
func (l *Loop) begin(p *message.EpochProof) {
	before := l.cfg.Cluster
	if l.epochs.last() == before {
		if err := l.epochs.add(p); err != nil {
			panic(fmt.Sprintf("loop: the end of epoch %d: %v", before.Epoch, err))
		}
	}
	next := l.epochs.at(before.Epoch + 1)
	st := l.replica.Handover(next)
	if next.Base != st.Executed {
		l.trouble = fmt.Errorf("epoch %d ended twice, after batches %d and %d: more than %d of "+
			"its members lie", before.Epoch, next.Base.Seq, st.Executed.Seq, before.Sizes.F)
		return
	}
	l.enter(next, &st)
}

// enter makes this node one of an epoch, with what is executed and in place already. That the
// epochs before it ended becomes durable before anything is said there (PROTOCOL §4.6).
func (l *Loop) enter(next *message.Config, st *pbft.Restored) {
	behind := l.cfg.Cluster.Epoch < l.fold.Epoch
	for k := uint64(len(l.fold.Ends)); k < next.Epoch; k++ {
		l.record(&message.Record{Type: message.RecordEpoch, Epoch: k, End: l.epochs.end(k)})
	}
	l.since = l.staged
	l.ended, l.returns = nil, nil
	if l.fetch != nil && l.fetch.target.Seq <= st.Executed.Seq {
		l.endTransfer()
	}
	l.cfg.Adversary = nil // it knows the keys and the numbers of the epoch before
	l.take(next)
	if st.Stable != nil {
		l.record(&message.Record{Type: message.RecordStable, Epoch: next.Epoch, Stable: st.Stable})
	}
	if st.Forgot {
		l.record(&message.Record{
			Type: message.RecordAmnesia, Epoch: next.Epoch, Amnesia: &message.Amnesia{},
		})
	}
	if behind && next.Epoch == l.fold.Epoch {
		l.recall(st)
	}
	l.guard = NewGuard(l.cfg.Sealer, *st)
	l.guard.resume(st.Executed, l.archive.digest)
	l.replica = pbft.New(next, l.cfg.Self, *st)
	l.handover = handover{}
	if l.cfg.Reconfigured != nil {
		l.cfg.Reconfigured(next, l.cfg.Self)
	}
	l.step(pbft.Tick{Now: l.now})
	l.rebundle()
	if l.fetch != nil {
		l.learnTarget(l.fetch)
	}
}

// recall gives a replica what the journal holds of its epoch, to a node that was behind its own
// journal, and may have spoken in this epoch before.
func (l *Loop) recall(st *pbft.Restored) {
	now := l.fold.Result()
	now.Executed, now.Time, now.Kind, now.History = st.Executed, st.Time, st.Kind, st.History
	now.Clients, now.Salt, now.Waiting = st.Clients, st.Salt, st.Waiting
	if st.Forgot {
		now.Forgot, now.Why = true, st.Why
	}
	if now.Stable == nil || st.Stable != nil && now.Stable.Seq < st.Stable.Seq {
		now.Stable = st.Stable
	}
	now.Said, now.Checkpoints = now.Checkpoints, nil
	if err := l.archive.loose(&now); err != nil {
		l.trouble = fmt.Errorf("reading batches that are not decided: %w", err)
	}
	*st = now
}

// rebundle submits what this node's clients wait for in the new epoch: the same operations in the
// same places, so that they are executed once, whichever epoch it is in. A node that is no member
// any more cannot tell what became of them.
func (l *Loop) rebundle() {
	g := &l.gateway
	if l.cfg.Self == pbft.Observer {
		lost := &Applied{}
		for i := range g.waiting {
			lost.Own = append(lost.Own, unknown(g.waiting[i].ops)...)
		}
		lost.Own = append(lost.Own, unknown(g.gathered)...)
		*g = newGateway(noSession, g.reserved)
		l.held = append(l.held, held{lsn: l.staged, applied: lost})
		return
	}
	g.session = l.cfg.Cluster.Members[l.cfg.Self].Session
	for i := range g.waiting {
		w := &g.waiting[i]
		old := w.bundle
		w.bundle = &message.Bundle{
			Session: old.Session, Seq: old.Seq, Ack: old.Ack, Items: old.Items,
		}
		v, err := l.guard.Seal(&message.Submission{Bundle: w.bundle})
		if err != nil {
			panic("loop: " + err.Error())
		}
		w.sealed, w.delay, w.again = v, rebroadcastMin, l.now+rebroadcastMin
		l.hold(held{lsn: l.staged, to: pbft.All, msg: v, send: true})
		l.step(pbft.Received{Msg: v})
	}
}

// noSession is the session of a gateway that has none: no member's and no client's.
const noSession = message.MaxNumber
