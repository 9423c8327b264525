package message

import (
	"bytes"
	"fmt"

	"byzd/crypto"
	"byzd/pbft/quorum"
)

// EvidenceKind is a lie that can be proved with the liar's own signatures (PROTOCOL §4.12).
type EvidenceKind uint8

// The provable lies.
const (
	EvidencePrepares   EvidenceKind = 1  // E1: two PREPAREs, one view and sequence number
	EvidenceCommits    EvidenceKind = 2  // E2: two COMMITs, one view and sequence number
	EvidenceNewViews   EvidenceKind = 3  // E3: two NEW-VIEWs of one view
	EvidenceFork       EvidenceKind = 4  // E4: PREPAREs of one view that are not on one chain
	EvidenceHiding     EvidenceKind = 5  // E5: a COMMIT, then a VIEW-CHANGE that hides its lock
	EvidenceBadNewView EvidenceKind = 6  // E6: a NEW-VIEW whose signed content breaks a rule
	EvidenceChanges    EvidenceKind = 10 // E10: two VIEW-CHANGEs to one view
	EvidenceForkedRoot EvidenceKind = 11 // E11: CHECKPOINTs of two batches, one sequence number
)

// String is the kind's name in files and reports.
func (k EvidenceKind) String() string {
	switch k {
	case EvidencePrepares:
		return "E1-two-prepares"
	case EvidenceCommits:
		return "E2-two-commits"
	case EvidenceNewViews:
		return "E3-two-new-views"
	case EvidenceFork:
		return "E4-forked-prepares"
	case EvidenceHiding:
		return "E5-lock-hiding"
	case EvidenceBadNewView:
		return "E6-invalid-new-view"
	case EvidenceChanges:
		return "E10-two-view-changes"
	case EvidenceForkedRoot:
		return "E11-two-checkpoints"
	default:
		return fmt.Sprintf("E%d", uint8(k))
	}
}

// Statement is something signed, in the form that was signed.
type Statement struct {
	Kind crypto.Kind
	Body []byte
	Sig  []byte
}

// Evidence proves with the culprit's own signatures that it lied. It speaks for itself: whoever
// knows the members' keys can check it.
type Evidence struct {
	Kind    EvidenceKind
	Culprit int
	First   Statement
	Second  Statement // empty for E6
	Headers []Header  // E4: from Second's batch down to the child of First's sequence number
	Stmts   []VcStmt  // E6: what the NEW-VIEW's digest binds; signatures left out
}

// Key identifies what is proved; one proof for each is enough.
func (e *Evidence) Key() string { return fmt.Sprintf("%d-%d", e.Culprit, e.Kind) }

// maxEvidenceBody is more than the largest statement body.
const maxEvidenceBody = 256

// MaxEvidenceHeaders bounds the chain that an E4 proof shows.
const MaxEvidenceHeaders = 2 * MaxInFlight

func (s *Statement) encode(w *writer) {
	w.u8(uint8(s.Kind))
	w.bytes(s.Body)
	w.bytes(s.Sig)
}

func decodeStatement(r *reader) Statement {
	return Statement{
		Kind: crypto.Kind(r.u8()), Body: r.bytes(maxEvidenceBody), Sig: r.bytes(maxSignature),
	}
}

func (e *Evidence) encode(w *writer) {
	w.u8(uint8(e.Kind))
	w.u16(uint16(e.Culprit)) //nolint:gosec // below MaxReplicas
	e.First.encode(w)
	e.Second.encode(w)
	w.u32(uint32(len(e.Headers))) //nolint:gosec // at most MaxEvidenceHeaders
	for i := range e.Headers {
		e.Headers[i].encode(w)
	}
	w.u32(uint32(len(e.Stmts))) //nolint:gosec // at most MaxReplicas
	for i := range e.Stmts {
		e.Stmts[i].encode(w)
	}
}

func decodeEvidence(r *reader) *Evidence {
	e := &Evidence{
		Kind: EvidenceKind(r.u8()), Culprit: r.index(),
		First: decodeStatement(r), Second: decodeStatement(r),
	}
	n := r.count(MaxEvidenceHeaders, HeaderSize)
	for range n {
		e.Headers = append(e.Headers, decodeHeader(r))
	}
	n = r.count(quorum.MaxReplicas, 100)
	for range n {
		e.Stmts = append(e.Stmts, decodeVcStmt(r))
	}
	return e
}

// EncodeEvidence returns the proof's one encoding.
func EncodeEvidence(e *Evidence) []byte {
	var w writer
	e.encode(&w)
	return w.buf
}

// DecodeEvidence reads what [EncodeEvidence] wrote. The proof is not verified.
func DecodeEvidence(data []byte) (*Evidence, error) {
	r := reader{buf: data}
	e := decodeEvidence(&r)
	return e, r.done()
}

// Verify checks the proof: that the culprit signed each statement, and that no correct replica
// signs both.
func (e *Evidence) Verify(cfg *Config) error {
	if e.Culprit >= len(cfg.Members) {
		return RefusedMember
	}
	if !e.contradicts(cfg) {
		return RefusedEvidence
	}
	statements := []*Statement{&e.First, &e.Second}
	if e.Kind == EvidenceBadNewView {
		statements = statements[:1]
	}
	for _, s := range statements {
		if err := verifyBy(cfg, e.Culprit, s.Kind, s.Body, s.Sig); err != nil {
			return err
		}
	}
	return nil
}

// contradicts reports whether the statements prove a lie, given that the culprit signed them.
// Nothing that the accuser could choose freely may be left in the proof.
func (e *Evidence) contradicts(cfg *Config) bool {
	if e.Kind != EvidenceFork && len(e.Headers) > 0 ||
		e.Kind != EvidenceBadNewView && len(e.Stmts) > 0 {
		return false
	}
	switch e.Kind {
	case EvidencePrepares:
		return e.twoVotes(crypto.KindPrepare)
	case EvidenceCommits:
		return e.twoVotes(crypto.KindCommit)
	case EvidenceNewViews:
		return e.samePlace(crypto.KindNewView, newViewSize, 8)
	case EvidenceChanges:
		return e.samePlace(crypto.KindViewChange, tupleSize, 8)
	case EvidenceForkedRoot:
		return e.samePlace(crypto.KindCheckpoint, checkpointSize, 8) &&
			!bytes.Equal(e.First.Body[8:40], e.Second.Body[8:40])
	case EvidenceFork:
		return e.forked()
	case EvidenceHiding:
		return e.hides()
	case EvidenceBadNewView:
		return e.badNewView(cfg)
	default:
		return false
	}
}

// samePlace reports whether both statements are of a kind and size, equal in the first bytes, which
// say where they belong, and different as a whole.
func (e *Evidence) samePlace(kind crypto.Kind, size, place int) bool {
	a, b := &e.First, &e.Second
	return a.Kind == kind && b.Kind == kind && len(a.Body) == size && len(b.Body) == size &&
		bytes.Equal(a.Body[:place], b.Body[:place]) && !bytes.Equal(a.Body, b.Body)
}

func (e *Evidence) twoVotes(kind crypto.Kind) bool { return e.samePlace(kind, voteSize, 16) }

// parseVote reads the body of a vote statement of the given kind.
func (s *Statement) parseVote(kind crypto.Kind) (Vote, bool) {
	r := reader{buf: s.Body}
	v := Vote{Kind: s.Kind, View: r.number(), Seq: r.number(), Digest: r.digest()}
	return v, s.Kind == kind && r.done() == nil
}

func (e *Evidence) forked() bool {
	low, ok := e.First.parseVote(crypto.KindPrepare)
	high, ok2 := e.Second.parseVote(crypto.KindPrepare)
	if !ok || !ok2 || low.View != high.View || low.Seq >= high.Seq {
		return false
	}
	if uint64(len(e.Headers)) != high.Seq-low.Seq {
		return false
	}
	want := high.Ref()
	for i := range e.Headers {
		h := &e.Headers[i]
		if h.Seq != want.Seq || h.Digest() != want.Digest {
			return false
		}
		want = Ref{h.Seq - 1, h.Parent}
	}
	return want.Digest != low.Digest
}

func (e *Evidence) hides() bool {
	commit, ok := e.First.parseVote(crypto.KindCommit)
	if !ok || e.Second.Kind != crypto.KindViewChange {
		return false
	}
	r := reader{buf: e.Second.Body}
	t := decodeTuple(&r)
	return r.done() == nil && t.NewView > commit.View && t.HighRank().Less(commit.Rank())
}

func (e *Evidence) badNewView(cfg *Config) bool {
	if e.First.Kind != crypto.KindNewView || e.Second.Kind != 0 || len(e.Second.Body) != 0 ||
		len(e.Second.Sig) != 0 {
		return false
	}
	r := reader{buf: e.First.Body}
	m := &NewView{View: r.number()}
	r.u16()
	m.Stable = &CheckpointCertificate{Seq: r.number()}
	r.digest()
	m.Base = &Certificate{View: r.number(), Seq: r.number(), Digest: r.digest()}
	if r.done() != nil {
		return false
	}
	for i := range e.Stmts {
		if len(e.Stmts[i].Sig) > 0 {
			return false
		}
	}
	m.Stmts = e.Stmts
	return cfg.Primary(m.View) == e.Culprit && bytes.Equal(m.body(cfg), e.First.Body) &&
		m.CheckContent(cfg) != ""
}

// ContradictingVotes builds E1 or E2 from two votes of one voter, or returns nil.
func ContradictingVotes(a, b *Vote) *Evidence {
	kind := EvidencePrepares
	if a.Kind == crypto.KindCommit {
		kind = EvidenceCommits
	}
	e := &Evidence{Kind: kind, Culprit: a.Voter, First: a.statement(), Second: b.statement()}
	if a.Voter != b.Voter || !e.twoVotes(a.Kind) {
		return nil
	}
	return e
}

func (v *Vote) statement() Statement { return Statement{v.Kind, v.body(), v.Sig} }

// ContradictingNewViews builds E3 from two NEW-VIEWs of one view, or returns nil.
func ContradictingNewViews(cfg *Config, a, b *NewView) *Evidence {
	e := &Evidence{
		Kind: EvidenceNewViews, Culprit: cfg.Primary(a.View),
		First:  Statement{crypto.KindNewView, a.body(cfg), a.Sig},
		Second: Statement{crypto.KindNewView, b.body(cfg), b.Sig},
	}
	if !e.contradicts(cfg) {
		return nil
	}
	return e
}

// Fork builds E4 from a low and a high PREPARE of one voter and the headers from the high one down
// to the child of the low one's place, or returns nil.
func Fork(low, high *Vote, headers []Header) *Evidence {
	e := &Evidence{
		Kind: EvidenceFork, Culprit: low.Voter,
		First: low.statement(), Second: high.statement(), Headers: headers,
	}
	if low.Voter != high.Voter || len(headers) > MaxEvidenceHeaders || !e.forked() {
		return nil
	}
	return e
}

// Hiding builds E5 from a COMMIT and a later VIEW-CHANGE of one voter, or returns nil.
func Hiding(commit *Vote, s *VcStmt) *Evidence {
	e := &Evidence{
		Kind: EvidenceHiding, Culprit: commit.Voter,
		First: commit.statement(), Second: s.statement(),
	}
	if commit.Voter != s.Voter || !e.hides() {
		return nil
	}
	return e
}

func (s *VcStmt) statement() Statement {
	return Statement{crypto.KindViewChange, s.body(), s.Sig}
}

// ContradictingChanges builds E10 from two VIEW-CHANGE statements of one voter, or returns nil.
func ContradictingChanges(a, b *VcStmt) *Evidence {
	e := &Evidence{
		Kind: EvidenceChanges, Culprit: a.Voter, First: a.statement(), Second: b.statement(),
	}
	if a.Voter != b.Voter || !e.samePlace(crypto.KindViewChange, tupleSize, 8) {
		return nil
	}
	return e
}

// ContradictingCheckpoints builds E11 from two CHECKPOINTs of one voter, or returns nil.
func ContradictingCheckpoints(cfg *Config, a, b *Checkpoint) *Evidence {
	e := &Evidence{
		Kind: EvidenceForkedRoot, Culprit: a.Voter,
		First:  Statement{crypto.KindCheckpoint, a.body(), a.Sig},
		Second: Statement{crypto.KindCheckpoint, b.body(), b.Sig},
	}
	if a.Voter != b.Voter || !e.contradicts(cfg) {
		return nil
	}
	return e
}

// InvalidNewView builds E6 from a NEW-VIEW that its primary signed and whose content breaks a rule,
// or returns nil.
func InvalidNewView(cfg *Config, m *NewView) *Evidence {
	e := &Evidence{
		Kind: EvidenceBadNewView, Culprit: cfg.Primary(m.View),
		First: Statement{crypto.KindNewView, m.body(cfg), m.Sig},
	}
	for i := range m.Stmts {
		s := m.Stmts[i]
		s.Sig = nil
		e.Stmts = append(e.Stmts, s)
	}
	if e.Verify(cfg) != nil {
		return nil
	}
	return e
}
