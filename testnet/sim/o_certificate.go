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
	decided map[uint64]crypto.Digest         // by sequence number, ancestors included
	tops    []epochRank                      // the highest commit certificates, by epoch and view
	closing map[crypto.Digest]message.Header // batches that would end an epoch
	views   []viewBase                       // that correct replicas entered
	checked map[uint64]bool                  // certificates, by a hash of all their bytes
	buffer  []byte
}

// ballot is what signatures are counted for.
type ballot struct {
	kind      crypto.Kind
	epoch     uint64
	view, seq uint64
	digest    crypto.Digest
	root      crypto.Digest // of checkpoints
}

type viewBase struct {
	epoch, view uint64
	base        message.Ref
}

type epochRank struct {
	epoch uint64
	message.Rank
}

func (c *certificates) init() {
	c.voters, c.parents = map[ballot]uint32{}, map[crypto.Digest]message.Ref{}
	c.decided, c.checked = map[uint64]crypto.Digest{}, map[uint64]bool{}
	c.closing = map[crypto.Digest]message.Header{}
}

// statement is what a member signs, in the bytes of PROTOCOL §4.3.
func (o *oracles) statement(b ballot) []byte {
	out := o.buffer[:0]
	out = append(out, "byzd/1\x00"...)
	out = append(out, byte(b.kind))
	out = append(out, o.w.cfg.Cluster[:]...)
	out = binary.BigEndian.AppendUint64(out, b.epoch)
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

// gather counts what a message of an epoch shows, whoever sends it.
func (o *oracles) gather(epoch uint64, m message.Message) {
	switch m := m.(type) {
	case *message.PrePrepare:
		o.learn(&m.Header)
	case *message.BatchReply:
		o.learn(&m.Batch.Header)
	case *message.Vote:
		if m.Kind == crypto.KindCommit {
			b := ballot{kind: m.Kind, epoch: epoch, view: m.View, seq: m.Seq, digest: m.Digest}
			o.count(b, m.Voter, m.Sig)
		}
	case *message.Checkpoint:
		o.count(ballot{
			kind: crypto.KindCheckpoint, epoch: epoch, seq: m.Seq, digest: m.Digest, root: m.Root,
		}, m.Voter, m.Sig)
	case *message.Proof:
		o.countProof(epoch, m)
	case *message.EpochProof:
		o.learn(&m.Manifest.Header)
		o.countProof(epoch, &message.Proof{Checkpoint: m.Certificate})
	case *message.Offer:
		o.countProof(epoch, &message.Proof{Checkpoint: m.Snapshot})
	case *message.Decided:
		for i := range m.Headers {
			o.learn(&m.Headers[i])
		}
		o.countProof(epoch, &m.Proof)
	default:
	}
}

// count counts one signature, if it holds.
func (o *oracles) count(b ballot, voter int, sig []byte) {
	cfg := o.w.config(b.epoch)
	if cfg == nil || voter >= len(cfg.Members) || o.voters[b]&(1<<voter) != 0 {
		return
	}
	if !cfg.Scheme.Verify(cfg.Members[voter].Key, o.statement(b), sig) {
		return
	}
	o.voters[b] |= 1 << voter
	if bits.OnesCount32(o.voters[b]) == cfg.Sizes.Quorum {
		o.decide(b)
	}
}

// countProof counts the signatures of certificates.
func (o *oracles) countProof(epoch uint64, m *message.Proof) {
	if c := m.Commit; c != nil && c.Kind == crypto.KindCommit {
		o.split(ballot{kind: c.Kind, epoch: epoch, view: c.View, seq: c.Seq, digest: c.Digest},
			c.Signers.Members(), c.Aggregate)
	}
	if c := m.Checkpoint; c != nil {
		o.split(ballot{
			kind: crypto.KindCheckpoint, epoch: epoch, seq: c.Seq, digest: c.Digest, root: c.Root,
		}, c.Signers.Members(), c.Aggregate)
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
	if h.Kind == message.Reconfig {
		o.closing[d] = *h
	}
	if o.decided[h.Seq] == d {
		o.settle(h.Seq-1, h.Parent)
	}
}

// decide notes a certificate.
func (o *oracles) decide(b ballot) {
	if b.kind == crypto.KindCommit {
		o.raise(epochRank{b.epoch, message.Rank{View: b.view, Seq: b.seq}})
	}
	o.settle(b.seq, b.digest)
	for _, v := range o.views {
		if b.kind == crypto.KindCommit && v.epoch == b.epoch && v.view > b.view {
			o.keeps(v, b.seq)
		}
	}
}

func (o *oracles) raise(r epochRank) {
	for i := range o.tops {
		if o.tops[i].epoch == r.epoch && o.tops[i].View == r.View {
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
	e := n.era()
	if e.cfg.Sizes.N == 1 && e.has(n.replica) {
		o.settle(ref.Seq, ref.Digest)
	}
	if o.decided[ref.Seq] == ref.Digest {
		return
	}
	o.w.fail("O5", "replica %d executed batch %d %s, for which no %d members have signed",
		n.replica, ref.Seq, ref.Digest.Short(), e.cfg.Sizes.Quorum)
}

// recheck is O5 for what a replica's door lets in: every certificate must hold here, too.
func (o *oracles) recheck(n *node, epoch uint64, m message.Message) {
	var err error
	switch m := m.(type) {
	case *message.ViewChange:
		err = o.recheckPair(epoch, m.High, m.Stable)
	case *message.NewView:
		err = o.recheckPair(epoch, m.Base, m.Stable)
	case *message.Proof:
		err = o.recheckProof(epoch, m)
	case *message.Decided:
		err = o.recheckProof(epoch, &m.Proof)
	case *message.EpochProof:
		err = o.recheckPair(epoch, nil, m.Certificate)
	case *message.Offer:
		err = o.recheckPair(epoch, nil, m.Snapshot)
	}
	if err != nil {
		o.w.fail("O5", "replica %d takes a %v with %v", n.replica, m.Type(), err)
	}
}

func (o *oracles) recheckProof(epoch uint64, m *message.Proof) error {
	if err := o.recheckPair(epoch, m.Prepared, m.Checkpoint); err != nil {
		return err
	}
	if err := o.recheckPair(epoch, m.Commit, nil); err != nil {
		return err
	}
	if m.NewView != nil {
		return o.recheckPair(epoch, m.NewView.Base, m.NewView.Stable)
	}
	return nil
}

func (o *oracles) recheckPair(
	epoch uint64, c *message.Certificate, k *message.CheckpointCertificate,
) error {
	base := o.w.eras[epoch].cfg.Base
	if c != nil && c.Ref() != base {
		b := ballot{kind: c.Kind, epoch: epoch, view: c.View, seq: c.Seq, digest: c.Digest}
		if !o.holds(b, c.Signers.Members(), c.Aggregate) {
			return fmt.Errorf("a %v certificate (%d,%d) that does not hold", c.Kind, c.View, c.Seq)
		}
	}
	if k != nil && k.Ref() != base {
		b := ballot{
			kind: crypto.KindCheckpoint, epoch: epoch, seq: k.Seq, digest: k.Digest, root: k.Root,
		}
		if !o.holds(b, k.Signers.Members(), k.Aggregate) {
			return fmt.Errorf("a checkpoint certificate %d that does not hold", k.Seq)
		}
	}
	return nil
}

// holds checks one certificate: a quorum of distinct members, each with a signature of its own.
func (o *oracles) holds(b ballot, signers []int, aggregate []byte) bool {
	cfg := o.w.eras[b.epoch].cfg
	key := mix(tag(uint64(len(signers)), aggregate), tag(b.view, b.digest[:])^b.seq^b.epoch<<48)
	if o.checked[key] {
		return true
	}
	size, last := cfg.Scheme.SignatureSize(), -1
	if len(signers) < cfg.Sizes.Quorum || len(aggregate) != size*len(signers) {
		return false
	}
	for k, i := range signers {
		if i <= last || i >= len(cfg.Members) || !cfg.Scheme.Verify(
			cfg.Members[i].Key, o.statement(b), aggregate[k*size:(k+1)*size]) {
			return false
		}
		last = i
	}
	o.checked[key] = true
	return true
}

// entered is O6: a view that a correct replica enters keeps what was decided in earlier ones.
func (o *oracles) entered(n *node, view uint64, base message.Ref) {
	v := viewBase{n.era().cfg.Epoch, view, base}
	if slices.Contains(o.views, v) {
		return
	}
	o.views = append(o.views, v)
	for _, top := range o.tops {
		if top.epoch == v.epoch && top.View < view {
			o.keeps(v, top.Seq)
		}
	}
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
