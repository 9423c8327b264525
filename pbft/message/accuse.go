package message

import (
	"byzd/crypto"
)

// ContradictingVotes builds E1 or E2 from two votes of one voter, or returns nil.
func ContradictingVotes(a, b *Vote) *Evidence {
	kind := EvidencePrepares
	if a.Kind == crypto.KindCommit {
		kind = EvidenceCommits
	}
	e := &Evidence{Kind: kind, Culprit: a.Voter, First: a.Statement(), Second: b.Statement()}
	if a.Voter != b.Voter || !e.twoVotes(a.Kind) {
		return nil
	}
	return e
}

// Statement is what the voter signed.
func (v *Vote) Statement() Statement { return Statement{Kind: v.Kind, Body: v.body(), Sig: v.Sig} }

// Statement is what a voter of the certificate signed, shown by all of its signers together.
func (c *Certificate) Statement() Statement {
	return Statement{
		Kind: c.Kind, Body: voteBody(c.View, c.Seq, c.Digest), Sig: c.Aggregate, Signers: c.Signers,
	}
}

// Statement is what a signer of the certificate signed, shown by all of its signers together.
func (c *CheckpointCertificate) Statement() Statement {
	return Statement{
		Kind: crypto.KindCheckpoint, Body: checkpointBody(c.Seq, c.Digest, c.Root),
		Sig: c.Aggregate, Signers: c.Signers,
	}
}

// Statement is what the voter signed.
func (s *VcStmt) Statement() Statement {
	return Statement{Kind: crypto.KindViewChange, Body: s.body(), Sig: s.Sig}
}

// Statement is what the voter signed.
func (c *Checkpoint) Statement() Statement {
	return Statement{Kind: crypto.KindCheckpoint, Body: c.body(), Sig: c.Sig}
}

// Contradiction builds a proof of two statements of a member, if they are one of a kind that needs
// nothing but two statements, or of a fork that headers show; else it returns nil. The signatures
// are not checked.
func Contradiction(
	cfg *Config, kind EvidenceKind, culprit int, first, second Statement, headers []Header,
) *Evidence {
	e := &Evidence{
		Kind: kind, Culprit: culprit, First: first, Second: second, Headers: headers,
	}
	if culprit >= len(cfg.Members) || len(headers) > MaxEvidenceHeaders || e.single() ||
		!e.contradicts(cfg) {
		return nil
	}
	return e
}

// ContradictingNewViews builds E3 from two NEW-VIEWs of one view, or returns nil.
func ContradictingNewViews(cfg *Config, a, b *NewView) *Evidence {
	e := &Evidence{
		Kind: EvidenceNewViews, Culprit: cfg.Primary(a.View),
		First:  Statement{Kind: crypto.KindNewView, Body: a.body(cfg), Sig: a.Sig},
		Second: Statement{Kind: crypto.KindNewView, Body: b.body(cfg), Sig: b.Sig},
	}
	if !e.contradicts(cfg) {
		return nil
	}
	return e
}

// Fork builds E4 (or, of COMMITs, E2′) from a low and a high vote of one voter and the headers from
// the high one down to the child of the low one's place, or returns nil.
func Fork(low, high *Vote, headers []Header) *Evidence {
	kind := EvidenceFork
	if low.Kind == crypto.KindCommit {
		kind = EvidenceForkedCommits
	}
	e := &Evidence{
		Kind: kind, Culprit: low.Voter,
		First: low.Statement(), Second: high.Statement(), Headers: headers,
	}
	if low.Voter != high.Voter || len(headers) > MaxEvidenceHeaders || !e.forked(low.Kind) {
		return nil
	}
	return e
}

// Hiding builds E5 from a COMMIT and a later VIEW-CHANGE of one voter, or returns nil.
func Hiding(commit *Vote, s *VcStmt) *Evidence {
	e := &Evidence{
		Kind: EvidenceHiding, Culprit: commit.Voter,
		First: commit.Statement(), Second: s.Statement(),
	}
	if commit.Voter != s.Voter || !e.hides() {
		return nil
	}
	return e
}

// ContradictingChanges builds E10 from two VIEW-CHANGE statements of one voter, or returns nil.
func ContradictingChanges(a, b *VcStmt) *Evidence {
	e := &Evidence{
		Kind: EvidenceChanges, Culprit: a.Voter, First: a.Statement(), Second: b.Statement(),
	}
	if a.Voter != b.Voter || !e.samePlace(crypto.KindViewChange, tupleSize, 8) {
		return nil
	}
	return e
}

// ContradictingCheckpoints builds E11 from two CHECKPOINTs of one voter, or returns nil.
func ContradictingCheckpoints(cfg *Config, a, b *Checkpoint) *Evidence {
	e := &Evidence{
		Kind: EvidenceForkedRoot, Culprit: a.Voter, First: a.Statement(), Second: b.Statement(),
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
		First: Statement{Kind: crypto.KindNewView, Body: m.body(cfg), Sig: m.Sig},
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

// InvalidBatch builds E7 from a primary's PREPARE, the header and the names of the bundles of the
// batch that it proposed with it, and of those bundles what was received, or returns nil.
func InvalidBatch(
	cfg *Config, v *Vote, h Header, ids []crypto.Digest, bundles []*Bundle,
) *Evidence {
	e := &Evidence{
		Kind: EvidenceBadBatch, Culprit: v.Voter, First: v.Statement(), Headers: []Header{h},
		IDs: ids,
	}
	if !namesTwice(ids) {
		e.Bundles = unfit(cfg, bundles)
	}
	if e.Culprit >= len(cfg.Members) || !e.contradicts(cfg) {
		return nil
	}
	return e
}

// unfit picks what no correct primary proposes: two bundles for one place, or one that is not
// validly signed.
func unfit(cfg *Config, bundles []*Bundle) []*Bundle {
	first := make(map[RequestKey]*Bundle, len(bundles))
	for _, b := range bundles {
		switch {
		case b == nil:
		case first[b.Key()] == nil:
			first[b.Key()] = b
		default:
			return []*Bundle{first[b.Key()], b}
		}
	}
	for _, b := range bundles {
		if b != nil && !validlySigned(cfg, b) {
			return []*Bundle{b}
		}
	}
	return nil
}

// WrongRoot builds E8 from a CHECKPOINT and what a quorum certified in its place, or returns nil.
func WrongRoot(cfg *Config, c *Checkpoint, stable *CheckpointCertificate) *Evidence {
	if c.Seq != stable.Seq || c.Digest != stable.Digest || c.Root == stable.Root {
		return nil
	}
	e := &Evidence{
		Kind: EvidenceWrongRoot, Culprit: c.Voter, First: c.Statement(), Stable: stable,
	}
	if e.Culprit >= len(cfg.Members) || !e.contradicts(cfg) {
		return nil
	}
	return e
}

// Word is what a bundle's gateway signed: enough to prove that it gave one place to two bundles,
// and much smaller than a bundle.
type Word struct {
	Gateway int
	Key     RequestKey
	Said    Statement
}

// Word returns what the bundle's gateway signed.
func (b *Bundle) Word(cfg *Config) *Word {
	return &Word{b.Gateway, b.Key(), Statement{
		Kind: crypto.KindRequest, Body: b.requestBody(cfg), Sig: b.Sig,
	}}
}

// ContradictingWords builds E9 from what a gateway signed, or returns nil.
func ContradictingWords(cfg *Config, a, b *Word) *Evidence {
	e := &Evidence{
		Kind: EvidenceRequests, Culprit: a.Gateway, First: a.Said, Second: b.Said,
	}
	if a.Gateway != b.Gateway || a.Gateway >= len(cfg.Members) || !e.contradicts(cfg) {
		return nil
	}
	return e
}
