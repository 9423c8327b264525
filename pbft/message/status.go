package message

import (
	"byzd/crypto"
)

// Reason says why a replica complains about its primary.
type Reason uint8

// The reasons of PROTOCOL §4.8 and rules R8 to R12.
const (
	ReasonRequestAge Reason = iota + 1 // a queue's head waited for longer than τ
	ReasonStall                        // work is known and no proposal comes (PP gap)
	ReasonSilent                       // no message at all while idle
	ReasonClock                        // the header's time runs away or stands still
	ReasonBase                         // the new view's base is not certified again
	ReasonEvidence                     // the primary is proven a liar
	ReasonRecovery                     // a replica that recovers needs a higher view (rule R15)
	reasonEnd
)

// String is the reason's name in traces and status.
func (r Reason) String() string {
	names := [...]string{
		"", "request-age", "stall", "silent", "clock", "base", "evidence",
		"recovery",
	}
	if int(r) < len(names) {
		return names[r]
	}
	return "unknown"
}

// Complain says, without binding its sender, that a view's primary should go. It lives for a
// while only; f+1 live ones from distinct replicas start a view change.
type Complain struct {
	View       uint64
	Reason     Reason
	Lifetime   int64 // milliseconds, at most 2·τmax
	Voter      int
	Statements []*Vote // see [ViewChange]
	Sig        []byte
}

func (m *Complain) body() []byte {
	w := writer{buf: make([]byte, 0, 17)}
	w.u64(m.View)
	w.u8(uint8(m.Reason))
	w.u64(uint64(m.Lifetime)) //nolint:gosec // never negative: decoder and complainer see to it
	return w.buf
}

func (m *Complain) verify(cfg *Config) error {
	if m.Voter >= len(cfg.Members) {
		return RefusedMember
	}
	if m.Lifetime > 2*cfg.Params.MaxViewTimeout {
		return RefusedStatement
	}
	if err := verifyBy(cfg, m.Voter, crypto.KindComplain, m.body(), m.Sig); err != nil {
		return err
	}
	return verifyStatements(cfg, m.Statements)
}

func (m *Complain) encode(w *writer) {
	w.raw(m.body())
	w.u16(uint16(m.Voter)) //nolint:gosec // below MaxReplicas
	encodeVotes(w, m.Statements)
	w.bytes(m.Sig)
}

func decodeComplain(r *reader) *Complain {
	m := &Complain{View: r.number(), Reason: Reason(r.u8())}
	if m.Reason == 0 || m.Reason >= reasonEnd {
		r.fail("reason %d", m.Reason)
	}
	m.Lifetime = int64(r.number()) //nolint:gosec // below 2^62
	m.Voter, m.Statements = r.index(), decodeVotes(r)
	m.Sig = r.bytes(maxSignature)
	return m
}

// Status says where a replica stands, so that others can send what it lacks (rule R12). It is
// advice from the peer at the other end of the connection: it is not signed, and moves nothing.
type Status struct {
	View      uint64
	Target    uint64
	Executed  uint64
	Stable    uint64
	Tip       uint64
	Committed Rank // of its highest commit certificate
	High      Rank // of its highest prepared certificate
}

func (m *Status) encode(w *writer) {
	for _, v := range []uint64{
		m.View, m.Target, m.Executed, m.Stable, m.Tip,
		m.Committed.View, m.Committed.Seq, m.High.View, m.High.Seq,
	} {
		w.u64(v)
	}
}

func decodeStatus(r *reader) *Status {
	return &Status{
		View: r.number(), Target: r.number(), Executed: r.number(), Stable: r.number(),
		Tip: r.number(), Committed: Rank{r.number(), r.number()},
		High: Rank{r.number(), r.number()},
	}
}

// FenceAsk asks for the newest statements that a member holds signed by the asker, who has just
// started and signs nothing before it knows that it forgot nothing (rule R14).
type FenceAsk struct{ Nonce uint64 }

func (m *FenceAsk) encode(w *writer) { w.u64(m.Nonce) }

// FenceAnswer answers with the asker's own highest PREPARE and COMMIT and its highest VIEW-CHANGE
// statements, where known, and with the certificates that count a vote or a CHECKPOINT of the
// asker's: these outlive a restart of who answers, and in an aggregate the signer's bit is the
// proof (rule R19).
type FenceAnswer struct {
	Nonce  uint64
	Votes  []*Vote
	Stmts  []VcStmt // of its VIEW-CHANGE, and in the NEW-VIEW of the view
	Certs  []*Certificate
	Stable *CheckpointCertificate // nil if it does not count the asker
}

// What a FenceAnswer holds at most.
const (
	maxFenceStmts = 2
	maxFenceCerts = 2
)

func (m *FenceAnswer) verify(cfg *Config) error {
	for i := range m.Stmts {
		if err := verifyVcStmt(cfg, &m.Stmts[i]); err != nil {
			return err
		}
	}
	for _, c := range m.Certs {
		if err := c.Verify(cfg); err != nil {
			return err
		}
	}
	if m.Stable != nil {
		if err := m.Stable.Verify(cfg); err != nil {
			return err
		}
	}
	return verifyStatements(cfg, m.Votes)
}

func (m *FenceAnswer) encode(w *writer) {
	w.u64(m.Nonce)
	encodeVotes(w, m.Votes)
	w.u32(uint32(len(m.Stmts))) //nolint:gosec // at most maxFenceStmts
	for i := range m.Stmts {
		m.Stmts[i].encode(w)
	}
	w.u32(uint32(len(m.Certs))) //nolint:gosec // at most maxFenceCerts
	for _, c := range m.Certs {
		c.encode(w)
	}
	if m.Stable == nil {
		w.u8(0)
		return
	}
	w.u8(1)
	m.Stable.encode(w)
}

func decodeFenceAnswer(r *reader) *FenceAnswer {
	m := &FenceAnswer{Nonce: r.u64(), Votes: decodeVotes(r)}
	n := r.count(maxFenceStmts, 100)
	for range n {
		m.Stmts = append(m.Stmts, decodeVcStmt(r))
	}
	n = r.count(maxFenceCerts, 60)
	for range n {
		m.Certs = append(m.Certs, decodeCertificate(r))
	}
	if r.flag() {
		m.Stable = decodeCheckpointCertificate(r)
	}
	return m
}
