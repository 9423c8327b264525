package message_test

import (
	"testing"

	"byzd/crypto"
	"byzd/pbft/message"
)

// A refused NEW-VIEW is its primary's own proof exactly if what it signed breaks a rule, also when
// it comes inside a PROOF; anything else incriminates nobody.
func TestIncriminate(t *testing.T) {
	w := newWorld(t, 4, crypto.SchemeEd25519)
	high := w.prepared(1, message.Ref{Seq: 5, Digest: crypto.Hash("d")})
	none := w.cfg.BaseCheckpoint()
	good := w.newView(3, false, w.viewChange(0, 3, high, none),
		w.viewChange(1, 3, w.cfg.BaseCertificate(), none),
		w.viewChange(2, 3, w.cfg.BaseCertificate(), none))
	wrong := *good
	wrong.Base = w.cfg.BaseCertificate()
	seal(w, 3, &wrong)
	forged := *good
	forged.Base = w.cfg.BaseCertificate() // without the primary's signature
	unproven := *good
	unproven.Stmts = append([]message.VcStmt(nil), good.Stmts...)
	unproven.Stmts[1].Sig = make([]byte, len(unproven.Stmts[1].Sig))
	for _, c := range []struct {
		name  string
		epoch uint64
		m     message.Message
		guilt bool
	}{
		{"a wrong base", w.cfg.Epoch, &wrong, true},
		{"a wrong base, passed on", w.cfg.Epoch, &message.Proof{NewView: &wrong}, true},
		{"of another epoch", w.cfg.Epoch + 1, &wrong, false},
		{"nothing wrong", w.cfg.Epoch, good, false},
		{"changed by somebody else", w.cfg.Epoch, &forged, false},
		{"a spoilt statement", w.cfg.Epoch, &unproven, false},
		{"a proof of something else", w.cfg.Epoch, &message.Proof{Prepared: high}, false},
		{"a vote", w.cfg.Epoch, w.prepare(1, 0, 1, crypto.Hash("x")), false},
	} {
		v, ok := message.Incriminate(w.cfg, 2, c.epoch, c.m, message.RefusedBase)
		if ok != c.guilt {
			t.Errorf("%s: incriminates %t", c.name, ok)
		}
		if !ok {
			continue
		}
		e, is := v.Message().(*message.Evidence)
		if !is || v.From() != 2 || e.Culprit != 3 || e.Kind != message.EvidenceBadNewView ||
			e.Verify(w.cfg) != nil {
			t.Errorf("%s: %+v", c.name, e)
		}
	}
}
