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
	if !n.up || n.place() < 0 {
		return
	}
	e := n.era()
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
		Session: e.cfg.Members[n.place()].Session,
		Seq:     r.Uint64N(1 << 12),
		Items:   []message.Item{{Signed: req}},
	}
	w.sealer(e, n.replica).SealBundle(b)
	frame := message.Encode(e.cfg.Epoch, &message.Submission{Bundle: b})
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
	said := w.recent[r.IntN(len(w.recent))]
	m := said.msg
	if m == nil {
		return
	}
	e := w.eras[said.epoch]
	from, to := w.nodes[r.IntN(len(w.nodes))], w.nodes[r.IntN(len(w.nodes))]
	if from.replica == to.replica || !e.has(from.replica) {
		return
	}
	cfg := *e.cfg
	p := &packet{from: from.replica, typ: m.Type(), foreign: true}
	switch r.IntN(3) {
	case 0: // another epoch says so
		cfg.Epoch++
	case 1: // another epoch's signature, and does not say so
		cfg.Epoch++
		m = resealed(&cfg, w.sealer(e, from.replica), m)
		cfg.Epoch--
	default:
		cfg.Cluster[0] ^= 1
		m = resealed(&cfg, w.sealer(e, from.replica), m)
	}
	if m == nil {
		return
	}
	p.frame = message.Encode(cfg.Epoch, m)
	w.mark(markForeign)
	w.route(from, to, p)
}

// sendOldKey sends what a member that was removed signs in the epoch that it is no member of any
// more, or what is signed there with a key that was replaced. Nobody may count it.
func (w *World) sendOldKey() {
	r := w.rnd[streamEpochs]
	e := w.newest()
	said := w.recent[r.IntN(len(w.recent))]
	from, to := w.nodes[r.IntN(len(w.nodes))], w.nodes[r.IntN(len(w.nodes))]
	if said.msg == nil || e.cfg.Epoch == 0 || from.replica == to.replica {
		return
	}
	s := message.Sealer{Config: e.cfg, Self: e.place[from.replica]}
	before := w.eras[e.cfg.Epoch-1]
	switch {
	case s.Self < 0 && before.has(from.replica): // by the number that it had
		s.Self, s.Signer = before.place[from.replica], w.sealer(before, from.replica).Signer
		if s.Self >= len(e.cfg.Members) {
			return
		}
	case s.Self >= 0 && from.second: // the one of its two keys that the epoch does not name
		s.Signer = w.signers[from.replica][0]
		if e.cfg.Members[s.Self].Key.Equal(s.Signer.Public()) {
			s.Signer = w.signers[from.replica][1]
		}
	default:
		return
	}
	m := resealed(e.cfg, s, said.msg)
	if m == nil {
		return
	}
	w.mark(markOldKey)
	w.route(from, to, &packet{
		from: from.replica, typ: m.Type(), frame: message.Encode(e.cfg.Epoch, m), foreign: true,
	})
}

// resealed is a statement as a member signs it under another configuration.
func resealed(cfg *message.Config, s message.Sealer, m message.Message) message.Message {
	s.Config = cfg
	switch m := m.(type) {
	case *message.Vote:
		v := *m
		v.Voter, v.Sig = s.Self, nil
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
