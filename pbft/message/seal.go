package message

import (
	"fmt"

	"byzd/crypto"
)

// Sealer signs what one replica says. It signs whatever it is given: what a correct replica may
// say is decided before, by its signing guard.
type Sealer struct {
	Config *Config
	Self   int
	Signer crypto.Signer
}

// Seal fills in the message's signatures and returns it as verified. Messages that carry no
// signature of the sender's own pass unchanged, and so does what another replica has signed and
// this one passes on: a vote of another voter, a bundle that its gateway has sealed.
func (s Sealer) Seal(m Message) Verified {
	switch m := m.(type) {
	case *PrePrepare:
		v := m.Vote(s.Config)
		m.Sig = s.sign(v.Kind, v.body())
	case *Vote:
		if m.Voter == s.Self || len(m.Sig) == 0 {
			m.Voter = s.Self
			m.Sig = s.sign(m.Kind, m.body())
		}
	case *Checkpoint:
		m.Voter = s.Self
		m.Sig = s.sign(crypto.KindCheckpoint, m.body())
	case *ViewChange:
		m.Stmt.Voter = s.Self
		m.Stmt.Sig = s.sign(crypto.KindViewChange, m.Stmt.body())
	case *NewView:
		m.Sig = s.sign(crypto.KindNewView, m.body(s.Config))
		m.PrepareSig = nil
		if m.HoldsChain {
			m.PrepareSig = s.sign(
				crypto.KindPrepare, voteBody(m.View, m.Base.Seq, m.Base.Digest))
		}
	case *Complain:
		m.Voter = s.Self
		m.Sig = s.sign(crypto.KindComplain, m.body())
	case *Recovery:
		m.Voter = s.Self
		m.Sig = s.sign(crypto.KindRecovery, m.body())
	case *Submission:
		if m.Bundle.encoded == nil {
			s.SealBundle(m.Bundle)
		}
	}
	return Verified{from: s.Self, epoch: s.Config.Epoch, msg: m}
}

// SealBundle signs a bundle and fixes its name.
func (s Sealer) SealBundle(b *Bundle) {
	b.Gateway = s.Self
	b.encoded = nil
	b.Sig = s.Signer.Sign(b.signBytes(s.Config))
	b.fix()
}

func (s Sealer) sign(kind crypto.Kind, body []byte) []byte {
	return s.Signer.Sign(s.Config.Domain().SignBytes(kind, body))
}

// SealClientRequest signs a request with a client's key.
func SealClientRequest(d crypto.Domain, key crypto.NetworkKey, c *ClientRequest) {
	c.Client = key.ID()
	c.Sig = key.Sign(c.SignBytes(d))
}

// SignReplyRoot signs the Merkle root of the replies of a batch (PROTOCOL §4.5).
func (s Sealer) SignReplyRoot(seq uint64, root crypto.Digest) []byte {
	return s.sign(crypto.KindReplyRoot, replyRootBody(seq, root))
}

// VerifyReplyRoot reports whether a member signed the root of a batch's replies.
func VerifyReplyRoot(cfg *Config, voter int, seq uint64, root crypto.Digest, sig []byte) bool {
	return voter >= 0 && voter < len(cfg.Members) &&
		verifyBy(cfg, voter, crypto.KindReplyRoot, replyRootBody(seq, root), sig) == nil
}

func replyRootBody(seq uint64, root crypto.Digest) []byte {
	w := writer{buf: make([]byte, 0, 40)}
	w.u64(seq)
	w.digest(root)
	return w.buf
}

// DescribeStatement says in words what a statement of this package states.
func DescribeStatement(kind crypto.Kind, body []byte) string {
	r := reader{buf: body}
	switch kind {
	case crypto.KindPrepare, crypto.KindCommit:
		return fmt.Sprintf("%v view=%d seq=%d batch=%s", kind, r.u64(), r.u64(), r.digest().Short())
	case crypto.KindViewChange:
		t := decodeTuple(&r)
		return fmt.Sprintf("%v to=%d high=(%d,%d) stable=%d",
			kind, t.NewView, t.HighView, t.High.Seq, t.Stable.Seq)
	case crypto.KindNewView:
		return fmt.Sprintf("%v view=%d", kind, r.u64())
	case crypto.KindCheckpoint:
		return fmt.Sprintf("%v seq=%d batch=%s", kind, r.u64(), r.digest().Short())
	case crypto.KindRequest:
		owner := r.take(len(crypto.NodeID{}))
		session, seq, ack := r.u64(), r.u64(), r.u64()
		if r.err != nil {
			return kind.String()
		}
		return fmt.Sprintf("%v session=%d number=%d acknowledged=%d by %s operations=%s", kind,
			session, seq, ack, crypto.NodeID(owner).Short(), r.digest().Short())
	default:
		return kind.String()
	}
}
