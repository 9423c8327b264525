package loop

import (
	"cmp"
	"fmt"
	"slices"
	"sort"

	"byzd/crypto"
	"byzd/daemon/journal"
	"byzd/pbft"
	"byzd/pbft/message"
)

// archive finds decided batches in the journal again: for replicas that are behind, and for the
// start.
type archive struct {
	journal *journal.Journal
	bodies  map[crypto.Digest]place // of batches not executed yet, or dead
	decided []place                 // of batch first+i
	first   uint64
	proofs  []proofAt // ascending by seq
}

// place says where a body is. The header is kept here: who is served gets many more headers than
// bodies, and reading a body for each would hold up the loop.
type place struct {
	lsn    uint64
	digest crypto.Digest
	header message.Header
}

func (p *place) seq() uint64 { return p.header.Seq }

type proofAt struct {
	seq, lsn uint64
}

func newArchive(j *journal.Journal, base uint64) *archive {
	return &archive{journal: j, bodies: map[crypto.Digest]place{}, first: base + 1}
}

// note indexes a record that was staged at an LSN.
func (a *archive) note(rec *message.Record, lsn uint64) {
	switch rec.Type {
	case message.RecordBatch:
		d := rec.Batch.Header.Digest()
		a.bodies[d] = place{lsn, d, rec.Batch.Header}
	case message.RecordCommitted:
		a.addProof(rec.Cert.Seq, lsn)
	case message.RecordStable:
		a.addProof(rec.Stable.Seq, lsn)
	default:
	}
}

func (a *archive) addProof(seq, lsn uint64) {
	at := sort.Search(len(a.proofs), func(i int) bool { return a.proofs[i].seq >= seq })
	if at < len(a.proofs) && a.proofs[at].seq == seq {
		a.proofs[at].lsn = lsn
		return
	}
	a.proofs = append(a.proofs, proofAt{})
	copy(a.proofs[at+1:], a.proofs[at:])
	a.proofs[at] = proofAt{seq, lsn}
}

// executed moves a batch from the loose bodies to the decided ones.
func (a *archive) executed(ref message.Ref) {
	p, ok := a.bodies[ref.Digest]
	if !ok || ref.Seq != a.first+uint64(len(a.decided)) {
		panic(fmt.Sprintf("loop: executed batch %d after %d, recorded: %t",
			ref.Seq, a.first+uint64(len(a.decided)), ok))
	}
	a.decided = append(a.decided, p)
	delete(a.bodies, ref.Digest)
	if len(a.bodies) > keptParents {
		for d, loose := range a.bodies {
			if loose.seq()+keptParents/2 < ref.Seq {
				delete(a.bodies, d)
			}
		}
	}
}

// index finds the decided batches up to the one that a state follows, as far down as the journal
// has them: they are not executed again, but others may lack them. It adds the highest to history.
func (a *archive) index(base message.Ref, history map[uint64]crypto.Digest, window uint64) {
	a.first, a.decided = base.Seq+1, nil
	for at := base; ; {
		p, ok := a.bodies[at.Digest]
		if !ok {
			break
		}
		delete(a.bodies, at.Digest)
		a.decided = append(a.decided, p)
		a.first = at.Seq
		at = message.Ref{Seq: at.Seq - 1, Digest: p.header.Parent}
		if at.Seq+2*window >= base.Seq {
			history[at.Seq] = at.Digest
		}
	}
	slices.Reverse(a.decided)
}

// reset goes on from a state that was installed: above all that is indexed, or, when a state is
// repaired, within it; then what was executed above it is to be executed again.
func (a *archive) reset(base message.Ref) {
	top := a.first + uint64(len(a.decided)) - 1
	if base.Seq > top || base.Seq+1 < a.first {
		a.first, a.decided = base.Seq+1, nil
	} else {
		for _, p := range a.decided[base.Seq+1-a.first:] {
			a.bodies[p.digest] = p
		}
		a.decided = a.decided[:base.Seq+1-a.first]
	}
	for d, p := range a.bodies {
		if p.seq() <= base.Seq {
			delete(a.bodies, d)
		}
	}
}

// trim forgets the decided batches up to a sequence number and all that they alone needed. It
// returns the lowest LSN that is needed still, or 0 if none is; loose bodies are not counted.
func (a *archive) trim(upTo uint64) (lowest uint64) {
	if upTo >= a.first {
		drop := min(upTo+1-a.first, uint64(len(a.decided)))
		a.decided = slices.Clone(a.decided[drop:])
		a.first += drop
	}
	a.proofs = slices.DeleteFunc(a.proofs, func(p proofAt) bool { return p.seq < a.first })
	for i := range a.decided {
		if lsn := a.decided[i].lsn; lowest == 0 || lsn < lowest {
			lowest = lsn
		}
	}
	for _, p := range a.proofs {
		if lowest == 0 || p.lsn < lowest {
			lowest = p.lsn
		}
	}
	return lowest
}

// looseBelow returns the bodies that are not decided, lie above a sequence number and stand below
// an LSN: to be written anew before that part of the journal goes (rule R2). The others are
// forgotten.
func (a *archive) looseBelow(lsn, above uint64) ([]*message.Record, error) {
	var places []place
	for d, p := range a.bodies {
		switch {
		case p.seq() <= above:
			delete(a.bodies, d)
		case p.lsn < lsn:
			places = append(places, p)
		}
	}
	slices.SortFunc(places, func(p, q place) int { return cmp.Compare(p.lsn, q.lsn) })
	records := make([]*message.Record, 0, len(places))
	for _, p := range places {
		rec, err := a.read(p.lsn)
		if err != nil {
			return nil, err
		}
		records = append(records, rec)
	}
	return records, nil
}

// digest looks up the digest of a decided batch.
func (a *archive) digest(seq uint64) (crypto.Digest, bool) {
	if seq < a.first || seq >= a.first+uint64(len(a.decided)) {
		return crypto.Digest{}, false
	}
	return a.decided[seq-a.first].digest, true
}

func (a *archive) read(lsn uint64) (*message.Record, error) {
	raw, err := a.journal.Read(lsn)
	if err != nil {
		return nil, err
	}
	return message.DecodeRecord(message.RecordType(raw.Type), raw.Version, raw.Body)
}

// serve builds the answer to a replica that asks for what follows a sequence number, or nil.
// Records above the durable LSN are not in the journal's files yet, so what they hold is not
// served yet.
func (a *archive) serve(after, durable uint64) (*message.Decided, error) {
	return a.serveUpTo(after, durable, message.MaxNumber)
}

// serveUpTo is serve with nothing above a limit: an answer is about one epoch.
func (a *archive) serveUpTo(after, durable, limit uint64) (*message.Decided, error) {
	top := min(limit, after+message.MaxDecided, a.first+uint64(len(a.decided))-1)
	for seq := max(after+1, a.first); seq <= top; seq++ {
		if a.decided[seq-a.first].lsn > durable {
			top = seq - 1
		}
	}
	at := sort.Search(len(a.proofs), func(i int) bool { return a.proofs[i].seq > top })
	for at > 0 && a.proofs[at-1].lsn > durable {
		at--
	}
	if at == 0 || a.proofs[at-1].seq <= after || after+1 < a.first {
		return nil, nil //nolint:nilnil // nothing to say is not an error
	}
	rec, err := a.read(a.proofs[at-1].lsn)
	if err != nil {
		return nil, err
	}
	m := &message.Decided{Proof: message.Proof{Commit: rec.Cert, Checkpoint: rec.Stable}}
	size := 0
	var bodies []uint64
	for seq := after + 1; seq <= a.proofs[at-1].seq; seq++ {
		p := &a.decided[seq-a.first]
		m.Headers = append(m.Headers, p.header)
		size += int(p.header.Bytes)
		if size <= message.DecidedBytes || len(bodies) == 0 {
			bodies = append(bodies, p.lsn)
		}
	}
	m.Bodies, err = a.batches(bodies)
	return m, err
}

// batches reads bodies, all in one pass: an answer has hundreds, and the loop stands still
// meanwhile.
func (a *archive) batches(lsns []uint64) ([]*message.Batch, error) {
	var list []*message.Batch
	err := a.journal.ReadEach(lsns, func(raw journal.Record) error {
		rec, err := message.DecodeRecord(message.RecordType(raw.Type), raw.Version, raw.Body)
		if err != nil {
			return err
		}
		list = append(list, rec.Batch)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// execAgain executes again what the journal proves to be decided above the batch that the state
// follows, through all epochs that ended since.
func (l *Loop) execAgain(st *pbft.Restored) error {
	a, x, base := l.archive, l.exec, st.Executed
	st.History = map[uint64]crypto.Digest{base.Seq: base.Digest}
	chain, err := a.chain(base)
	if err != nil {
		return err
	}
	a.index(base, st.History, l.epochs.at(l.fold.Epoch).Params.Window)
	// Roots are computed again: a CHECKPOINT whose record the crash took must be said still, or all
	// who crashed together could stand at the high watermark for ever.
	st.Said, st.Checkpoints = st.Checkpoints, nil
	l.crossEpoch(st)
	for i, p := range slices.Backward(chain) {
		rec, err := a.read(p.lsn)
		if err != nil {
			return err
		}
		x.quiet = true
		l.applyAgain(st, rec.Batch)
		if uint64(i) < 2*l.cfg.Cluster.Params.Window { //nolint:gosec // an index
			st.History[rec.Batch.Header.Seq] = st.Executed.Digest
		}
		l.crossEpoch(st)
		if i < recentBodies && rec.Batch.Header.Epoch == l.fold.Epoch {
			st.Batches = append(st.Batches, rec.Batch)
		}
	}
	x.quiet = l.cfg.Self == pbft.Observer
	if l.cfg.Cluster.Epoch < l.fold.Epoch {
		l.stayBehind(st)
		return nil
	}
	return a.loose(st)
}

// applyAgain executes one batch again.
func (l *Loop) applyAgain(st *pbft.Restored, b *message.Batch) {
	h := &b.Header
	st.Executed = message.Ref{Seq: h.Seq, Digest: h.Digest()}
	st.Time, st.Kind = h.TimeMS, h.Kind
	l.archive.executed(st.Executed)
	l.exec.apply(b, st.Clients.Plan(b))
	l.executed(b)
	if h.Seq%l.cfg.Cluster.Params.CheckpointEvery != 0 && h.Kind != message.Reconfig {
		return
	}
	state := l.exec.state(h, st.Clients.Changed())
	l.states.made(state)
	if l.cfg.Cluster.Epoch == l.fold.Epoch && l.cfg.Self >= 0 {
		st.Checkpoints = append(st.Checkpoints, &message.Checkpoint{
			Seq: h.Seq, Digest: st.Executed.Digest, Root: state.Manifest.Root(), Voter: l.cfg.Self,
		})
	}
}

// crossEpoch goes on in the next epoch if the last executed batch ended the one before.
func (l *Loop) crossEpoch(st *pbft.Restored) {
	next := l.epochs.at(l.cfg.Cluster.Epoch + 1)
	if next == nil || st.Executed != next.Base || next.Epoch > l.fold.Epoch {
		return // what is not recorded yet is begun by the replica
	}
	st.Clients = st.Clients.Rebase(l.cfg.Cluster, next)
	l.take(next)
	l.handover = handover{}
}

// stayBehind makes what a replica starts with that is in an earlier epoch than the journal, since
// the state that it had is lost: a snapshot is damaged, or a leap was not finished. What the
// journal holds is of the later epoch, and must wait (see recall); until then this node only
// learns.
func (l *Loop) stayBehind(st *pbft.Restored) {
	*st = pbft.Restored{
		Executed: st.Executed, Time: st.Time, Kind: st.Kind, History: st.History,
		Clients: st.Clients, Forgot: st.Forgot, Why: st.Why,
	}
	if s := l.states.stable; s != nil && s.Manifest.Header.Epoch == l.cfg.Cluster.Epoch {
		st.Stable = s.Certificate
	}
}

// recentBodies is how many executed batches are kept in memory after a start, for those who are
// slow. Older ones are served from the journal.
const recentBodies = 2 * message.MaxInFlight

// loose loads the bodies that are not decided and may still be (rule R2).
func (a *archive) loose(st *pbft.Restored) error {
	var places []place
	for _, p := range a.bodies {
		if st.Stable == nil || p.seq() > st.Stable.Seq {
			places = append(places, p)
		}
	}
	slices.SortFunc(places, func(p, q place) int { return cmp.Compare(p.lsn, q.lsn) })
	for _, p := range places {
		rec, err := a.read(p.lsn)
		if err != nil {
			return err
		}
		st.Batches = append(st.Batches, rec.Batch)
	}
	return nil
}

// chain lists the decided batches from the highest certificate down to a base, without it. The top
// of it may lack bodies, when the crash came before they were fetched; then the certificates below
// it count.
func (a *archive) chain(base message.Ref) ([]place, error) {
	for _, p := range slices.Backward(a.proofs) {
		if p.seq <= base.Seq {
			break
		}
		rec, err := a.read(p.lsn)
		if err != nil {
			return nil, err
		}
		var at message.Ref
		if rec.Cert != nil {
			at = rec.Cert.Ref()
		} else {
			at = rec.Stable.Ref()
		}
		if places, whole := a.descend(base, at); whole {
			return places, nil
		}
	}
	return nil, nil
}

func (a *archive) descend(base, at message.Ref) ([]place, bool) {
	var places []place
	for at != base {
		p, ok := a.bodies[at.Digest]
		if !ok || at.Seq <= base.Seq {
			return nil, false
		}
		places = append(places, p)
		at = message.Ref{Seq: at.Seq - 1, Digest: p.header.Parent}
	}
	return places, true
}
