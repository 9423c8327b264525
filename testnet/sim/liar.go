package sim

import (
	"encoding/binary"
	"fmt"

	"byzd/daemon/kv"
	"byzd/pbft/message"
)

// lieAsClient lets the lying client lie: a number with two bodies, a number far ahead, an operation
// that is large and means nothing, an acknowledgement from the future, somebody else's session, a
// signature that is none.
func (w *World) lieAsClient() {
	r, c, n := w.rnd[streamLiar], w.liar, w.gateway()
	if n == nil || c.session == 0 {
		return
	}
	req := &message.ClientRequest{Session: c.session, Seq: c.seq, Op: lie(r.Uint64())}
	switch r.IntN(6) {
	case 0:
		if other := w.gateway(); other != nil {
			again := *req
			again.Op = lie(r.Uint64())
			w.seal(c, &again)
			w.submitLie(other, &again)
		}
		c.seq++
		w.mark(markTwoBodies)
	case 1:
		req.Seq = 1 << 61
		req.Ack = r.Uint64N(2) << 61
		w.mark(markNumberJump)
	case 2:
		req.Op = make([]byte, min(w.cfg.MaxOp(), r.IntN(1<<15)))
		w.mark(markHugeOp)
	case 3:
		req.Ack = req.Seq + 1 + r.Uint64N(100)
	case 4:
		req.Session = r.Uint64N(1<<22) + 1<<16
	default:
		w.seal(c, req)
		req.Sig[r.IntN(len(req.Sig))] ^= 1
		if !req.Client.Verify(req.SignBytes(w.cfg.RequestDomain()), req.Sig) {
			w.mark(markBadClientSignature) // the door of a node refuses it
			return
		}
	}
	w.seal(c, req)
	w.submitLie(n, req)
}

func (*World) submitLie(n *node, req *message.ClientRequest) {
	n.loop.Submit(message.Item{Signed: req}, "liar", 1<<62)
	n.wake()
}

func lie(salt uint64) []byte {
	op, err := kv.Encode(kv.Put{
		Key: []byte("lie"), Value: binary.BigEndian.AppendUint64(nil, salt),
	})
	if err != nil {
		panic(fmt.Sprintf("sim: %v", err))
	}
	return op
}

// poison lets a traitor sign a bundle with a request that its client never made (M18).
func (w *World) poison() {
	r := w.rnd[streamPoison]
	if len(w.opts.Traitors) == 0 {
		return
	}
	n := w.nodes[w.opts.Traitors[r.IntN(len(w.opts.Traitors))].Node]
	if !n.up {
		return
	}
	req := &message.ClientRequest{
		Client: keys().ids[r.IntN(maxClients)], Session: 1 << 16, Op: lie(r.Uint64()),
		Sig: make([]byte, message.ClientSignatureSize),
	}
	for _, c := range w.clients {
		if c.session != 0 {
			req.Session, req.Seq, req.Client = c.session, c.seq, c.id
		}
	}
	b := &message.Bundle{
		Session: uint64(n.replica), //nolint:gosec // a member's number
		Seq:     r.Uint64N(1 << 12),
		Items:   []message.Item{{Signed: req}},
	}
	w.sealer(n.replica).SealBundle(b)
	frame := message.Encode(w.cfg.Epoch, &message.Submission{Bundle: b})
	w.mark(markForgedBundle)
	for _, to := range w.nodes {
		if to.replica != n.replica {
			w.route(n, to, &packet{from: n.replica, typ: message.TypeSubmission, frame: frame})
		}
	}
}

// sendForeign sends what a member of another cluster or epoch has signed (O20).
func (w *World) sendForeign() {
	r := w.rnd[streamForeign]
	m := w.recent[r.IntN(len(w.recent))]
	if m == nil {
		return
	}
	from, to := w.nodes[r.IntN(len(w.nodes))], w.nodes[r.IntN(len(w.nodes))]
	if from.replica == to.replica {
		return
	}
	cfg := *w.cfg
	p := &packet{from: from.replica, typ: m.Type(), foreign: true}
	switch r.IntN(3) {
	case 0: // another epoch says so
		cfg.Epoch++
	case 1: // another epoch's signature, and does not say so
		cfg.Epoch++
		m = resealed(&cfg, w, from.replica, m)
		cfg.Epoch--
	default:
		cfg.Cluster[0] ^= 1
		m = resealed(&cfg, w, from.replica, m)
	}
	if m == nil {
		return
	}
	p.frame = message.Encode(cfg.Epoch, m)
	w.mark(markForeign)
	w.route(from, to, p)
}

// resealed is a statement as a member signs it under another configuration.
func resealed(cfg *message.Config, w *World, replica int, m message.Message) message.Message {
	s := message.Sealer{Config: cfg, Self: replica, Signer: w.signers[replica]}
	switch m := m.(type) {
	case *message.Vote:
		v := *m
		v.Voter, v.Sig = replica, nil
		return s.Seal(&v).Message()
	case *message.Checkpoint:
		v := *m
		return s.Seal(&v).Message()
	case *message.ViewChange:
		v := *m
		return s.Seal(&v).Message()
	default:
		return nil
	}
}
