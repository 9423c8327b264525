package message_test

import (
	"slices"
	"testing"

	"byzd/crypto"
	"byzd/pbft/message"
)

// badNewViews are NEW-VIEWs that a traitor might send. Where its content breaks a rule, the primary
// has signed it itself.
func (w *world) badNewViews() []refusal {
	base, none := w.cfg.BaseCertificate(), w.cfg.BaseCheckpoint()
	at := func(seq uint64, name string) message.Ref {
		return message.Ref{Seq: seq, Digest: crypto.Hash(name)}
	}
	high, higher := w.prepared(1, at(5, "d")), w.prepared(2, at(4, "e"))
	rival := w.prepared(2, at(4, "f")) // needs more than f liars
	stable := w.stable(at(3, "c"), crypto.Hash("root"))
	change := func(i int, c *message.Certificate) *message.ViewChange {
		return w.viewChange(i, 3, c, none)
	}
	good := w.newView(3, true, change(0, high), change(1, base), w.viewChange(2, 3, base, stable))
	signed := func(f func(*message.NewView)) *message.NewView {
		dup := *good
		dup.Stmts = slices.Clone(good.Stmts)
		f(&dup)
		return seal(w, w.cfg.Primary(dup.View), &dup)
	}
	forged := func(f func(*message.NewView)) *message.NewView {
		dup := *good
		dup.Stmts = slices.Clone(good.Stmts)
		f(&dup)
		return &dup
	}
	stranger := change(3, base).Stmt
	stranger.Voter = 4
	byNumber := w.newView(3, true, change(0, high), change(1, higher), change(2, base))
	byNumber.Base = high
	seal(w, 3, byNumber)
	zero := w.plainNewView(4)
	zero.View = 0
	return []refusal{
		{"of view 0", message.RefusedView, seal(w, 0, zero)},
		{
			"by a backup", message.RefusedSignature,
			seal(w, 1, with(good, func(*message.NewView) {})),
		},
		{
			"changed base", message.RefusedSignature,
			forged(func(m *message.NewView) { m.Base = base }),
		},
		{"changed view", message.RefusedSignature, forged(func(m *message.NewView) { m.View = 7 })},
		{
			"statements in another order", message.RefusedSignature,
			forged(func(m *message.NewView) { slices.Reverse(m.Stmts) }),
		},
		{
			"too few statements", message.RefusedTooFew,
			signed(func(m *message.NewView) { m.Stmts = m.Stmts[:2] }),
		},
		{
			"voters not ascending", message.RefusedVoters,
			signed(func(m *message.NewView) { slices.Reverse(m.Stmts) }),
		},
		{
			"a voter twice", message.RefusedVoters,
			signed(func(m *message.NewView) { m.Stmts[1] = m.Stmts[0] }),
		},
		{
			"a voter who is no member", message.RefusedVoters,
			signed(func(m *message.NewView) { m.Stmts[2] = stranger }),
		},
		{"a statement for another view", message.RefusedView, signed(func(m *message.NewView) {
			m.Stmts[1] = w.viewChange(1, 4, base, none).Stmt
		})},
		{"a statement from the future", message.RefusedView, signed(func(m *message.NewView) {
			m.Stmts[1] = w.viewChange(1, 3, w.prepared(3, at(9, "x")), none).Stmt
		})},
		{
			"not the highest base", message.RefusedBase,
			signed(func(m *message.NewView) { m.Base = base }),
		},
		{
			"a base that nobody claims", message.RefusedBase,
			signed(func(m *message.NewView) { m.Base = higher }),
		},
		{
			"lower checkpoint", message.RefusedBase,
			signed(func(m *message.NewView) { m.Stable = none }),
		},
		{"rank by number", message.RefusedBase, byNumber},
		{
			"two certificates of one rank", message.RefusedBase,
			w.newView(3, true, change(0, higher), change(1, rival), change(2, base)),
		},
		{
			"base below the checkpoint", message.RefusedBase,
			w.newView(3, true, change(0, base), change(1, base), w.viewChange(2, 3, base, stable)),
		},
		{
			"a forged statement", message.RefusedSignature,
			forged(func(m *message.NewView) { m.Stmts[1].Sig = m.Stmts[0].Sig }),
		},
		{"a base without proof", message.RefusedCertificate, forged(func(m *message.NewView) {
			m.Base = with(high, func(c *message.Certificate) {
				c.Aggregate = flipped(c.Aggregate, 9)
			})
		})},
		{"a base of too few", message.RefusedTooFew, forged(func(m *message.NewView) {
			m.Base = w.certificate(crypto.KindPrepare, 1, at(5, "d"), 0, 1)
		})},
		{"another checkpoint there", message.RefusedProof, forged(func(m *message.NewView) {
			m.Stable = w.stable(at(3, "other"), crypto.Hash("root"))
		})},
		{"another root", message.RefusedProof, forged(func(m *message.NewView) {
			m.Stable = w.stable(at(3, "c"), crypto.Hash("other"))
		})},
		{"checkpoint of too few", message.RefusedTooFew, forged(func(m *message.NewView) {
			m.Stable = w.stable(at(3, "c"), crypto.Hash("root"), 0, 1)
		})},
		{"a forged prepare of the base", message.RefusedSignature, forged(func(m *message.NewView) {
			m.PrepareSig = w.prepare(3, 3, 5, crypto.Hash("x")).Sig
		})},
		{"another replica's prepare", message.RefusedSignature, forged(func(m *message.NewView) {
			m.PrepareSig = w.prepare(1, 3, 5, crypto.Hash("d")).Sig
		})},
	}
}

// The base is the certificate of the highest rank, view before sequence number; the checkpoint is
// the highest of all, whoever claims it.
// PROTOCOL §3: B7, B16.
func TestNewViewRule(t *testing.T) {
	w := newWorld(t, 4, crypto.SchemeEd25519)
	base, none := w.cfg.BaseCertificate(), w.cfg.BaseCheckpoint()
	old := w.prepared(1, message.Ref{Seq: 9, Digest: crypto.Hash("old")})
	recent := w.prepared(2, message.Ref{Seq: 4, Digest: crypto.Hash("recent")})
	again := w.prepared(2, w.cfg.Base)
	stable := w.stable(message.Ref{Seq: 3, Digest: crypto.Hash("c")}, crypto.Hash("root"))
	for name, c := range map[string]struct {
		highs  []*message.Certificate
		stable *message.CheckpointCertificate
		want   *message.Certificate
	}{
		"nothing known":        {[]*message.Certificate{base, base, base}, none, base},
		"one knows":            {[]*message.Certificate{base, old, base}, none, old},
		"view before number":   {[]*message.Certificate{old, recent, base}, stable, recent},
		"all know the same":    {[]*message.Certificate{recent, recent, recent}, stable, recent},
		"the base again":       {[]*message.Certificate{base, again, base}, none, again},
		"an old one outranked": {[]*message.Certificate{old, again, base}, none, again},
	} {
		t.Run(name, func(t *testing.T) {
			var changes []*message.ViewChange
			for i, high := range c.highs {
				cp := none
				if i == 2 {
					cp = c.stable
				}
				changes = append(changes, w.viewChange(i, 3, high, cp))
			}
			m := w.newView(3, true, changes...)
			if _, err := message.Verify(w.cfg, newCache(), 1, 0, m); err != nil {
				t.Fatalf("refused: %v", err)
			}
			if m.Base != c.want || m.Stable != c.stable {
				t.Errorf("base %v, stable %d", m.Base.Rank(), m.Stable.Seq)
			}
			if why := m.CheckContent(w.cfg); why != "" {
				t.Errorf("its content is refused: %v", why)
			}
			v := m.Prepare(w.cfg)
			if v == nil || v.Voter != 3 || v.Ref() != c.want.Ref() || v.View != 3 {
				t.Errorf("the primary's prepare of the base is %+v", v)
			} else if _, err := message.Verify(w.cfg, newCache(), 1, 0, v); err != nil {
				t.Errorf("it does not verify: %v", err)
			}
		})
	}
	if v := w.newView(3, false, w.viewChange(0, 3, base, none)).Prepare(w.cfg); v != nil {
		t.Error("a primary that lacks the batches prepared the base")
	}
}
