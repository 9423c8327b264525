package message

import (
	"errors"
	"fmt"

	"byzd/crypto"
	"byzd/pbft/quorum"
)

// Approval is one administrator's signature on a change: a statement of kind ADMIN in the epoch
// that the change ends.
type Approval struct {
	Admin int // the place of its key in Config.Admins
	Sig   []byte
}

// maxAdmins bounds the approvals of one change.
const maxAdmins = 128

// Ready is the word of a member of the next epoch that it runs, holds its key, and has executed a
// certain batch. The batch's header rides along, so that how old the word is can be told from the
// batch that uses it alone (rule R19).
type Ready struct {
	Change crypto.Digest
	Member int // its place in Change.Members
	Header Header
	Sig    []byte // by the key that the change names
}

// ReadyFor is how far the time of a batch that changes the members may be from that of the batches
// that the members of the next epoch were ready at, in milliseconds.
const ReadyFor = 10 * 60 * 1000

func (m *Ready) body() []byte {
	w := writer{buf: make([]byte, 0, 64)}
	w.digest(m.Change)
	w.digest(m.Header.Digest())
	return w.buf
}

// SignReady signs that the member at a place of a change is ready.
func SignReady(cfg *Config, change *Change, member int, h Header, signer crypto.Signer) *Ready {
	m := &Ready{Change: change.Digest(), Member: member, Header: h}
	m.Sig = signer.Sign(cfg.Domain().SignBytes(crypto.KindReady, m.body()))
	return m
}

// Holds reports whether a member of the configuration that a change leads to signed this, about
// that change and a batch of this cluster.
func (m *Ready) Holds(cfg, next *Config, change crypto.Digest) bool {
	return m.Change == change && m.Member < len(next.Members) &&
		m.Header.Cluster == cfg.Cluster && m.Header.Epoch <= cfg.Epoch &&
		cfg.Scheme.Verify(next.Members[m.Member].Key,
			cfg.Domain().SignBytes(crypto.KindReady, m.body()), m.Sig)
}

func (m *Ready) encode(w *writer) {
	w.digest(m.Change)
	w.u16(uint16(m.Member)) //nolint:gosec // below MaxReplicas
	m.Header.encode(w)
	w.bytes(m.Sig)
}

func decodeReady(r *reader) *Ready {
	return &Ready{
		Change: r.digest(), Member: r.index(), Header: decodeHeader(r), Sig: r.bytes(maxSignature),
	}
}

// Reconfiguration is a change with what makes it valid. It is self-contained: whether a batch that
// holds it ends the epoch is a pure function of that batch (DESIGN §5 point 7).
//
// With enough approvals it is approved; ordered like that it tells everybody whom to let in and
// follow, and changes nothing. With enough members of the next epoch ready besides, it is effective
// and ends the epoch: then it stands alone in a batch of kind [Reconfig].
type Reconfiguration struct {
	Change    *Change
	Approvals []Approval // ascending
	Ready     []*Ready   // ascending; outside of what the administrators sign
}

func (rc *Reconfiguration) encode(w *writer) {
	rc.Change.encode(w)
	w.u32(uint32(len(rc.Approvals))) //nolint:gosec // at most maxAdmins
	for i := range rc.Approvals {
		w.u16(uint16(rc.Approvals[i].Admin)) //nolint:gosec // below maxAdmins
		w.bytes(rc.Approvals[i].Sig)
	}
	w.u32(uint32(len(rc.Ready))) //nolint:gosec // at most MaxReplicas
	for _, m := range rc.Ready {
		m.encode(w)
	}
}

func decodeReconfiguration(r *reader) *Reconfiguration {
	rc := &Reconfiguration{Change: decodeChange(r)}
	n := r.count(maxAdmins, 2+4)
	last := -1
	for range n {
		a := Approval{Admin: r.index(), Sig: r.bytes(maxSignature)}
		if r.err == nil && a.Admin <= last {
			r.fail("approvals out of order")
		}
		last = a.Admin
		rc.Approvals = append(rc.Approvals, a)
	}
	n = r.count(quorum.MaxReplicas, 32+2+HeaderSize+4)
	last = -1
	for range n {
		m := decodeReady(r)
		if r.err == nil && m.Member <= last {
			r.fail("ready members out of order")
		}
		last = m.Member
		rc.Ready = append(rc.Ready, m)
	}
	return rc
}

// Approve adds an administrator's signature. It replaces an earlier one of the same key, and
// reports false if the key is not an administrator's.
func (rc *Reconfiguration) Approve(cfg *Config, signer crypto.Signer) bool {
	for i := range cfg.Admins.Keys {
		if !cfg.Admins.Keys[i].Equal(signer.Public()) {
			continue
		}
		a := Approval{Admin: i, Sig: signer.Sign(rc.approvalBytes(cfg))}
		at := 0
		for at < len(rc.Approvals) && rc.Approvals[at].Admin < i {
			at++
		}
		if at < len(rc.Approvals) && rc.Approvals[at].Admin == i {
			rc.Approvals[at] = a
			return true
		}
		rc.Approvals = append(rc.Approvals, Approval{})
		copy(rc.Approvals[at+1:], rc.Approvals[at:])
		rc.Approvals[at] = a
		return true
	}
	return false
}

func (rc *Reconfiguration) approvalBytes(cfg *Config) []byte {
	d := rc.Change.Digest()
	domain := crypto.Domain{Cluster: cfg.Cluster, Epoch: rc.Change.Epoch}
	return domain.SignBytes(crypto.KindAdmin, d[:])
}

// Approved returns the configuration that the change leads to, with the batch that makes it as its
// base, if enough administrators have signed it. Else the error says what is wrong and wraps
// [ErrChange].
func (rc *Reconfiguration) Approved(cfg *Config, base Ref) (*Config, error) {
	next, err := cfg.Next(rc.Change, base)
	if err != nil {
		return nil, err
	}
	if len(cfg.Admins.Keys) == 0 {
		return nil, fmt.Errorf("%w: the genesis names no administrators, so nobody can change "+
			"the members", ErrChange)
	}
	if have, need := len(rc.Approvals), cfg.Admins.Threshold; have < need {
		return nil, fmt.Errorf("%w: %d of the %d administrators that must agree have signed",
			ErrChange, have, need)
	}
	if size := rc.bundleSize(cfg); size > cfg.Params.MaxBundleBytes {
		return nil, fmt.Errorf("%w: with the words of %d members it takes a bundle of %d bytes, "+
			"and max-bundle-bytes is %d", ErrChange, len(rc.Change.Members), size,
			cfg.Params.MaxBundleBytes)
	}
	statement := rc.approvalBytes(cfg)
	for i := range rc.Approvals {
		a := &rc.Approvals[i]
		if a.Admin >= len(cfg.Admins.Keys) ||
			!cfg.Scheme.Verify(cfg.Admins.Keys[a.Admin], statement, a.Sig) {
			return nil, fmt.Errorf("%w: the signature of administrator %d does not hold",
				ErrChange, a.Admin)
		}
	}
	return next, nil
}

// bundleSize is how large the bundle is that holds the change, when all members of the next epoch
// are ready. One that is too large is refused by every member: its gateway would wait for it, and
// all members complain of each primary, for ever.
func (rc *Reconfiguration) bundleSize(cfg *Config) int {
	var w writer
	bare := Reconfiguration{Change: rc.Change, Approvals: rc.Approvals}
	bare.encode(&w)
	sig := cfg.Scheme.SignatureSize()
	return bundleHead + sig + 1 + len(w.buf) + len(rc.Change.Members)*(32+2+HeaderSize+4+sig)
}

var errNotReady = errors.New("not enough members of the next epoch are ready")

// NextConfig returns the configuration that begins after a batch of kind [Reconfig] whose header is
// given, or why this reconfiguration does not end the epoch there: it is not approved, a newcomer
// or fewer than a quorum of the next epoch are ready, or their word is too old.
func (rc *Reconfiguration) NextConfig(cfg *Config, h *Header) (*Config, error) {
	if len(rc.Ready) == 0 {
		return nil, fmt.Errorf("%w: %w", ErrChange, errNotReady)
	}
	next, err := rc.Approved(cfg, Ref{Seq: h.Seq, Digest: h.Digest()})
	if err != nil {
		return nil, err
	}
	if len(rc.Ready) < next.Sizes.Quorum {
		return nil, fmt.Errorf("%w: %w: %d of %d", ErrChange, errNotReady,
			len(rc.Ready), next.Sizes.Quorum)
	}
	var ready quorum.Set
	digest := rc.Change.Digest()
	for _, m := range rc.Ready {
		age := h.TimeMS - m.Header.TimeMS
		if m.Header.Seq >= h.Seq || age > ReadyFor || age < 0 {
			return nil, fmt.Errorf("%w: %w: the word of %q is too old", ErrChange, errNotReady,
				next.nameOf(m.Member))
		}
		if !m.Holds(cfg, next, digest) {
			return nil, fmt.Errorf("%w: the word of %q that it is ready does not hold", ErrChange,
				next.nameOf(m.Member))
		}
		ready = ready.Add(m.Member)
	}
	for _, i := range cfg.Joins(rc.Change) {
		if !ready.Has(i) {
			return nil, fmt.Errorf("%w: %w: %q is new, and is not", ErrChange, errNotReady,
				next.nameOf(i))
		}
	}
	return next, nil
}

func (c *Config) nameOf(i int) string {
	if i >= len(c.Members) {
		return fmt.Sprintf("member %d", i)
	}
	return c.Members[i].Name
}

// Reconfiguration returns what a batch of kind [Reconfig] makes of the members, or nil.
func (b *Batch) Reconfiguration() *Reconfiguration {
	if b.Header.Kind != Reconfig || len(b.Bundles) != 1 {
		return nil
	}
	return b.Bundles[0].Reconfiguration()
}

// checkKind holds the kind of a batch to what is in it: a reconfiguration that is effective stands
// alone in a batch of its kind, and such a batch holds one (PROTOCOL §4.10).
func (b *Batch) checkKind(cfg *Config) bool {
	effective := false
	for _, bundle := range b.Bundles {
		rc := bundle.Reconfiguration()
		if rc == nil {
			continue
		}
		if _, err := rc.NextConfig(cfg, &b.Header); err == nil {
			effective = true
		}
	}
	if b.Header.Kind == Reconfig {
		return effective && len(b.Bundles) == 1
	}
	return !effective
}

// EncodeReconfiguration returns the reconfiguration's one encoding.
func EncodeReconfiguration(rc *Reconfiguration) []byte {
	var w writer
	rc.encode(&w)
	return w.buf
}

// DecodeReconfiguration reads what [EncodeReconfiguration] wrote. Nothing is verified but the form.
func DecodeReconfiguration(data []byte) (*Reconfiguration, error) {
	r := reader{buf: data}
	rc := decodeReconfiguration(&r)
	return rc, r.done()
}
