package message_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"testing"

	"byzd/crypto"
	"byzd/pbft/message"
	"byzd/pbft/quorum"
)

// refusal is a message that must be turned away, and why.
type refusal struct {
	name string
	want message.Refusal
	m    message.Message
}

// Each broken rule is refused by the name of that rule, and each name is reached.
// PROTOCOL §3: B4, B6, B13, B18.
func TestRefusals(t *testing.T) {
	w := newWorld(t, 4, crypto.SchemeEd25519)
	reached := map[message.Refusal]bool{}
	for _, list := range [][]refusal{
		w.badVotes(), w.badCertificates(), w.badPrePrepares(), w.badBundles(), w.badBatches(),
		w.badViewChanges(), w.badNewViews(), w.badDecided(), w.badProofs(), w.badEvidence(), w.badEpochs(),
	} {
		for _, c := range list {
			t.Run(c.m.Type().String()+"/"+c.name, func(t *testing.T) {
				_, err := message.Verify(w.cfg, newCache(), 0, w.cfg.Epoch, c.m)
				var r message.Refusal
				if !errors.As(err, &r) || r != c.want {
					t.Fatalf("refused as %v, want %v", err, c.want)
				}
				reached[r] = true
			})
		}
	}
	for name, value := range declaredRefusals(t) {
		if !reached[value] {
			t.Errorf("no test reaches %s", name)
		}
	}
}

// declaredRefusals reads the names and values of all refusals from the source.
func declaredRefusals(t *testing.T) map[string]message.Refusal {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "refusal.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]message.Refusal{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		if lit, ok := spec.Values[0].(*ast.BasicLit); ok {
			value, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			found[spec.Names[0].Name] = message.Refusal(value)
		}
		return true
	})
	if len(found) < 15 {
		t.Fatalf("only %d refusals found", len(found))
	}
	return found
}

// with returns a copy of a value after a change.
func with[T any](v *T, change func(*T)) *T {
	dup := *v
	change(&dup)
	return &dup
}

func (w *world) badVotes() []refusal {
	d := crypto.Hash("d")
	good := w.prepare(2, 3, 4, d)
	cp := w.checkpoint(2, message.Ref{Seq: 8, Digest: d}, crypto.Hash("root"))
	other, later := w.inCluster("x"), w.inEpoch(1)
	complain := w.complain(2, 3, good)
	long := seal(w, 2, &message.Complain{
		View: 3, Reason: message.ReasonSilent, Lifetime: 2*w.cfg.Params.MaxViewTimeout + 1,
	})
	forged := with(good, func(v *message.Vote) { v.Voter = 1 })
	badStmt := w.viewChange(2, 3, w.cfg.BaseCertificate(), w.cfg.BaseCheckpoint()).Stmt
	badStmt.Voter = 3
	strange := badStmt
	strange.Voter = 9
	return []refusal{
		{"of another voter", message.RefusedSignature, forged},
		{"of no member", message.RefusedMember, with(good, func(v *message.Vote) { v.Voter = 4 })},
		{
			"of another kind", message.RefusedSignature,
			with(good, func(v *message.Vote) { v.Kind = crypto.KindCommit }),
		},
		{"of another cluster", message.RefusedSignature, other.prepare(2, 3, 4, d)},
		{"of another epoch", message.RefusedSignature, later.prepare(2, 3, 4, d)},
		{
			"without signature", message.RefusedSignature,
			with(good, func(v *message.Vote) { v.Sig = nil }),
		},
		{
			"of another voter", message.RefusedSignature,
			with(cp, func(c *message.Checkpoint) { c.Voter = 0 }),
		},
		{
			"of no member", message.RefusedMember,
			with(cp, func(c *message.Checkpoint) { c.Voter = 4 }),
		},
		{
			"of another epoch", message.RefusedSignature,
			later.checkpoint(2, message.Ref{Seq: 8, Digest: d}, crypto.Hash("root")),
		},
		{
			"of another voter", message.RefusedSignature,
			with(complain, func(m *message.Complain) { m.Voter = 1 }),
		},
		{
			"of no member", message.RefusedMember,
			with(complain, func(m *message.Complain) { m.Voter = 5 }),
		},
		{"of another epoch", message.RefusedSignature, later.complain(2, 3)},
		{"for ever", message.RefusedStatement, long},
		{
			"with a forged statement", message.RefusedSignature, w.complain(2, 3, good, forged),
		},
		{
			"with a stranger's statement", message.RefusedMember,
			w.complain(2, 3, with(good, func(v *message.Vote) { v.Voter = 77 })),
		},
		{
			"with a forged statement", message.RefusedSignature,
			&message.FenceAnswer{Stmts: []message.VcStmt{badStmt}},
		},
		{
			"with a stranger's statement", message.RefusedMember,
			&message.FenceAnswer{Stmts: []message.VcStmt{strange}},
		},
		{
			"with a forged vote", message.RefusedSignature,
			&message.FenceAnswer{Votes: []*message.Vote{forged}},
		},
		{
			"with a certificate of too few", message.RefusedTooFew,
			&message.FenceAnswer{Certs: []*message.Certificate{
				w.certificate(crypto.KindPrepare, 1, message.Ref{Seq: 8, Digest: d}, 0, 1),
			}},
		},
		{
			"with a checkpoint of too few", message.RefusedTooFew,
			&message.FenceAnswer{
				Stable: w.stable(message.Ref{Seq: 8, Digest: d}, crypto.Hash("r"), 0, 1),
			},
		},
		{
			"signed by another", message.RefusedSignature,
			with(w.recovery(2, 3, 5), func(m *message.Recovery) { m.Voter = 3 }),
		},
		{
			"of a stranger", message.RefusedMember,
			with(w.recovery(2, 3, 5), func(m *message.Recovery) { m.Voter = 77 }),
		},
		{
			"for a stranger", message.RefusedMember,
			with(w.recovery(2, 3, 5), func(m *message.Recovery) { m.To = 77 }),
		},
		{
			"of another view", message.RefusedSignature,
			with(w.recovery(2, 3, 5), func(m *message.Recovery) { m.View = 1 }),
		},
	}
}

func proofOf(c *message.Certificate) *message.Proof {
	if c.Kind == crypto.KindCommit {
		return &message.Proof{Commit: c}
	}
	return &message.Proof{Prepared: c}
}

func (w *world) badCertificates() []refusal {
	ref := message.Ref{Seq: 5, Digest: crypto.Hash("d")}
	good, cc := w.prepared(1, ref), w.committed(1, ref)
	root := crypto.Hash("root")
	stable := w.stable(ref, root)
	q := w.cfg.Sizes.Quorum
	d := ref.Digest
	twice := with(good, func(c *message.Certificate) { // one signer, q times
		c.Aggregate = w.aggregate([][]byte{
			w.prepare(0, 1, 5, d).Sig, w.prepare(0, 1, 5, d).Sig, w.prepare(0, 1, 5, d).Sig,
		})
	})
	oneWrong := with(good, func(c *message.Certificate) {
		c.Aggregate = w.aggregate([][]byte{
			w.prepare(0, 1, 5, d).Sig, w.prepare(1, 1, 5, crypto.Hash("e")).Sig,
			w.prepare(2, 1, 5, d).Sig,
		})
	})
	change := func(f func(*message.Certificate)) *message.Proof { return proofOf(with(good, f)) }
	cp := func(f func(*message.CheckpointCertificate)) *message.Proof {
		return &message.Proof{Checkpoint: with(stable, f)}
	}
	return []refusal{
		{
			"too few prepares", message.RefusedTooFew,
			proofOf(w.certificate(crypto.KindPrepare, 1, ref, first(q-1)...)),
		},
		{"no signers", message.RefusedTooFew, change(func(c *message.Certificate) {
			c.Signers, c.Aggregate = quorum.Set{}, nil
		})},
		{
			"a signer claimed", message.RefusedCertificate,
			change(func(c *message.Certificate) { c.Signers = c.Signers.Add(3) }),
		},
		{"a signer exchanged", message.RefusedCertificate, change(func(c *message.Certificate) {
			c.Signers = quorum.Set{}.Add(0).Add(1).Add(3)
		})},
		{
			"a stranger", message.RefusedMember,
			change(func(c *message.Certificate) { c.Signers = c.Signers.Add(64) }),
		},
		{"one signer three times", message.RefusedCertificate, proofOf(twice)},
		{"one vote for something else", message.RefusedCertificate, proofOf(oneWrong)},
		{
			"another view", message.RefusedCertificate,
			change(func(c *message.Certificate) { c.View = 2 }),
		},
		{
			"another place", message.RefusedCertificate,
			change(func(c *message.Certificate) { c.Seq = 6 }),
		},
		{
			"another batch", message.RefusedCertificate,
			change(func(c *message.Certificate) { c.Digest = crypto.Hash("e") }),
		},
		{
			"the base's place in view 0", message.RefusedCertificate,
			proofOf(w.prepared(0, w.cfg.Base)),
		},
		{
			"the base without signatures", message.RefusedCertificate,
			proofOf(w.cfg.BaseCertificate()),
		},
		{"another epoch", message.RefusedCertificate, proofOf(w.inEpoch(1).prepared(1, ref))},
		{
			"another cluster", message.RefusedCertificate,
			proofOf(w.inCluster("x").committed(1, ref)),
		},
		{
			"prepares as commits", message.RefusedCertificate,
			change(func(c *message.Certificate) { c.Kind = crypto.KindCommit }),
		},
		{
			"commits in the place of prepares", message.RefusedCertificate,
			&message.Proof{Prepared: cc},
		},
		{
			"prepares in the place of commits", message.RefusedCertificate,
			&message.Proof{Commit: good},
		},
		{
			"kind of a checkpoint", message.RefusedCertificate,
			change(func(c *message.Certificate) { c.Kind = crypto.KindCheckpoint }),
		},
		{
			"another root", message.RefusedCertificate,
			cp(func(c *message.CheckpointCertificate) { c.Root = crypto.Hash("x") }),
		},
		{
			"another batch", message.RefusedCertificate,
			cp(func(c *message.CheckpointCertificate) { c.Digest = crypto.Hash("x") }),
		},
		{
			"too few checkpoints", message.RefusedTooFew,
			&message.Proof{Checkpoint: w.stable(ref, root, first(q-1)...)},
		},
		{
			"checkpoint of the base", message.RefusedCertificate,
			&message.Proof{Checkpoint: w.stable(w.cfg.Base, root)},
		},
		{
			"checkpoint of another epoch", message.RefusedCertificate,
			&message.Proof{Checkpoint: w.inEpoch(1).stable(ref, root)},
		},
	}
}

func (w *world) badPrePrepares() []refusal {
	batch := w.chain(2, w.cfg.Base, 1, "x")[0]
	good := w.prePrepare(2, batch)
	change := func(f func(*message.PrePrepare)) *message.PrePrepare {
		return seal(w, w.cfg.Primary(2), with(good, f))
	}
	byBackup := *good
	byBackup.Sig = w.prepare(1, 2, batch.Header.Seq, batch.Header.Digest()).Sig
	return []refusal{
		{"by a backup", message.RefusedSignature, &byBackup},
		{"of another cluster", message.RefusedCluster, change(func(m *message.PrePrepare) {
			m.Header.Cluster = crypto.Hash("x")
		})},
		{
			"of another epoch", message.RefusedEpoch,
			change(func(m *message.PrePrepare) { m.Header.Epoch++ }),
		},
		{
			"of another view", message.RefusedView,
			change(func(m *message.PrePrepare) { m.Header.PropView-- }),
		},
		{
			"at the base", message.RefusedChain,
			change(func(m *message.PrePrepare) { m.Header.Seq = w.cfg.Base.Seq }),
		},
		{"other bundles", message.RefusedBodyMismatch, change(func(m *message.PrePrepare) {
			m.IDs = []crypto.Digest{crypto.Hash("x")}
		})},
		{"a bundle twice", message.RefusedBodyMismatch, change(func(m *message.PrePrepare) {
			m.IDs = append(m.IDs, m.IDs...)
		})},
	}
}

func (w *world) badBundles() []refusal {
	good := w.bundle(2, 5, plain("a")...)
	sealed := func(b *message.Bundle) *message.Submission {
		return &message.Submission{Bundle: b}
	}
	custom := func(gateway int, session uint64, items ...message.Item) *message.Submission {
		b := &message.Bundle{Session: session, Seq: 5, Ack: 5, Items: items}
		w.sealer(gateway).SealBundle(b)
		return sealed(b)
	}
	reframed := func(f func(frame []byte)) *message.Submission {
		frame := message.Encode(w.cfg.Epoch, sealed(good))
		f(frame)
		_, m, err := message.Decode(frame)
		if err != nil {
			w.tb.Fatal(err)
		}
		return m.(*message.Submission)
	}
	item := w.signed(1, message.FirstClientSession, 4, "s")
	tampered := *item.Signed
	tampered.Op = []byte("t")
	large := make([]byte, w.cfg.Params.MaxBundleBytes/2)
	return []refusal{
		{"another gateway", message.RefusedSession, reframed(func(f []byte) { f[head+1] = 1 })},
		{"no member", message.RefusedMember, reframed(func(f []byte) { f[head+1] = 9 })},
		{"another member's session", message.RefusedSession, custom(2, 1, plain("a")...)},
		{
			"a client's session", message.RefusedSession,
			custom(2, message.FirstClientSession, plain("a")...),
		},
		{
			"changed operation", message.RefusedSignature,
			reframed(func(f []byte) { f[head+35] = 'b' }),
		},
		{"changed number", message.RefusedSignature, reframed(func(f []byte) { f[head+17] = 6 })},
		{
			"another cluster", message.RefusedSignature,
			sealed(w.inCluster("x").bundle(2, 5, plain("a")...)),
		},
		{
			"another client signed", message.RefusedSignature,
			custom(2, 2, message.Item{Signed: &tampered}),
		},
		{
			"a client of another cluster", message.RefusedSignature,
			custom(2, 2, w.inCluster("x").signed(1, message.FirstClientSession, 4, "s")),
		},
		{
			"a client in a member's session", message.RefusedSession,
			custom(2, 2, w.signed(1, 1, 4, "s")),
		},
		{
			"too large", message.RefusedTooLarge,
			custom(2, 2, message.Item{Op: large}, message.Item{Op: large}),
		},
	}
}

func (w *world) badBatches() []refusal {
	one, two := w.bundle(1, 5, plain("a")...), w.bundle(2, 5, plain("b", "c")...)
	good := w.batch(0, w.cfg.Base, one, two)
	reply := func(b *message.Batch, votes ...*message.Vote) *message.BatchReply {
		return &message.BatchReply{Batch: b, Votes: votes}
	}
	change := func(f func(*message.Batch)) *message.BatchReply { return reply(with(good, f)) }
	var many []*message.Bundle
	for i := range uint64(3) {
		ops := make([]string, w.cfg.Params.MaxBatchRequests/2)
		many = append(many, w.bundle(1, i, plain(ops...)...))
	}
	wrong := with(w.prepare(0, 0, 1, crypto.Hash("x")), func(v *message.Vote) { v.Seq = 2 })
	half := make([]byte, w.cfg.Params.MaxBatchBytes/2)
	alone := w.batch(0, w.cfg.Base, w.bundle(1, 5, plain(make([]string, 600)...)...))
	if why := alone.CheckBody(w.cfg); why != "" {
		w.tb.Errorf("one bundle alone may be larger than a batch, but: %v", why)
	}
	foreign := w.inCluster("x")
	return []refusal{
		{"of another cluster", message.RefusedCluster, change(func(b *message.Batch) {
			b.Header.Cluster = crypto.Hash("x")
		})},
		{"of another epoch", message.RefusedEpoch, change(func(b *message.Batch) {
			b.Header.Epoch++
		})},
		{"empty", message.RefusedEmptyBatch, reply(w.batch(0, w.cfg.Base))},
		{
			"one bundle left out", message.RefusedBodyMismatch,
			change(func(b *message.Batch) { b.Bundles = b.Bundles[:1] }),
		},
		{"another order", message.RefusedBodyMismatch, change(func(b *message.Batch) {
			b.Bundles = []*message.Bundle{two, one}
		})},
		{
			"another count", message.RefusedBodyMismatch,
			change(func(b *message.Batch) { b.Header.Requests++ }),
		},
		{
			"another size", message.RefusedBodyMismatch,
			change(func(b *message.Batch) { b.Header.Bytes-- }),
		},
		{
			"a place twice", message.RefusedDuplicateInBatch,
			reply(w.batch(0, w.cfg.Base, one, w.bundle(1, 5, plain("z")...))),
		},
		{
			"too many operations", message.RefusedBatchTooLarge,
			reply(w.batch(0, w.cfg.Base, many...)),
		},
		{"too many bytes", message.RefusedBatchTooLarge, reply(w.batch(0, w.cfg.Base,
			w.bundle(1, 6, message.Item{Op: half}), w.bundle(2, 6, message.Item{Op: half})))},
		{
			"a bundle of another cluster", message.RefusedSignature,
			reply(w.batch(0, w.cfg.Base, foreign.bundle(1, 5, plain("a")...))),
		},
		{
			"with a forged vote", message.RefusedSignature,
			reply(good, wrong),
		},
	}
}

func (w *world) badViewChanges() []refusal {
	base, none := w.cfg.BaseCertificate(), w.cfg.BaseCheckpoint()
	ref := message.Ref{Seq: 5, Digest: crypto.Hash("d")}
	high, stable := w.prepared(1, ref), w.stable(ref, crypto.Hash("root"))
	good := w.viewChange(2, 3, high, stable)
	change := func(f func(*message.ViewChange)) *message.ViewChange { return with(good, f) }
	weak := w.certificate(crypto.KindPrepare, 1, ref, 0, 1)
	unsigned := with(high, func(c *message.Certificate) {
		c.Signers, c.Aggregate = quorum.Set{}, nil
	})
	said := w.prepare(0, 1, 6, ref.Digest)
	forged := with(said, func(v *message.Vote) { v.Seq = 7 })
	strange := with(said, func(v *message.Vote) { v.Voter = 4 })
	return []refusal{
		{"to view 0", message.RefusedView, w.viewChange(2, 0, base, none)},
		{"to the certificate's own view", message.RefusedView, w.viewChange(2, 1, high, stable)},
		{
			"by another voter", message.RefusedSignature,
			change(func(m *message.ViewChange) { m.Stmt.Voter = 1 }),
		},
		{
			"by no member", message.RefusedMember,
			change(func(m *message.ViewChange) { m.Stmt.Voter = 4 }),
		},
		{
			"to another view", message.RefusedSignature,
			change(func(m *message.ViewChange) { m.Stmt.NewView = 4 }),
		},
		{"of another epoch", message.RefusedSignature, w.inEpoch(1).viewChange(2, 3, high, stable)},
		{
			"higher claim than proof", message.RefusedProof,
			change(func(m *message.ViewChange) { m.High = base }),
		},
		{
			"claim of another checkpoint", message.RefusedProof,
			change(func(m *message.ViewChange) { m.Stable = none }),
		},
		{
			"claim of another root", message.RefusedProof,
			change(func(m *message.ViewChange) { m.Stmt.Root = crypto.Hash("x") }),
		},
		{"proof of too few", message.RefusedTooFew, w.viewChange(2, 3, weak, stable)},
		{"proof without signatures", message.RefusedTooFew, w.viewChange(2, 3, unsigned, stable)},
		{
			"checkpoint of too few", message.RefusedTooFew,
			w.viewChange(2, 3, high, w.stable(ref, crypto.Hash("r"), 0, 1)),
		},
		{
			"with a forged statement", message.RefusedSignature,
			w.viewChange(2, 3, high, stable, forged),
		},
		{
			"with a stranger's statement", message.RefusedMember,
			w.viewChange(2, 3, high, stable, strange),
		},
	}
}

func (w *world) badDecided() []refusal {
	chain := w.chain(0, w.cfg.Base, 3, "x")
	top := refOf(chain[2])
	cc := message.Proof{Commit: w.committed(0, top)}
	good := w.decided(cc, 2, chain...)
	change := func(f func(*message.Decided)) *message.Decided {
		dup := *good
		dup.Headers = append([]message.Header(nil), good.Headers...)
		dup.Bodies = append([]*message.Batch(nil), good.Bodies...)
		f(&dup)
		return &dup
	}
	sub := w.committed(0, refOf(chain[1]))
	jump := w.batch(0, refOf(chain[0]), w.bundle(1, 9, plain("j")...))
	jump.Header.Seq++
	overJump := message.Proof{Commit: w.committed(0, refOf(jump))}
	other := w.chain(0, w.cfg.Base, 3, "y")
	foreign := w.inCluster("x").chain(0, w.cfg.Base, 1, "x")
	return []refusal{
		{"nothing", message.RefusedChain, &message.Decided{Proof: cc}},
		{"of another epoch", message.RefusedEpoch, change(func(m *message.Decided) {
			m.Headers = slices.Clone(m.Headers)
			m.Headers[0].Epoch++
		})},
		{"a gap", message.RefusedChain, change(func(m *message.Decided) {
			m.Headers, m.Bodies = []message.Header{m.Headers[0], m.Headers[2]}, nil
		})},
		{
			"another parent", message.RefusedChain,
			change(func(m *message.Decided) { m.Headers[1] = other[1].Header }),
		},
		{
			"another number", message.RefusedChain,
			change(func(m *message.Decided) { m.Headers[1].Seq++ }),
		},
		{"a number left out", message.RefusedChain, w.decided(overJump, 0, chain[0], jump)},
		{"more bodies than headers", message.RefusedChain, change(func(m *message.Decided) {
			m.Headers = m.Headers[:1]
		})},
		{
			"bodies of other headers", message.RefusedBodyMismatch,
			change(func(m *message.Decided) { m.Bodies[1] = other[1] }),
		},
		{
			"bodies not from the front", message.RefusedBodyMismatch,
			change(func(m *message.Decided) { m.Bodies = m.Bodies[1:] }),
		},
		{"a body that does not fit", message.RefusedBodyMismatch, change(func(m *message.Decided) {
			m.Bodies[0] = with(m.Bodies[0], func(b *message.Batch) { b.Bundles = other[0].Bundles })
		})},
		{"another cluster", message.RefusedCluster, w.decided(cc, 0, foreign...)},
		{
			"proof of a lower batch", message.RefusedProof,
			w.decided(message.Proof{Commit: sub}, 0, chain...),
		},
		{"proof of another batch", message.RefusedProof, w.decided(cc, 0, other...)},
		{"checkpoint of another batch", message.RefusedProof, w.decided(
			message.Proof{Checkpoint: w.stable(refOf(chain[0]), crypto.Hash("r"))}, 0, chain...)},
		{
			"prepared only", message.RefusedProof,
			w.decided(message.Proof{Prepared: w.prepared(0, top)}, 0, chain...),
		},
		{"more than one needs", message.RefusedProof, w.decided(
			message.Proof{Commit: cc.Commit, Prepared: w.prepared(0, top)}, 0, chain...)},
		{"with a new view", message.RefusedProof, w.decided(
			message.Proof{Commit: cc.Commit, NewView: w.plainNewView(1)}, 0, chain...)},
		{"too few commits", message.RefusedTooFew, w.decided(
			message.Proof{Commit: w.certificate(crypto.KindCommit, 0, top, 0, 1)}, 0, chain...)},
		{"prepares as commits", message.RefusedCertificate, w.decided(
			message.Proof{Commit: w.prepared(0, top)}, 0, chain...)},
	}
}

func (w *world) badProofs() []refusal {
	nv := with(w.plainNewView(1), func(m *message.NewView) { m.View = 2 })
	return []refusal{
		{"of a forged new view", message.RefusedSignature, &message.Proof{NewView: nv}},
	}
}

func (w *world) badEvidence() []refusal {
	e := w.evidence()["E1"]
	return []refusal{
		{
			"against no member", message.RefusedMember,
			with(e, func(e *message.Evidence) { e.Culprit = 4 }),
		},
		{
			"against another", message.RefusedSignature,
			with(e, func(e *message.Evidence) { e.Culprit = 2 }),
		},
		{
			"of nothing", message.RefusedEvidence,
			with(e, func(e *message.Evidence) { e.Second = e.First }),
		},
	}
}

// A message is of the right epoch and comes from a member, or it is not looked at.
func TestVerifyEnvelope(t *testing.T) {
	w := newWorld(t, 4, crypto.SchemeEd25519)
	m := w.prepare(1, 2, 3, crypto.Hash("d"))
	for _, c := range []struct {
		from  int
		epoch uint64
		want  error
	}{
		{0, 0, nil},
		{3, 0, nil},
		{1, 1, message.RefusedEpoch},
		{-1, 0, message.RefusedMember},
		{4, 0, message.RefusedMember},
	} {
		v, err := message.Verify(w.cfg, newCache(), c.from, c.epoch, m)
		if !errors.Is(err, c.want) && (err != nil || c.want != nil) {
			t.Errorf("from %d in epoch %d: %v, want %v", c.from, c.epoch, err, c.want)
		}
		if (v.Message() != nil) != (c.want == nil) {
			t.Errorf("from %d in epoch %d: verified is %v", c.from, c.epoch, v.Message())
		}
	}
}

// A bundle's signatures are checked once; a refused bundle is not remembered.
func TestBundleCache(t *testing.T) {
	w := newWorld(t, 4, crypto.SchemeEd25519)
	cache := newCache()
	item := w.signed(1, message.FirstClientSession, 4, "s")
	good := &message.Submission{Bundle: w.bundle(2, 5, item)}
	for range 3 {
		if _, err := message.Verify(w.cfg, cache, 1, 0, good); err != nil {
			t.Fatal(err)
		}
	}
	if cache.hits != 2 {
		t.Errorf("%d of 3 checks were spared, want 2", cache.hits)
	}
	bad := &message.Submission{Bundle: w.inCluster("x").bundle(2, 5, plain("a")...)}
	for range 2 {
		_, err := message.Verify(w.cfg, cache, 1, 0, bad)
		if !errors.Is(err, message.RefusedSignature) {
			t.Errorf("a forged bundle: %v", err)
		}
	}
}

// Votes are checked together; each gets its own verdict, also next to nonsense.
func TestVerifyVotes(t *testing.T) {
	for _, scheme := range crypto.SchemeNames() {
		t.Run(scheme, func(t *testing.T) {
			w := newWorld(t, 7, scheme)
			d := crypto.Hash("d")
			honest := func(i int) *message.Vote { return w.commit(i, 2, 3, d) }
			votes := []*message.Vote{
				honest(0), honest(1),
				with(honest(2), func(v *message.Vote) { v.Voter = 3 }),
				with(honest(4), func(v *message.Vote) { v.Digest = crypto.Hash("e") }),
				with(honest(4), func(v *message.Vote) { v.Voter = 99 }),
				w.commit(5, 2, 3, crypto.Hash("e")),
				with(w.prepare(5, 2, 3, d), func(v *message.Vote) { v.Kind = crypto.KindCommit }),
				w.prepare(6, 2, 3, d),
				with(honest(6), func(v *message.Vote) { v.Sig = v.Sig[1:] }),
				honest(6),
			}
			want := []bool{true, true, false, false, false, false, false, false, false, true}
			froms := []int{0, 6, 2, 3, 4, 5, 5, 6, 6, 2}
			verified, good := message.VerifyVotes(w.cfg, 0, froms, votes)
			for i := range votes {
				if good[i] != want[i] {
					t.Errorf("vote %d is good: %t", i, good[i])
				}
				v := verified[i]
				if good[i] && (v.From() != froms[i] || v.Message() != votes[i]) {
					t.Errorf("vote %d came back as another one", i)
				}
				if !good[i] && verified[i].Message() != nil {
					t.Errorf("vote %d is bad and verified", i)
				}
			}
			for name, c := range map[string]struct {
				epoch uint64
				froms []int
				votes []*message.Vote
			}{
				"none":            {0, nil, nil},
				"another epoch":   {1, []int{0}, votes[:1]},
				"a stranger":      {0, []int{7}, votes[:1]},
				"nobody":          {0, []int{-1}, votes[:1]},
				"unequal lengths": {0, []int{0}, votes[:2]},
			} {
				verified, good := message.VerifyVotes(w.cfg, c.epoch, c.froms, c.votes)
				if len(verified) != len(c.votes) || len(good) != len(c.votes) {
					t.Errorf("%s: %d and %d verdicts", name, len(verified), len(good))
				}
				for i := range good {
					if good[i] || verified[i].Message() != nil {
						t.Errorf("%s: vote %d is good", name, i)
					}
				}
			}
		})
	}
}
