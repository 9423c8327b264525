package message

import (
	"byzd/crypto"
)

// PrePrepare is the primary's proposal: the header, the names of the bundles, and the primary's
// PREPARE for it. Bundles travel apart, from their gateways (DESIGN §5 point 14).
type PrePrepare struct {
	View   uint64
	Header Header
	IDs    []crypto.Digest
	Sig    []byte // over the PREPARE statement
}

// Vote is the primary's PREPARE.
func (m *PrePrepare) Vote(cfg *Config) *Vote {
	return &Vote{
		Kind: crypto.KindPrepare, View: m.View, Seq: m.Header.Seq, Digest: m.Header.Digest(),
		Voter: cfg.Primary(m.View), Sig: m.Sig,
	}
}

func (m *PrePrepare) verify(cfg *Config) error {
	h := &m.Header
	switch {
	case h.Cluster != cfg.Cluster:
		return RefusedCluster
	case h.Epoch != cfg.Epoch:
		return RefusedEpoch
	case h.PropView != m.View:
		return RefusedView
	case h.Seq <= cfg.Base.Seq:
		return RefusedChain
	case h.Root != BatchRoot(m.IDs):
		return RefusedBodyMismatch
	}
	v := m.Vote(cfg)
	return verifyBy(cfg, v.Voter, v.Kind, v.body(), v.Sig)
}

func (m *PrePrepare) encode(w *writer) {
	w.u64(m.View)
	m.Header.encode(w)
	encodeDigests(w, m.IDs)
	w.bytes(m.Sig)
}

func decodePrePrepare(r *reader) *PrePrepare {
	return &PrePrepare{
		View: r.number(), Header: decodeHeader(r), IDs: decodeDigests(r, MaxBundles),
		Sig: r.bytes(maxSignature),
	}
}

func encodeDigests(w *writer, ids []crypto.Digest) {
	w.u32(uint32(len(ids))) //nolint:gosec // at most MaxBundles
	for _, id := range ids {
		w.digest(id)
	}
}

func decodeDigests(r *reader, limit int) []crypto.Digest {
	ids := make([]crypto.Digest, r.count(limit, 32))
	for i := range ids {
		ids[i] = r.digest()
	}
	return ids
}

// Submission carries a gateway's bundle to everybody.
type Submission struct{ Bundle *Bundle }

func (m *Submission) verify(cfg *Config, cache Cache) error {
	return verifyBundle(cfg, m.Bundle, cache)
}

// verifyBundle checks that the bundle is its gateway's and that every client signature in it holds.
func verifyBundle(cfg *Config, b *Bundle, cache Cache) error {
	if b.Gateway >= len(cfg.Members) {
		return RefusedMember
	}
	if b.Session != cfg.Members[b.Gateway].Session {
		return RefusedSession
	}
	if b.Size() > cfg.Params.MaxBundleBytes {
		return RefusedTooLarge
	}
	if cache.Has(b.ID()) {
		return nil
	}
	if !cfg.Scheme.Verify(cfg.Members[b.Gateway].Key, b.signBytes(cfg), b.Sig) {
		return RefusedSignature
	}
	domain := cfg.RequestDomain()
	for i := range b.Items {
		s := b.Items[i].Signed
		if s == nil {
			continue
		}
		if s.Session != 0 && s.Session < FirstClientSession {
			return RefusedSession
		}
		if !s.Client.Verify(s.SignBytes(domain), s.Sig) {
			return RefusedSignature
		}
	}
	cache.Add(b.ID())
	return nil
}

func (m *Submission) encode(w *writer) { m.Bundle.encode(w) }

// Have tells the primary which heads of the gateways' queues a backup is waiting for (rule R9).
type Have struct{ IDs []crypto.Digest }

func (m *Have) encode(w *writer) { encodeDigests(w, m.IDs) }

// FetchBundles asks for bundles by name.
type FetchBundles struct{ IDs []crypto.Digest }

func (m *FetchBundles) encode(w *writer) { encodeDigests(w, m.IDs) }

// FetchBatches asks for batches that are not decided yet, by digest.
type FetchBatches struct{ Digests []crypto.Digest }

// MaxFetch bounds the names in one HAVE, FetchBundles or FetchBatches.
const MaxFetch = 4 * MaxInFlight

func (m *FetchBatches) encode(w *writer) { encodeDigests(w, m.Digests) }

// BatchReply answers FetchBatches with one whole batch and, where the sender has it, the current
// primary's PREPARE for it.
type BatchReply struct {
	Batch *Batch
	Votes []*Vote
}

func (m *BatchReply) verify(cfg *Config, cache Cache) error {
	if m.Batch.Header.Cluster != cfg.Cluster {
		return RefusedCluster
	}
	if m.Batch.Header.Epoch != cfg.Epoch {
		return RefusedEpoch
	}
	if r := m.Batch.CheckBody(cfg); r != "" {
		return r
	}
	for _, b := range m.Batch.Bundles {
		if err := verifyBundle(cfg, b, cache); err != nil {
			return err
		}
	}
	return verifyStatements(cfg, m.Votes)
}

func (m *BatchReply) encode(w *writer) {
	m.Batch.encode(w)
	encodeVotes(w, m.Votes)
}

// FetchDecided asks for decided batches that follow a sequence number.
type FetchDecided struct{ After uint64 }

func (m *FetchDecided) encode(w *writer) { w.u64(m.After) }

// Decided answers with a certified run of headers that starts right after the number asked for,
// and as many of the bodies, from the front, as fit.
type Decided struct {
	Proof   Proof // a commit certificate or a checkpoint certificate over the last header
	Headers []Header
	Bodies  []*Batch
}

// MaxDecided bounds the headers of one Decided, and so the distance of two certificates that a
// replica logs. It is also the largest window between the watermarks: one certificate may decide
// all that lies between them, and each stable checkpoint, which moves them, is logged.
const MaxDecided = 1024

func (m *Decided) verify(cfg *Config) error {
	top, err := m.verifyChain(cfg)
	if err != nil {
		return err
	}
	for i, b := range m.Bodies {
		if b.Header != m.Headers[i] {
			return RefusedBodyMismatch
		}
		if r := b.CheckBody(cfg); r != "" {
			return r
		}
	}
	if m.Proof.Commit == nil && m.Proof.Checkpoint == nil || m.Proof.Prepared != nil ||
		m.Proof.NewView != nil {
		return RefusedProof
	}
	if m.Proof.Commit != nil && m.Proof.Commit.Ref() != top ||
		m.Proof.Checkpoint != nil && m.Proof.Checkpoint.Ref() != top {
		return RefusedProof
	}
	return m.Proof.verify(cfg)
}

// verifyChain checks that the headers follow one another, and returns the last.
func (m *Decided) verifyChain(cfg *Config) (top Ref, err error) {
	if len(m.Headers) == 0 || len(m.Bodies) > len(m.Headers) {
		return Ref{}, RefusedChain
	}
	for i := range m.Headers {
		h := &m.Headers[i]
		if h.Cluster != cfg.Cluster {
			return Ref{}, RefusedCluster
		}
		if h.Epoch != cfg.Epoch {
			return Ref{}, RefusedEpoch // a run never crosses the end of an epoch
		}
		if i > 0 && (h.Parent != top.Digest || h.Seq != top.Seq+1) {
			return Ref{}, RefusedChain
		}
		top = Ref{h.Seq, h.Digest()}
	}
	return top, nil
}

func (m *Decided) encode(w *writer) {
	m.Proof.encode(w)
	w.u32(uint32(len(m.Headers))) //nolint:gosec // at most MaxDecided
	for i := range m.Headers {
		m.Headers[i].encode(w)
	}
	w.u32(uint32(len(m.Bodies))) //nolint:gosec // at most MaxDecided
	for _, b := range m.Bodies {
		b.encode(w)
	}
}

func decodeDecided(r *reader) *Decided {
	m := &Decided{Proof: *decodeProof(r)}
	n := r.count(MaxDecided, HeaderSize)
	m.Headers = make([]Header, 0, n)
	for range n {
		m.Headers = append(m.Headers, decodeHeader(r))
	}
	n = r.count(MaxDecided, HeaderSize)
	m.Bodies = make([]*Batch, 0, n)
	for range n {
		m.Bodies = append(m.Bodies, decodeBatch(r))
	}
	return m
}

// Proof carries certificates to a replica that is behind. Learning never needs its vote, and every
// certificate speaks for itself, whoever sends it.
type Proof struct {
	Prepared   *Certificate
	Commit     *Certificate
	Checkpoint *CheckpointCertificate
	NewView    *NewView
}

func (m *Proof) verify(cfg *Config) error {
	if m.Prepared != nil {
		if m.Prepared.Kind != crypto.KindPrepare {
			return RefusedCertificate
		}
		if err := m.Prepared.Verify(cfg); err != nil {
			return err
		}
	}
	if m.Commit != nil {
		if m.Commit.Kind != crypto.KindCommit {
			return RefusedCertificate
		}
		if err := m.Commit.Verify(cfg); err != nil {
			return err
		}
	}
	if m.Checkpoint != nil {
		if err := m.Checkpoint.Verify(cfg); err != nil {
			return err
		}
	}
	if m.NewView != nil {
		return m.NewView.verify(cfg)
	}
	return nil
}

func (m *Proof) encode(w *writer) {
	var parts uint8
	for i, has := range []bool{
		m.Prepared != nil, m.Commit != nil, m.Checkpoint != nil, m.NewView != nil,
	} {
		if has {
			parts |= 1 << i
		}
	}
	w.u8(parts)
	if m.Prepared != nil {
		m.Prepared.encode(w)
	}
	if m.Commit != nil {
		m.Commit.encode(w)
	}
	if m.Checkpoint != nil {
		m.Checkpoint.encode(w)
	}
	if m.NewView != nil {
		m.NewView.encode(w)
	}
}

func decodeProof(r *reader) *Proof {
	parts := r.u8()
	if parts == 0 || parts >= 1<<4 {
		r.fail("proof of parts %#x", parts)
		return &Proof{}
	}
	m := &Proof{}
	if parts&1 != 0 {
		m.Prepared = decodeCertificate(r)
	}
	if parts&2 != 0 {
		m.Commit = decodeCertificate(r)
	}
	if parts&4 != 0 {
		m.Checkpoint = decodeCheckpointCertificate(r)
	}
	if parts&8 != 0 {
		m.NewView = decodeNewView(r)
	}
	return m
}
