package message_test

import (
	"errors"
	"slices"
	"testing"

	"byzd/crypto"
	"byzd/pbft/message"
)

// Each provable lie makes a proof that holds, under every scheme.
func TestEvidenceHolds(t *testing.T) {
	names := map[string]string{
		"E1": "E1-two-prepares", "E2": "E2-two-commits", "E3": "E3-two-new-views",
		"E4": "E4-forked-prepares", "E5": "E5-lock-hiding", "E6": "E6-invalid-new-view",
		"E7": "E7-invalid-batch", "E8": "E8-wrong-root", "E9": "E9-two-bundles",
		"E10": "E10-two-view-changes", "E11": "E11-two-checkpoints", "E2b": "E2b-forked-commits",
	}
	keys := map[string]bool{}
	for _, scheme := range crypto.SchemeNames() {
		w := newWorld(t, 4, scheme)
		for name, e := range w.evidence() {
			if err := e.Verify(w.cfg); err != nil {
				t.Errorf("%s under %s: %v", name, scheme, err)
			}
			if e.Culprit != 1 || e.Kind.String() != names[name] {
				t.Errorf("%s accuses %d of %v", name, e.Culprit, e.Kind)
			}
			keys[e.Key()] = true
			back, err := message.DecodeEvidence(message.EncodeEvidence(e))
			if err != nil {
				t.Fatal(err)
			}
			if err := back.Verify(w.cfg); err != nil {
				t.Errorf("%s, decoded: %v", name, err)
			}
		}
	}
	if len(keys) != len(names) {
		t.Errorf("%d kinds of proof have %d keys", len(names), len(keys))
	}
	for kind, want := range map[message.EvidenceKind]string{12: "E12", 99: "E99"} {
		if kind.String() != want {
			t.Errorf("kind %d is called %q", kind, kind)
		}
	}
}

// A proof is of one cluster and one epoch, and each statement in it is the culprit's.
func TestEvidenceIsBound(t *testing.T) {
	w := newWorld(t, 4, crypto.SchemeEd25519)
	for name, e := range w.evidence() {
		for where, cfg := range map[string]*message.Config{
			"another cluster": w.inCluster("x").cfg, "another epoch": w.inEpoch(1).cfg,
		} {
			survives := name == "E9" && where == "another epoch" // as requests do
			if (e.Verify(cfg) == nil) != survives {
				t.Errorf("%s holds in %s", name, where)
			}
		}
		for i := range w.cfg.Members {
			accused := *e
			accused.Culprit = i
			if err := accused.Verify(w.cfg); (err == nil) != (i == 1) {
				t.Errorf("%s against %d: %v", name, i, err)
			}
		}
		if e.Second.Kind == 0 { // of one statement
			continue
		}
		half := *e
		half.Second.Sig = w.prepare(2, 0, 1, crypto.Hash("x")).Sig
		if err := half.Verify(w.cfg); !errors.Is(err, message.RefusedSignature) {
			t.Errorf("%s with a foreign second signature: %v", name, err)
		}
		same := *e
		same.Second = same.First
		if err := same.Verify(w.cfg); !errors.Is(err, message.RefusedEvidence) {
			t.Errorf("%s of one statement: %v", name, err)
		}
	}
}

// The accuser cannot carry anything of its own in a proof: no other kind, no spare part.
func TestEvidenceHasNoSpareParts(t *testing.T) {
	w := newWorld(t, 4, crypto.SchemeEd25519)
	proofs := w.evidence()
	headers, stmts := proofs["E4"].Headers, proofs["E6"].Stmts
	for name, e := range proofs {
		for kind := range 256 {
			other := *e
			other.Kind = message.EvidenceKind(kind)
			if err := other.Verify(w.cfg); (err == nil) != (other.Kind == e.Kind) {
				t.Errorf("%s as kind %d: %v", name, kind, err)
			}
		}
		for what, spoil := range map[string]func(*message.Evidence){
			"a header": func(e *message.Evidence) {
				e.Headers = append(slices.Clone(e.Headers), headers[0])
			},
			"a statement": func(e *message.Evidence) {
				e.Stmts = append(slices.Clone(e.Stmts), stmts[0])
			},
			"signed statements": func(e *message.Evidence) {
				e.Stmts = slices.Clone(stmts)
				e.Stmts[0].Sig = []byte{1}
			},
			"a byte in the first": func(e *message.Evidence) {
				e.First.Body = append(slices.Clone(e.First.Body), 0)
			},
			"a byte in the second": func(e *message.Evidence) {
				e.Second.Body = append(slices.Clone(e.Second.Body), 0)
			},
			"another second": func(e *message.Evidence) { e.Second.Kind++ },
			"another first":  func(e *message.Evidence) { e.First.Kind++ },
		} {
			spoilt := *e
			spoil(&spoilt)
			if spoilt.Verify(w.cfg) == nil {
				t.Errorf("%s with %s more: it holds", name, what)
			}
		}
	}
}

// What a correct replica signs never makes a proof against it, whatever the accuser picks.
func TestCorrectReplicaIsNeverAccused(t *testing.T) {
	w := newWorld(t, 4, crypto.SchemeEd25519)
	chain, rival := w.chain(0, w.cfg.Base, 4, "x"), w.chain(1, w.cfg.Base, 4, "y")
	ref := func(i int) message.Ref { return refOf(chain[i]) }
	a, b := crypto.Hash("a"), crypto.Hash("b")
	none := w.cfg.BaseCheckpoint()
	qc0, qc1 := w.prepared(0, ref(1)), w.prepared(1, ref(1))
	// Replica 1 lives through views 0 to 3: it votes along one chain, certifies the base again in
	// each view, and drops a batch that did not commit.
	votes := []*message.Vote{
		w.prepare(1, 0, ref(0).Seq, ref(0).Digest), w.commit(1, 0, ref(0).Seq, ref(0).Digest),
		w.prepare(1, 0, ref(1).Seq, ref(1).Digest), w.commit(1, 0, ref(1).Seq, ref(1).Digest),
		w.prepare(1, 0, ref(2).Seq, ref(2).Digest),                        // not committed
		w.prepare(1, 1, ref(1).Seq, ref(1).Digest),                        // the base, again
		w.commit(1, 1, ref(1).Seq, ref(1).Digest),                         //
		w.prepare(1, 1, 3, a), w.prepare(1, 2, ref(1).Seq, ref(1).Digest), // another third batch
		w.commit(1, 2, ref(1).Seq, ref(1).Digest), w.prepare(1, 3, ref(1).Seq, ref(1).Digest),
		w.commit(1, 3, 3, b), // learnt from a certificate; it did not prepare it (rule R6: frozen)
		w.prepare(1, 0, w.cfg.Base.Seq, w.cfg.Base.Digest),
	}
	changes := []*message.VcStmt{
		&w.viewChange(1, 1, qc0, none).Stmt, &w.viewChange(1, 2, qc1, none).Stmt,
		&w.viewChange(1, 3, w.prepared(2, ref(1)), none).Stmt,
	}
	checkpoints := []*message.Checkpoint{
		w.checkpoint(1, ref(1), a), w.checkpoint(1, ref(3), b),
	}
	headers := [][]message.Header{nil}
	for low := range chain {
		for high := low + 1; high <= len(chain); high++ {
			var down, other []message.Header
			for i := high - 1; i >= low; i-- {
				down, other = append(down, chain[i].Header), append(other, rival[i].Header)
			}
			headers = append(headers, down, other)
		}
	}
	for _, v := range votes {
		for _, u := range votes {
			if message.ContradictingVotes(v, u) != nil {
				t.Errorf("%v (%d,%d) and %v (%d,%d) are called a contradiction",
					v.Kind, v.View, v.Seq, u.Kind, u.View, u.Seq)
			}
			for _, h := range headers {
				if e := message.Fork(v, u, h); e != nil {
					t.Errorf("(%d,%d) and (%d,%d) are called a fork", v.View, v.Seq, u.View, u.Seq)
				}
			}
		}
		for _, c := range changes {
			if message.Hiding(v, c) != nil {
				t.Errorf("VIEW-CHANGE to %d is said to hide %v (%d,%d)",
					c.NewView, v.Kind, v.View, v.Seq)
			}
		}
	}
	for _, c := range changes {
		for _, d := range changes {
			if message.ContradictingChanges(c, d) != nil {
				t.Errorf("VIEW-CHANGEs to %d and %d are called a contradiction",
					c.NewView, d.NewView)
			}
		}
	}
	for _, c := range checkpoints {
		for _, d := range checkpoints {
			if message.ContradictingCheckpoints(w.cfg, c, d) != nil {
				t.Errorf("CHECKPOINTs of %d and %d are called a contradiction", c.Seq, d.Seq)
			}
		}
	}
}

func down(chain ...*message.Batch) []message.Header {
	headers := make([]message.Header, 0, len(chain))
	for _, b := range chain {
		headers = append(headers, b.Header)
	}
	return headers
}

// A fork is a fork only in one view, with the whole chain of headers in between shown.
func TestForkNeedsTheWholeChain(t *testing.T) {
	w := newWorld(t, 4, crypto.SchemeEd25519)
	chain, rival := w.chain(0, w.cfg.Base, 4, "x"), w.chain(0, w.cfg.Base, 4, "y")
	low := w.prepare(1, 0, 1, refOf(rival[0]).Digest)
	high := w.prepare(1, 0, 4, refOf(chain[3]).Digest)
	headers := down(chain[3], chain[2], chain[1])
	if e := message.Fork(low, high, headers); e == nil || e.Kind != message.EvidenceFork {
		t.Fatal("a fork is not called one")
	}
	onChain := w.prepare(1, 0, 1, refOf(chain[0]).Digest)
	skips := *chain[3]
	skips.Header.Seq = 5
	skipped := w.prepare(1, 0, 4, refOf(&skips).Digest)
	long := w.chain(0, w.cfg.Base, message.MaxEvidenceHeaders+2, "z")
	all := make([]message.Header, 0, len(long))
	for i := len(long) - 1; i > 0; i-- {
		all = append(all, long[i].Header)
	}
	far := refOf(long[len(long)-1])
	lowCommit, highCommit := w.commit(1, 0, 1, low.Digest), w.commit(1, 0, 4, high.Digest)
	e := message.Fork(lowCommit, highCommit, headers) // rule R6 holds for COMMITs as well
	if e == nil || e.Kind != message.EvidenceForkedCommits {
		t.Fatal("forked COMMITs are not called that (E2′)")
	}
	for name, c := range map[string]struct {
		low, high *message.Vote
		headers   []message.Header
	}{
		"one chain":            {onChain, high, headers},
		"too few headers":      {low, high, headers[:2]},
		"too many headers":     {low, high, append(slices.Clone(headers), chain[0].Header)},
		"no headers":           {low, high, nil},
		"other order":          {low, high, down(chain[1], chain[2], chain[3])},
		"another chain":        {low, high, down(rival[3], rival[2], rival[1])},
		"a link exchanged":     {low, high, down(chain[3], rival[2], chain[1])},
		"low and high turned":  {high, low, headers},
		"another view":         {w.prepare(1, 1, 1, low.Digest), high, headers},
		"two voters":           {w.prepare(2, 0, 1, low.Digest), high, headers},
		"a prepare, a commit":  {low, highCommit, headers},
		"a commit, a prepare":  {lowCommit, high, headers},
		"one place":            {low, w.prepare(1, 0, 1, crypto.Hash("x")), nil},
		"a number skipped":     {low, skipped, down(&skips, chain[2], chain[1])},
		"more than can travel": {low, w.prepare(1, 0, far.Seq, far.Digest), all},
	} {
		if message.Fork(c.low, c.high, c.headers) != nil {
			t.Errorf("%s: called a fork", name)
		}
	}
}

// A COMMIT is hidden only by a later VIEW-CHANGE of lower rank.
func TestHidingNeedsALaterLowerClaim(t *testing.T) {
	w := newWorld(t, 4, crypto.SchemeEd25519)
	at := func(view, seq uint64) *message.Certificate {
		return w.prepared(view, message.Ref{Seq: seq, Digest: crypto.Hash("d")})
	}
	commit := w.commit(1, 2, 5, crypto.Hash("d"))
	none := w.cfg.BaseCheckpoint()
	for _, c := range []struct {
		name string
		vote *message.Vote
		stmt *message.ViewChange
		want bool
	}{
		{"nothing claimed", commit, w.viewChange(1, 3, w.cfg.BaseCertificate(), none), true},
		{"lower number", commit, w.viewChange(1, 3, at(2, 4), none), true},
		{"lower view, higher number", commit, w.viewChange(1, 9, at(1, 50), none), true},
		{"the lock itself", commit, w.viewChange(1, 3, at(2, 5), none), false},
		{"a higher one", commit, w.viewChange(1, 4, at(3, 1), none), false},
		{"an older view change", commit, w.viewChange(1, 2, at(1, 5), none), false},
		{"another voter", commit, w.viewChange(2, 3, at(2, 4), none), false},
		{
			"a prepare is no lock", w.prepare(1, 2, 5, crypto.Hash("d")),
			w.viewChange(1, 3, at(2, 4), none), false,
		},
	} {
		if got := message.Hiding(c.vote, &c.stmt.Stmt) != nil; got != c.want {
			t.Errorf("%s: accused is %t", c.name, got)
		}
	}
}

// Rule R7.1: several replicas often claim the same. The accuser puts other voters' numbers to the
// claims that a correct primary signed; nothing comes of it.
func TestRelabelledVotersProveNothing(t *testing.T) {
	w := newWorld(t, 4, crypto.SchemeEd25519)
	m := w.plainNewView(1)
	if message.InvalidNewView(w.cfg, m) != nil {
		t.Fatal("a correct NEW-VIEW is called invalid")
	}
	for name, voters := range map[string][3]int{
		"a voter twice": {1, 1, 2}, "not ascending": {2, 1, 0}, "shifted": {1, 2, 3},
		"no member": {0, 1, 99},
	} {
		dup := *m
		dup.Stmts = slices.Clone(m.Stmts)
		for i, v := range voters {
			dup.Stmts[i].Voter = v
		}
		if message.InvalidNewView(w.cfg, &dup) != nil {
			t.Errorf("%s: a correct primary is accused", name)
		}
		e := &message.Evidence{
			Kind: message.EvidenceBadNewView, Culprit: 1, First: w.newViewStatement(m),
			Stmts: slices.Clone(dup.Stmts),
		}
		for i := range e.Stmts {
			e.Stmts[i].Sig = nil
		}
		if err := e.Verify(w.cfg); !errors.Is(err, message.RefusedEvidence) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// newViewStatement is the statement that a NEW-VIEW's primary signed, put together by hand.
func (w *world) newViewStatement(m *message.NewView) message.Statement {
	var said []byte
	for i := range m.Stmts {
		s := &m.Stmts[i]
		said = append(said, fields(uint16(s.Voter))...)
		said = append(said, w.statement(crypto.KindViewChange, tupleBody(&s.Tuple))...)
	}
	body := fields(m.View, uint16(len(m.Stmts)), m.Stable.Seq,
		crypto.Hash("byzd/nv/1", said), m.Base.View, m.Base.Seq, m.Base.Digest)
	return message.Statement{Kind: crypto.KindNewView, Body: body, Sig: m.Sig}
}

func tupleBody(t *message.Tuple) []byte {
	return fields(t.NewView, t.HighView, t.High.Seq, t.High.Digest,
		t.Stable.Seq, t.Stable.Digest, t.Root)
}

// E6 is about what the primary signed, never about what somebody attached to it.
func TestAttachmentsProveNothing(t *testing.T) {
	w := newWorld(t, 4, crypto.SchemeEd25519)
	base, none := w.cfg.BaseCertificate(), w.cfg.BaseCheckpoint()
	high := w.prepared(0, message.Ref{Seq: 5, Digest: crypto.Hash("d")})
	stable := w.stable(message.Ref{Seq: 3, Digest: crypto.Hash("c")}, crypto.Hash("r"))
	good := w.newView(1, true, w.viewChange(0, 1, high, none), w.viewChange(1, 1, base, none),
		w.viewChange(2, 1, base, stable))
	for name, spoil := range map[string]func(*message.NewView){
		"signatures of statements": func(m *message.NewView) { m.Stmts[1].Sig = m.Stmts[0].Sig },
		"the base's certificate": func(m *message.NewView) {
			m.Base = with(high, func(c *message.Certificate) { c.Aggregate = nil })
		},
		"the checkpoint's certificate": func(m *message.NewView) {
			m.Stable = with(stable, func(c *message.CheckpointCertificate) {
				c.Aggregate, c.Root = nil, crypto.Hash("x")
			})
		},
		"the prepare of the base": func(m *message.NewView) { m.PrepareSig = nil },
	} {
		dup := *good
		dup.Stmts = slices.Clone(good.Stmts)
		spoil(&dup)
		if message.InvalidNewView(w.cfg, &dup) != nil {
			t.Errorf("%s changed: a correct primary is accused of E6", name)
		}
		if message.ContradictingNewViews(w.cfg, good, &dup) != nil {
			t.Errorf("%s changed: a correct primary is accused of E3", name)
		}
	}
	// Rule R16: a base below the checkpoint marks a dead view and is nobody's fault.
	dead := w.newView(1, true, w.viewChange(0, 1, base, none), w.viewChange(1, 1, base, none),
		w.viewChange(2, 1, base, stable))
	if _, err := message.Verify(w.cfg, newCache(), 0, 0, dead); err == nil {
		t.Error("a base below the checkpoint is accepted")
	}
	if message.InvalidNewView(w.cfg, dead) != nil {
		t.Error("a primary whose base is below the checkpoint is accused")
	}
	if message.ContradictingNewViews(w.cfg, good, w.plainNewView(5)) != nil {
		t.Error("NEW-VIEWs of two views of one primary are called a contradiction")
	}
	if message.ContradictingNewViews(w.cfg, good, good) != nil {
		t.Error("one NEW-VIEW, sent twice, is called a contradiction")
	}
}

// Every rule of R7.1 that a NEW-VIEW's signed content can break convicts its primary; no other
// reason to refuse it does.
func TestInvalidNewViewsConvict(t *testing.T) {
	w := newWorld(t, 4, crypto.SchemeEd25519)
	byContent := map[string]bool{
		"too few statements": true, "voters not ascending": true, "a voter twice": true,
		"a voter who is no member": true, "a statement for another view": true,
		"a statement from the future": true, "not the highest base": true,
		"a base that nobody claims": true, "lower checkpoint": true, "rank by number": true,
		"two certificates of one rank": true,
	}
	for _, c := range w.badNewViews() {
		m, ok := c.m.(*message.NewView)
		if !ok || m.View == 0 {
			continue
		}
		e := message.InvalidNewView(w.cfg, m)
		if (e != nil) != byContent[c.name] {
			t.Errorf("%s: accused is %t", c.name, e != nil)
		}
		if e != nil && e.Culprit != w.cfg.Primary(m.View) {
			t.Errorf("%s: replica %d is accused", c.name, e.Culprit)
		}
		delete(byContent, c.name)
	}
	for name := range byContent {
		t.Errorf("no NEW-VIEW with %s was tried", name)
	}
}

// Only the view's primary is accused of its NEW-VIEW: what a backup signs as one is void.
func TestBackupsNewViewProvesNothing(t *testing.T) {
	w := newWorld(t, 4, crypto.SchemeEd25519)
	bad := w.plainNewView(1)
	bad.Stmts = bad.Stmts[:2]
	seal(w, 2, bad)
	if message.InvalidNewView(w.cfg, bad) != nil {
		t.Error("the primary is accused of what a backup signed")
	}
	e := &message.Evidence{
		Kind: message.EvidenceBadNewView, Culprit: 2, First: w.newViewStatement(bad),
		Stmts: slices.Clone(bad.Stmts),
	}
	for i := range e.Stmts {
		e.Stmts[i].Sig = nil
	}
	if err := e.Verify(w.cfg); !errors.Is(err, message.RefusedEvidence) {
		t.Errorf("a backup's void NEW-VIEW: %v", err)
	}
}

// A different root for the same batch is a fault, but no proof of a lie (E8).
func TestAnotherRootProvesNothing(t *testing.T) {
	w := newWorld(t, 4, crypto.SchemeEd25519)
	ref := message.Ref{Seq: 8, Digest: crypto.Hash("d")}
	a, b := w.checkpoint(1, ref, crypto.Hash("a")), w.checkpoint(1, ref, crypto.Hash("b"))
	if message.ContradictingCheckpoints(w.cfg, a, b) != nil {
		t.Error("two roots of one batch are called a lie")
	}
	other := w.checkpoint(2, message.Ref{Seq: 8, Digest: crypto.Hash("e")}, crypto.Hash("a"))
	if message.ContradictingCheckpoints(w.cfg, a, other) != nil {
		t.Error("checkpoints of two replicas are called one's lie")
	}
}

// Votes and statements of two voters are never one's contradiction.
func TestTwoVotersDoNotContradict(t *testing.T) {
	w := newWorld(t, 4, crypto.SchemeEd25519)
	a, b := crypto.Hash("a"), crypto.Hash("b")
	if message.ContradictingVotes(w.prepare(1, 0, 5, a), w.prepare(2, 0, 5, b)) != nil {
		t.Error("PREPAREs of two voters make a proof")
	}
	if message.ContradictingVotes(w.prepare(1, 0, 5, a), w.commit(1, 0, 5, b)) != nil {
		t.Error("a PREPARE and a COMMIT make a proof")
	}
	high := w.prepared(0, message.Ref{Seq: 5, Digest: a})
	first := w.viewChange(1, 1, w.cfg.BaseCertificate(), w.cfg.BaseCheckpoint())
	second := w.viewChange(2, 1, high, w.cfg.BaseCheckpoint())
	if message.ContradictingChanges(&first.Stmt, &second.Stmt) != nil {
		t.Error("VIEW-CHANGEs of two voters make a proof")
	}
}
