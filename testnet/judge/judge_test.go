package judge

import (
	"fmt"
	"strings"
	"testing"

	"byzd/crypto"
	"byzd/daemon/journal"
	"byzd/pbft/message"
)

const (
	ed25519 = crypto.SchemeEd25519
	bls     = crypto.SchemeBLS12381
)

// A network that worked is held, whatever scheme it signs with, and every checkpoint's root is
// what executing its batches again gives: clients' sessions, replies and repeated requests
// included. This is also the test that the judge's ledger is the replicas' client table.
func TestHonestNetworkIsHeld(t *testing.T) {
	for _, scheme := range crypto.SchemeNames() {
		t.Run(scheme, func(t *testing.T) {
			c := newCluster(t, 4, scheme)
			c.runFor(1000, nil)
			n := 10
			if scheme != ed25519 {
				n = 3 // slow ones
			}
			c.some(n)
			k := c.register(1, 1)
			for i := range n {
				req := c.request(k, k.seq, "signed", fmt.Sprint(i))
				tag := c.submit(i%4, message.Item{Signed: req})
				other := c.submit((i+1)%4, message.Item{Signed: req}) // a client's retry
				c.runFor(60_000, func() bool {
					return c.nodes[i%4].done[tag] && c.nodes[(i+1)%4].done[other]
				})
			}
			c.register(2, 2)
			c.some(n)
			v := c.logs().judge()
			wantStates(t, v, Held, Held, Held, Held)
			wantCulprits(t, v)
			if v.Roots < 4 || v.Operations != 3*n || v.Sequence == 0 || v.ExitCode() != ExitHeld {
				t.Errorf("%d roots compared, %d operations, sequence %d, exit %d", v.Roots,
					v.Operations, v.Sequence, v.ExitCode())
			}
			if v.Signatures < 3*n {
				t.Errorf("only %d signatures verified", v.Signatures)
			}
		})
	}
}

// Crashes, view changes and votes that are cast again in later views are an honest history: nobody
// is accused, and what is behind is behind.
func TestTrickyHonestHistoriesAccuseNobody(t *testing.T) {
	c := newCluster(t, 4, ed25519)
	c.runFor(1000, nil)
	c.some(6)
	for round := range 6 {
		// Everything prepares, and the COMMITs of some are lost: the next view votes again.
		primary := c.nodes[1].loop.Replica().State().Primary
		c.pass = func(from, to int, frame []byte) bool {
			_, m, err := message.Decode(frame)
			v, vote := m.(*message.Vote)
			return err != nil || !vote || v.Kind != crypto.KindCommit || (from+to+round)%2 == 0
		}
		i := (primary + 1) % 4
		tag := c.submit(i, message.Item{Op: putOp(t, "a", fmt.Sprint(round))})
		c.runFor(20, nil)
		c.crash(primary)
		view := c.nodes[i].loop.Replica().State().View
		c.runFor(60_000, func() bool { return c.nodes[i].loop.Replica().State().Target > view })
		c.pass = nil
		c.runFor(60_000, func() bool { return c.nodes[i].done[tag] })
		c.open(primary)
		c.runFor(500, nil)
		c.some(8)
	}
	if view := c.nodes[1].loop.Replica().State().View; view == 0 {
		t.Fatal("the view never changed")
	}
	l := c.logs()
	v := l.judge()
	wantStates(t, v, Held, Held, Held, Held)
	wantCulprits(t, v)
	// The same when one node is far behind, and when all are judged in the middle of it.
	l.records[2] = l.records[2][:len(l.records[2])/2]
	for i := range l.records {
		l.records[i] = l.records[i][:len(l.records[i])*(9-i)/10]
	}
	v = l.judge()
	if v.Agreement != Held || v.Validity != Held || v.Integrity != Held {
		t.Errorf("a beginning of an honest history:\n%s", texts(v))
	}
	wantCulprits(t, v)
}

// Issue 2: two of four collude to split, and the two correct nodes execute different batches.
// Agreement is broken where it is, and exactly the two are guilty.
func TestForkIsBrokenAndNamesExactlyTheColluders(t *testing.T) {
	for _, scheme := range []string{ed25519, bls} {
		t.Run(scheme, func(t *testing.T) {
			c := newCluster(t, 4, scheme)
			c.runFor(1000, nil)
			c.some(3)
			l := c.logs(0, 1)
			top := l.top(t)
			a, _ := c.batch(top, 0, c.bundle(3, 900, "x", "left"))
			b, _ := c.batch(top, 0, c.bundle(3, 901, "x", "right"))
			left := l.decide(c, []int{2}, a, 0, 0, 1, 2)
			right := l.decide(c, []int{3}, b, 0, 0, 1, 3)
			v := l.judge()
			if v.Agreement != Broken || v.ExitCode() != ExitBroken {
				t.Fatalf("agreement is %s, exit %d", v.Agreement, v.ExitCode())
			}
			wantFinding(t, v, Agreement, fmt.Sprintf("sequence number %d", top.Seq+1),
				left.Digest.Short(), right.Digest.Short(), "signed by both sides: node 0, node 1")
			wantCulprits(t, v, 0, 1)
			wantTraitors := fmt.Sprint(v.Traitors)
			if wantTraitors != "[0 1]" {
				t.Errorf("traitors are %s", wantTraitors)
			}
			if len(v.Proofs) < 2 { // rule R19: also where signatures are added up
				t.Errorf("%d proofs", len(v.Proofs))
			}
			if len(v.Forks) != 1 || v.Forks[0].Unproven != "" ||
				v.Forks[0].Sequence != top.Seq+1 || fmt.Sprint(v.Forks[0].Guilty) != "[0 1]" {
				t.Errorf("forks are %+v", v.Forks)
			}
			for _, p := range v.Proofs {
				if err := p.Evidence.Verify(c.cfg); err != nil {
					t.Errorf("%v against %d: %v", p.Kind, p.Culprit, err)
				}
			}
		})
	}
}

// A fork over a view change: the new view's primary and its accomplice hide what they committed.
func TestForkAcrossViewsIsProvedByTheHiddenLock(t *testing.T) {
	c := newCluster(t, 4, ed25519)
	c.runFor(1000, nil)
	c.some(3)
	l := c.logs(0, 1)
	top := l.top(t)
	a, _ := c.batch(top, 0, c.bundle(3, 900, "x", "left"))
	left := l.decide(c, []int{2}, a, 0, 0, 1, 2)
	// View 1, whose primary is 1: it and 0 report the batch before a as the highest prepared one.
	base := c.certify(crypto.KindPrepare, 0, top, 0, 1, 3)
	m := &message.NewView{View: 1, Base: base, Stable: c.cfg.BaseCheckpoint(), HoldsChain: true}
	for _, i := range []int{0, 1, 3} {
		change := &message.ViewChange{
			Stmt: message.VcStmt{Tuple: message.Tuple{
				NewView: 1, High: top, HighView: 0, Stable: m.Stable.Ref(), Root: m.Stable.Root,
			}},
			High: base, Stable: m.Stable,
		}
		c.sealer(i).Seal(change)
		m.Stmts = append(m.Stmts, change.Stmt)
	}
	c.sealer(1).Seal(m)
	l.add(3, &message.Record{Type: message.RecordView, NewView: m})
	b, _ := c.batch(top, 1, c.bundle(3, 901, "x", "right"))
	right := l.decide(c, []int{3}, b, 1, 0, 1, 3)
	v := l.judge()
	wantFinding(t, v, Agreement, left.Digest.Short(), right.Digest.Short(), "in view 1")
	wantCulprits(t, v, 0, 1)
	if len(v.Forks) != 1 || v.Forks[0].Unproven != "" ||
		fmt.Sprint(v.Forks[0].Guilty) != "[0 1]" || !strings.Contains(v.Forks[0].Cause, "R7.7: E5") {
		t.Errorf("forks are %+v", v.Forks)
	}
}

// Forged signatures in a traitor's journal neither accuse anybody nor shield the traitor.
func TestForgedStatementsNeitherAccuseNorShield(t *testing.T) {
	c := newCluster(t, 4, ed25519)
	c.runFor(1000, nil)
	c.some(3)
	l := c.logs(0, 1)
	top := l.top(t)
	a, left := c.batch(top, 0, c.bundle(3, 900, "x", "left"))
	b, _ := c.batch(top, 0, c.bundle(3, 901, "x", "right"))
	l.decide(c, []int{2}, a, 0, 0, 1, 2)
	l.decide(c, []int{3}, b, 0, 0, 1, 3)
	forged := c.certify(crypto.KindCommit, 0, left, 0, 1, 2, 3)
	forged.Digest[0] ^= 1
	prepared := c.certify(crypto.KindPrepare, 0, left, 0, 1, 2, 3)
	prepared.Digest[0] ^= 1
	for _, cert := range []*message.Certificate{forged, prepared} {
		for _, place := range []int{0, 1} {
			rec := encoded(&message.Record{Type: message.RecordHigh, Cert: cert})
			l.records[place] = append([]journal.Record{rec}, l.records[place]...)
		}
	}
	wantCulprits(t, l.judge(), 0, 1)
	l.traitors = []int{0, 1, 2} // now the forgeries come first
	wantCulprits(t, l.judge(), 0, 1)
}

// What only one node keeps and what only another one keeps together make a proof: a primary that
// told each backup something else is caught although nobody was told both.
func TestStatementsOfDifferentNodesMakeAProof(t *testing.T) {
	c := newCluster(t, 4, ed25519)
	c.runFor(1000, nil)
	c.some(3)
	l := c.logs(0)
	top := l.top(t)
	for i, value := range map[int]string{1: "one", 2: "two", 3: "three"} {
		_, ref := c.batch(top, 0, c.bundle(3, 900, "x", value))
		vote := &message.Vote{Kind: crypto.KindPrepare, Seq: ref.Seq, Digest: ref.Digest}
		c.sealer(0).Seal(vote)
		high := c.certify(crypto.KindPrepare, 0, top, 1, 2, 3)
		l.add(i, &message.Record{Type: message.RecordTarget, Change: &message.ViewChange{
			Stmt: message.VcStmt{Voter: i, Tuple: message.Tuple{NewView: 1, High: top}},
			High: high, Stable: c.cfg.BaseCheckpoint(), Statements: []*message.Vote{vote},
		}})
	}
	v := l.judge()
	if v.Agreement != Held {
		t.Errorf("agreement is %s", v.Agreement)
	}
	wantCulprits(t, v, 0)
}

// A certificate that members made with PREPAREs off the chain of their view proves them guilty, and
// nobody who only followed.
func TestPreparesOffTheChainAreProved(t *testing.T) {
	c := newCluster(t, 4, ed25519)
	c.runFor(1000, nil)
	c.some(3)
	l := c.logs(0)
	top := l.top(t)
	_, a1 := c.batch(top, 0, c.bundle(3, 900, "x", "a1"))
	b1, b1ref := c.batch(top, 0, c.bundle(3, 900, "x", "b1"))
	b2, b2ref := c.batch(b1ref, 0, c.bundle(3, 901, "x", "b2"))
	l.add(1, &message.Record{Type: message.RecordBatch, Batch: b1})
	l.add(1, &message.Record{Type: message.RecordBatch, Batch: b2})
	l.add(1, &message.Record{
		Type: message.RecordHigh, Cert: c.certify(crypto.KindPrepare, 0, b2ref, 0, 1, 2),
	})
	vote := &message.Vote{Kind: crypto.KindPrepare, Seq: a1.Seq, Digest: a1.Digest}
	c.sealer(0).Seal(vote)
	l.add(2, &message.Record{Type: message.RecordTarget, Change: &message.ViewChange{
		Stmt: message.VcStmt{Voter: 2, Tuple: message.Tuple{NewView: 1, High: top}},
		High: c.certify(crypto.KindPrepare, 0, top, 1, 2, 3), Stable: c.cfg.BaseCheckpoint(),
		Statements: []*message.Vote{vote},
	}})
	v := l.judge()
	wantCulprits(t, v, 0)
	if len(v.Proofs) != 1 || v.Proofs[0].Kind != message.EvidenceFork {
		t.Errorf("proofs are %v", v.Proofs)
	}
}

// Proofs that nodes found count, whoever keeps them; accusations that do not verify do not.
func TestProofsOfTheNodesAreTakenOverIfTheyVerify(t *testing.T) {
	c := newCluster(t, 4, ed25519)
	c.runFor(1000, nil)
	c.some(3)
	l := c.logs(0)
	commit := &message.Vote{Kind: crypto.KindCommit, Seq: 500, Digest: crypto.Hash("hidden")}
	c.sealer(0).Seal(commit)
	change := &message.ViewChange{Stmt: message.VcStmt{Tuple: message.Tuple{NewView: 1}}}
	c.sealer(0).Seal(change)
	proof := message.Hiding(commit, &change.Stmt)
	l.add(2, &message.Record{Type: message.RecordEvidence, Evidence: proof})
	framed := *proof
	framed.Culprit = 3
	l.add(0, &message.Record{Type: message.RecordEvidence, Evidence: &framed})
	v := l.judge()
	wantCulprits(t, v, 0)
	if len(v.Proofs) != 1 || v.Proofs[0].Kind != message.EvidenceHiding {
		t.Errorf("proofs are %v", v.Proofs)
	}
}

// Two NEW-VIEWs of one view, in two journals, convict the primary (E3); two VIEW-CHANGEs to one
// view in them convict who sent them (E10).
func TestSecondNewViewAndSecondViewChangeAreProved(t *testing.T) {
	c := newCluster(t, 7, ed25519)
	c.runFor(1000, nil)
	c.some(3)
	l := c.logs(1, 4)
	top := l.top(t)
	base := c.certify(crypto.KindPrepare, 0, top, 0, 2, 3, 5, 6)
	empty := c.cfg.BaseCertificate()
	for node, voters := range map[int][]int{2: {0, 2, 3, 4, 5}, 3: {0, 2, 3, 4, 6}} {
		m := &message.NewView{View: 1, Base: base, Stable: c.cfg.BaseCheckpoint(), HoldsChain: true}
		for _, i := range voters {
			change := &message.ViewChange{
				Stmt: message.VcStmt{Tuple: message.Tuple{
					NewView: 1, High: base.Ref(), Stable: m.Stable.Ref(),
				}},
				High: base, Stable: m.Stable,
			}
			if i == 4 && node == 3 {
				change.High, change.Stmt.High = empty, empty.Ref()
			}
			c.sealer(i).Seal(change)
			m.Stmts = append(m.Stmts, change.Stmt)
		}
		c.sealer(1).Seal(m)
		l.add(node, &message.Record{Type: message.RecordView, NewView: m})
	}
	v := l.judge()
	wantCulprits(t, v, 1, 4)
	kinds := map[int]message.EvidenceKind{}
	for _, p := range v.Proofs {
		kinds[p.Culprit] = p.Kind
	}
	if kinds[1] != message.EvidenceNewViews || kinds[4] != message.EvidenceChanges {
		t.Errorf("proved are %v", kinds)
	}
}

// CHECKPOINTs of two batches at one sequence number convict whoever signed both (E11), also where
// no commit certificate of them is kept.
func TestCheckpointsOfTwoBatchesAreProved(t *testing.T) {
	for _, scheme := range []string{ed25519, bls} {
		c := newCluster(t, 4, scheme)
		l := c.logs(0, 1)
		for node, signers := range map[int][]int{2: {0, 1, 2}, 3: {0, 1, 3}} {
			cert := &message.CheckpointCertificate{
				Seq: 8, Digest: crypto.Hash("batch", []byte{byte(node)}), Root: crypto.Hash("root"),
			}
			var sigs [][]byte
			for _, i := range signers {
				cp := &message.Checkpoint{Seq: 8, Digest: cert.Digest, Root: cert.Root}
				c.sealer(i).Seal(cp)
				cert.Signers, sigs = cert.Signers.Add(i), append(sigs, cp.Sig)
			}
			var err error
			if cert.Aggregate, err = c.cfg.Scheme.Aggregate(sigs); err != nil {
				t.Fatal(err)
			}
			l.add(node, &message.Record{Type: message.RecordStable, Stable: cert})
		}
		wantCulprits(t, l.judge(), 0, 1)
	}
}
