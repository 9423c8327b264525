package message

import (
	"byzd/crypto"
)

// BatchKind says what a batch does besides ordering requests.
type BatchKind uint8

const (
	// Normal batches order requests.
	Normal BatchKind = iota
	// Reconfig batches end an epoch.
	Reconfig
)

// Header describes a batch. Its digest names the batch and, through Parent, all its ancestors: one
// certificate covers the whole prefix. The current view is not in it, so a batch keeps its digest
// when a later view certifies it again.
type Header struct {
	Cluster  crypto.Digest
	Epoch    uint64
	Seq      uint64
	Parent   crypto.Digest
	Root     crypto.Digest // Merkle root over the bundle IDs
	Requests uint32        // operations in all bundles
	Bytes    uint32        // encoded bytes of all bundles
	TimeMS   int64         // the agreed clock: monotone along the chain
	PropView uint64        // the view it was proposed in
	Kind     BatchKind
}

// HeaderSize is the number of encoded bytes of a header.
const HeaderSize = 32 + 8 + 8 + 32 + 32 + 4 + 4 + 8 + 8 + 1

// Digest is the header's name. It is always computed, never read from the wire.
func (h *Header) Digest() crypto.Digest {
	w := writer{buf: make([]byte, 0, HeaderSize)}
	h.encode(&w)
	return crypto.Hash("byzd/hdr/1", w.buf)
}

func (h *Header) encode(w *writer) {
	w.digest(h.Cluster)
	w.u64(h.Epoch)
	w.u64(h.Seq)
	w.digest(h.Parent)
	w.digest(h.Root)
	w.u32(h.Requests)
	w.u32(h.Bytes)
	w.u64(uint64(h.TimeMS)) //nolint:gosec // never negative: decoder and primary see to it
	w.u64(h.PropView)
	w.u8(uint8(h.Kind))
}

func decodeHeader(r *reader) (h Header) {
	h.Cluster = r.digest()
	h.Epoch, h.Seq = r.number(), r.number()
	h.Parent, h.Root = r.digest(), r.digest()
	h.Requests, h.Bytes = r.u32(), r.u32()
	h.TimeMS = int64(r.number()) //nolint:gosec // below 2^62
	h.PropView = r.number()
	h.Kind = BatchKind(r.u8())
	if h.Kind > Reconfig {
		r.fail("batch kind %d", h.Kind)
	}
	return h
}

// Batch is a header with the bundles that it orders.
type Batch struct {
	Header  Header
	Bundles []*Bundle
}

// BatchRoot is the Merkle root over bundle IDs that a header carries.
func BatchRoot(ids []crypto.Digest) crypto.Digest { return crypto.MerkleRoot(ids) }

// IDs lists the batch's bundles by name.
func (b *Batch) IDs() []crypto.Digest {
	ids := make([]crypto.Digest, len(b.Bundles))
	for i, bundle := range b.Bundles {
		ids[i] = bundle.ID()
	}
	return ids
}

// CheckBody returns the first rule that the bundles break against their header, or "". It is a
// pure function of the batch (DESIGN §5 point 7): signatures were checked with each bundle.
func (b *Batch) CheckBody(cfg *Config) Refusal {
	p := &cfg.Params
	requests, size := 0, 0
	seen := make(map[RequestKey]bool, len(b.Bundles))
	for _, bundle := range b.Bundles {
		if seen[bundle.Key()] {
			return RefusedDuplicateInBatch
		}
		seen[bundle.Key()] = true
		requests += len(bundle.Items)
		size += bundle.Size()
	}
	full := requests > p.MaxBatchRequests || size > p.MaxBatchBytes
	if full && len(b.Bundles) > 1 {
		return RefusedBatchTooLarge
	}
	h := &b.Header
	if len(b.Bundles) == 0 {
		return RefusedEmptyBatch
	}
	if !b.checkKind(cfg) {
		return RefusedReconfig
	}
	if int(h.Requests) != requests || int(h.Bytes) != size || h.Root != BatchRoot(b.IDs()) {
		return RefusedBodyMismatch
	}
	return ""
}

func (b *Batch) encode(w *writer) {
	b.Header.encode(w)
	w.u32(uint32(len(b.Bundles))) //nolint:gosec // at most MaxBundles
	for _, bundle := range b.Bundles {
		bundle.encode(w)
	}
}

func decodeBatch(r *reader) *Batch {
	b := &Batch{Header: decodeHeader(r)}
	n := r.count(MaxBundles, 30)
	b.Bundles = make([]*Bundle, 0, n)
	for range n {
		b.Bundles = append(b.Bundles, decodeBundle(r))
		if r.err != nil {
			break
		}
	}
	return b
}

// EncodeBatch returns the batch's one encoding.
func EncodeBatch(b *Batch) []byte {
	w := writer{buf: make([]byte, 0, HeaderSize+int(b.Header.Bytes)+8)}
	b.encode(&w)
	return w.buf
}

// DecodeBatch reads what [EncodeBatch] wrote. Nothing is verified.
func DecodeBatch(data []byte) (*Batch, error) {
	r := reader{buf: data}
	b := decodeBatch(&r)
	return b, r.done()
}
