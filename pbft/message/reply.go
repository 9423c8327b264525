package message

import (
	"encoding/binary"

	"byzd/crypto"
)

// Reply is one replica's answer to a client's signed request. The replica signs one Merkle root for
// all replies of a batch; the path leads from this reply to it. It names the client, because a
// REGISTER is asked for by its nonce alone: without the name, true replies to one client would be
// an answer to every other one whose nonce is the same.
type Reply struct {
	Member  int
	Client  crypto.NodeID // who signed the request
	Batch   uint64        // the sequence number of the batch that executed the request
	Session uint64
	Seq     uint64
	Outcome uint8 // pbft.Outcome
	Result  []byte
	Index   int
	Count   int
	Path    []crypto.Digest
	Root    crypto.Digest
	Sig     []byte // over the REPLY-ROOT statement
}

// MaxReplies bounds the replies under one root.
const MaxReplies = 1 << 16

// Leaf is the digest that stands for the reply in the tree. Replies of correct replicas to one
// request have one leaf.
func (p *Reply) Leaf() crypto.Digest {
	var head [32 + 25]byte
	copy(head[:32], p.Client[:])
	binary.BigEndian.PutUint64(head[32:], p.Batch)
	binary.BigEndian.PutUint64(head[40:], p.Session)
	binary.BigEndian.PutUint64(head[48:], p.Seq)
	head[56] = p.Outcome
	return crypto.Hash("byzd/reply/1", head[:], p.Result)
}

// Verify checks that the member signed the reply.
func (p *Reply) Verify(cfg *Config) error {
	if p.Member < 0 || p.Member >= len(cfg.Members) {
		return RefusedMember
	}
	if p.Count < 1 || p.Count > MaxReplies || p.Index < 0 || p.Index >= p.Count {
		return RefusedProof
	}
	if !crypto.VerifyMerkle(p.Root, p.Leaf(), p.Index, p.Count, p.Path) {
		return RefusedProof
	}
	if !VerifyReplyRoot(cfg, p.Member, p.Batch, p.Root, p.Sig) {
		return RefusedSignature
	}
	return nil
}

// EncodeReply returns the reply's one encoding.
func EncodeReply(p *Reply) []byte {
	var w writer
	w.u16(uint16(p.Member)) //nolint:gosec // below MaxReplicas
	w.raw(p.Client[:])
	w.u64(p.Batch)
	w.u64(p.Session)
	w.u64(p.Seq)
	w.u8(p.Outcome)
	w.bytes(p.Result)
	w.u32(uint32(p.Index)) //nolint:gosec // below MaxReplies
	w.u32(uint32(p.Count)) //nolint:gosec // at most MaxReplies
	encodeDigests(&w, p.Path)
	w.digest(p.Root)
	w.bytes(p.Sig)
	return w.buf
}

// MaxReplyBytes bounds a result; it is far above what the store returns at once.
const MaxReplyBytes = 32 << 20

// DecodeReply reads what [EncodeReply] wrote. The reply is not verified.
func DecodeReply(data []byte) (*Reply, error) {
	r := reader{buf: data}
	p := &Reply{Member: r.index()}
	copy(p.Client[:], r.take(len(p.Client)))
	p.Batch, p.Session, p.Seq = r.number(), r.number(), r.number()
	p.Outcome, p.Result = r.u8(), r.bytes(MaxReplyBytes)
	p.Index, p.Count = int(r.u32()), int(r.u32())
	p.Path, p.Root, p.Sig = decodeDigests(&r, 32), r.digest(), r.bytes(maxSignature)
	return p, r.done()
}
