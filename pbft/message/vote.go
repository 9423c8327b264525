package message

import (
	"byzd/crypto"
	"byzd/pbft/quorum"
)

// Vote is a PREPARE or a COMMIT. The primary's PREPARE is its pre-prepare.
type Vote struct {
	Kind   crypto.Kind // crypto.KindPrepare or crypto.KindCommit
	View   uint64
	Seq    uint64
	Digest crypto.Digest
	Voter  int
	Sig    []byte
}

// Ref names the batch that is voted for.
func (v *Vote) Ref() Ref { return Ref{v.Seq, v.Digest} }

// Rank is the rank of a certificate of such votes.
func (v *Vote) Rank() Rank { return Rank{v.View, v.Seq} }

// voteSize is the number of bytes of the signed body of a PREPARE or COMMIT.
const voteSize = 8 + 8 + 32

// voteBody is the signed body of PREPARE and COMMIT statements.
func voteBody(view, seq uint64, digest crypto.Digest) []byte {
	w := writer{buf: make([]byte, 0, voteSize)}
	w.u64(view)
	w.u64(seq)
	w.digest(digest)
	return w.buf
}

func (v *Vote) body() []byte { return voteBody(v.View, v.Seq, v.Digest) }

func (v *Vote) encode(w *writer) {
	w.u8(uint8(v.Kind))
	w.u64(v.View)
	w.u64(v.Seq)
	w.digest(v.Digest)
	w.u16(uint16(v.Voter)) //nolint:gosec // below MaxReplicas
	w.bytes(v.Sig)
}

func decodeVote(r *reader) *Vote {
	v := &Vote{
		Kind: crypto.Kind(r.u8()), View: r.number(), Seq: r.number(), Digest: r.digest(),
		Voter: r.index(), Sig: r.bytes(maxSignature),
	}
	if v.Kind != crypto.KindPrepare && v.Kind != crypto.KindCommit {
		r.fail("vote of kind %d", v.Kind)
	}
	return v
}

// Certificate is a quorum's votes for one batch in one view: of PREPAREs it is a prepared
// certificate, of COMMITs a commit certificate. It covers the batch and all its ancestors.
type Certificate struct {
	Kind      crypto.Kind
	View      uint64
	Seq       uint64
	Digest    crypto.Digest
	Signers   quorum.Set
	Aggregate []byte // the scheme's aggregate of the signers' signatures, in ascending order
}

// Ref names the certified batch.
func (c *Certificate) Ref() Ref { return Ref{c.Seq, c.Digest} }

// Rank orders certificates.
func (c *Certificate) Rank() Rank { return Rank{c.View, c.Seq} }

// IsBase reports whether the certificate is the epoch's base, which every replica holds without
// signatures and which ranks below all others.
func (c *Certificate) IsBase(cfg *Config) bool {
	return c.Kind == crypto.KindPrepare && c.View == 0 && c.Ref() == cfg.Base &&
		c.Signers.Count() == 0 && len(c.Aggregate) == 0
}

// BaseCertificate is the prepared certificate of the epoch's base batch.
func (c *Config) BaseCertificate() *Certificate {
	return &Certificate{Kind: crypto.KindPrepare, Seq: c.Base.Seq, Digest: c.Base.Digest}
}

// Verify checks the certificate against the configuration: kind, a quorum of distinct members, all
// over the same statement, and no certificate for the base's place in view 0.
func (c *Certificate) Verify(cfg *Config) error {
	if c.Kind != crypto.KindPrepare && c.Kind != crypto.KindCommit {
		return RefusedCertificate
	}
	if c.Seq < cfg.Base.Seq || c.View == 0 && c.Seq <= cfg.Base.Seq {
		return RefusedCertificate
	}
	return verifyQuorum(cfg, c.Kind, voteBody(c.View, c.Seq, c.Digest), c.Signers, c.Aggregate)
}

// verifyQuorum checks q distinct members' aggregate over one statement.
func verifyQuorum(
	cfg *Config, kind crypto.Kind, body []byte, signers quorum.Set, aggregate []byte,
) error {
	members := signers.Members()
	if len(members) < cfg.Sizes.Quorum {
		return RefusedTooFew
	}
	if members[len(members)-1] >= len(cfg.Members) {
		return RefusedMember
	}
	statement := cfg.Domain().SignBytes(kind, body)
	if !cfg.Scheme.VerifyAggregate(cfg.Keys(signers), statement, aggregate) {
		return RefusedCertificate
	}
	return nil
}

func (c *Certificate) encode(w *writer) {
	w.u8(uint8(c.Kind))
	w.u64(c.View)
	w.u64(c.Seq)
	w.digest(c.Digest)
	w.signers(c.Signers)
	w.bytes(c.Aggregate)
}

func decodeCertificate(r *reader) *Certificate {
	return &Certificate{
		Kind: crypto.Kind(r.u8()), View: r.number(), Seq: r.number(), Digest: r.digest(),
		Signers: r.signers(), Aggregate: r.bytes(maxAggregate),
	}
}

// maxAggregate is the decoder's cap: 128 of the largest signatures.
const maxAggregate = quorum.MaxReplicas * maxSignature

// Checkpoint is one replica's statement about its state after executing a batch.
type Checkpoint struct {
	Seq    uint64
	Digest crypto.Digest // of the batch
	Root   crypto.Digest // of the state
	Voter  int
	Sig    []byte
}

// checkpointSize is the number of bytes of the signed body of a CHECKPOINT.
const checkpointSize = 8 + 32 + 32

func checkpointBody(seq uint64, digest, root crypto.Digest) []byte {
	w := writer{buf: make([]byte, 0, checkpointSize)}
	w.u64(seq)
	w.digest(digest)
	w.digest(root)
	return w.buf
}

func (c *Checkpoint) body() []byte { return checkpointBody(c.Seq, c.Digest, c.Root) }

func (c *Checkpoint) encode(w *writer) {
	w.raw(c.body())
	w.u16(uint16(c.Voter)) //nolint:gosec // below MaxReplicas
	w.bytes(c.Sig)
}

func decodeCheckpoint(r *reader) *Checkpoint {
	return &Checkpoint{
		Seq: r.number(), Digest: r.digest(), Root: r.digest(), Voter: r.index(),
		Sig: r.bytes(maxSignature),
	}
}

// CheckpointCertificate is a quorum's agreement on the state after a batch: the proof that the
// checkpoint is stable. It commits the batch and its ancestors like a commit certificate.
type CheckpointCertificate struct {
	Seq       uint64
	Digest    crypto.Digest
	Root      crypto.Digest
	Signers   quorum.Set
	Aggregate []byte
}

// Ref names the certified batch.
func (c *CheckpointCertificate) Ref() Ref { return Ref{c.Seq, c.Digest} }

// IsBase reports whether this is the epoch's base, which needs no signatures.
func (c *CheckpointCertificate) IsBase(cfg *Config) bool {
	return c.Ref() == cfg.Base && c.Root.IsZero() && c.Signers.Count() == 0 &&
		len(c.Aggregate) == 0
}

// BaseCheckpoint is the stable checkpoint that an epoch starts from.
func (c *Config) BaseCheckpoint() *CheckpointCertificate {
	return &CheckpointCertificate{Seq: c.Base.Seq, Digest: c.Base.Digest}
}

// Verify checks that a quorum signed the checkpoint, or that it is the base.
func (c *CheckpointCertificate) Verify(cfg *Config) error {
	if c.IsBase(cfg) {
		return nil
	}
	if c.Seq <= cfg.Base.Seq {
		return RefusedCertificate
	}
	body := checkpointBody(c.Seq, c.Digest, c.Root)
	return verifyQuorum(cfg, crypto.KindCheckpoint, body, c.Signers, c.Aggregate)
}

func (c *CheckpointCertificate) encode(w *writer) {
	w.raw(checkpointBody(c.Seq, c.Digest, c.Root))
	w.signers(c.Signers)
	w.bytes(c.Aggregate)
}

func decodeCheckpointCertificate(r *reader) *CheckpointCertificate {
	return &CheckpointCertificate{
		Seq: r.number(), Digest: r.digest(), Root: r.digest(),
		Signers: r.signers(), Aggregate: r.bytes(maxAggregate),
	}
}
