package message

import (
	"bytes"
	"errors"
	"slices"

	"byzd/crypto"
	"byzd/pbft/quorum"
)

// Verify checks the proof: that the culprit signed each statement, and that no correct replica
// signs what they are together.
func (e *Evidence) Verify(cfg *Config) error {
	if e.Culprit < 0 || e.Culprit >= len(cfg.Members) {
		return RefusedMember
	}
	if !e.contradicts(cfg) {
		return RefusedEvidence
	}
	statements := []*Statement{&e.First, &e.Second}
	if e.single() {
		statements = statements[:1]
	}
	for _, s := range statements {
		if err := s.verify(cfg, e.Culprit); err != nil {
			return err
		}
	}
	return nil
}

// single reports whether one statement is enough for this kind of proof.
func (e *Evidence) single() bool {
	return e.Kind == EvidenceBadNewView || e.Kind == EvidenceBadBatch ||
		e.Kind == EvidenceWrongRoot
}

// verify checks that a member signed the statement, alone or among others.
func (s *Statement) verify(cfg *Config, member int) error {
	domain := cfg.Domain()
	if s.Kind == crypto.KindRequest {
		domain = cfg.RequestDomain()
	}
	said := domain.SignBytes(s.Kind, s.Body)
	if s.Signers.Count() == 0 {
		if !cfg.Scheme.Verify(cfg.Members[member].Key, said, s.Sig) {
			return RefusedSignature
		}
		return nil
	}
	signers := s.Signers.Members()
	switch {
	case Separable(cfg.Scheme): // its own signature can be shown, so it must be
		return RefusedEvidence
	case signers[len(signers)-1] >= len(cfg.Members) || !s.Signers.Has(member):
		return RefusedMember
	case !cfg.Scheme.VerifyAggregate(cfg.Keys(s.Signers), said, s.Sig):
		return RefusedCertificate
	}
	return nil
}

// contradicts reports whether the statements prove a lie, given that the culprit signed them.
// Nothing that the accuser could choose freely may be left in the proof.
func (e *Evidence) contradicts(cfg *Config) bool {
	if e.hasSpareParts() {
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
		return e.forked(crypto.KindPrepare)
	case EvidenceForkedCommits:
		return e.forked(crypto.KindCommit)
	case EvidenceHiding:
		return e.hides()
	case EvidenceBadNewView:
		return e.badNewView(cfg)
	case EvidenceBadBatch:
		return e.badBatch(cfg)
	case EvidenceWrongRoot:
		return e.wrongRoot(cfg)
	case EvidenceRequests:
		return e.twoBundles(cfg)
	default:
		return false
	}
}

// hasSpareParts reports whether the proof holds something that its kind does not need.
func (e *Evidence) hasSpareParts() bool {
	chain := e.Kind == EvidenceFork || e.Kind == EvidenceForkedCommits || e.Kind == EvidenceBadBatch
	none := e.Second.Kind == 0 && len(e.Second.Body) == 0 && len(e.Second.Sig) == 0 &&
		e.Second.Signers == quorum.Set{}
	return !chain && len(e.Headers) > 0 ||
		e.Kind != EvidenceBadNewView && len(e.Stmts) > 0 ||
		e.Kind != EvidenceBadBatch && len(e.IDs)+len(e.Bundles) > 0 ||
		(e.Kind == EvidenceWrongRoot) != (e.Stable != nil) ||
		e.single() && !none
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

// forked reports whether headers show that the second vote's batch does not descend from the
// first's. A correct replica's votes of one kind and view are on one chain (rule R6).
func (e *Evidence) forked(kind crypto.Kind) bool {
	low, ok := e.First.parseVote(kind)
	high, ok2 := e.Second.parseVote(kind)
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
	if e.First.Kind != crypto.KindNewView {
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

// badBatch reports whether the primary of a view signed, for that view, a batch that it proposed in
// it and that no correct replica proposes. Who only certifies again what a certificate vouches for,
// as the primary of a later view does, has not looked into it (rule R7.2).
func (e *Evidence) badBatch(cfg *Config) bool {
	v, ok := e.First.parseVote(crypto.KindPrepare)
	if !ok || len(e.Headers) != 1 || cfg.Primary(v.View) != e.Culprit {
		return false
	}
	h := &e.Headers[0]
	if h.PropView != v.View || h.Seq != v.Seq || h.Digest() != v.Digest ||
		h.Root != BatchRoot(e.IDs) || len(e.IDs) > cfg.Params.MaxBatchRequests {
		return false
	}
	switch b := e.Bundles; len(b) {
	case 0:
		return namesTwice(e.IDs)
	case 1:
		return slices.Contains(e.IDs, b[0].ID()) && b[0].Size() <= cfg.Params.MaxBundleBytes &&
			!validlySigned(cfg, b[0])
	case maxEvidenceBundles:
		return slices.Contains(e.IDs, b[0].ID()) && slices.Contains(e.IDs, b[1].ID()) &&
			b[0].ID() != b[1].ID() && b[0].Key() == b[1].Key() &&
			b[0].Size()+b[1].Size() <= cfg.Params.MaxBundleBytes
	default:
		return false
	}
}

func namesTwice(ids []crypto.Digest) bool {
	seen := make(map[crypto.Digest]bool, len(ids))
	for _, id := range ids {
		if seen[id] {
			return true
		}
		seen[id] = true
	}
	return false
}

// validlySigned reports whether a bundle is its gateway's and every client signature in it holds.
// What else a bundle may be refused for depends on who the members are, and what was legal in the
// epoch before would convict who still had it: signatures alone count.
func validlySigned(cfg *Config, b *Bundle) bool {
	return !errors.Is(verifyBundle(cfg, b, forgetful{}), RefusedSignature)
}

// forgetful is a [Cache] that knows nothing: a proof is checked from the signatures up.
type forgetful struct{}

func (forgetful) Has(crypto.Digest) bool { return false }
func (forgetful) Add(crypto.Digest)      {}

// wrongRoot reports whether a quorum certified another state after the very batch that the
// CHECKPOINT is about. (A CHECKPOINT of another batch may be that of a correct replica, on its side
// of a fork.)
func (e *Evidence) wrongRoot(cfg *Config) bool {
	r := reader{buf: e.First.Body}
	seq, digest, root := r.number(), r.digest(), r.digest()
	return e.First.Kind == crypto.KindCheckpoint && r.done() == nil &&
		e.Stable.Ref() == Ref{seq, digest} && e.Stable.Root != root && !e.Stable.IsBase(cfg) &&
		e.Stable.Verify(cfg) == nil
}

// requestPlace is owner, session and number: the first bytes of a request's body. requestSize is
// all of it, with what is acknowledged and the digest of the operations.
const (
	requestPlace = 32 + 8 + 8
	requestSize  = requestPlace + 8 + 32
)

// twoBundles reports whether a member's gateway gave one place of its session to two bundles. A
// correct one reserves its numbers on disk before it uses them (rule R7.3).
func (e *Evidence) twoBundles(cfg *Config) bool {
	node := cfg.Members[e.Culprit].Node
	return e.samePlace(crypto.KindRequest, requestSize, requestPlace) &&
		bytes.Equal(e.First.Body[:len(node)], node[:])
}
