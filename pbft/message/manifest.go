package message

import (
	"byzd/crypto"
)

// Manifest is what the root of a CHECKPOINT stands for: everything that decides how a replica goes
// on after a batch. Whoever holds a manifest whose [Manifest.Root] a quorum certified can check
// every part of the state by its own digest.
type Manifest struct {
	Header Header        // of the batch; it carries the agreed time
	Config crypto.Digest // of the configuration in force after the batch, see [Config.Digest]
	Store  crypto.Digest // the root of the replicated store's tree
	Ledger crypto.Digest // the root of the tree of sessions and of replies that are kept for them
}

// ManifestSize is the number of encoded bytes of a manifest.
const ManifestSize = HeaderSize + 3*32

// Ref names the batch that the state follows.
func (m *Manifest) Ref() Ref { return Ref{Seq: m.Header.Seq, Digest: m.Header.Digest()} }

// Root is the digest that CHECKPOINTs carry.
func (m *Manifest) Root() crypto.Digest {
	batch := m.Header.Digest()
	return crypto.Hash("byzd/state/2", batch[:], m.Config[:], m.Store[:], m.Ledger[:])
}

// Encode returns the manifest's one encoding.
func (m *Manifest) Encode() []byte {
	w := writer{buf: make([]byte, 0, ManifestSize)}
	m.Header.encode(&w)
	w.digest(m.Config)
	w.digest(m.Store)
	w.digest(m.Ledger)
	return w.buf
}

// DecodeManifest reads what [Manifest.Encode] wrote. Nothing is verified but the form: compare
// [Manifest.Root] with a certificate.
func DecodeManifest(data []byte) (*Manifest, error) {
	r := reader{buf: data}
	m := decodeManifest(&r)
	return m, r.done()
}

func decodeManifest(r *reader) *Manifest {
	return &Manifest{
		Header: decodeHeader(r), Config: r.digest(), Store: r.digest(), Ledger: r.digest(),
	}
}

// Proves reports whether the manifest describes the state that a checkpoint certificate certifies.
func (m *Manifest) Proves(c *CheckpointCertificate) bool {
	return m.Ref() == c.Ref() && m.Root() == c.Root
}

// Digest names a configuration: its epoch, scheme, members in their order, and parameters. It does
// not cover Base, which the manifest that carries the digest names already.
func (c *Config) Digest() crypto.Digest {
	return crypto.Hash("byzd/config/1", c.Cluster[:], c.encode())
}

func (c *Config) encode() []byte {
	w := writer{buf: make([]byte, 0, 256)}
	w.u64(c.Epoch)
	w.bytes([]byte(c.Scheme.Name()))
	w.u16(uint16(len(c.Members))) //nolint:gosec // at most MaxReplicas
	for i := range c.Members {
		m := &c.Members[i]
		w.bytes([]byte(m.Name))
		w.raw(m.Node[:])
		w.bytes(m.Key.Bytes())
		w.u64(m.Session)
	}
	w.u64(c.NextSession)
	c.Params.encode(&w)
	return w.buf
}

func (p Params) encode(w *writer) {
	for _, v := range []int64{
		int64(p.MaxBatchRequests), int64(p.MaxBatchBytes), int64(p.MaxBundleBytes),
		int64(p.InFlight), int64(p.CheckpointEvery), int64(p.Window), //nolint:gosec // validated
		int64(p.RotateEvery), //nolint:gosec // validated
		p.ViewTimeout, p.MaxViewTimeout, int64(p.MaxClientRows),
	} {
		w.u64(uint64(v)) //nolint:gosec // validated: not negative
	}
	if p.Testnet {
		w.u8(1)
	} else {
		w.u8(0)
	}
}
