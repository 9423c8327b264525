package pbft

import (
	"byzd/crypto"
	"byzd/pbft/message"
)

// peer is what this replica knows about another one, all of it advice.
type peer struct {
	heard       int64 // when a message of it last came in
	unreachable bool
	servedAt    int64 // when its STATUS was last answered
	passedAt    int64 // up to when statements of its were passed on, see passOn
	help        help
	spent       int // bytes that its fetches cost and that time has not forgiven yet
	spentAt     int64
	first       uint64 // the lowest batch in its log, as far as it said; 0 if it did not
}

// What a peer may fetch: so much at once, and so much more for each millisecond. A replica that
// catches up asks everybody in turn, so it gets n−1 times this.
const (
	fetchBurst = 32 << 20
	fetchRate  = 32 << 10
)

// charge reports whether a peer may have so many bytes more, and notes that it got them.
func (r *Replica) charge(from, bytes int) bool {
	p := &r.peers[from]
	forgiven := min((r.now-p.spentAt)*fetchRate, fetchBurst)
	p.spent, p.spentAt = max(0, p.spent-int(forgiven)), r.now
	if p.spent+bytes > fetchBurst && p.spent > 0 {
		r.drop(from, DropFetchThrottled)
		return false
	}
	p.spent += bytes
	return true
}

// Waits before something missing is asked for, and between two requests, in milliseconds.
const (
	askAfter   = 20
	askAgain   = 200
	serveEvery = 50
	statusBusy = 250
	statusIdle = 2000
)

func (r *Replica) onSubmission(from int, b *message.Bundle) {
	r.learnBundle(b) // a batch may name it, whatever becomes of it here
	r.proveSpent(b)
	if r.clients.Discharged(b) {
		r.drop(from, DropBundleDone)
		return
	}
	if why := r.pool.add(b, r.now); why != "" {
		r.drop(from, why)
		if other := r.pool.queues[b.Gateway].bundles[b.Seq]; why == DropBundleConflict &&
			b.Gateway != r.self {
			r.proveTwice(other.Word(r.cfg), b.Word(r.cfg))
		}
	}
	r.pool.queues[b.Gateway].note(r.now)
}

// onHave lets the primary fetch what a backup waits for (rule R9).
func (r *Replica) onHave(from int, m *message.Have) {
	if !r.leads() {
		r.drop(from, DropHaveNotPrimary)
		return
	}
	var lacking []crypto.Digest
	for _, id := range m.IDs {
		if r.pool.byID[id] == nil {
			lacking = append(lacking, id)
		}
	}
	if len(lacking) > 0 {
		r.send(from, &message.FetchBundles{IDs: lacking})
	}
}

func (r *Replica) onFetchBundles(from int, m *message.FetchBundles) {
	for _, id := range m.IDs {
		b := r.findBundle(id)
		if b == nil {
			r.drop(from, DropFetchUnknown)
			continue
		}
		if !r.charge(from, b.Size()) {
			return
		}
		r.send(from, &message.Submission{Bundle: b})
	}
}

// findBundle looks in the pool and in the batches that are not decided.
func (r *Replica) findBundle(id crypto.Digest) *message.Bundle {
	if b := r.pool.byID[id]; b != nil {
		return b
	}
	for _, ref := range []message.Ref{r.tip, r.decided, r.high.Ref()} {
		entries, _, _ := r.path(ref)
		for _, e := range entries {
			for i := range e.ids {
				if e.ids[i] == id {
					return e.bundles[i]
				}
			}
		}
	}
	return r.recentBundle(id)
}

// recentBundle looks among the batches that were executed last: a slow replica may still need them.
func (r *Replica) recentBundle(id crypto.Digest) *message.Bundle {
	for seq := r.executed.Seq; seq > 0 && seq+maxAhead > r.executed.Seq; seq-- {
		e := r.entries[r.history[seq]]
		if e == nil {
			return nil
		}
		for i := range e.ids {
			if e.ids[i] == id {
				return e.bundles[i]
			}
		}
	}
	return nil
}

func (r *Replica) onFetchBatches(from int, m *message.FetchBatches) {
	for _, d := range m.Digests {
		e := r.entries[d]
		if e == nil || !e.complete() {
			r.drop(from, DropFetchUnknown)
			continue
		}
		if !r.charge(from, int(e.header.Bytes)) {
			return
		}
		reply := &message.BatchReply{Batch: e.batch()}
		if s := r.slotIf(crypto.KindPrepare, r.view, e.ref.Seq); s != nil {
			if v := s.votes[r.Primary()]; v != nil && v.Digest == d {
				reply.Votes = append(reply.Votes, v)
			}
		}
		r.send(from, reply)
	}
}

// onBatchReply takes in a batch that this replica has a reason to want: its digest is certified, or
// the primary or f+1 replicas voted for it.
func (r *Replica) onBatchReply(from int, m *message.BatchReply) {
	ref := message.Ref{Seq: m.Batch.Header.Seq, Digest: m.Batch.Header.Digest()}
	if !r.wants(ref) {
		r.drop(from, DropBatchUnwanted)
		return
	}
	r.learnBatch(m.Batch)
	r.fetchAt, r.certifiedAt, r.votedAt = r.now, r.now, r.now // its parent may be wanted next
	for _, v := range m.Votes {
		r.onVote(from, v)
	}
	if s := r.slotIf(crypto.KindPrepare, r.view, ref.Seq); s != nil {
		for _, v := range s.votes { // the header shows more than it did
			if v != nil && v.Digest == ref.Digest {
				r.proveForks(v)
			}
		}
	}
}

// wants reports whether a batch is missing and vouched for.
func (r *Replica) wants(ref message.Ref) bool {
	if e := r.entries[ref.Digest]; e != nil {
		return e.missing > 0
	}
	if ref.Seq <= r.executed.Seq {
		return false
	}
	for _, top := range []message.Ref{r.base, r.high.Ref(), r.decided} {
		if _, missing, _ := r.path(top); missing == ref {
			return true
		}
	}
	s := r.slotIf(crypto.KindPrepare, r.view, ref.Seq)
	return s != nil && (r.support(s, ref.Digest) >= r.cfg.Sizes.Weak ||
		s.votes[r.Primary()] != nil && s.votes[r.Primary()].Digest == ref.Digest)
}

func (*Replica) support(s *slot, d crypto.Digest) int {
	count := 0
	for _, v := range s.votes {
		if v != nil && v.Digest == d {
			count++
		}
	}
	return count
}

// tickRepair asks for what is missing, and tells the primary what waits.
func (r *Replica) tickRepair() {
	if r.fetchAt <= r.now {
		r.fetchAt = r.now + askAfter
		r.fetchDecided()
		r.fetchCertified()
		r.fetchVoted()
		r.fetchBundles()
	}
	r.tellHeads()
}

// fetchDecided asks for decided batches when the way from the executed one to the decided one is
// not known, from one peer after another. A replica that has halted executes nothing any more, and
// would ask for the same for ever: each answer costs a peer a pass over its journal.
func (r *Replica) fetchDecided() {
	if !r.mayExecute() {
		return
	}
	if r.decided.Seq <= r.executed.Seq && !r.observes() || r.now < r.decidedAt {
		return
	}
	entries, _, complete := r.path(r.decided)
	if len(entries) > 0 && complete {
		return
	}
	r.decidedAt = r.now + askAgain
	if to := r.nextPeer(&r.decidedTurn); to >= 0 {
		r.send(to, &message.FetchDecided{After: r.executed.Seq})
	}
}

// nextPeer goes round all other replicas, those left out that are lost. Advice alone leaves nobody
// out: who was heard of lately is there, whatever is said about it.
func (r *Replica) nextPeer(turn *int) int {
	n := len(r.cfg.Members)
	for range n {
		*turn = (*turn + 1) % n
		if *turn != r.self && !r.lost(*turn, 0) {
			return *turn
		}
	}
	if n == 1 {
		return -1
	}
	*turn = (*turn + 1) % n
	if *turn == r.self {
		*turn = (*turn + 1) % n
	}
	return *turn
}

// fetchCertified asks for uncommitted batches that a prepared certificate or the base names.
func (r *Replica) fetchCertified() {
	if r.now < r.certifiedAt {
		return
	}
	for _, top := range []message.Ref{r.base, r.high.Ref()} {
		if top.Seq <= r.executed.Seq {
			continue
		}
		_, missing, complete := r.path(top)
		if complete || missing == (message.Ref{}) {
			continue
		}
		r.certifiedAt = r.now + askAgain/2
		if to := r.nextPeer(&r.certifiedTurn); to >= 0 {
			r.send(to, &message.FetchBatches{Digests: []crypto.Digest{missing.Digest}})
		}
	}
}

// fetchVoted asks the voters for batches of this view that f+1 of them, or the primary, voted for
// and that did not arrive: a primary cannot exclude anyone (DESIGN §5 point 5).
func (r *Replica) fetchVoted() {
	if r.now < r.votedAt {
		return
	}
	for seq := r.tip.Seq + 1; seq <= r.tip.Seq+maxAhead; seq++ {
		s := r.slotIf(crypto.KindPrepare, r.view, seq)
		if s == nil {
			continue
		}
		v := r.vouched(s)
		if v == nil || r.entries[v.Digest] != nil {
			continue
		}
		voters := make([]int, 0, len(s.votes))
		for i, other := range s.votes {
			if other != nil && other.Digest == v.Digest && i != r.self {
				voters = append(voters, i)
			}
		}
		if len(voters) == 0 {
			continue
		}
		r.votedAt = r.now + askAgain/2
		r.votedTurn++
		to := voters[r.votedTurn%len(voters)]
		r.send(to, &message.FetchBatches{Digests: []crypto.Digest{v.Digest}})
	}
}

// vouched returns a vote for a digest that f+1 replicas voted for, or the primary's vote.
func (r *Replica) vouched(s *slot) *message.Vote {
	for _, v := range s.votes {
		if v != nil && r.support(s, v.Digest) >= r.cfg.Sizes.Weak {
			return v
		}
	}
	return s.votes[r.Primary()]
}

// fetchBundles asks for the bundles of known batches, first from the proposer, then from the
// others.
func (r *Replica) fetchBundles() {
	for _, e := range r.incomplete {
		if e.missing == 0 || r.entries[e.ref.Digest] != e || r.now < e.asked+askAfter ||
			e.turn > 0 && r.now < e.asked+askAgain/2 {
			continue
		}
		var lacking []crypto.Digest
		for i, b := range e.bundles {
			if b == nil && len(lacking) < message.MaxFetch {
				lacking = append(lacking, e.ids[i])
			}
		}
		to := r.cfg.Primary(e.header.PropView)
		if e.turn > 0 || to == r.self {
			to = r.nextPeer(&r.bundleTurn)
		}
		e.asked = r.now
		e.turn++
		switch {
		case to < 0:
		case e.turn%3 == 0: // whoever voted for it has it whole, also bundles that nobody waits for
			r.send(to, &message.FetchBatches{Digests: []crypto.Digest{e.ref.Digest}})
		default:
			r.send(to, &message.FetchBundles{IDs: lacking})
		}
	}
}

// tellHeads sends the primary the names of the heads that no proposal has named for a quarter of
// tau: from then on it has no excuse (rule R9).
func (r *Replica) tellHeads() {
	if !r.open || r.target != r.view || r.leads() {
		return
	}
	m := &r.monitor
	var heads []crypto.Digest
	for g := range r.pool.queues {
		q := &r.pool.queues[g]
		if q.since < 0 || q.told >= 0 || r.now-max(q.since, m.entered) < m.tau/4 || r.named(q) {
			continue
		}
		q.told = r.now
		heads = append(heads, q.bundles[q.head].ID())
	}
	if len(heads) > 0 {
		r.send(r.Primary(), &message.Have{IDs: heads})
	}
}

// tickStatus tells everybody where this replica stands.
func (r *Replica) tickStatus() {
	m := &r.monitor
	if r.now < m.statusAt {
		return
	}
	// An idle primary is believed dead after three timeouts, so it speaks up more often than that.
	busy := min(statusBusy, max(m.tau0/4, 1))
	period := min(statusIdle, m.tau0)
	if r.target > r.view || !r.open || m.complaint != 0 || !r.pool.empty() ||
		r.decided.Seq > r.executed.Seq || r.tip.Seq > r.decided.Seq ||
		r.high.Seq > r.decided.Seq || r.now-m.lastExec < 2*busy {
		period = busy
	}
	// Each replica's period is a little longer than its neighbour's: they do not all speak at once.
	m.statusAt = r.now + period + period*int64(r.self)/int64(4*len(r.cfg.Members))
	r.send(All, r.Status())
}

// Status says where this replica stands, to its peers. [Replica.State] tells people more.
func (r *Replica) Status() *message.Status {
	s := &message.Status{
		View: r.view, Target: r.target, Executed: r.executed.Seq, Stable: r.stable.Seq,
		Tip: r.tip.Seq, High: r.high.Rank(),
	}
	if r.committed != nil {
		s.Committed = r.committed.Rank()
	}
	return s
}

// onStatus sends a peer what it lacks (rule R12). Only certificates move it; bodies it asks for.
func (r *Replica) onStatus(from int, st *message.Status) {
	p := &r.peers[from]
	if from == r.self || r.observes() {
		return
	}
	if p.servedAt > 0 && r.now < p.servedAt+serveEvery {
		r.drop(from, DropStatusThrottled)
		return
	}
	p.servedAt = r.now
	proof := message.Proof{}
	if st.View < r.view && st.Target <= r.view && r.newView != nil {
		proof.NewView = r.newView
	}
	if r.committed != nil && st.Committed.Less(r.committed.Rank()) {
		proof.Commit = r.committed
	}
	if st.High.Less(r.high.Rank()) && len(r.high.Aggregate) > 0 &&
		r.high.Kind == crypto.KindPrepare {
		proof.Prepared = r.high
	}
	if st.Stable < r.stable.Seq {
		proof.Checkpoint = r.stable
	}
	if proof != (message.Proof{}) {
		r.send(from, &proof)
	}
	if st.View == r.view && !r.recovery.active {
		r.repeatVotes(from, st)
	}
	if r.silent() {
		return
	}
	for k, own := range r.ownCheckpoints(st.Stable) {
		if k < keptCheckpoints {
			r.send(from, own)
		}
	}
}

// repeatVotes sends a peer of the same view this replica's own votes that it may have missed, and,
// from the primary, the proposals.
func (r *Replica) repeatVotes(to int, st *message.Status) {
	low := st.Committed.Seq
	if r.view > 0 && st.Committed.View < r.view {
		r.repeatSlot(to, r.base.Seq, false)
		low = r.base.Seq
	}
	// What is below the watermark has no votes any more; certificates speak for it.
	low = max(low, r.stable.Seq)
	ahead := st.Tip + uint64(r.cfg.Params.InFlight) //nolint:gosec // positive
	for seq := low + 1; seq <= min(ahead, max(r.tip.Seq, r.high.Seq), low+maxAhead); seq++ {
		r.repeatSlot(to, seq, seq > st.Tip)
	}
}

func (r *Replica) repeatSlot(to int, seq uint64, proposal bool) {
	if s := r.slotIf(crypto.KindPrepare, r.view, seq); s != nil && s.votes[r.self] != nil {
		v := s.votes[r.self]
		e := r.entries[v.Digest]
		if proposal && r.leads() && e != nil && e.header.PropView == r.view {
			r.send(to, &message.PrePrepare{View: r.view, Header: e.header, IDs: e.ids, Sig: v.Sig})
		} else {
			r.send(to, v)
		}
	}
	if s := r.slotIf(crypto.KindCommit, r.view, seq); s != nil && s.votes[r.self] != nil {
		r.send(to, s.votes[r.self])
	}
}

// onProof learns from certificates, whoever sends them.
func (r *Replica) onProof(from int, m *message.Proof) {
	if m.Prepared != nil {
		r.learnPrepared(m.Prepared)
	}
	if m.Checkpoint != nil {
		r.learnStable(m.Checkpoint)
	}
	if m.Commit != nil {
		r.learnCommit(m.Commit)
	}
	if m.NewView != nil {
		r.onNewView(from, m.NewView)
	}
}

// onDecided takes in a certified run of batches that starts right after the executed one.
func (r *Replica) onDecided(from int, m *message.Decided) {
	if r.forked(m.Headers) {
		if m.Proof.Commit != nil {
			r.alarm(r.conflict(m.Proof.Commit), m.Headers[0].Seq)
		} else {
			r.alarm(r.conflictAt(m.Proof.Checkpoint), m.Headers[0].Seq)
		}
		return
	}
	if m.Headers[0].Seq != r.executed.Seq+1 || m.Headers[0].Parent != r.executed.Digest {
		r.drop(from, DropDecidedUnwanted)
		return
	}
	if m.Proof.Checkpoint != nil {
		r.learnStable(m.Proof.Checkpoint)
	}
	if m.Proof.Commit != nil {
		r.learnCommitted(m.Proof.Commit)
	}
	before := r.executed.Seq
	for i, b := range m.Bodies {
		r.learnBatch(b)
		r.runDecided(message.Ref{Seq: m.Headers[i].Seq, Digest: m.Headers[i].Digest()})
	}
	if r.executed.Seq > before {
		r.logProof(&m.Proof)
		r.decidedAt = r.now // more may follow at once
		r.fetchDecided()
	}
}

// logProof logs what certified a run of batches, although a higher certificate may be known and
// logged already: whoever asks this replica for decided batches later needs certificates that are
// at most [message.MaxDecided] apart. It is logged although its last batch may not be executed yet:
// the next answer begins where the bodies of this one ended, and may reach beyond that batch.
func (r *Replica) logProof(p *message.Proof) {
	if c := p.Commit; c != nil && c.Rank() != r.logged {
		r.persist(&message.Record{Type: message.RecordCommitted, Cert: c})
	}
	if c := p.Checkpoint; c != nil && c != r.stable { // else it was logged when it was learned
		r.persist(&message.Record{Type: message.RecordStable, Stable: c})
	}
}

// forked reports whether a certified run of headers leaves the chain that was executed here.
func (r *Replica) forked(headers []message.Header) bool {
	for i := range headers {
		h := &headers[i]
		if d, known := r.history[h.Seq-1]; known && h.Seq-1 <= r.executed.Seq && d != h.Parent {
			return true
		}
		if h.Seq > r.executed.Seq {
			return false
		}
	}
	return false
}

// runDecided executes a batch that is certified through a later one whose way here is not known
// beyond what was just verified.
func (r *Replica) runDecided(ref message.Ref) {
	e := r.entries[ref.Digest]
	if r.mayExecute() && e != nil && e.complete() && ref.Seq == r.executed.Seq+1 &&
		e.header.Parent == r.executed.Digest {
		r.executeBatch(e)
	}
}
