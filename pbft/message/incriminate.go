package message

import "errors"

// Incriminate returns what a refused message holds against its author or against somebody else, for
// the protocol to keep and pass on, and whether there is anything. A NEW-VIEW whose signed content
// breaks a rule never reaches the protocol, and yet it is the only trace of that lie (E6); a bundle
// that is not validly signed does not either, and yet a primary may have proposed it (E7). why is
// what [Verify] said; from is who sent it; epoch and m are as they were given to [Verify].
func Incriminate(cfg *Config, from int, epoch uint64, m Message, why error) (Verified, bool) {
	if epoch != cfg.Epoch || from < 0 || from >= len(cfg.Members) {
		return Verified{}, false
	}
	switch m := m.(type) {
	case *Proof:
		if m.NewView != nil {
			return incriminatesPrimary(cfg, from, m.NewView)
		}
	case *NewView:
		return incriminatesPrimary(cfg, from, m)
	case *Submission:
		return incriminatesProposer(cfg, from, why, m.Bundle)
	case *BatchReply:
		return incriminatesProposer(cfg, from, why, m.Batch.Bundles...)
	}
	return Verified{}, false
}

func incriminatesPrimary(cfg *Config, from int, m *NewView) (Verified, bool) {
	if m.View == 0 || len(m.Stmts) > len(cfg.Members) || m.CheckContent(cfg) == "" {
		return Verified{}, false
	}
	e := InvalidNewView(cfg, m)
	if e == nil {
		return Verified{}, false
	}
	return Verified{from: from, epoch: cfg.Epoch, msg: e}, true
}

// incriminatesProposer picks the bundle that is not validly signed, if that is why they were
// refused.
func incriminatesProposer(cfg *Config, from int, why error, bundles ...*Bundle) (Verified, bool) {
	for _, b := range bundles {
		if errors.Is(why, RefusedSignature) && !validlySigned(cfg, b) {
			v := Verified{from: from, epoch: cfg.Epoch, msg: &Spoilt{Bundle: b}}
			return v, true
		}
	}
	return Verified{}, false
}

// Spoilt is a bundle that was refused because it is not validly signed. It never travels, and
// nothing in it is true; it is of interest only if a batch names it: then the primary that proposed
// the batch is a liar. Only [Incriminate] makes one.
type Spoilt struct{ Bundle *Bundle }

// Type is that of the message that was refused.
func (*Spoilt) Type() Type { return TypeSubmission }

func (*Spoilt) encode(*writer) { panic("message: refused bundles do not travel") }
