package message

// Incriminate returns the proof that a refused message holds against its author, for the protocol
// to keep and pass on, and whether there is one. A NEW-VIEW whose signed content breaks a rule
// never reaches the protocol, and yet it is the only trace of that lie (E6). from is who sent it;
// epoch and m are as they were given to [Verify].
func Incriminate(cfg *Config, from int, epoch uint64, m Message) (Verified, bool) {
	if p, is := m.(*Proof); is && p.NewView != nil {
		m = p.NewView
	}
	v, is := m.(*NewView)
	if !is || epoch != cfg.Epoch || v.View == 0 || len(v.Stmts) > len(cfg.Members) ||
		v.CheckContent(cfg) == "" {
		return Verified{}, false
	}
	e := InvalidNewView(cfg, v)
	if e == nil {
		return Verified{}, false
	}
	return Verified{from: from, msg: e}, true
}
