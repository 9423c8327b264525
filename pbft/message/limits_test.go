package message_test

import (
	"strconv"
	"testing"

	"byzd/crypto"
	"byzd/pbft/message"
	"byzd/pbft/quorum"
)

// The largest legal message of each kind, in the largest cluster, is exactly as large as its limit
// says: nothing legal is refused for its size, and no room is kept for what cannot be.
func TestLimitsAreReached(t *testing.T) {
	for _, scheme := range crypto.SchemeNames() {
		for _, n := range []int{quorum.MaxReplicas, 4} {
			if n == quorum.MaxReplicas && testing.Short() {
				continue
			}
			t.Run(scheme+"/"+strconv.Itoa(n), func(t *testing.T) {
				t.Parallel()
				p := message.DefaultParams()
				p.MaxBatchRequests = message.MaxBundles
				limitsReached(t, newWorldWith(t, n, scheme, p))
				p.MaxBatchBytes, p.MaxBundleBytes = 512<<10, 8<<10
				limitsReached(t, newWorldWith(t, n, scheme, p))
			})
		}
	}
}

func limitsReached(t *testing.T, w *world) {
	t.Helper()
	limits, largest := w.cfg.Limits(), 0
	votes, change, newView := w.manyVotes(), w.largeViewChange(), w.largeNewView()
	for _, c := range []struct {
		name  string
		limit int
		m     message.Message
	}{
		{"checkpoint", limits.Vote, w.checkpoint(1, w.cfg.Base, crypto.Hash("r"))},
		{"complain", limits.Complain, w.complain(1, 5, votes...)},
		{"view-change", limits.ViewChange, change},
		{"new-view", limits.NewView, newView},
		{"pre-prepare", limits.PrePrepare, w.largePrePrepare()},
		{"submission", limits.Submission, &message.Submission{Bundle: w.largeBundle()}},
		{"batch", limits.Batch, &message.BatchReply{Batch: w.largeBatch(), Votes: votes}},
		{"decided", limits.Decided, w.largeDecided()},
		{"evidence", limits.Evidence, w.largeEvidence(newView)},
		{"proof", limits.Proof, w.largeProof(newView)},
		{"fence-answer", limits.Fence, &message.FenceAnswer{
			Votes: votes, Stmts: []message.VcStmt{change.Stmt, change.Stmt},
			Certs: []*message.Certificate{change.High, change.High}, Stable: change.Stable,
		}},
		{"epoch", limits.Epoch, w.largeEpochProof()},
		{"ready", limits.Ready, w.growth(largeRef, 1).Ready[0]},
		{"state-part", limits.State, &message.StatePart{
			Want: message.StateRef{Path: string(make([]byte, message.MaxStatePath))},
			Data: make([]byte, message.MaxStatePart),
		}},
	} {
		frame := message.Encode(w.cfg.Epoch, c.m)
		if len(frame) != c.limit {
			t.Errorf("%s: the largest has %d bytes, the limit is %d", c.name, len(frame), c.limit)
		}
		largest = max(largest, len(frame))
		epoch, m, err := message.Decode(frame)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if _, err := message.Verify(w.cfg, newCache(), 0, epoch, m); err != nil {
			t.Errorf("%s is not legal: %v", c.name, err)
		}
	}
	if limits.Largest() != largest {
		t.Errorf("the largest frame has %d bytes, the limit is %d", largest, limits.Largest())
	}
	// The rest is small, whatever the cluster.
	for _, m := range []message.Message{
		w.prepare(0, 1, 2, crypto.Hash("d")), &message.Status{}, &message.FenceAsk{},
		&message.Recover{}, w.recovery(0, 1, 2),
		&message.FetchDecided{},
		&message.Offer{Snapshot: w.stable(largeRef, largeRoot, w.all()...)},
		&message.FetchState{
			Want: message.StateRef{Path: string(make([]byte, message.MaxStatePath))},
		},
		&message.Have{IDs: make([]crypto.Digest, message.MaxFetch)},
		&message.FetchBundles{IDs: make([]crypto.Digest, message.MaxFetch)},
		&message.FetchBatches{Digests: make([]crypto.Digest, message.MaxFetch)},
	} {
		if size := len(message.Encode(0, m)); size > limits.Largest() {
			t.Errorf("a %v has %d bytes, the limit is %d", m.Type(), size, limits.Largest())
		}
	}
}

func (w *world) all() []int { return first(len(w.cfg.Members)) }

func (w *world) manyVotes() []*message.Vote {
	votes := make([]*message.Vote, message.MaxStatements)
	for i := range votes {
		seq := uint64(i) + 1
		votes[i] = w.prepare(i%len(w.cfg.Members), 4, seq, crypto.Hash("d"))
	}
	return votes
}

var (
	largeRef  = message.Ref{Seq: 9, Digest: crypto.Hash("large")}
	largeRoot = crypto.Hash("root")
)

func (w *world) largeViewChange() *message.ViewChange {
	high := w.certificate(crypto.KindPrepare, 1, largeRef, w.all()...)
	return w.viewChange(0, 2, high, w.stable(largeRef, largeRoot, w.all()...), w.manyVotes()...)
}

func (w *world) largeNewView() *message.NewView {
	high := w.certificate(crypto.KindPrepare, 1, largeRef, w.all()...)
	stable := w.stable(largeRef, largeRoot, w.all()...)
	changes := make([]*message.ViewChange, 0, len(w.cfg.Members))
	for _, i := range w.all() {
		changes = append(changes, w.viewChange(i, 2, high, stable))
	}
	return w.newView(2, true, changes...)
}

func (w *world) largePrePrepare() *message.PrePrepare {
	ids := make([]crypto.Digest, message.MaxBundles)
	for i := range ids {
		ids[i] = crypto.Hash("id", []byte{byte(i), byte(i >> 8)})
	}
	return seal(w, w.cfg.Primary(0), &message.PrePrepare{IDs: ids, Header: message.Header{
		Cluster: w.cfg.Cluster, Epoch: w.cfg.Epoch, Seq: 1, Root: message.BatchRoot(ids),
	}})
}

// bundleOf is a bundle of exactly that many bytes.
func (w *world) bundleOf(size int, seq uint64) *message.Bundle {
	empty := w.bundle(0, seq, message.Item{}).Size()
	if room := size - empty; room <= message.MaxOpBytes {
		return w.bundle(0, seq, message.Item{Op: make([]byte, room)})
	}
	empty = w.bundle(0, seq, message.Item{}, message.Item{}).Size()
	half := (size - empty) / 2
	return w.bundle(0, seq, message.Item{Op: make([]byte, half)},
		message.Item{Op: make([]byte, size-empty-half)})
}

func (w *world) largeBundle() *message.Bundle {
	return w.bundleOf(w.cfg.Params.MaxBundleBytes, 1)
}

// largeBatch is one bundle alone, or a batch filled with bundles, whichever may be larger.
func (w *world) largeBatch() *message.Batch {
	p := w.cfg.Params
	if p.MaxBundleBytes >= p.MaxBatchBytes {
		return w.batch(0, w.cfg.Base, w.largeBundle())
	}
	var bundles []*message.Bundle
	for size := 0; size < p.MaxBatchBytes; size += p.MaxBundleBytes {
		bundles = append(bundles, w.bundleOf(p.MaxBundleBytes, uint64(len(bundles))))
	}
	return w.batch(0, w.cfg.Base, bundles...)
}

// largeDecided has the most headers, with one large body, or with as many small ones as fill it.
func (w *world) largeDecided() *message.Decided {
	one := w.largeBatch()
	chain, bodies, parent := []*message.Batch{one}, 1, refOf(one)
	if one.Header.Bytes < message.DecidedBytes {
		smallest := w.bundle(0, 1, message.Item{}).Size()
		chain, parent = nil, w.cfg.Base
		bodies = min(message.MaxDecided, message.DecidedBytes/smallest)
	}
	// Bodies are judged one by one: the same bundle may stand in all of them.
	small := w.bundleOf(message.DecidedBytes/bodies, 1)
	last := w.bundleOf(message.DecidedBytes-(bodies-1)*small.Size(), 1)
	for len(chain) < message.MaxDecided {
		bundle := small
		if len(chain) == bodies-1 {
			bundle = last
		}
		b := w.batch(0, parent, bundle)
		chain = append(chain, b)
		parent = refOf(b)
	}
	proof := message.Proof{
		Commit:     w.certificate(crypto.KindCommit, 1, parent, w.all()...),
		Checkpoint: w.stable(parent, largeRoot, w.all()...),
	}
	return w.decided(proof, bodies, chain...)
}

// largeEvidence is whatever proof is the largest here: it depends on n and the scheme.
func (w *world) largeEvidence(newView *message.NewView) *message.Evidence {
	bad := with(newView, func(*message.NewView) {})
	bad.Base = w.cfg.BaseCertificate()
	seal(w, w.cfg.Primary(2), bad)
	parent, bundle := w.cfg.Base, w.bundle(0, 1, message.Item{})
	headers := make([]message.Header, message.MaxEvidenceHeaders+1)
	for i := range headers {
		b := w.batch(0, parent, bundle)
		headers[len(headers)-1-i], parent = b.Header, refOf(b)
	}
	candidates := []*message.Evidence{
		message.InvalidNewView(w.cfg, bad),
		message.Fork(w.prepare(0, 0, 1, largeRoot), w.prepare(0, 0, parent.Seq, parent.Digest),
			headers[:message.MaxEvidenceHeaders]),
		w.largeBadBatch(),
		message.WrongRoot(w.cfg, w.checkpoint(0, largeRef, crypto.Hash("other")),
			w.stable(largeRef, largeRoot, w.all()...)),
	}
	for _, e := range w.evidence() {
		candidates = append(candidates, e)
	}
	largest := candidates[0]
	for _, e := range candidates {
		if len(message.EncodeEvidence(e)) > len(message.EncodeEvidence(largest)) {
			largest = e
		}
	}
	return largest
}

// largeBadBatch is the proof of a primary whose batch has as many bundles as it may, of which one,
// the largest there can be, was signed for another cluster.
func (w *world) largeBadBatch() *message.Evidence {
	bundle := w.inCluster("elsewhere").bundleOf(w.cfg.Params.MaxBundleBytes, 1)
	ids := make([]crypto.Digest, w.cfg.Params.MaxBatchRequests)
	for i := range ids {
		ids[i] = crypto.Hash("id", []byte{byte(i), byte(i >> 8)})
	}
	ids[len(ids)/2] = bundle.ID()
	h := message.Header{
		Cluster: w.cfg.Cluster, Seq: 1, Parent: w.cfg.Base.Digest, Root: message.BatchRoot(ids),
	}
	vote := w.prepare(0, 0, 1, h.Digest())
	if !message.Separable(w.cfg.Scheme) { // then what one said may be shown by all
		vote.Sig = nil
	}
	e := message.InvalidBatch(w.cfg, vote, h, ids, []*message.Bundle{bundle})
	if vote.Sig == nil {
		e.First = w.certificate(crypto.KindPrepare, 0,
			message.Ref{Seq: 1, Digest: h.Digest()}, w.all()...).Statement()
	}
	return e
}

func (w *world) largeProof(newView *message.NewView) *message.Proof {
	return &message.Proof{
		Prepared:   w.certificate(crypto.KindPrepare, 1, largeRef, w.all()...),
		Commit:     w.certificate(crypto.KindCommit, 1, largeRef, w.all()...),
		Checkpoint: w.stable(largeRef, largeRoot, w.all()...),
		NewView:    newView,
	}
}
