package message_test

import (
	"strings"
	"testing"

	"byzd/crypto"
	"byzd/pbft/message"
)

// What is signed is laid out as PROTOCOL §4.3 says, byte for byte.
func TestSignedStatements(t *testing.T) {
	w := newWorld(t, 4, crypto.SchemeEd25519).inEpoch(7)
	d, root := crypto.Hash("d"), crypto.Hash("root")
	high := w.prepared(1, message.Ref{Seq: 5, Digest: d})
	stable := w.stable(message.Ref{Seq: 3, Digest: crypto.Hash("c")}, root)
	vc := w.viewChange(2, 4, high, stable)
	nv := w.newView(4, true, vc)
	primary := w.cfg.Primary(4)
	bundle := w.bundle(2, 5, message.Item{Op: []byte("op")}, w.signed(1, 70000, 4, "s"))
	client := bundle.Items[1].Signed
	request := fields(client.Client, client.Session, client.Seq, client.Ack, uint32(1), []byte("s"))
	items := fields(uint32(2), uint8(0), uint32(2), []byte("op"), uint8(1), request, client.Sig)
	// Requests survive epochs: theirs is 0.
	ageless := w.inEpoch(0)
	complain := w.complain(3, 6)
	pp := w.prePrepare(2, w.chain(2, w.cfg.Base, 1, "x")[0])
	rootSig := w.sealer(2).SignReplyRoot(9, root)
	for name, c := range map[string]struct {
		signer    int
		statement []byte
		sig       []byte
	}{
		"PREPARE": {
			1, w.statement(crypto.KindPrepare, uint64(2), uint64(3), d), w.prepare(1, 2, 3, d).Sig,
		},
		"COMMIT": {
			1, w.statement(crypto.KindCommit, uint64(2), uint64(3), d), w.commit(1, 2, 3, d).Sig,
		},
		"PREPARE in a pre-prepare": {
			w.cfg.Primary(2), w.statement(crypto.KindPrepare, uint64(2), uint64(1),
				pp.Header.Digest()), pp.Sig,
		},
		"CHECKPOINT": {
			0, w.statement(crypto.KindCheckpoint, uint64(8), d, root),
			w.checkpoint(0, message.Ref{Seq: 8, Digest: d}, root).Sig,
		},
		"VIEW-CHANGE": {
			2, w.statement(crypto.KindViewChange, uint64(4), uint64(1), uint64(5), d, uint64(3),
				crypto.Hash("c"), root), vc.Stmt.Sig,
		},
		"NEW-VIEW": {
			primary, w.statement(crypto.KindNewView, w.newViewStatement(nv).Body), nv.Sig,
		},
		"PREPARE in a NEW-VIEW": {
			primary, w.statement(crypto.KindPrepare, uint64(4), uint64(5), d), nv.PrepareSig,
		},
		"REQUEST of a gateway": {
			2, ageless.statement(crypto.KindRequest, w.cfg.Members[2].Node, uint64(2), uint64(5),
				uint64(5), crypto.Hash("byzd/ops/1", items)), bundle.Sig,
		},
		"REPLY-ROOT": {2, w.statement(crypto.KindReplyRoot, uint64(9), root), rootSig},
		"COMPLAIN": {
			3, w.statement(crypto.KindComplain, uint64(6), uint8(message.ReasonStall),
				uint64(2000)), complain.Sig,
		},
	} {
		if !w.cfg.Scheme.Verify(w.cfg.Members[c.signer].Key, c.statement, c.sig) {
			t.Errorf("%s is signed over something else", name)
		}
	}
	statement := ageless.statement(crypto.KindRequest, client.Client, client.Session, client.Seq,
		client.Ack, crypto.Hash("byzd/ops/1", []byte("s")))
	if !client.Client.Verify(statement, client.Sig) {
		t.Error("a client's REQUEST is signed over something else")
	}
	if string(w.prepare(1, 2, 3, d).SignBytes(w.cfg)) !=
		string(w.statement(crypto.KindPrepare, uint64(2), uint64(3), d)) {
		t.Error("Vote.SignBytes is not what is signed")
	}
	cp := w.checkpoint(0, message.Ref{Seq: 8, Digest: d}, root)
	if string(cp.SignBytes(w.cfg)) !=
		string(w.statement(crypto.KindCheckpoint, uint64(8), d, root)) {
		t.Error("Checkpoint.SignBytes is not what is signed")
	}
}

// The signature of a batch's replies is its member's, for that batch.
func TestReplyRoot(t *testing.T) {
	w := newWorld(t, 4, crypto.SchemeEd25519)
	root := crypto.Hash("root")
	sig := w.sealer(2).SignReplyRoot(9, root)
	for _, c := range []struct {
		voter int
		seq   uint64
		root  crypto.Digest
		want  bool
	}{
		{2, 9, root, true},
		{1, 9, root, false},
		{2, 8, root, false},
		{2, 9, crypto.Hash("x"), false},
		{-1, 9, root, false},
		{4, 9, root, false},
	} {
		if got := message.VerifyReplyRoot(w.cfg, c.voter, c.seq, c.root, sig); got != c.want {
			t.Errorf("member %d, batch %d: %t", c.voter, c.seq, got)
		}
	}
	if message.VerifyReplyRoot(w.inEpoch(1).cfg, 2, 9, root, sig) {
		t.Error("it holds in another epoch")
	}
}

// Statements are described in words, also nonsense.
func TestDescribeStatement(t *testing.T) {
	w := newWorld(t, 4, crypto.SchemeEd25519)
	for name, e := range w.evidence() {
		for _, s := range []message.Statement{e.First, e.Second} {
			text := message.DescribeStatement(s.Kind, s.Body)
			if s.Kind != 0 && !strings.HasPrefix(text, s.Kind.String()) {
				t.Errorf("%s is described as %q", name, text)
			}
			for i := range s.Body {
				_ = message.DescribeStatement(s.Kind, s.Body[:i]) // must not panic
			}
		}
	}
	e := w.evidence()["E1"]
	if text := message.DescribeStatement(e.First.Kind, e.First.Body); text !=
		"prepare view=1 seq=7 batch="+crypto.Hash("a").Short() {
		t.Errorf("a PREPARE is described as %q", text)
	}
}
