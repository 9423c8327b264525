package message_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"byzd/crypto"
	"byzd/pbft/message"
	"byzd/pbft/quorum"
)

// newcomer is the signer and the public half of a node that is not a member yet.
func (w *world) newcomer(i int) (crypto.Signer, message.ChangeMember) {
	w.tb.Helper()
	seed := crypto.DeriveSeed([crypto.SeedSize]byte{byte(i), 1}, "message test newcomer")
	signer, err := w.cfg.Scheme.NewSigner(seed)
	if err != nil {
		w.tb.Fatal(err)
	}
	return signer, message.ChangeMember{
		Name: fmt.Sprintf("new%d", i), Node: crypto.NewNetworkKey(seed).ID(),
		Key: signer.Public().Bytes(), Proof: signer.Proof(),
	}
}

// approved has the change signed by so many administrators.
func (w *world) approved(change *message.Change, admins int) *message.Reconfiguration {
	rc := &message.Reconfiguration{Change: change}
	for i := range admins {
		if !rc.Approve(w.cfg, w.admins[i]) {
			w.tb.Fatalf("administrator %d cannot approve", i)
		}
	}
	return rc
}

// at is the header that the members are ready at.
func (w *world) at(parent message.Ref) message.Header { return w.batch(0, parent).Header }

// growth is an effective reconfiguration after a batch: so many newcomers more, everybody ready.
func (w *world) growth(after message.Ref, more int) *message.Reconfiguration {
	w.tb.Helper()
	change := message.ChangeOf(w.cfg)
	signers := slices.Clone(w.signers)
	for i := range min(more, quorum.MaxReplicas-len(signers)) {
		signer, m := w.newcomer(i)
		signers, change.Members = append(signers, signer), append(change.Members, m)
	}
	if len(change.Members) == len(w.signers) {
		change.Params.InFlight++ // the cluster is full
	}
	rc := w.approved(change, 2)
	for i, signer := range signers {
		rc.Ready = append(rc.Ready, message.SignReady(w.cfg, change, i, w.at(after), signer))
	}
	return rc
}

func (w *world) reconfigBundle(
	gateway int, seq uint64, rc *message.Reconfiguration,
) *message.Bundle {
	return w.bundle(gateway, seq, message.Item{Reconfig: rc})
}

// last is the batch after parent that makes a change.
func (w *world) last(parent message.Ref, rc *message.Reconfiguration) *message.Batch {
	b := w.batch(0, parent, w.reconfigBundle(1, 4, rc))
	b.Header.Kind = message.Reconfig
	return b
}

// epochProof is the proof that a reconfiguration two batches after one ended the epoch.
func (w *world) epochProof(
	rc *message.Reconfiguration, after message.Ref, voters ...int,
) *message.EpochProof {
	w.tb.Helper()
	b := w.last(message.Ref{Seq: after.Seq + 1, Digest: crypto.Hash("between")}, rc)
	next, err := rc.NextConfig(w.cfg, &b.Header)
	if err != nil {
		w.tb.Fatal(err)
	}
	m := &message.Manifest{
		Header: b.Header, Config: next.Digest(),
		Store: crypto.Hash("store"), Ledger: crypto.Hash("ledger"),
	}
	return message.NewEpochProof(w.stable(m.Ref(), m.Root(), voters...), m, next)
}

// largeEpochProof leads to as many members as there can be, with the longest names.
//
// Such a change fits into no bundle of a cluster with small ones, which refuses it; the largest
// proof is of one with large ones, and signatures do not depend on that.
func (w *world) largeEpochProof() *message.EpochProof {
	cfg, roomy := *w.cfg, *w
	cfg.Params.MaxBundleBytes = message.DefaultParams().MaxBundleBytes
	roomy.cfg = &cfg
	w = &roomy
	change := message.ChangeOf(w.cfg)
	signers := slices.Clone(w.signers)
	for i := len(signers); i < quorum.MaxReplicas; i++ {
		signer, m := w.newcomer(i)
		signers, change.Members = append(signers, signer), append(change.Members, m)
	}
	for i := range change.Members {
		change.Members[i].Name = fmt.Sprintf("%063d", i)
	}
	rc := w.approved(change, 2)
	for i, signer := range signers {
		rc.Ready = append(rc.Ready, message.SignReady(w.cfg, change, i, w.at(largeRef), signer))
	}
	return w.epochProof(rc, largeRef, w.all()...)
}

// PROTOCOL §4.10: what the next epoch is follows from the change alone, for growth, shrinking,
// another order, rotated keys and other parameters.
func TestNext(t *testing.T) {
	for _, scheme := range crypto.SchemeNames() {
		w := newWorld(t, 4, scheme)
		base := message.Ref{Seq: 9, Digest: crypto.Hash("base")}
		change := message.ChangeOf(w.cfg)
		_, newcomer := w.newcomer(1)
		rotated, _ := w.newcomer(2)
		change.Members = []message.ChangeMember{
			change.Members[3], newcomer, change.Members[0], change.Members[1],
		}
		change.Members[0].Key = rotated.Public().Bytes()
		change.Members[0].Proof = rotated.Proof()
		change.Params.RotateEvery = 77
		next, err := w.cfg.Next(change, base)
		if err != nil {
			t.Fatal(err)
		}
		if next.Epoch != 1 || next.Base != base || next.Sizes.N != 4 ||
			next.Params.RotateEvery != 77 || next.Cluster != w.cfg.Cluster {
			t.Errorf("%s: the next epoch is %+v", scheme, next)
		}
		var sessions []uint64
		for i := range next.Members {
			sessions = append(sessions, next.Members[i].Session)
		}
		if !slices.Equal(sessions, []uint64{3, 4, 0, 1}) || next.NextSession != 5 {
			t.Errorf("%s: sessions %v, then %d", scheme, sessions, next.NextSession)
		}
		if !next.Members[0].Key.Equal(rotated.Public()) {
			t.Errorf("%s: the key was not rotated", scheme)
		}
		if joins := w.cfg.Joins(change); !slices.Equal(joins, []int{0, 1}) {
			t.Errorf("%s: joins %v", scheme, joins)
		}
		if leaves := w.cfg.Leaves(change); !slices.Equal(leaves, []int{2}) {
			t.Errorf("%s: leaves %v", scheme, leaves)
		}
	}
}

// R3: who leaves and comes back gets a session that nobody had: a bundle that was signed for the
// old one is dead for ever.
func TestSessionsAreNeverReused(t *testing.T) {
	w := newWorld(t, 4, crypto.SchemeEd25519)
	without := message.ChangeOf(w.cfg)
	gone := without.Members[2]
	without.Members = slices.Delete(without.Members, 2, 3)
	second, err := w.cfg.Next(without, message.Ref{Seq: 5})
	if err != nil {
		t.Fatal(err)
	}
	again := message.ChangeOf(second)
	again.Members = append(again.Members, gone)
	third, err := second.Next(again, message.Ref{Seq: 9})
	if err != nil {
		t.Fatal(err)
	}
	if third.Epoch != 2 || third.Members[3].Session != 4 {
		t.Errorf("epoch %d: the returned member has session %d", third.Epoch,
			third.Members[3].Session)
	}
}

// Whatever is wrong with a change is named, and is the same error for everybody.
func TestNextRefuses(t *testing.T) {
	w := newWorld(t, 4, crypto.SchemeBLS12381)
	_, newcomer := w.newcomer(1)
	_, other := w.newcomer(2)
	for name, c := range map[string]struct {
		change func(c *message.Change)
		want   string
	}{
		"other epoch": {func(c *message.Change) { c.Epoch = 1 }, "end epoch 1"},
		"nobody":      {func(c *message.Change) { c.Members = nil }, ""},
		"nothing":     {func(*message.Change) {}, "changes nothing"},
		"testnet":     {func(c *message.Change) { c.Params.Testnet = true }, "testnet"},
		"parameter":   {func(c *message.Change) { c.Params.InFlight = 99 }, "in-flight"},
		"less room":   {func(c *message.Change) { c.Params.MaxBundleBytes-- }, "cannot become smaller"},
		"name":        {func(c *message.Change) { c.Members[0].Name = "A b" }, "name"},
		"same name": {func(c *message.Change) {
			m := newcomer
			m.Name = c.Members[0].Name
			c.Members = append(c.Members, m)
		}, "share"},
		"same node": {func(c *message.Change) {
			c.Members = append(c.Members, c.Members[0])
		}, "share"},
		"same key": {func(c *message.Change) {
			m := newcomer
			m.Key, m.Proof = c.Members[1].Key, w.signers[1].Proof()
			c.Members = append(c.Members, m)
		}, "share"},
		"no proof": {func(c *message.Change) {
			m := newcomer
			m.Proof = nil
			c.Members = append(c.Members, m)
		}, "proof"},
		"other's proof": {func(c *message.Change) {
			m := newcomer
			m.Proof = other.Proof
			c.Members = append(c.Members, m)
		}, "proof"},
		"rotated without proof": {func(c *message.Change) {
			c.Members[2].Key = newcomer.Key
		}, "proof"},
		"proved again": {func(c *message.Change) {
			c.Members[2].Proof = w.signers[2].Proof()
			c.Params.InFlight++
		}, "proved again"},
		"bad node": {func(c *message.Change) {
			m := newcomer
			m.Node = crypto.NodeID{}
			c.Members = append(c.Members, m)
		}, "new1"},
	} {
		change := message.ChangeOf(w.cfg)
		c.change(change)
		next, err := w.cfg.Next(change, message.Ref{Seq: 9})
		if !errors.Is(err, message.ErrChange) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, %v; want %s", name, next, err, c.want)
		}
	}
}

// PROTOCOL §4.10, R19: a change ends the epoch with enough approvals, every newcomer and a quorum
// of the next epoch ready, lately; and with nothing less.
func TestNextConfigRefuses(t *testing.T) {
	w := newWorld(t, 4, crypto.SchemeEd25519)
	top := message.Ref{Seq: 3, Digest: crypto.Hash("top")}
	minute := int64(60_000)
	for name, c := range map[string]struct {
		twist func(rc *message.Reconfiguration, h *message.Header)
		want  string
	}{
		"as it is": {func(*message.Reconfiguration, *message.Header) {}, ""},
		"nine minutes later": {func(_ *message.Reconfiguration, h *message.Header) {
			h.TimeMS += 9 * minute
		}, ""},
		"a quorum with the newcomers": {func(rc *message.Reconfiguration, _ *message.Header) {
			rc.Ready = rc.Ready[2:] // 5 of 7: the newcomers and two more
		}, ""},
		"eleven minutes later": {func(_ *message.Reconfiguration, h *message.Header) {
			h.TimeMS += 11 * minute
		}, "too old"},
		"from the future": {func(_ *message.Reconfiguration, h *message.Header) {
			h.TimeMS--
		}, "too old"},
		"not yet there": {func(_ *message.Reconfiguration, h *message.Header) {
			h.Seq = 4
		}, "too old"},
		"fewer than the next quorum": {func(rc *message.Reconfiguration, _ *message.Header) {
			rc.Ready = rc.Ready[3:]
		}, "4 of 5"},
		"a newcomer is not ready": {func(rc *message.Reconfiguration, _ *message.Header) {
			rc.Ready = rc.Ready[:6]
		}, "is new"},
		"nobody is ready": {func(rc *message.Reconfiguration, _ *message.Header) {
			rc.Ready = nil
		}, "ready"},
		"ready for something else": {func(rc *message.Reconfiguration, _ *message.Header) {
			rc.Ready[6] = w.growth(top, 2).Ready[5]
			rc.Ready[6].Member = 6
		}, "does not hold"},
		"one approval": {func(rc *message.Reconfiguration, _ *message.Header) {
			rc.Approvals = rc.Approvals[:1]
		}, "1 of the 2"},
		"a forged approval": {func(rc *message.Reconfiguration, _ *message.Header) {
			rc.Approvals[1].Sig = rc.Approvals[0].Sig
		}, "administrator 1"},
		"an administrator too many": {func(rc *message.Reconfiguration, _ *message.Header) {
			rc.Approvals[1].Admin = 3
		}, "administrator 3"},
		"approved was something else": {func(rc *message.Reconfiguration, _ *message.Header) {
			rc.Change.Params.InFlight++
		}, "administrator 0"},
	} {
		rc := w.growth(top, 3)
		b := w.last(message.Ref{Seq: 5, Digest: crypto.Hash("p")}, rc)
		c.twist(rc, &b.Header)
		_, err := rc.NextConfig(w.cfg, &b.Header)
		if c.want == "" && err != nil ||
			c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
	later := w.inEpoch(1)
	rc := w.growth(top, 3)
	if _, err := rc.NextConfig(later.cfg, &w.last(top, rc).Header); err == nil {
		t.Error("a change of epoch 0 ends epoch 1 as well")
	}
	small := *w.cfg // the bundle with everybody's word would be refused, for ever
	small.Params.MaxBundleBytes = 1500
	_, err := rc.Approved(&small, top)
	if err == nil || !strings.Contains(err.Error(), "max-bundle-bytes") {
		t.Errorf("with small bundles: %v", err)
	}
	closed := *w.cfg
	closed.Admins = message.Admins{}
	_, err = rc.Approved(&closed, top)
	if err == nil || !strings.Contains(err.Error(), "no administrators") {
		t.Errorf("without administrators: %v", err)
	}
}

// Rules of a batch's kind: an effective reconfiguration stands alone in a batch of its kind, and
// such a batch holds one; anything less executes as an ordinary operation. It is a pure function of
// the batch.
func TestKindOfBatch(t *testing.T) {
	w := newWorld(t, 4, crypto.SchemeEd25519)
	top := message.Ref{Seq: 3, Digest: crypto.Hash("top")}
	parent := message.Ref{Seq: 5, Digest: crypto.Hash("p")}
	rc := w.growth(top, 3)
	announced := &message.Reconfiguration{Change: rc.Change, Approvals: rc.Approvals}
	normal := func(bundles ...*message.Bundle) *message.Batch {
		return w.batch(0, parent, bundles...)
	}
	reconfig := func(bundles ...*message.Bundle) *message.Batch {
		b := w.batch(0, parent, bundles...)
		b.Header.Kind = message.Reconfig
		return b
	}
	effective, idle := w.reconfigBundle(1, 4, rc), w.reconfigBundle(1, 5, announced)
	other := w.bundle(2, 1, plain("x")...)
	for name, c := range map[string]struct {
		batch *message.Batch
		want  message.Refusal
	}{
		"alone":                     {reconfig(effective), ""},
		"as an ordinary operation":  {normal(effective), message.RefusedReconfig},
		"among others":              {normal(effective, other), message.RefusedReconfig},
		"with another":              {reconfig(effective, other), message.RefusedReconfig},
		"twice":                     {reconfig(effective, idle), message.RefusedReconfig},
		"announced":                 {normal(idle, other), ""},
		"announced, and to end it":  {reconfig(idle), message.RefusedReconfig},
		"nothing":                   {reconfig(), message.RefusedEmptyBatch},
		"an operation of that kind": {reconfig(other), message.RefusedReconfig},
	} {
		if got := c.batch.CheckBody(w.cfg); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

// The decoder takes a reconfiguration only alone in its bundle, and its lists only in order.
func TestReconfigurationIsStrict(t *testing.T) {
	w := newWorld(t, 4, crypto.SchemeEd25519)
	rc := w.growth(message.Ref{Seq: 3}, 2)
	for name, bundle := range map[string]*message.Bundle{
		"among others": w.bundle(1, 1,
			message.Item{Reconfig: rc}, message.Item{Op: []byte("x")}),
		"approvals out of order": w.reconfigBundle(1, 1, &message.Reconfiguration{
			Change: rc.Change, Approvals: []message.Approval{rc.Approvals[1], rc.Approvals[0]},
		}),
		"an approval twice": w.reconfigBundle(1, 1, &message.Reconfiguration{
			Change: rc.Change, Approvals: []message.Approval{rc.Approvals[1], rc.Approvals[1]},
		}),
		"ready twice": w.reconfigBundle(1, 1, &message.Reconfiguration{
			Change: rc.Change, Ready: []*message.Ready{rc.Ready[1], rc.Ready[1]},
		}),
	} {
		frame := message.Encode(0, &message.Submission{Bundle: bundle})
		if _, _, err := message.Decode(frame); !errors.Is(err, message.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	good := message.Encode(0, &message.Submission{Bundle: w.reconfigBundle(1, 1, rc)})
	_, m, err := message.Decode(good)
	if err != nil || !bytes.Equal(message.Encode(0, m), good) {
		t.Errorf("a good one: %v", err)
	}
}

// R17: a bundle that was ordered in no epoch holds in the next under its gateway's new place, and
// under the old one only if the place is still its gateway's.
func TestBundlesSurviveEpochs(t *testing.T) {
	w := newWorld(t, 4, crypto.SchemeEd25519)
	change := message.ChangeOf(w.cfg)
	slices.Reverse(change.Members)
	next, err := w.cfg.Next(change, message.Ref{Seq: 9})
	if err != nil {
		t.Fatal(err)
	}
	old := w.bundle(3, 7, plain("x")...)
	if verifies(next, &message.Submission{Bundle: old}) {
		t.Error("the old place is another gateway's now, and the bundle still holds")
	}
	moved := &message.Bundle{Session: old.Session, Seq: old.Seq, Ack: old.Ack, Items: old.Items}
	message.Sealer{Config: next, Self: 0, Signer: w.signers[3]}.SealBundle(moved)
	if !verifies(next, &message.Submission{Bundle: moved}) || moved.Key() != old.Key() {
		t.Error("the bundle does not hold under its gateway's new place")
	}
}

func verifies(cfg *message.Config, m message.Message) bool {
	_, err := message.Verify(cfg, newCache(), 0, cfg.Epoch, m)
	return err == nil
}

// B36, B53 and PROTOCOL §4.17: the proof of an epoch's end holds for the epoch that it ends, by a
// quorum of that epoch, and leads to the configuration that was certified.
func TestEpochProof(t *testing.T) {
	for _, scheme := range crypto.SchemeNames() {
		w := newWorld(t, 4, scheme)
		top := message.Ref{Seq: 3, Digest: crypto.Hash("top")}
		rc := w.growth(top, 3)
		p := w.epochProof(rc, top)
		next, err := p.Verify(w.cfg)
		if err != nil {
			t.Fatal(err)
		}
		want, err := rc.NextConfig(w.cfg, &p.Manifest.Header)
		if err != nil {
			t.Fatal(err)
		}
		if next.Digest() != want.Digest() || next.Base != p.Certificate.Ref() ||
			next.Sizes.N != 7 || next.Epoch != 1 || next.Admins.Threshold != 2 {
			t.Errorf("%s: it leads to %+v", scheme, next)
		}
		if _, err := p.Verify(next); !errors.Is(err, message.ErrEpochProof) {
			t.Errorf("%s: it ends the next epoch as well: %v", scheme, err)
		}
		if _, err := p.Verify(w.inCluster("other").cfg); !errors.Is(err, message.ErrEpochProof) {
			t.Errorf("%s: it holds for another cluster: %v", scheme, err)
		}
		for name, forged := range map[string]*message.EpochProof{
			"another configuration": {p.Certificate, p.Manifest, append(bytes.Clone(p.Next), 0)},
			"a normal batch": {p.Certificate, with(p.Manifest, func(m *message.Manifest) {
				m.Header.Kind = message.Normal
			}), p.Next},
			"too few signers": {with(p.Certificate, func(c *message.CheckpointCertificate) {
				c.Signers = quorum.Set{}.Add(0).Add(1)
			}), p.Manifest, p.Next},
			"another state": {p.Certificate, with(p.Manifest, func(m *message.Manifest) {
				m.Store = crypto.Hash("other")
			}), p.Next},
		} {
			if _, err := forged.Verify(w.cfg); !errors.Is(err, message.ErrEpochProof) {
				t.Errorf("%s, %s: %v", scheme, name, err)
			}
		}
	}
}

// A chain of proofs leads from the genesis to today, in order, and only so.
func TestFollowEpochs(t *testing.T) {
	w := newWorld(t, 4, crypto.SchemeEd25519)
	chain := make([]*message.EpochProof, 0, 4)
	at := *w
	for e := range 4 {
		top := message.Ref{Seq: uint64(10 * (e + 1)), Digest: crypto.Hash("top")}
		change := message.ChangeOf(at.cfg)
		change.Params.InFlight = 9 + e
		rc := at.approved(change, 2)
		for i, signer := range at.signers {
			rc.Ready = append(rc.Ready,
				message.SignReady(at.cfg, change, i, at.at(top), signer))
		}
		p := at.epochProof(rc, top)
		next, err := p.Verify(at.cfg)
		if err != nil {
			t.Fatal(err)
		}
		chain = append(chain, p)
		at.cfg = next
	}
	last, err := message.FollowEpochs(w.cfg, chain)
	if err != nil || last.Epoch != 4 || last.Digest() != at.cfg.Digest() {
		t.Fatalf("epoch %d, %v", last.Epoch, err)
	}
	if half, err := message.FollowEpochs(last, chain); err != nil || half != last {
		t.Errorf("known epochs are not passed over: %v", err)
	}
	if _, err := message.FollowEpochs(w.cfg, chain[1:]); !errors.Is(err, message.ErrEpochProof) {
		t.Errorf("with the first proof missing: %v", err)
	}
}

// badEpochs are batches of a wrong kind, and proofs of an epoch's end that do not hold.
func (w *world) badEpochs() []refusal {
	top := message.Ref{Seq: 3, Digest: crypto.Hash("top")}
	rc := w.growth(top, 3)
	p := w.epochProof(rc, top)
	change := func(f func(*message.Manifest)) *message.EpochProof {
		return &message.EpochProof{
			Certificate: p.Certificate, Manifest: with(p.Manifest, f), Next: p.Next,
		}
	}
	asNormal := w.batch(0, message.Ref{Seq: 4}, w.reconfigBundle(1, 4, rc))
	return []refusal{
		{
			"a reconfiguration as a normal batch", message.RefusedReconfig,
			&message.BatchReply{Batch: asNormal},
		},
		{"of another cluster", message.RefusedCluster, change(func(m *message.Manifest) {
			m.Header.Cluster = crypto.Hash("x")
		})},
		{"of another epoch", message.RefusedEpoch, change(func(m *message.Manifest) {
			m.Header.Epoch++
		})},
		{"of a normal batch", message.RefusedReconfig, change(func(m *message.Manifest) {
			m.Header.Kind = message.Normal
		})},
		{"of another state", message.RefusedBodyMismatch, change(func(m *message.Manifest) {
			m.Ledger = crypto.Hash("x")
		})},
		{"to another configuration", message.RefusedReconfig, &message.EpochProof{
			Certificate: p.Certificate, Manifest: p.Manifest, Next: p.Next[1:],
		}},
	}
}

// B53, PROTOCOL §4.16 case 33: a member that was removed may go on signing, in the old epoch's name
// or the new one's: no vote of its counts in the next epoch, whatever number it claims.
func TestRemovedMembersVotesAreRefused(t *testing.T) {
	w := newWorld(t, 4, crypto.SchemeEd25519)
	change := message.ChangeOf(w.cfg)
	change.Members = change.Members[:3] // replica 3 leaves
	next, err := w.cfg.Next(change, message.Ref{Seq: 9, Digest: crypto.Hash("base")})
	if err != nil {
		t.Fatal(err)
	}
	d := crypto.Hash("batch")
	for voter := range 4 {
		for _, domain := range []*message.Config{w.cfg, next} {
			v := &message.Vote{Kind: crypto.KindCommit, Seq: 10, Digest: d}
			message.Sealer{Config: domain, Self: voter, Signer: w.signers[3]}.Seal(v)
			v.Voter = voter
			if verifies(next, v) {
				t.Errorf("its COMMIT as replica %d in the name of epoch %d counts", voter,
					domain.Epoch)
			}
		}
	}
	// The others' old votes do not count either, and a certificate of them is none.
	old := w.committed(0, message.Ref{Seq: 10, Digest: d})
	if old.Verify(next) == nil || !verifies(w.cfg, w.commit(1, 0, 10, d)) ||
		verifies(next, w.commit(1, 0, 10, d)) {
		t.Error("statements of epoch 0 count in epoch 1")
	}
}
