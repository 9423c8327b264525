package message

import "byzd/crypto"

// Recover says that its sender has forgotten what it said, and asks in which views that can have
// been (rule R15). It is advice from the peer at the other end of the connection: a liar can only
// silence itself with it.
type Recover struct {
	Nonce uint64
	Floor uint64 // the lowest view that the sender may vote in; 0 while it does not know
}

func (m *Recover) encode(w *writer) {
	w.u64(m.Nonce)
	w.u64(m.Floor)
}

func decodeRecover(r *reader) *Recover { return &Recover{Nonce: r.u64(), Floor: r.number()} }

// Recovery answers with the view that its sender is in and the one that it is bound to. It is given
// to one replica for one question: an older answer would show less than was said since.
type Recovery struct {
	Nonce  uint64
	To     int // who asked
	View   uint64
	Target uint64
	Voter  int
	Sig    []byte
}

// Bound is the highest view that the sender is bound to.
func (m *Recovery) Bound() uint64 { return max(m.View, m.Target) }

// recoverySize is the number of bytes of the signed body of a RECOVERY.
const recoverySize = 8 + 2 + 8 + 8

func (m *Recovery) body() []byte {
	w := writer{buf: make([]byte, 0, recoverySize)}
	w.u64(m.Nonce)
	w.u16(uint16(m.To)) //nolint:gosec // below MaxReplicas
	w.u64(m.View)
	w.u64(m.Target)
	return w.buf
}

func (m *Recovery) verify(cfg *Config) error {
	if m.Voter >= len(cfg.Members) || m.To >= len(cfg.Members) {
		return RefusedMember
	}
	return verifyBy(cfg, m.Voter, crypto.KindRecovery, m.body(), m.Sig)
}

func (m *Recovery) encode(w *writer) {
	w.raw(m.body())
	w.u16(uint16(m.Voter)) //nolint:gosec // below MaxReplicas
	w.bytes(m.Sig)
}

func decodeRecovery(r *reader) *Recovery {
	m := &Recovery{Nonce: r.u64(), To: r.index(), View: r.number(), Target: r.number()}
	m.Voter, m.Sig = r.index(), r.bytes(maxSignature)
	return m
}

// Amnesia is the journal's word on what this replica has forgotten: from the record without End on
// it votes no more, until one with End says in which views it may, and shows by what certificate.
type Amnesia struct {
	End   bool
	Floor uint64       // the lowest view that may be voted in; with End
	Proof *Certificate // the commit certificate that outranks all that was forgotten; with End
}

func (a *Amnesia) encode(w *writer) {
	if !a.End {
		w.u8(0)
		return
	}
	w.u8(1)
	w.u64(a.Floor)
	a.Proof.encode(w)
}

func decodeAmnesia(r *reader) *Amnesia {
	if !r.flag() {
		return &Amnesia{}
	}
	return &Amnesia{End: true, Floor: r.number(), Proof: decodeCertificate(r)}
}
