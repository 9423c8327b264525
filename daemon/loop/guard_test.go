package loop_test

import (
	"strings"
	"testing"

	"byzd/crypto"
	"byzd/daemon/loop"
	"byzd/pbft"
	"byzd/pbft/message"
	"byzd/pbft/pbfttest"
)

// desk is replica 1 of four at its signing desk: what it records and says, and how a restart
// rebuilds its guard from the records.
type desk struct {
	t     *testing.T
	seal  message.Sealer
	guard *loop.Guard
	fold  pbft.Fold
	chain []*message.Batch
	rival []*message.Batch // another chain from the base
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	cfg, signers := pbfttest.Config(4, crypto.SchemeEd25519, message.DefaultParams())
	d := &desk{t: t, seal: message.Sealer{Config: cfg, Self: 1, Signer: signers[1]}}
	d.chain, d.rival = bare(cfg, cfg.Base, 6, 0), bare(cfg, cfg.Base, 6, 1)
	d.guard = loop.NewGuard(d.seal, pbft.Restored{})
	for _, b := range append(d.chain[:5:5], d.rival[:5]...) {
		d.record(&message.Record{Type: message.RecordBatch, Batch: b})
	}
	return d
}

// bare is a chain of headers without bundles.
func bare(cfg *message.Config, parent message.Ref, n int, view uint64) []*message.Batch {
	var chain []*message.Batch
	for range n {
		b := &message.Batch{Header: message.Header{
			Cluster: cfg.Cluster, Seq: parent.Seq + 1, Parent: parent.Digest,
			PropView: view, Root: message.BatchRoot(nil),
		}}
		chain = append(chain, b)
		parent = refOf(b)
	}
	return chain
}

func refOf(b *message.Batch) message.Ref {
	return message.Ref{Seq: b.Header.Seq, Digest: b.Header.Digest()}
}

// record stages a record: the guard sees it, and a restart will.
func (d *desk) record(rec *message.Record) {
	d.guard.Record(rec)
	body := rec.Encode()
	back, err := message.DecodeRecord(rec.Type, message.RecordVersion, body)
	if err != nil {
		d.t.Fatal(err)
	}
	d.fold.Add(back)
	if rec.Type == message.RecordBatch {
		d.fold.Batches = append(d.fold.Batches, back.Batch)
	}
}

// restart gives the desk the guard that the records make.
func (d *desk) restart() { d.guard = loop.NewGuard(d.seal, d.fold.Result()) }

func (d *desk) prepare(view uint64, b *message.Batch) message.Message {
	return d.vote(crypto.KindPrepare, view, refOf(b))
}

func (d *desk) commit(view uint64, b *message.Batch) message.Message {
	return d.vote(crypto.KindCommit, view, refOf(b))
}

func (*desk) vote(kind crypto.Kind, view uint64, ref message.Ref) message.Message {
	return &message.Vote{Kind: kind, View: view, Seq: ref.Seq, Digest: ref.Digest, Voter: 1}
}

func (*desk) proposal(view uint64, b *message.Batch) message.Message {
	return &message.PrePrepare{View: view, Header: b.Header}
}

func (*desk) high(view uint64, b *message.Batch) *message.Certificate {
	ref := refOf(b)
	return &message.Certificate{
		Kind: crypto.KindPrepare, View: view, Seq: ref.Seq, Digest: ref.Digest,
		Aggregate: []byte("not looked at here"),
	}
}

func (d *desk) change(to uint64, high *message.Certificate) *message.ViewChange {
	stable := d.seal.Config.BaseCheckpoint()
	return &message.ViewChange{High: high, Stable: stable, Stmt: message.VcStmt{
		Voter: 1, Tuple: message.Tuple{
			NewView: to, High: high.Ref(), HighView: high.View, Stable: stable.Ref(),
		},
	}}
}

func (d *desk) newView(view uint64, base *message.Certificate, holds bool) *message.NewView {
	return &message.NewView{
		View: view, Base: base, Stable: d.seal.Config.BaseCheckpoint(), HoldsChain: holds,
	}
}

// say records what a statement makes irrevocable, as the replica does, and has it signed.
func (d *desk) say(m message.Message) {
	d.t.Helper()
	switch m := m.(type) {
	case *message.PrePrepare:
		d.record(&message.Record{Type: message.RecordVote, Vote: m.Vote(d.seal.Config)})
	case *message.Vote:
		d.record(&message.Record{Type: message.RecordVote, Vote: m})
	case *message.ViewChange:
		d.record(&message.Record{Type: message.RecordTarget, Change: m})
	case *message.NewView:
		d.record(&message.Record{Type: message.RecordNewView, NewView: m})
		if m.HoldsChain {
			v, _ := d.vote(crypto.KindPrepare, m.View, m.Base.Ref()).(*message.Vote)
			d.record(&message.Record{Type: message.RecordVote, Vote: v})
		}
	}
	if _, err := d.guard.Seal(m); err != nil {
		d.t.Fatalf("a correct replica's %v: %v", m.Type(), err)
	}
}

func (d *desk) highLog(c *message.Certificate) {
	d.record(&message.Record{Type: message.RecordHigh, Cert: c})
}

// enter records an accepted NEW-VIEW.
func (d *desk) enter(view uint64, base *message.Certificate) {
	d.record(&message.Record{Type: message.RecordView, NewView: d.newView(view, base, false)})
}

// The guard refuses whatever contradicts what was said, also after a restart in between, and lets
// the same be said again.
// PROTOCOL §3: B24.
func TestGuardRefusesContradictions(t *testing.T) {
	type script struct {
		name  string
		said  func(d *desk)
		try   func(d *desk) message.Message
		error string // "" if it may be said
	}
	for _, c := range []script{
		{
			"a second prepare",
			func(d *desk) { d.say(d.prepare(0, d.chain[0])) },
			func(d *desk) message.Message { return d.prepare(0, d.rival[0]) },
			"second prepare in view 0 for 1",
		},
		{
			"the same prepare again",
			func(d *desk) { d.say(d.prepare(0, d.chain[0])) },
			func(d *desk) message.Message { return d.prepare(0, d.chain[0]) }, "",
		},
		{
			"a second pre-prepare",
			func(d *desk) { d.enter(1, d.high(0, d.chain[0])); d.say(d.proposal(1, d.chain[1])) },
			func(d *desk) message.Message { return d.proposal(1, d.rival[1]) },
			"second prepare in view 1 for 2",
		},
		{
			"a prepare beside the own pre-prepare",
			func(d *desk) { d.enter(1, d.high(0, d.chain[0])); d.say(d.proposal(1, d.chain[1])) },
			func(d *desk) message.Message { return d.prepare(1, d.rival[1]) },
			"second prepare in view 1 for 2",
		},
		{
			"a second commit",
			func(d *desk) { d.highLog(d.high(0, d.chain[0])); d.say(d.commit(0, d.chain[0])) },
			func(d *desk) message.Message { return d.commit(0, d.rival[0]) },
			"second commit in view 0 for 1",
		},
		{
			"the next on the chain",
			func(d *desk) { d.say(d.prepare(0, d.chain[0])) },
			func(d *desk) message.Message { return d.prepare(0, d.chain[3]) }, "",
		},
		{ // rule R6: the replica that the tip jump would frame is frozen by its guard
			"a prepare off the chain",
			func(d *desk) { d.say(d.prepare(0, d.chain[0])) },
			func(d *desk) message.Message { return d.prepare(0, d.rival[2]) },
			"prepare of 3 in view 0 is off the chain of 1",
		},
		{
			"a prepare below, off the chain",
			func(d *desk) { d.say(d.prepare(0, d.chain[2])) },
			func(d *desk) message.Message { return d.prepare(0, d.rival[0]) },
			"off the chain",
		},
		{
			"a prepare whose way is not shown",
			func(d *desk) { d.say(d.prepare(0, d.chain[0])) },
			func(d *desk) message.Message { return d.prepare(0, d.chain[5]) },
			"off the chain",
		},
		{
			"another chain in the next view",
			func(d *desk) { d.say(d.prepare(0, d.chain[0])); d.enter(1, d.high(0, d.chain[0])) },
			func(d *desk) message.Message { return d.prepare(1, d.rival[2]) }, "",
		},
		{
			"a commit off the chain",
			func(d *desk) {
				d.highLog(d.high(0, d.chain[3]))
				d.say(d.commit(0, d.chain[1]))
			},
			func(d *desk) message.Message { return d.commit(0, d.rival[2]) },
			"commit of 3 in view 0 is off the chain of 2",
		},
		{
			"a commit above the recorded certificate",
			func(d *desk) { d.highLog(d.high(0, d.chain[0])) },
			func(d *desk) message.Message { return d.commit(0, d.chain[1]) },
			"above the recorded certificate",
		},
		{
			"a commit of the recorded certificate",
			func(d *desk) { d.highLog(d.high(0, d.chain[1])) },
			func(d *desk) message.Message { return d.commit(0, d.chain[1]) }, "",
		},
		{
			"a prepare below the promised view",
			func(d *desk) { d.say(d.change(1, d.seal.Config.BaseCertificate())) },
			func(d *desk) message.Message { return d.prepare(0, d.chain[0]) },
			"prepare in view 0, but view 1 was promised",
		},
		{
			"a commit below the promised view",
			func(d *desk) {
				d.highLog(d.high(0, d.chain[0]))
				d.say(d.change(1, d.high(0, d.chain[0])))
			},
			func(d *desk) message.Message { return d.commit(0, d.chain[0]) },
			"commit in view 0, but view 1 was promised",
		},
		{
			"a prepare below the entered view",
			func(d *desk) { d.enter(2, d.high(0, d.chain[0])) },
			func(d *desk) message.Message { return d.prepare(1, d.chain[1]) },
			"but view 2 was promised",
		},
		{
			"a view change that hides a commit",
			func(d *desk) { d.highLog(d.high(0, d.chain[1])); d.say(d.commit(0, d.chain[1])) },
			func(d *desk) message.Message { return d.change(1, d.high(0, d.chain[0])) },
			"VIEW-CHANGE to 1 hides the COMMIT (0,2)",
		},
		{
			"a view change that shows it",
			func(d *desk) { d.highLog(d.high(0, d.chain[1])); d.say(d.commit(0, d.chain[1])) },
			func(d *desk) message.Message { return d.change(1, d.high(0, d.chain[1])) }, "",
		},
		{
			"a second view change to a view",
			func(d *desk) { d.say(d.change(1, d.seal.Config.BaseCertificate())) },
			func(d *desk) message.Message { return d.change(1, d.high(0, d.chain[0])) },
			"second VIEW-CHANGE to view 1",
		},
		{
			"the same view change again",
			func(d *desk) { d.say(d.change(1, d.high(0, d.chain[0]))) },
			func(d *desk) message.Message { return d.change(1, d.high(0, d.chain[0])) }, "",
		},
		{
			"a view change back",
			func(d *desk) { d.say(d.change(3, d.seal.Config.BaseCertificate())) },
			func(d *desk) message.Message { return d.change(2, d.seal.Config.BaseCertificate()) },
			"VIEW-CHANGE to 2, but view 3 was promised",
		},
		{
			"a view change to the entered view",
			func(d *desk) { d.enter(2, d.high(0, d.chain[0])) },
			func(d *desk) message.Message { return d.change(2, d.high(0, d.chain[0])) },
			"view 2 was promised",
		},
		{
			"a view change of another's",
			func(*desk) {},
			func(d *desk) message.Message {
				m := d.change(1, d.seal.Config.BaseCertificate())
				m.Stmt.Voter = 2
				return m
			},
			"VIEW-CHANGE of replica 2",
		},
		{
			"a second new view",
			func(d *desk) { d.say(d.newView(1, d.high(0, d.chain[0]), true)) },
			func(d *desk) message.Message { return d.newView(1, d.high(0, d.chain[1]), true) },
			"second NEW-VIEW for view 1",
		},
		{
			"the same new view again",
			func(d *desk) { d.say(d.newView(1, d.high(0, d.chain[0]), true)) },
			func(d *desk) message.Message { return d.newView(1, d.high(0, d.chain[0]), true) }, "",
		},
		{
			"a new view below the promised one",
			func(d *desk) { d.say(d.change(2, d.seal.Config.BaseCertificate())) },
			func(d *desk) message.Message { return d.newView(1, d.high(0, d.chain[0]), true) },
			"NEW-VIEW 1, but view 2 was promised",
		},
		{
			"a new view of another's",
			func(*desk) {},
			func(d *desk) message.Message { return d.newView(2, d.high(0, d.chain[0]), true) },
			"NEW-VIEW 2, whose primary is replica 2",
		},
		{
			"a prepare beside the one in the new view",
			func(d *desk) { d.say(d.newView(1, d.high(0, d.chain[1]), true)) },
			func(d *desk) message.Message { return d.prepare(1, d.rival[1]) },
			"second prepare in view 1 for 2",
		},
		{
			"a new view beside a prepare",
			func(d *desk) { d.enter(1, d.high(0, d.chain[1])); d.say(d.prepare(1, d.chain[1])) },
			func(d *desk) message.Message { return d.newView(1, d.high(0, d.rival[1]), true) },
			"second prepare in view 1 for 2",
		},
		{
			"a pre-prepare of another's view",
			func(*desk) {},
			func(d *desk) message.Message { return d.proposal(0, d.chain[0]) },
			"pre-prepare of view 0, whose primary is replica 0",
		},
		{ // the sealer signs every vote that has no signature as this replica's own
			"an unsigned vote under another's name",
			func(d *desk) { d.say(d.prepare(0, d.chain[0])) },
			func(d *desk) message.Message {
				m, _ := d.prepare(0, d.rival[0]).(*message.Vote)
				m.Voter = 2
				return m
			},
			"second prepare in view 0 for 1",
		},
	} {
		for _, restarted := range []bool{false, true} {
			name := c.name
			if restarted {
				name += ", after a restart"
			}
			t.Run(name, func(t *testing.T) {
				d := newDesk(t)
				c.said(d)
				if restarted {
					d.restart()
				}
				v, err := d.guard.Seal(c.try(d))
				switch {
				case c.error == "" && err != nil:
					t.Errorf("refused: %v", err)
				case c.error != "" && err == nil:
					t.Error("it was signed")
				case err != nil && !strings.Contains(err.Error(), "signing guard: ") ||
					err != nil && !strings.Contains(err.Error(), c.error):
					t.Errorf("refused as %q, want %q", err, c.error)
				case err != nil && v.Message() != nil:
					t.Error("it was refused and returned")
				}
			})
		}
	}
}

// What others have signed is passed on as it is, whatever this replica has said itself.
func TestGuardPassesOnWhatOthersSaid(t *testing.T) {
	d := newDesk(t)
	d.say(d.change(5, d.seal.Config.BaseCertificate()))
	cfg, signers := pbfttest.Config(4, crypto.SchemeEd25519, message.DefaultParams())
	other := message.Sealer{Config: cfg, Self: 2, Signer: signers[2]}
	ref := refOf(d.chain[0])
	v := &message.Vote{Kind: crypto.KindPrepare, Seq: ref.Seq, Digest: ref.Digest, Voter: 2}
	other.Seal(v)
	sig := string(v.Sig)
	if _, err := d.guard.Seal(v); err != nil || v.Voter != 2 || string(v.Sig) != sig {
		t.Errorf("replica 2's vote became %d's (%v)", v.Voter, err)
	}
	for _, m := range []message.Message{
		&message.Status{}, &message.Complain{View: 1}, &message.FenceAsk{Nonce: 1},
		&message.Checkpoint{Seq: 8},
	} {
		if _, err := d.guard.Seal(m); err != nil {
			t.Errorf("%v: %v", m.Type(), err)
		}
	}
}

// However long a view lasts, the guard's memory is bounded and still refuses.
func TestGuardForgetsOnlyWhatTheChainCovers(t *testing.T) {
	d := newDesk(t)
	cfg := d.seal.Config
	chain := bare(cfg, cfg.Base, 12_000, 0)
	for _, b := range chain {
		d.guard.Record(&message.Record{Type: message.RecordBatch, Batch: b})
		d.guard.Record(&message.Record{Type: message.RecordHigh, Cert: d.high(0, b)})
		for _, m := range []message.Message{d.prepare(0, b), d.commit(0, b)} {
			if _, err := d.guard.Seal(m); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, m := range []message.Message{
		d.prepare(0, d.rival[0]), d.commit(0, d.rival[0]), d.prepare(0, d.rival[5]),
	} {
		if _, err := d.guard.Seal(m); err == nil {
			t.Error("an old place was signed a second time")
		}
	}
	if _, err := d.guard.Seal(d.change(1, d.high(0, chain[11_000]))); err == nil {
		t.Error("a view change hides the newest commit")
	}
}
