package message

import (
	"byzd/crypto"
)

// FirstClientSession is the first number of a session that is a client's. Those below belong to
// members: member i's gateway session is number i, made by the genesis and never evicted (rule R3).
const FirstClientSession = 1 << 16

// MaxOpBytes bounds one operation, as etcd bounds its requests. A cluster with small bundles has a
// lower bound: see [Config.MaxOp].
const MaxOpBytes = 3 << 19

// ClientSignatureSize is the size of a client's Ed25519 signature. Clients sign with Ed25519
// whatever scheme the replicas use.
const ClientSignatureSize = 64

// ClientRequest is an operation signed by a client's own key. Session 0 asks for a session (the
// REGISTER of rule R3): then Seq is a nonce that only grows, and Op is empty.
type ClientRequest struct {
	Client  crypto.NodeID // an Ed25519 key; not a member's
	Session uint64
	Seq     uint64
	Ack     uint64 // the client holds every reply below this number
	Op      []byte
	Sig     []byte
}

// IsRegister reports whether the request asks for a session.
func (c *ClientRequest) IsRegister() bool { return c.Session == 0 }

// SignBytes is the REQUEST statement that the client signs.
func (c *ClientRequest) SignBytes(d crypto.Domain) []byte {
	return requestStatement(d, c.Client, c.Session, c.Seq, c.Ack, c.Op)
}

func requestStatement(
	d crypto.Domain, owner crypto.NodeID, session, seq, ack uint64, ops []byte,
) []byte {
	return d.SignBytes(crypto.KindRequest, requestBody(owner, session, seq, ack, ops))
}

// requestBody is the signed body of a request: whose it is, its place, and what it asks for.
func requestBody(owner crypto.NodeID, session, seq, ack uint64, ops []byte) []byte {
	w := writer{buf: make([]byte, 0, requestSize)}
	w.raw(owner[:])
	w.u64(session)
	w.u64(seq)
	w.u64(ack)
	w.digest(crypto.Hash("byzd/ops/1", ops))
	return w.buf
}

// Item is one operation of a bundle: a plain one, for which the gateway answers, one that a client
// has signed, or a change of the members, which its administrators have signed.
type Item struct {
	Op       []byte           // nil if one of the others is set
	Signed   *ClientRequest   // nil for a plain operation
	Reconfig *Reconfiguration // alone in its bundle
}

// Bundle is the unit of ordering: operations that one member's gateway gathered, under one
// signature and one place (Session, Seq) in that gateway's session.
type Bundle struct {
	Gateway int
	Session uint64
	Seq     uint64
	Ack     uint64
	Items   []Item
	Sig     []byte

	encoded []byte
	id      crypto.Digest
}

// ID names the bundle with its signature. It is fixed when the bundle is sealed or decoded.
func (b *Bundle) ID() crypto.Digest { return b.id }

// Size is the number of encoded bytes.
func (b *Bundle) Size() int { return len(b.encoded) }

// Reconfiguration returns the change of the members that the bundle carries, or nil.
func (b *Bundle) Reconfiguration() *Reconfiguration {
	if len(b.Items) != 1 {
		return nil
	}
	return b.Items[0].Reconfig
}

// Key is the place that the bundle claims; at most one bundle is ever executed for it.
func (b *Bundle) Key() RequestKey { return RequestKey{b.Session, b.Seq} }

// RequestKey is a place in a session.
type RequestKey struct{ Session, Seq uint64 }

func (b *Bundle) signBytes(c *Config) []byte {
	return c.RequestDomain().SignBytes(crypto.KindRequest, b.requestBody(c))
}

func (b *Bundle) requestBody(c *Config) []byte {
	var ops writer
	b.encodeItems(&ops)
	return requestBody(c.Members[b.Gateway].Node, b.Session, b.Seq, b.Ack, ops.buf)
}

func (b *Bundle) encodeItems(w *writer) {
	w.u32(uint32(len(b.Items))) //nolint:gosec // capped by the validator
	for i := range b.Items {
		item := &b.Items[i]
		switch {
		case item.Reconfig != nil:
			w.u8(2)
			item.Reconfig.encode(w)
		case item.Signed != nil:
			w.u8(1)
			encodeClientRequest(w, item.Signed)
		default:
			w.u8(0)
			w.bytes(item.Op)
		}
	}
}

func encodeClientRequest(w *writer, s *ClientRequest) {
	w.raw(s.Client[:])
	w.u64(s.Session)
	w.u64(s.Seq)
	w.u64(s.Ack)
	w.bytes(s.Op)
	w.raw(s.Sig)
}

func decodeClientRequest(r *reader) *ClientRequest {
	s := &ClientRequest{}
	copy(s.Client[:], r.take(len(s.Client)))
	s.Session, s.Seq, s.Ack = r.number(), r.number(), r.number()
	s.Op = r.bytes(MaxOpBytes)
	s.Sig = r.take(ClientSignatureSize)
	return s
}

// EncodeClientRequest returns the request's one encoding.
func EncodeClientRequest(s *ClientRequest) []byte {
	var w writer
	encodeClientRequest(&w, s)
	return w.buf
}

// DecodeClientRequest reads what [EncodeClientRequest] wrote. The signature is not checked.
func DecodeClientRequest(data []byte) (*ClientRequest, error) {
	r := reader{buf: data}
	s := decodeClientRequest(&r)
	return s, r.done()
}

// encode writes the bundle, from the bytes it was decoded from where there are some.
func (b *Bundle) encode(w *writer) {
	if b.encoded != nil {
		w.raw(b.encoded)
		return
	}
	w.u16(uint16(b.Gateway)) //nolint:gosec // below MaxReplicas
	w.u64(b.Session)
	w.u64(b.Seq)
	w.u64(b.Ack)
	b.encodeItems(w)
	w.bytes(b.Sig)
}

// fix computes what is derived from the sealed bytes.
func (b *Bundle) fix() {
	var w writer
	b.encode(&w)
	b.encoded = w.buf
	b.id = crypto.Hash("byzd/bundle/1", b.encoded)
}

func decodeBundle(r *reader) *Bundle {
	start := r.buf
	b := &Bundle{Gateway: r.index(), Session: r.number(), Seq: r.number(), Ack: r.number()}
	items := r.count(MaxBundles, 5)
	if items == 0 {
		r.fail("bundle without operations")
	}
	b.Items = make([]Item, 0, items)
	for range items {
		switch r.u8() {
		case 0:
			b.Items = append(b.Items, Item{Op: r.bytes(MaxOpBytes)})
		case 1:
			b.Items = append(b.Items, Item{Signed: decodeClientRequest(r)})
		case 2:
			b.Items = append(b.Items, Item{Reconfig: decodeReconfiguration(r)})
			if items > 1 {
				r.fail("a reconfiguration among %d operations", items)
			}
		default:
			r.fail("unknown kind of operation")
		}
		if r.err != nil {
			return b
		}
	}
	b.Sig = r.bytes(maxSignature)
	if r.err == nil {
		b.encoded = start[:len(start)-len(r.buf)]
		b.id = crypto.Hash("byzd/bundle/1", b.encoded)
	}
	return b
}

// maxSignature is the decoder's cap; the scheme's exact size is checked when verifying.
const maxSignature = 8 << 10
