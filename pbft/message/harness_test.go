package message_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"byzd/crypto"
	"byzd/pbft/message"
	"byzd/pbft/quorum"
)

// world is a cluster whose every key the test holds: it speaks for correct replicas and traitors.
type world struct {
	tb      testing.TB
	cfg     *message.Config
	signers []crypto.Signer
	admins  []crypto.Signer // three, of whom two must agree
}

func newWorld(tb testing.TB, n int, scheme string) *world {
	tb.Helper()
	return newWorldWith(tb, n, scheme, message.DefaultParams())
}

func newWorldWith(tb testing.TB, n int, scheme string, p message.Params) *world {
	tb.Helper()
	s, err := crypto.SchemeByName(scheme)
	if err != nil {
		tb.Fatal(err)
	}
	w := &world{tb: tb}
	members := make([]message.Member, n)
	for i := range members {
		seed := crypto.DeriveSeed([crypto.SeedSize]byte{byte(i)}, "message test")
		signer, err := s.NewSigner(seed)
		if err != nil {
			tb.Fatal(err)
		}
		w.signers = append(w.signers, signer)
		members[i] = message.Member{
			Name: fmt.Sprintf("r%d", i), Node: crypto.NewNetworkKey(seed).ID(),
			Key: signer.Public(),
		}
	}
	w.cfg, err = message.NewConfig(crypto.Hash("message test"), s, members, p)
	if err != nil {
		tb.Fatal(err)
	}
	for i := range 3 {
		seed := crypto.DeriveSeed([crypto.SeedSize]byte{byte(i)}, "message test admin")
		signer, err := s.NewSigner(seed)
		if err != nil {
			tb.Fatal(err)
		}
		w.admins = append(w.admins, signer)
		w.cfg.Admins.Keys = append(w.cfg.Admins.Keys, signer.Public())
	}
	w.cfg.Admins.Threshold = 2
	return w
}

// inEpoch is the same members one epoch later: everything of this world is foreign there.
func (w *world) inEpoch(epoch uint64) *world {
	cfg := *w.cfg
	cfg.Epoch = epoch
	return &world{tb: w.tb, cfg: &cfg, signers: w.signers, admins: w.admins}
}

// inCluster is the same members under another genesis.
func (w *world) inCluster(name string) *world {
	cfg := *w.cfg
	cfg.Cluster = crypto.Hash(name)
	return &world{tb: w.tb, cfg: &cfg, signers: w.signers, admins: w.admins}
}

func (w *world) sealer(i int) message.Sealer {
	return message.Sealer{Config: w.cfg, Self: i, Signer: w.signers[i]}
}

func seal[M message.Message](w *world, i int, m M) M {
	w.sealer(i).Seal(m)
	return m
}

func (w *world) vote(kind crypto.Kind, i int, view, seq uint64, d crypto.Digest) *message.Vote {
	return seal(w, i, &message.Vote{Kind: kind, View: view, Seq: seq, Digest: d})
}

func (w *world) prepare(i int, view, seq uint64, d crypto.Digest) *message.Vote {
	return w.vote(crypto.KindPrepare, i, view, seq, d)
}

func (w *world) commit(i int, view, seq uint64, d crypto.Digest) *message.Vote {
	return w.vote(crypto.KindCommit, i, view, seq, d)
}

// first lists the replicas 0 to n-1.
func first(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

// quorum lists as many replicas as make a certificate.
func (w *world) quorum() []int { return first(w.cfg.Sizes.Quorum) }

func (w *world) aggregate(sigs [][]byte) []byte {
	w.tb.Helper()
	aggregate, err := w.cfg.Scheme.Aggregate(sigs)
	if err != nil {
		w.tb.Fatal(err)
	}
	return aggregate
}

func (w *world) certificate(
	kind crypto.Kind, view uint64, ref message.Ref, voters ...int,
) *message.Certificate {
	w.tb.Helper()
	c := &message.Certificate{Kind: kind, View: view, Seq: ref.Seq, Digest: ref.Digest}
	sigs := make([][]byte, 0, len(voters))
	for _, i := range voters {
		c.Signers = c.Signers.Add(i)
		sigs = append(sigs, w.vote(kind, i, view, ref.Seq, ref.Digest).Sig)
	}
	c.Aggregate = w.aggregate(sigs)
	return c
}

func (w *world) prepared(view uint64, ref message.Ref) *message.Certificate {
	w.tb.Helper()
	return w.certificate(crypto.KindPrepare, view, ref, w.quorum()...)
}

func (w *world) committed(view uint64, ref message.Ref) *message.Certificate {
	w.tb.Helper()
	return w.certificate(crypto.KindCommit, view, ref, w.quorum()...)
}

func (w *world) checkpoint(i int, ref message.Ref, root crypto.Digest) *message.Checkpoint {
	return seal(w, i, &message.Checkpoint{Seq: ref.Seq, Digest: ref.Digest, Root: root})
}

func (w *world) stable(
	ref message.Ref, root crypto.Digest, voters ...int,
) *message.CheckpointCertificate {
	w.tb.Helper()
	if len(voters) == 0 {
		voters = w.quorum()
	}
	c := &message.CheckpointCertificate{Seq: ref.Seq, Digest: ref.Digest, Root: root}
	sigs := make([][]byte, 0, len(voters))
	for _, i := range voters {
		c.Signers = c.Signers.Add(i)
		sigs = append(sigs, w.checkpoint(i, ref, root).Sig)
	}
	c.Aggregate = w.aggregate(sigs)
	return c
}

func plain(ops ...string) []message.Item {
	items := make([]message.Item, 0, len(ops))
	for _, op := range ops {
		items = append(items, message.Item{Op: []byte(op)})
	}
	return items
}

func clientKey(i byte) crypto.NetworkKey {
	return crypto.NewNetworkKey([crypto.SeedSize]byte{0xc1, i})
}

// signed is an operation that a client signed itself.
func (w *world) signed(client byte, session, seq uint64, op string) message.Item {
	c := &message.ClientRequest{Session: session, Seq: seq, Op: []byte(op)}
	message.SealClientRequest(w.cfg.RequestDomain(), clientKey(client), c)
	return message.Item{Signed: c}
}

func (w *world) bundle(gateway int, seq uint64, items ...message.Item) *message.Bundle {
	b := &message.Bundle{
		Session: uint64(gateway), Seq: seq, Ack: seq, Items: items,
	}
	w.sealer(gateway).SealBundle(b)
	return b
}

// batch puts bundles under the header that an honest primary gives them.
func (w *world) batch(
	view uint64, parent message.Ref, bundles ...*message.Bundle,
) *message.Batch {
	b := &message.Batch{Bundles: bundles, Header: message.Header{
		Cluster: w.cfg.Cluster, Epoch: w.cfg.Epoch, Seq: parent.Seq + 1, Parent: parent.Digest,
		TimeMS: 1_700_000_000_000, PropView: view,
	}}
	for _, bundle := range bundles {
		b.Header.Requests += uint32(len(bundle.Items))
		b.Header.Bytes += uint32(bundle.Size())
	}
	b.Header.Root = message.BatchRoot(b.IDs())
	return b
}

func refOf(b *message.Batch) message.Ref {
	return message.Ref{Seq: b.Header.Seq, Digest: b.Header.Digest()}
}

// chain is a run of n batches of one bundle each, on top of a batch.
func (w *world) chain(view uint64, parent message.Ref, n int, salt string) []*message.Batch {
	chain := make([]*message.Batch, 0, n)
	for range n {
		op := fmt.Sprintf("%s-%d", salt, parent.Seq+1)
		b := w.batch(view, parent, w.bundle(1, parent.Seq+1, plain(op)...))
		chain = append(chain, b)
		parent = refOf(b)
	}
	return chain
}

func (w *world) prePrepare(view uint64, b *message.Batch) *message.PrePrepare {
	return seal(w, w.cfg.Primary(view),
		&message.PrePrepare{View: view, Header: b.Header, IDs: b.IDs()})
}

func (w *world) viewChange(
	i int, to uint64, high *message.Certificate, stable *message.CheckpointCertificate,
	statements ...*message.Vote,
) *message.ViewChange {
	return seal(w, i, &message.ViewChange{
		Stmt: message.VcStmt{Tuple: message.Tuple{
			NewView: to, High: high.Ref(), HighView: high.View,
			Stable: stable.Ref(), Root: stable.Root,
		}},
		High: high, Stable: stable, Statements: statements,
	})
}

// newView is what the honest primary of a view makes of VIEW-CHANGEs in ascending order of voters.
func (w *world) newView(view uint64, holdsChain bool, changes ...*message.ViewChange,
) *message.NewView {
	m := &message.NewView{View: view, HoldsChain: holdsChain}
	for _, c := range changes {
		m.Stmts = append(m.Stmts, c.Stmt)
		if m.Base == nil || m.Base.Rank().Less(c.High.Rank()) {
			m.Base = c.High
		}
		if m.Stable == nil || m.Stable.Seq < c.Stable.Seq {
			m.Stable = c.Stable
		}
	}
	return seal(w, w.cfg.Primary(view), m)
}

// plainNewView starts a view on the epoch's base: a quorum has nothing prepared.
func (w *world) plainNewView(view uint64) *message.NewView {
	changes := make([]*message.ViewChange, 0, w.cfg.Sizes.Quorum)
	for _, i := range w.quorum() {
		changes = append(changes,
			w.viewChange(i, view, w.cfg.BaseCertificate(), w.cfg.BaseCheckpoint()))
	}
	return w.newView(view, true, changes...)
}

func (w *world) complain(i int, view uint64, statements ...*message.Vote) *message.Complain {
	return seal(w, i, &message.Complain{
		View: view, Reason: message.ReasonStall, Lifetime: 2000, Statements: statements,
	})
}

func (*world) decided(
	proof message.Proof, bodies int, chain ...*message.Batch,
) *message.Decided {
	m := &message.Decided{Proof: proof, Bodies: chain[:bodies]}
	for _, b := range chain {
		m.Headers = append(m.Headers, b.Header)
	}
	return m
}

// evidence is a real proof of each kind. The culprit is replica 1, which is primary of view 1.
func (w *world) evidence() map[string]*message.Evidence {
	w.tb.Helper()
	a, b := crypto.Hash("a"), crypto.Hash("b")
	low, fork := w.chain(1, w.cfg.Base, 1, "low")[0], w.chain(1, w.cfg.Base, 3, "fork")
	headers := []message.Header{fork[2].Header, fork[1].Header}
	lock := w.prepared(0, message.Ref{Seq: 5, Digest: a})
	base, stable := w.cfg.BaseCertificate(), w.cfg.BaseCheckpoint()
	changes := make([]*message.ViewChange, 0, w.cfg.Sizes.Quorum)
	for _, i := range w.quorum() {
		changes = append(changes, w.viewChange(i, 1, base, stable))
	}
	changes[0] = w.viewChange(0, 1, lock, stable)
	good := w.newView(1, false, changes...)
	bad := *good
	bad.Base = base
	w.sealer(1).Seal(&bad)
	word := w.bundle(1, 5, plain("x")...).Word(w.cfg)
	twice := w.batch(1, w.cfg.Base, w.bundle(1, 5, plain("x")...), w.bundle(1, 5, plain("y")...))
	proofs := map[string]*message.Evidence{
		"E7": message.InvalidBatch(w.cfg, w.prepare(1, 1, 1, refOf(twice).Digest), twice.Header,
			twice.IDs(), twice.Bundles),
		"E8": message.WrongRoot(w.cfg,
			w.checkpoint(1, message.Ref{Seq: 8, Digest: a}, crypto.Hash("wrong")),
			w.stable(message.Ref{Seq: 8, Digest: a}, crypto.Hash("root"))),
		"E9": message.ContradictingWords(w.cfg, word, w.bundle(1, 5, plain("y")...).Word(w.cfg)),
		"E2b": message.Fork(w.commit(1, 1, 1, refOf(low).Digest),
			w.commit(1, 1, 3, refOf(fork[2]).Digest), headers),
		"E1": message.ContradictingVotes(w.prepare(1, 1, 7, a), w.prepare(1, 1, 7, b)),
		"E2": message.ContradictingVotes(w.commit(1, 1, 7, a), w.commit(1, 1, 7, b)),
		"E3": message.ContradictingNewViews(w.cfg, good, &bad),
		"E4": message.Fork(w.prepare(1, 1, 1, refOf(low).Digest),
			w.prepare(1, 1, 3, refOf(fork[2]).Digest), headers),
		"E5": message.Hiding(w.commit(1, 0, 5, a), &w.viewChange(1, 1, base, stable).Stmt),
		"E6": message.InvalidNewView(w.cfg, &bad),
		"E10": message.ContradictingChanges(
			&changes[1].Stmt, &w.viewChange(1, 1, lock, stable).Stmt),
		"E11": message.ContradictingCheckpoints(w.cfg,
			w.checkpoint(1, message.Ref{Seq: 8, Digest: a}, crypto.Hash("root")),
			w.checkpoint(1, message.Ref{Seq: 8, Digest: b}, crypto.Hash("root"))),
	}
	for name, e := range proofs {
		if e == nil {
			w.tb.Fatalf("no %s is made of a lie", name)
		}
	}
	return proofs
}

// mapCache is a Cache that counts.
type mapCache struct {
	known map[crypto.Digest]bool
	hits  int
}

func newCache() *mapCache { return &mapCache{known: map[crypto.Digest]bool{}} }

func (c *mapCache) Has(id crypto.Digest) bool {
	if c.known[id] {
		c.hits++
	}
	return c.known[id]
}

func (c *mapCache) Add(id crypto.Digest) { c.known[id] = true }

// sample is a real message, by name, with the replica that it comes from.
type sample struct {
	name string
	m    message.Message
	// free lists the offsets in the frame that nothing protects: advice, or what the receiver
	// checks against what it asked for.
	free [][2]int
}

const head = 9 // type and epoch

// samples returns honest messages: every type, and every part that may be there or not.
func (w *world) samples() []sample {
	w.tb.Helper()
	base, none := w.cfg.BaseCertificate(), w.cfg.BaseCheckpoint()
	chain := w.chain(0, w.cfg.Base, 3, "x")
	top := refOf(chain[2])
	batch := w.batch(0, top, w.bundle(1, 9, append(plain("p", ""),
		w.signed(1, message.FirstClientSession+3, 4, "s"), w.signed(2, 0, 1, ""))...),
		w.bundle(2, 0, plain("q")...))
	high, cc := w.prepared(0, top), w.committed(0, top)
	stable := w.stable(refOf(chain[0]), crypto.Hash("root"))
	pp := w.prePrepare(0, batch)
	primarys := []*message.Vote{w.prepare(0, 0, 1, crypto.Hash("l")), pp.Vote(w.cfg)}
	vc := w.viewChange(2, 1, high, stable, primarys...)
	nv := w.newView(1, true, w.viewChange(0, 1, base, none), vc, w.viewChange(3, 1, high, none))
	e := w.evidence()
	all := func(m message.Message) [][2]int {
		return [][2]int{{0, len(message.Encode(w.cfg.Epoch, m))}}
	}
	have := &message.Have{IDs: batch.IDs()}
	bundles := &message.FetchBundles{IDs: batch.IDs()}
	batches := &message.FetchBatches{Digests: batch.IDs()}
	after := &message.FetchDecided{After: 7}
	ask := &message.FenceAsk{Nonce: 1 << 63}
	ready := w.growth(top, 1).Ready[0]
	announced := &message.Announcement{Reconfig: w.growth(top, 1)}
	forgot := &message.Recover{Nonce: 1 << 63, Floor: 7}
	want := &message.FetchState{Want: message.StateRef{
		Root: crypto.Hash("root"), Tree: message.StateLedger, Path: "\x01\x80",
	}}
	part := &message.StatePart{Want: want.Want, Data: []byte("nodes")}
	status := &message.Status{
		View: 1, Target: 2, Executed: 3, Stable: 4, Tip: 5,
		Committed: message.Rank{View: 6, Seq: 7}, High: message.Rank{View: 8, Seq: 9},
	}
	return []sample{
		{name: "pre-prepare", m: pp},
		{name: "prepare", m: w.prepare(3, 4, 5, crypto.Hash("d"))},
		{name: "commit", m: w.commit(3, 4, 5, crypto.Hash("d"))},
		{name: "checkpoint", m: w.checkpoint(2, top, crypto.Hash("root"))},
		{name: "view-change", m: vc},
		{name: "view-change, nothing known", m: w.viewChange(1, 1, base, none)},
		{name: "new-view", m: nv},
		{name: "new-view, base not held", m: w.newView(1, false,
			w.viewChange(0, 1, base, none), vc, w.viewChange(3, 1, high, none))},
		{name: "new-view on the base", m: w.plainNewView(2)},
		{name: "complain", m: w.complain(1, 3, primarys...)},
		{name: "complain alone", m: w.complain(1, 3)},
		{name: "status", m: status, free: all(status)},
		{name: "submission", m: &message.Submission{Bundle: batch.Bundles[0]}},
		{name: "have", m: have, free: all(have)},
		{name: "fetch-bundles", m: bundles, free: all(bundles)},
		{name: "fetch-batches", m: batches, free: all(batches)},
		{name: "fetch-decided", m: after, free: all(after)},
		{
			name: "batch", m: &message.BatchReply{Batch: batch, Votes: primarys[1:]},
			// The receiver compares the digest with the one it asked for.
			free: [][2]int{{head + 32, head + 80}, {head + 120, head + 137}},
		},
		{name: "decided by commits", m: w.decided(message.Proof{Commit: cc}, 2, chain...)},
		{
			name: "decided by a checkpoint",
			m:    w.decided(message.Proof{Checkpoint: stable}, 0, chain[0]),
		},
		{name: "proof", m: &message.Proof{
			Prepared: high, Commit: cc, Checkpoint: stable, NewView: nv,
		}},
		{name: "proof of a checkpoint", m: &message.Proof{Checkpoint: stable}},
		{name: "evidence of a vote", m: e["E1"]},
		{name: "evidence of a fork", m: e["E4"]},
		{name: "evidence of a new view", m: e["E6"]},
		{name: "evidence of a batch", m: e["E7"]},
		{name: "evidence of a root", m: e["E8"]},
		{name: "evidence of bundles", m: e["E9"]},
		{name: "fence-ask", m: ask, free: all(ask)},
		{
			name: "fence-answer", m: &message.FenceAnswer{
				Nonce: 5, Votes: primarys, Stmts: []message.VcStmt{vc.Stmt},
				Certs: []*message.Certificate{high, cc}, Stable: stable,
			},
			free: [][2]int{{head, head + 8}},
		},
		{name: "recover", m: forgot, free: all(forgot)},
		{name: "recovery", m: w.recovery(2, 3, 5)},
		{
			name: "offer", m: &message.Offer{First: 9, Snapshot: stable},
			free: [][2]int{{head, head + 8}},
		},
		{name: "fetch-state", m: want, free: all(want)},
		{name: "announcement", m: announced, free: all(announced)},
		{name: "state-part", m: part, free: all(part)},
		{
			name: "fence-answer, nothing known", m: &message.FenceAnswer{Nonce: 5},
			free: [][2]int{{head, head + 8}},
		},
		{name: "submission of a reconfiguration", m: &message.Submission{
			Bundle: w.reconfigBundle(1, 4, w.growth(top, 2)),
		}},
		{name: "epoch", m: w.epochProof(w.growth(top, 2), top)},
		{name: "ready", m: ready, free: all(ready)},
	}
}

// recovery is a member's answer to member 1, who has forgotten what it said.
func (w *world) recovery(voter int, view, target uint64) *message.Recovery {
	return seal(w, voter, &message.Recovery{Nonce: 1 << 63, To: 1, View: view, Target: target})
}

// statement writes PROTOCOL §4.3's signed bytes by hand, apart from the package under test.
func (w *world) statement(kind crypto.Kind, body ...any) []byte {
	buf := append([]byte("byzd/1\x00"), byte(kind))
	buf = append(buf, w.cfg.Cluster[:]...)
	buf = binary.BigEndian.AppendUint64(buf, w.cfg.Epoch)
	return append(buf, fields(body...)...)
}

// fields puts numbers, digests and bytes side by side, big endian.
func fields(values ...any) []byte {
	var buf []byte
	for _, v := range values {
		switch v := v.(type) {
		case uint8:
			buf = append(buf, v)
		case uint16:
			buf = binary.BigEndian.AppendUint16(buf, v)
		case uint32:
			buf = binary.BigEndian.AppendUint32(buf, v)
		case uint64:
			buf = binary.BigEndian.AppendUint64(buf, v)
		case crypto.Digest:
			buf = append(buf, v[:]...)
		case crypto.NodeID:
			buf = append(buf, v[:]...)
		case quorum.Set:
			for _, word := range v {
				buf = binary.BigEndian.AppendUint64(buf, word)
			}
		case []byte:
			buf = append(buf, v...)
		default:
			panic(fmt.Sprintf("field of type %T", v))
		}
	}
	return buf
}

// flipped returns a copy with one bit of byte i turned over.
func flipped(data []byte, i int) []byte {
	dup := bytes.Clone(data)
	dup[i] ^= 1 << (i % 8)
	return dup
}
