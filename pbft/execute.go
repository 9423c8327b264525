package pbft

import (
	"maps"
	"slices"

	"byzd/crypto"
	"byzd/pbft/message"
)

// execute applies decided batches in order, as far as their bodies are here. Every certificate they
// are decided by was formed from durable votes (rule R1).
func (r *Replica) execute() {
	for r.mayExecute() && r.executed.Seq < r.decided.Seq {
		entries, _, _ := r.path(r.decided)
		if len(entries) == 0 {
			return
		}
		if entries[0].header.Parent != r.executed.Digest {
			// What is certified is not on the chain that was executed, certified as it was.
			r.alarm(r.conflict(r.high), r.executed.Seq)
			return
		}
		for _, e := range entries {
			if !e.complete() {
				return
			}
			r.executeBatch(e)
		}
	}
}

func (r *Replica) executeBatch(e *entry) {
	r.stageBody(e)
	r.executed, r.executedTime, r.executedKind = e.ref, e.header.TimeMS, e.header.Kind
	r.history[e.ref.Seq] = e.ref.Digest
	r.crossCertified(e.header.PropView, e.ref)
	r.observe(EventExecuted, e.ref, "")
	r.monitor.progress(r.now)
	if r.wanted != nil && r.wanted.Seq <= e.ref.Seq {
		r.wanted = nil // batches came after all
	}
	b := e.batch()
	x := Execute{Batch: b, Verdicts: r.clients.Plan(b)}
	if r.checkpointDue(&e.header) {
		x.Checkpoint, x.Rows = true, r.clients.Changed()
	}
	r.emit(x)
	r.proveBundles(b)
	r.logCommitted(e.ref)
	r.pool.discharge(r.clients, b, r.now)
}

// logCommitted logs the commit certificate with the batch that it names, so that its whole chain is
// on disk. It follows the Execute, whose results need not wait for it: they rest on the quorum's
// COMMITs, which are durable (PROTOCOL §4.6), and whoever forgets the certificate learns it anew.
func (r *Replica) logCommitted(ref message.Ref) {
	if c := r.committed; c != nil && r.logged.Less(c.Rank()) && c.Ref() == ref {
		r.logged = c.Rank()
		r.persist(&message.Record{Type: message.RecordCommitted, Cert: c})
	}
}

// onExecuted turns the root of the state into a CHECKPOINT.
func (r *Replica) onExecuted(in Executed) {
	if in.Batch.Seq > r.executed.Seq || r.history[in.Batch.Seq] != in.Batch.Digest {
		r.drop(r.self, DropExecutedStale)
		return
	}
	if r.observes() {
		return // its state is compared with certificates when it is a member
	}
	c := &message.Checkpoint{
		Seq: in.Batch.Seq, Digest: in.Batch.Digest, Root: in.Root, Voter: r.self,
	}
	if c.Seq <= r.stable.Seq {
		if c.Seq == r.stable.Seq && r.stable.Root != c.Root {
			r.diverged(r.stable)
		}
		return
	}
	r.own[c.Seq] = c
	if c.Seq <= r.mute {
		return // something else was said about it, before the state was repaired
	}
	r.persist(&message.Record{Type: message.RecordCheckpoint, Checkpoint: c})
	if !r.silent() {
		r.send(All, c)
	}
}

// ownCheckpoints lists this replica's own CHECKPOINTs above a sequence number that are not stable
// here, the lowest first.
func (r *Replica) ownCheckpoints(above uint64) []*message.Checkpoint {
	var list []*message.Checkpoint
	for _, seq := range slices.Sorted(maps.Keys(r.own)) {
		if seq > max(above, r.mute) {
			list = append(list, r.own[seq])
		}
	}
	return list
}

// keptCheckpoints bounds the sequence numbers that CHECKPOINTs of one voter are kept of (rule R18).
const keptCheckpoints = 4

func (r *Replica) onCheckpoint(from int, c *message.Checkpoint) {
	if (c.Voter == r.self) != (from == r.self) { // only its own hand gives a replica its own words
		r.drop(from, DropCheckpointEcho)
		return
	}
	if !r.checkpointPlace(c) {
		r.drop(from, DropCheckpointPlace)
		return
	}
	if c.Seq == r.stable.Seq && from != r.self {
		r.proveRoots([]*message.Checkpoint{c}, r.stable)
	}
	if c.Seq <= r.stable.Seq || c.Seq > r.stable.Seq+8*r.cfg.Params.Window {
		r.drop(from, DropCheckpointOld)
		return
	}
	votes := r.checkpoints[c.Seq]
	if votes == nil {
		votes = make([]*message.Checkpoint, len(r.cfg.Members))
		r.checkpoints[c.Seq] = votes
	}
	if first := votes[c.Voter]; first != nil {
		if first.Digest != c.Digest || first.Root != c.Root {
			r.drop(from, DropCheckpointSecond)
			r.prove(message.ContradictingCheckpoints(r.cfg, first, c))
		}
		return
	}
	votes[c.Voter] = c
	r.limitCheckpoints(c.Voter)
	r.tallyCheckpoint(votes, c)
}

// limitCheckpoints forgets a voter's lowest CHECKPOINT beyond the few that are kept.
func (r *Replica) limitCheckpoints(voter int) {
	count, lowest := 0, uint64(0)
	for seq, votes := range r.checkpoints { // any order: it looks for the lowest
		if votes[voter] == nil {
			continue
		}
		count++
		if lowest == 0 || seq < lowest {
			lowest = seq
		}
	}
	if count <= keptCheckpoints {
		return
	}
	votes := r.checkpoints[lowest]
	votes[voter] = nil
	if !slices.ContainsFunc(votes, func(c *message.Checkpoint) bool { return c != nil }) {
		delete(r.checkpoints, lowest)
	}
}

func (r *Replica) tallyCheckpoint(votes []*message.Checkpoint, c *message.Checkpoint) {
	cert := &message.CheckpointCertificate{Seq: c.Seq, Digest: c.Digest, Root: c.Root}
	sigs := make([][]byte, 0, r.cfg.Sizes.Quorum)
	for i, other := range votes {
		same := other != nil && other.Digest == c.Digest && other.Root == c.Root
		if same && len(sigs) < r.cfg.Sizes.Quorum {
			cert.Signers = cert.Signers.Add(i)
			sigs = append(sigs, other.Sig)
		}
	}
	if len(sigs) < r.cfg.Sizes.Quorum {
		return
	}
	aggregate, err := r.cfg.Scheme.Aggregate(sigs)
	if err != nil {
		panic("pbft: verified checkpoints do not aggregate: " + err.Error())
	}
	cert.Aggregate = aggregate
	r.learnStable(cert)
}

// learnStable moves the low watermark. The certificate is staged before it is cited (rule R14), and
// decides its batch like a commit certificate.
func (r *Replica) learnStable(c *message.CheckpointCertificate) {
	if c.Seq <= r.stable.Seq {
		return
	}
	if !r.learnDecided(c.Ref()) {
		r.alarm(r.conflictAt(c), c.Seq)
		return
	}
	r.stable = c
	if own := r.own[c.Seq]; own != nil && own.Root != c.Root || r.strayed != nil {
		r.diverged(c)
	}
	r.monitor.stableAt = r.now
	r.persist(&message.Record{Type: message.RecordStable, Stable: c})
	r.proveRoots(r.checkpoints[c.Seq], c)
	r.observe(EventStable, c.Ref(), "")
	r.forgetBelow(c.Seq)
	r.emit(Release{Stable: c.Seq})
	r.rotate(c)
}

// conflictAt pairs a checkpoint certificate with what this replica holds for the other chain.
func (r *Replica) conflictAt(c *message.CheckpointCertificate) *message.Alarm {
	if r.committed != nil {
		return &message.Alarm{FirstCheckpoint: c, Second: r.committed}
	}
	return &message.Alarm{FirstCheckpoint: c, Second: r.high}
}

// forgetBelow drops the votes that a stable checkpoint makes pointless.
func (r *Replica) forgetBelow(seq uint64) {
	for key := range r.slots { // any order: each is judged alone, here and below
		reopening := key.view == r.view && key.seq == r.base.Seq && !r.settled()
		if key.seq <= seq && key.view <= r.view && !reopening {
			delete(r.slots, key)
		}
	}
	for s := range r.checkpoints { // any order
		if s <= seq {
			delete(r.checkpoints, s)
		}
	}
	for s := range r.own { // any order
		if s <= seq {
			delete(r.own, s)
		}
	}
	r.collect()
}

// rotate changes the primary as planned, at a stable checkpoint, without a complaint and without a
// longer timeout.
func (r *Replica) rotate(c *message.CheckpointCertificate) {
	every := r.cfg.Params.RotateEvery
	if every > 0 && r.mayVote() && c.Seq >= r.base.Seq+every && !r.closes(c.Ref()) {
		r.monitor.served()
		r.startViewChange(r.view+1, false)
	}
}

// remember keeps each voter's highest PREPARE and COMMIT: what a restarted voter may ask for (rule
// R14), and what a later VIEW-CHANGE of its must not hide (E5).
func (r *Replica) remember(v *message.Vote) {
	kind := chainOf(v.Kind)
	last := r.newest[kind][v.Voter]
	if last == nil || last.Rank().Less(v.Rank()) {
		r.newest[kind][v.Voter] = v
	}
	if change := r.changes[v.Voter]; change != nil && v.Kind == crypto.KindCommit {
		r.prove(message.Hiding(v, &change.Stmt))
	}
}

// chainOf numbers the two kinds of votes.
func chainOf(kind crypto.Kind) int {
	if kind == crypto.KindCommit {
		return 1
	}
	return 0
}
