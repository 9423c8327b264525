package message

import (
	"fmt"

	"byzd/crypto"
	"byzd/pbft/quorum"
)

// EvidenceKind is a lie that can be proved with the liar's own signatures (PROTOCOL §4.12).
type EvidenceKind uint8

// The provable lies. Numbers are never reused.
const (
	EvidencePrepares   EvidenceKind = 1  // E1: two PREPAREs, one view and sequence number
	EvidenceCommits    EvidenceKind = 2  // E2: two COMMITs, one view and sequence number
	EvidenceNewViews   EvidenceKind = 3  // E3: two NEW-VIEWs of one view
	EvidenceFork       EvidenceKind = 4  // E4: PREPAREs of one view that are not on one chain
	EvidenceHiding     EvidenceKind = 5  // E5: a COMMIT, then a VIEW-CHANGE that hides its lock
	EvidenceBadNewView EvidenceKind = 6  // E6: a NEW-VIEW whose signed content breaks a rule
	EvidenceBadBatch   EvidenceKind = 7  // E7: a primary's PREPARE of its batch of bad requests
	EvidenceWrongRoot  EvidenceKind = 8  // E8: a CHECKPOINT whose root is not the certified one
	EvidenceRequests   EvidenceKind = 9  // E9: two bundles for one place in a gateway's session
	EvidenceChanges    EvidenceKind = 10 // E10: two VIEW-CHANGEs to one view
	EvidenceForkedRoot EvidenceKind = 11 // E11: CHECKPOINTs of two batches, one sequence number
	// EvidenceForkedCommits is E2′: COMMITs of one view that are not on one chain. E12 is a number
	// of the specification that is not used here, see doc.go.
	EvidenceForkedCommits EvidenceKind = 13
)

// String is the kind's name in files and reports.
func (k EvidenceKind) String() string {
	names := [...]string{
		"", "E1-two-prepares", "E2-two-commits", "E3-two-new-views", "E4-forked-prepares",
		"E5-lock-hiding", "E6-invalid-new-view", "E7-invalid-batch", "E8-wrong-root",
		"E9-two-bundles", "E10-two-view-changes", "E11-two-checkpoints", "", "E2b-forked-commits",
	}
	if int(k) < len(names) && names[k] != "" {
		return names[k]
	}
	return fmt.Sprintf("E%d", uint8(k))
}

// Convicts reports whether a correct replica never does this. A root other than the certified one
// (E8) may come from a fault that is nobody's intent: it is reported and passed on, and is no
// reason to depose anybody.
func (k EvidenceKind) Convicts() bool { return k != EvidenceWrongRoot }

// Statement is something signed, in the form that was signed.
type Statement struct {
	Kind crypto.Kind
	Body []byte
	Sig  []byte
	// Signers is empty for a signature that stands alone. With a scheme whose aggregates cannot be
	// taken apart again, a certificate shows what its signers said: then Sig is the aggregate of
	// theirs (rule R19).
	Signers quorum.Set
}

// Evidence proves with the culprit's own signatures that it lied. It speaks for itself: whoever
// knows the members' keys can check it.
type Evidence struct {
	Kind    EvidenceKind
	Culprit int
	First   Statement
	Second  Statement // empty for E6, E7 and E8
	Headers []Header  // E4, E2′: from Second's batch down to the child of First's; E7: the batch's
	Stmts   []VcStmt  // E6: what the NEW-VIEW's digest binds; signatures left out

	// Of E7: the names of the batch's bundles, and what is wrong: the bundle that is not validly
	// signed, or two for one place. One bundle that is named twice need not be shown.
	IDs     []crypto.Digest
	Bundles []*Bundle

	Stable *CheckpointCertificate // E8: what a quorum certified; else nil
}

// Key identifies what is proved; one proof for each is enough.
func (e *Evidence) Key() string { return fmt.Sprintf("%d-%d", e.Culprit, e.Kind) }

// maxEvidenceBody is more than the largest statement body.
const maxEvidenceBody = 256

// MaxEvidenceHeaders bounds the chain that a proof of a fork shows.
const MaxEvidenceHeaders = 2 * MaxInFlight

// maxEvidenceBundles is two that are for one place.
const maxEvidenceBundles = 2

// certified marks, in the byte of a statement's kind, that signers follow.
const certified = 0x80

func (s *Statement) encode(w *writer) {
	if s.Signers.Count() == 0 {
		w.u8(uint8(s.Kind))
	} else {
		w.u8(uint8(s.Kind) | certified)
		w.signers(s.Signers)
	}
	w.bytes(s.Body)
	w.bytes(s.Sig)
}

func decodeStatement(r *reader) Statement {
	var s Statement
	kind := r.u8()
	s.Kind = crypto.Kind(kind &^ certified)
	if kind&certified != 0 {
		if s.Signers = r.signers(); s.Signers.Count() == 0 {
			r.fail("certificate without signers")
		}
	}
	s.Body, s.Sig = r.bytes(maxEvidenceBody), r.bytes(maxSignature)
	return s
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
	switch e.Kind {
	case EvidenceBadBatch:
		encodeDigests(w, e.IDs)
		w.u32(uint32(len(e.Bundles))) //nolint:gosec // at most two
		for _, b := range e.Bundles {
			b.encode(w)
		}
	case EvidenceWrongRoot:
		e.Stable.encode(w)
	default:
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
	switch e.Kind {
	case EvidenceBadBatch:
		e.IDs = decodeDigests(r, MaxBundles)
		n = r.count(maxEvidenceBundles, 30)
		for range n {
			e.Bundles = append(e.Bundles, decodeBundle(r))
		}
	case EvidenceWrongRoot:
		e.Stable = decodeCheckpointCertificate(r)
	default:
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

// Separable reports whether the scheme's aggregates are the single signatures side by side, in the
// order of the signers, so that each can be taken out again.
func Separable(s crypto.Scheme) bool { return s.CertificateSize(2) == 2*s.SignatureSize() }

// evidenceLimit is the size of the largest proof that holds: of a fork with the longest chain, of
// an invalid NEW-VIEW with everybody's tuples, of a batch with the largest bundle that is not
// validly signed, or of a root with everybody's certificate.
func (c *Config) evidenceLimit() int {
	n := len(c.Members)
	alone := func(body int) int { return 1 + 4 + body + 4 + c.Scheme.SignatureSize() }
	shown := alone
	if !Separable(c.Scheme) {
		shown = func(body int) int {
			return 1 + 8*len(quorum.Set{}) + 4 + body + 4 + c.Scheme.CertificateSize(n)
		}
	}
	const nothing = 1 + 4 + 4 // in place of a second statement
	fork := 2*shown(voteSize) + MaxEvidenceHeaders*HeaderSize
	newView := alone(newViewSize) + nothing + n*(tupleSize+2+4)
	batch := shown(voteSize) + nothing + HeaderSize + 4 + 32*c.Params.MaxBatchRequests + 4 +
		c.Params.MaxBundleBytes
	root := shown(checkpointSize) + nothing + checkpointSize + 8*len(quorum.Set{}) + 4 +
		c.Scheme.CertificateSize(n)
	changes := 2 * alone(tupleSize)
	return 1 + 2 + max(fork, newView, batch, root, changes) + 4 + 4
}
