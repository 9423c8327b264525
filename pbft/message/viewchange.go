package message

import (
	"byzd/crypto"
	"byzd/pbft/quorum"
)

// Tuple is the content of a VIEW-CHANGE statement: the view that its voter moves to, and the
// highest prepared certificate and stable checkpoint that it knows.
type Tuple struct {
	NewView  uint64
	High     Ref
	HighView uint64
	Stable   Ref
	Root     crypto.Digest // of the stable checkpoint's state
}

// HighRank is the rank of the claimed prepared certificate.
func (t *Tuple) HighRank() Rank { return Rank{t.HighView, t.High.Seq} }

// tupleSize is the number of bytes of the signed body of a VIEW-CHANGE.
const tupleSize = 8 + 8 + 8 + 32 + 8 + 32 + 32

func (t *Tuple) body() []byte {
	w := writer{buf: make([]byte, 0, tupleSize)}
	t.encode(&w)
	return w.buf
}

func (t *Tuple) encode(w *writer) {
	w.u64(t.NewView)
	w.u64(t.HighView)
	w.u64(t.High.Seq)
	w.digest(t.High.Digest)
	w.u64(t.Stable.Seq)
	w.digest(t.Stable.Digest)
	w.digest(t.Root)
}

func decodeTuple(r *reader) (t Tuple) {
	t.NewView, t.HighView = r.number(), r.number()
	t.High = Ref{r.number(), r.digest()}
	t.Stable = Ref{r.number(), r.digest()}
	t.Root = r.digest()
	return t
}

// VcStmt is a signed VIEW-CHANGE statement. It binds the tuple, not the certificates that prove it.
type VcStmt struct {
	Tuple
	Voter int
	Sig   []byte
}

func (s *VcStmt) encode(w *writer) {
	s.Tuple.encode(w)
	w.u16(uint16(s.Voter)) //nolint:gosec // below MaxReplicas
	w.bytes(s.Sig)
}

func decodeVcStmt(r *reader) VcStmt {
	return VcStmt{Tuple: decodeTuple(r), Voter: r.index(), Sig: r.bytes(maxSignature)}
}

// ViewChange is a replica's binding move to a view, with the proof of what it claims. It also
// carries the deposed primary's signed statements for batches that did not commit, so that a
// primary that told each backup something else is caught (DESIGN §5 point 11); these are never
// needed for validity.
type ViewChange struct {
	Stmt       VcStmt
	High       *Certificate
	Stable     *CheckpointCertificate
	Statements []*Vote
}

// MaxStatements bounds the primary's statements that a COMPLAIN or VIEW-CHANGE carries.
const MaxStatements = 2 * MaxInFlight

// proves reports whether the two certificates are the ones that the tuple claims.
func (t *Tuple) proves(high *Certificate, stable *CheckpointCertificate) bool {
	return high.View == t.HighView && high.Ref() == t.High &&
		stable.Ref() == t.Stable && stable.Root == t.Root
}

func (m *ViewChange) verify(cfg *Config) error {
	t := &m.Stmt.Tuple
	if t.NewView == 0 || t.HighView >= t.NewView {
		return RefusedView
	}
	if !t.proves(m.High, m.Stable) {
		return RefusedProof
	}
	if err := verifyVcStmt(cfg, &m.Stmt); err != nil {
		return err
	}
	if err := verifyHigh(cfg, m.High); err != nil {
		return err
	}
	if err := m.Stable.Verify(cfg); err != nil {
		return err
	}
	return verifyStatements(cfg, m.Statements)
}

func verifyVcStmt(cfg *Config, s *VcStmt) error {
	if s.Voter >= len(cfg.Members) {
		return RefusedMember
	}
	return verifyBy(cfg, s.Voter, crypto.KindViewChange, s.body(), s.Sig)
}

// verifyHigh accepts the epoch's base without signatures, and any other certificate with. A commit
// certificate is as good as the prepared one: that one existed, or no correct replica would have
// sent its COMMIT. It is all that a replica has that recovered from forgotten votes (rule R15).
func verifyHigh(cfg *Config, high *Certificate) error {
	if high.IsBase(cfg) {
		return nil
	}
	return high.Verify(cfg)
}

func verifyStatements(cfg *Config, statements []*Vote) error {
	for _, v := range statements {
		if v.Voter >= len(cfg.Members) {
			return RefusedMember
		}
		if err := verifyBy(cfg, v.Voter, v.Kind, v.body(), v.Sig); err != nil {
			return err
		}
	}
	return nil
}

// verifyBy checks one member's signature over a statement of this epoch.
func verifyBy(cfg *Config, voter int, kind crypto.Kind, body, sig []byte) error {
	statement := cfg.Domain().SignBytes(kind, body)
	if !cfg.Scheme.Verify(cfg.Members[voter].Key, statement, sig) {
		return RefusedSignature
	}
	return nil
}

// NewView starts a view. Its base is the highest prepared certificate among a quorum of
// VIEW-CHANGE statements; the prefix that the base covers is what the view must keep.
type NewView struct {
	View       uint64
	Stmts      []VcStmt // of a quorum or more, voters strictly ascending
	Base       *Certificate
	Stable     *CheckpointCertificate // the highest checkpoint among the statements
	Sig        []byte
	PrepareSig []byte // the primary's PREPARE of the base; empty if it lacks the batches

	// HoldsChain says to the Sealer whether the primary may PREPARE the base (rule R17).
	HoldsChain bool
}

// newViewSize is the number of bytes of the signed body of a NEW-VIEW.
const newViewSize = 8 + 2 + 8 + 32 + 8 + 8 + 32

// body is the signed body of a NEW-VIEW statement. It binds who said what: a digest over the
// tuples alone would let an accuser relabel the voters (rule R7.1).
func (m *NewView) body(cfg *Config) []byte {
	var said writer
	for i := range m.Stmts {
		s := &m.Stmts[i]
		said.u16(uint16(s.Voter)) //nolint:gosec // below MaxReplicas
		said.raw(cfg.Domain().SignBytes(crypto.KindViewChange, s.body()))
	}
	w := writer{buf: make([]byte, 0, newViewSize)}
	w.u64(m.View)
	w.u16(uint16(len(m.Stmts))) //nolint:gosec // at most MaxReplicas
	w.u64(m.Stable.Seq)
	w.digest(crypto.Hash("byzd/nv/1", said.buf))
	w.u64(m.Base.View)
	w.u64(m.Base.Seq)
	w.digest(m.Base.Digest)
	return w.buf
}

// Statement is the digest of what the primary signed; two of one view are evidence.
func (m *NewView) Statement(cfg *Config) crypto.Digest {
	return crypto.Hash("byzd/nv/stmt", m.body(cfg))
}

// CheckContent returns the first rule that the signed content breaks, or "": exactly what evidence
// E6 may accuse of, and nothing about attached signatures or certificates (rule R7.1).
func (m *NewView) CheckContent(cfg *Config) Refusal {
	if len(m.Stmts) < cfg.Sizes.Quorum {
		return RefusedTooFew
	}
	var base *Tuple
	stable, last := uint64(0), -1
	for i := range m.Stmts {
		s := &m.Stmts[i]
		if s.Voter <= last || s.Voter >= len(cfg.Members) {
			return RefusedVoters
		}
		last = s.Voter
		if s.NewView != m.View || s.HighView >= m.View {
			return RefusedView
		}
		stable = max(stable, s.Stable.Seq)
		switch {
		case base == nil || base.HighRank().Less(s.HighRank()):
			base = &s.Tuple
		case base.HighRank() == s.HighRank() && base.High.Digest != s.High.Digest:
			return RefusedBase
		}
	}
	if m.Base.Rank() != base.HighRank() || m.Base.Digest != base.High.Digest ||
		m.Stable.Seq != stable {
		return RefusedBase
	}
	return ""
}

// verify checks everything about the message but whether it comes in time.
func (m *NewView) verify(cfg *Config) error {
	if m.View == 0 {
		return RefusedView
	}
	primary := cfg.Primary(m.View)
	if err := verifyBy(cfg, primary, crypto.KindNewView, m.body(cfg), m.Sig); err != nil {
		return err
	}
	if r := m.CheckContent(cfg); r != "" {
		return r
	}
	if m.Base.Seq < m.Stable.Seq { // a dead or raced view, nobody's fault (rule R16)
		return RefusedBase
	}
	for i := range m.Stmts {
		if err := verifyVcStmt(cfg, &m.Stmts[i]); err != nil {
			return err
		}
	}
	if err := verifyHigh(cfg, m.Base); err != nil {
		return err
	}
	if err := m.verifyStable(cfg); err != nil {
		return err
	}
	if len(m.PrepareSig) == 0 {
		return nil
	}
	return verifyBy(cfg, primary, crypto.KindPrepare,
		voteBody(m.View, m.Base.Seq, m.Base.Digest), m.PrepareSig)
}

// verifyStable checks the highest checkpoint's proof, and that some statement claims exactly it.
func (m *NewView) verifyStable(cfg *Config) error {
	for i := range m.Stmts {
		s := &m.Stmts[i]
		if s.Stable == m.Stable.Ref() && s.Root == m.Stable.Root {
			return m.Stable.Verify(cfg)
		}
	}
	return RefusedProof
}

// Prepare returns the primary's PREPARE of the base, or nil if the message carries none.
func (m *NewView) Prepare(cfg *Config) *Vote {
	if len(m.PrepareSig) == 0 {
		return nil
	}
	return &Vote{
		Kind: crypto.KindPrepare, View: m.View, Seq: m.Base.Seq, Digest: m.Base.Digest,
		Voter: cfg.Primary(m.View), Sig: m.PrepareSig,
	}
}

func (m *ViewChange) encode(w *writer) {
	m.Stmt.encode(w)
	m.High.encode(w)
	m.Stable.encode(w)
	encodeVotes(w, m.Statements)
}

func decodeViewChange(r *reader) *ViewChange {
	return &ViewChange{
		Stmt: decodeVcStmt(r), High: decodeCertificate(r),
		Stable: decodeCheckpointCertificate(r), Statements: decodeVotes(r),
	}
}

func encodeVotes(w *writer, votes []*Vote) {
	w.u32(uint32(len(votes))) //nolint:gosec // at most MaxStatements
	for _, v := range votes {
		v.encode(w)
	}
}

func decodeVotes(r *reader) []*Vote {
	n := r.count(MaxStatements, 55)
	votes := make([]*Vote, 0, n)
	for range n {
		votes = append(votes, decodeVote(r))
	}
	return votes
}

func (m *NewView) encode(w *writer) {
	w.u64(m.View)
	w.u32(uint32(len(m.Stmts))) //nolint:gosec // at most MaxReplicas
	for i := range m.Stmts {
		m.Stmts[i].encode(w)
	}
	m.Base.encode(w)
	m.Stable.encode(w)
	w.bytes(m.Sig)
	w.bytes(m.PrepareSig)
}

func decodeNewView(r *reader) *NewView {
	m := &NewView{View: r.number()}
	n := r.count(quorum.MaxReplicas, 100)
	m.Stmts = make([]VcStmt, 0, n)
	for range n {
		m.Stmts = append(m.Stmts, decodeVcStmt(r))
	}
	m.Base, m.Stable = decodeCertificate(r), decodeCheckpointCertificate(r)
	m.Sig, m.PrepareSig = r.bytes(maxSignature), r.bytes(maxSignature)
	m.HoldsChain = len(m.PrepareSig) > 0
	return m
}
