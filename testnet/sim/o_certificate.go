package sim

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"

	"byzd/crypto"
	"byzd/pbft"
	"byzd/pbft/message"
)

// certificates is O5 and O6: an account of what is decided that is built from single signatures and
// shares nothing with the core's verifier but the keys. It encodes statements by itself.
type certificates struct {
	voters  map[ballot]uint32 // who has signed
	parents map[crypto.Digest]message.Ref
	decided map[uint64]crypto.Digest // by sequence number, ancestors included
	tops    []message.Rank           // of commit certificates, by view: the highest
	views   []viewBase               // that correct replicas entered
	checked map[uint64]bool          // certificates, by a hash of all their bytes
	buffer  []byte
}

// ballot is what signatures are counted for.
type ballot struct {
	kind      crypto.Kind
	view, seq uint64
	digest    crypto.Digest
	root      crypto.Digest // of checkpoints
}

type viewBase struct {
	view uint64
	base message.Ref
}

func (c *certificates) init() {
	c.voters, c.parents = map[ballot]uint32{}, map[crypto.Digest]message.Ref{}
	c.decided, c.checked = map[uint64]crypto.Digest{}, map[uint64]bool{}
}

// statement is what a member signs, in the bytes of PROTOCOL §4.3.
func (o *oracles) statement(b ballot) []byte {
	out := o.buffer[:0]
	out = append(out, "byzd/1\x00"...)
	out = append(out, byte(b.kind))
	out = append(out, o.w.cfg.Cluster[:]...)
	out = binary.BigEndian.AppendUint64(out, o.w.cfg.Epoch)
	if b.kind != crypto.KindCheckpoint {
		out = binary.BigEndian.AppendUint64(out, b.view)
	}
	out = binary.BigEndian.AppendUint64(out, b.seq)
	out = append(out, b.digest[:]...)
	if b.kind == crypto.KindCheckpoint {
		out = append(out, b.root[:]...)
	}
	o.buffer = out
	return out
}

// gather counts what a message shows, whoever sends it.
func (o *oracles) gather(from *node, m message.Message) {
	switch m := m.(type) {
	case *message.PrePrepare:
		o.learn(&m.Header)
	case *message.BatchReply:
		o.learn(&m.Batch.Header)
	case *message.Vote:
		if m.Kind == crypto.KindCommit {
			b := ballot{kind: m.Kind, view: m.View, seq: m.Seq, digest: m.Digest}
			o.count(b, m.Voter, m.Sig)
		}
	case *message.Checkpoint:
		o.count(ballot{kind: crypto.KindCheckpoint, seq: m.Seq, digest: m.Digest, root: m.Root},
			m.Voter, m.Sig)
	case *message.Proof:
		o.countProof(m)
	case *message.Decided:
		for i := range m.Headers {
			o.learn(&m.Headers[i])
		}
		o.countProof(&m.Proof)
	default:
	}
	_ = from
}

// count counts one signature, if it holds.
func (o *oracles) count(b ballot, voter int, sig []byte) {
	if voter >= o.w.opts.N || o.voters[b]&(1<<voter) != 0 {
		return
	}
	if !o.w.cfg.Scheme.Verify(o.w.cfg.Members[voter].Key, o.statement(b), sig) {
		return
	}
	o.voters[b] |= 1 << voter
	if bits.OnesCount32(o.voters[b]) == o.w.cfg.Sizes.Quorum {
		o.decide(b)
	}
}

// countProof counts the signatures of certificates.
func (o *oracles) countProof(m *message.Proof) {
	if c := m.Commit; c != nil && c.Kind == crypto.KindCommit {
		o.split(ballot{kind: c.Kind, view: c.View, seq: c.Seq, digest: c.Digest},
			c.Signers.Members(), c.Aggregate)
	}
	if c := m.Checkpoint; c != nil {
		o.split(ballot{kind: crypto.KindCheckpoint, seq: c.Seq, digest: c.Digest, root: c.Root},
			c.Signers.Members(), c.Aggregate)
	}
}

func (o *oracles) split(b ballot, signers []int, aggregate []byte) {
	size := o.w.cfg.Scheme.SignatureSize()
	if len(aggregate) != size*len(signers) {
		return
	}
	for k, i := range signers {
		o.count(b, i, aggregate[k*size:(k+1)*size])
	}
}

// learn notes a header: what its digest's parent is.
func (o *oracles) learn(h *message.Header) {
	d := h.Digest()
	if _, known := o.parents[d]; known {
		return
	}
	o.parents[d] = message.Ref{Seq: h.Seq - 1, Digest: h.Parent}
	if o.decided[h.Seq] == d {
		o.settle(h.Seq-1, h.Parent)
	}
}

// decide notes a certificate.
func (o *oracles) decide(b ballot) {
	if b.kind == crypto.KindCommit {
		o.raise(message.Rank{View: b.view, Seq: b.seq})
	}
	o.settle(b.seq, b.digest)
	for _, v := range o.views {
		if b.kind == crypto.KindCommit && v.view > b.view {
			o.keeps(v, b.seq)
		}
	}
}

func (o *oracles) raise(r message.Rank) {
	for i := range o.tops {
		if o.tops[i].View == r.View {
			o.tops[i].Seq = max(o.tops[i].Seq, r.Seq)
			return
		}
	}
	o.tops = append(o.tops, r)
}

// settle notes that a batch and its ancestors are decided.
func (o *oracles) settle(seq uint64, d crypto.Digest) {
	for seq > 0 {
		switch before, known := o.decided[seq]; {
		case known && before != d:
			o.w.fail("O5", "both %s and %s are certified as batch %d",
				before.Short(), d.Short(), seq)
			return
		case known:
			return
		}
		o.decided[seq] = d
		parent, known := o.parents[d]
		if !known {
			return
		}
		seq, d = parent.Seq, parent.Digest
	}
}

// certified is O5 for what a replica executes. A cluster of one sends nobody anything.
func (o *oracles) certified(n *node, ref message.Ref) {
	if o.w.opts.N == 1 || o.decided[ref.Seq] == ref.Digest {
		return
	}
	o.w.fail("O5", "replica %d executed batch %d %s, for which no %d members have signed",
		n.replica, ref.Seq, ref.Digest.Short(), o.w.cfg.Sizes.Quorum)
}

// recheck is O5 for what a replica's door lets in: every certificate must hold here, too.
func (o *oracles) recheck(n *node, m message.Message) {
	var err error
	switch m := m.(type) {
	case *message.ViewChange:
		err = o.recheckPair(m.High, m.Stable)
	case *message.NewView:
		err = o.recheckPair(m.Base, m.Stable)
	case *message.Proof:
		err = o.recheckProof(m)
	case *message.Decided:
		err = o.recheckProof(&m.Proof)
	}
	if err != nil {
		o.w.fail("O5", "replica %d takes a %v with %v", n.replica, m.Type(), err)
	}
}

func (o *oracles) recheckProof(m *message.Proof) error {
	if err := o.recheckPair(m.Prepared, m.Checkpoint); err != nil {
		return err
	}
	if err := o.recheckPair(m.Commit, nil); err != nil {
		return err
	}
	if m.NewView != nil {
		return o.recheckPair(m.NewView.Base, m.NewView.Stable)
	}
	return nil
}

func (o *oracles) recheckPair(c *message.Certificate, k *message.CheckpointCertificate) error {
	if c != nil && c.Ref() != o.w.cfg.Base {
		b := ballot{kind: c.Kind, view: c.View, seq: c.Seq, digest: c.Digest}
		if !o.holds(b, c.Signers.Members(), c.Aggregate) {
			return fmt.Errorf("a %v certificate (%d,%d) that does not hold", c.Kind, c.View, c.Seq)
		}
	}
	if k != nil && k.Ref() != o.w.cfg.Base {
		b := ballot{kind: crypto.KindCheckpoint, seq: k.Seq, digest: k.Digest, root: k.Root}
		if !o.holds(b, k.Signers.Members(), k.Aggregate) {
			return fmt.Errorf("a checkpoint certificate %d that does not hold", k.Seq)
		}
	}
	return nil
}

// holds checks one certificate: a quorum of distinct members, each with a signature of its own.
func (o *oracles) holds(b ballot, signers []int, aggregate []byte) bool {
	key := mix(tag(uint64(len(signers)), aggregate), tag(b.view, b.digest[:])^b.seq)
	if o.checked[key] {
		return true
	}
	size, last := o.w.cfg.Scheme.SignatureSize(), -1
	if len(signers) < o.w.cfg.Sizes.Quorum || len(aggregate) != size*len(signers) {
		return false
	}
	for k, i := range signers {
		if i <= last || i >= o.w.opts.N || !o.w.cfg.Scheme.Verify(
			o.w.cfg.Members[i].Key, o.statement(b), aggregate[k*size:(k+1)*size]) {
			return false
		}
		last = i
	}
	o.checked[key] = true
	return true
}

// entered is O6: a view that a correct replica enters keeps what was decided in earlier ones.
func (o *oracles) entered(n *node, view uint64, base message.Ref) {
	v := viewBase{view, base}
	if slices.Contains(o.views, v) {
		return
	}
	o.views = append(o.views, v)
	for _, top := range o.tops {
		if top.View < view {
			o.keeps(v, top.Seq)
		}
	}
	_ = n
}

// keeps checks that a view's base covers a batch that was decided in an earlier view.
func (o *oracles) keeps(v viewBase, seq uint64) {
	if v.base.Seq < seq {
		o.w.fail("O6", "view %d starts from batch %d, but batch %d was decided before it",
			v.view, v.base.Seq, seq)
		return
	}
	at := v.base
	for at.Seq > seq {
		parent, known := o.parents[at.Digest]
		if !known {
			o.w.mark(markUnknownHeader)
			return
		}
		at = parent
	}
	if d, known := o.decided[seq]; known && d != at.Digest {
		o.w.fail("O6", "view %d starts from a chain whose batch %d is %s, but %s was decided",
			v.view, seq, at.Digest.Short(), d.Short())
	}
}

var _ = pbft.All
