package message_test

import (
	"errors"
	"testing"

	"byzd/crypto"
	"byzd/pbft/message"
)

// E7: a batch that names one place twice, one bundle twice, or a bundle that is not validly signed
// convicts the primary that proposed it, and nothing less does.
func TestInvalidBatchesConvict(t *testing.T) {
	w := newWorld(t, 4, crypto.SchemeEd25519)
	good, other := w.bundle(0, 5, plain("x")...), w.bundle(0, 5, plain("y")...)
	next, foreign := w.bundle(0, 6, plain("z")...), w.inCluster("elsewhere").bundle(0, 7, plain("z")...)
	unsigned := w.signed(1, message.FirstClientSession, 4, "s")
	unsigned.Signed.Sig = make([]byte, message.ClientSignatureSize)
	client := w.bundle(0, 8, unsigned)
	stranger := w.bundle(0, 9, plain("x")...)
	stranger.Session = 2
	w.sealer(0).SealBundle(stranger)
	for _, c := range []struct {
		name      string
		view      uint64 // of the PREPARE
		by        int
		batch     *message.Batch // proposed in view 1, whose primary is replica 1
		convicted bool
	}{
		{"one place twice", 1, 1, w.batch(1, w.cfg.Base, good, next, other), true},
		{"one bundle twice", 1, 1, w.batch(1, w.cfg.Base, good, next, good), true},
		{"not signed by its gateway", 1, 1, w.batch(1, w.cfg.Base, good, foreign), true},
		{"not signed by its client", 1, 1, w.batch(1, w.cfg.Base, good, client), true},
		{"in another's session", 1, 1, w.batch(1, w.cfg.Base, good, stranger), false},
		{"nothing wrong", 1, 1, w.batch(1, w.cfg.Base, good, next), false},
		{"a backup's PREPARE", 1, 2, w.batch(1, w.cfg.Base, good, next, other), false},
		// Rule R7.2: who leads a later view certifies again what it never looked into.
		{"certified again", 2, 2, w.batch(1, w.cfg.Base, good, next, other), false},
		{"certified again, in its own later view", 5, 1, w.batch(1, w.cfg.Base, good, good), false},
	} {
		vote := w.prepare(c.by, c.view, 1, refOf(c.batch).Digest)
		e := message.InvalidBatch(w.cfg, vote, c.batch.Header, c.batch.IDs(), c.batch.Bundles)
		if (e != nil) != c.convicted {
			t.Errorf("%s: convicts is %t", c.name, e != nil)
		}
		if e == nil {
			continue
		}
		if err := e.Verify(w.cfg); err != nil || !e.Kind.Convicts() {
			t.Errorf("%s: %v", c.name, err)
		}
		for what, spoil := range map[string]func(*message.Evidence){
			"other names":      func(e *message.Evidence) { e.IDs = e.IDs[1:] },
			"another header":   func(e *message.Evidence) { e.Headers = []message.Header{{Seq: 1, PropView: 1}} },
			"no header":        func(e *message.Evidence) { e.Headers = nil },
			"a good bundle":    func(e *message.Evidence) { e.Bundles = []*message.Bundle{next} },
			"a strange bundle": func(e *message.Evidence) { e.Bundles = []*message.Bundle{w.bundle(3, 1)} },
		} {
			if with(e, spoil).Verify(w.cfg) == nil {
				t.Errorf("%s, with %s: it holds", c.name, what)
			}
		}
	}
}

// E8: a root that is not the certified one of the same batch; it is reported and convicts nobody.
// Of another batch it is no evidence: on its side of a fork a correct replica says that.
func TestWrongRootIsReported(t *testing.T) {
	w := newWorld(t, 4, crypto.SchemeEd25519)
	ref, root := message.Ref{Seq: 8, Digest: crypto.Hash("d")}, crypto.Hash("root")
	cert := w.stable(ref, root)
	wrong := w.checkpoint(3, ref, crypto.Hash("other"))
	e := message.WrongRoot(w.cfg, wrong, cert)
	if e == nil || e.Kind.Convicts() || e.Verify(w.cfg) != nil {
		t.Fatalf("no E8, or one that convicts: %v", e)
	}
	if message.WrongRoot(w.cfg, w.checkpoint(3, ref, root), cert) != nil {
		t.Error("the certified root is called wrong")
	}
	elsewhere := message.Ref{Seq: 8, Digest: crypto.Hash("e")}
	if message.WrongRoot(w.cfg, w.checkpoint(3, elsewhere, root), cert) != nil ||
		message.WrongRoot(w.cfg, w.checkpoint(3, message.Ref{Seq: 16}, root), cert) != nil {
		t.Error("a CHECKPOINT of another batch is called wrong")
	}
	few := with(e, func(e *message.Evidence) { e.Stable = w.stable(ref, root, 0, 1) })
	if few.Verify(w.cfg) == nil {
		t.Error("two of four certify")
	}
}

// E9: a gateway that gives one place to two bundles; the same bundle sent again, another place, and
// a client's own requests are none of it (rule R7.3).
func TestTwoBundlesConvict(t *testing.T) {
	w := newWorld(t, 4, crypto.SchemeEd25519)
	a, b := w.bundle(2, 7, plain("a")...), w.bundle(2, 7, plain("b")...)
	e := message.ContradictingWords(w.cfg, a.Word(w.cfg), b.Word(w.cfg))
	if e == nil || e.Verify(w.cfg) != nil || e.Culprit != 2 {
		t.Fatalf("two bundles for one place prove nothing: %v", e)
	}
	client := w.signed(1, 2, 7, "s") // a client that takes a gateway's session for its own
	said := &message.Word{Gateway: 2, Key: b.Key(), Said: message.Statement{
		Kind: crypto.KindRequest, Body: client.Signed.SignBytes(w.cfg.RequestDomain())[48:],
		Sig: client.Signed.Sig,
	}}
	for name, other := range map[string]*message.Word{
		"the same": a.Word(w.cfg), "the next": w.bundle(2, 8, plain("b")...).Word(w.cfg),
		"another gateway's": w.bundle(1, 7, plain("b")...).Word(w.cfg), "a client's": said,
	} {
		if message.ContradictingWords(w.cfg, a.Word(w.cfg), other) != nil {
			t.Errorf("%s: a gateway is accused", name)
		}
	}
	forged := *e
	forged.Second.Sig = e.First.Sig
	if err := forged.Verify(w.cfg); !errors.Is(err, message.RefusedSignature) {
		t.Errorf("a bundle that the gateway did not sign: %v", err)
	}
}

// Rule R19: where aggregates cannot be taken apart, a certificate proves what each signer said;
// where they can, a signature must be shown.
func TestCertificatesProveWhatTheirSignersSaid(t *testing.T) {
	for _, scheme := range crypto.SchemeNames() {
		w := newWorld(t, 4, scheme)
		x := w.certificate(crypto.KindCommit, 1, message.Ref{Seq: 5, Digest: crypto.Hash("x")}, 0, 1, 2)
		y := w.certificate(crypto.KindCommit, 1, message.Ref{Seq: 5, Digest: crypto.Hash("y")}, 0, 1, 3)
		for i := range w.cfg.Members {
			e := message.Contradiction(w.cfg, message.EvidenceCommits, i, x.Statement(),
				y.Statement(), nil)
			if e == nil {
				t.Fatal("two certificates of one place are no contradiction")
			}
			holds := scheme == crypto.SchemeBLS12381 && i < 2
			if err := e.Verify(w.cfg); (err == nil) != holds {
				t.Errorf("%s: against %d: %v", scheme, i, err)
			}
			back, err := message.DecodeEvidence(message.EncodeEvidence(e))
			if good := err == nil && back.Verify(w.cfg) == nil; good != holds {
				t.Errorf("%s: against %d, decoded: %v", scheme, i, err)
			}
		}
	}
}
