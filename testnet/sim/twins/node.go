package twins

import (
	"fmt"

	"byzd/crypto"
	"byzd/pbft"
	"byzd/pbft/message"
)

// letter is a message on its way to one instance.
type letter struct {
	from int // an instance
	msg  message.Verified
}

// node is one instance: an unmodified replica with the little that stands in for its daemon.
type node struct {
	*run

	instance, self int
	twin           bool // one of two with this key: not held to account
	skew           int64
	replica        *pbft.Replica
	sealer         message.Sealer

	inbox   []letter
	waiting []pbft.Effect // behind the sync (rule R1)
	log     []*message.Batch
	proofs  []message.Proof // logged certificates, in order
	done    map[message.RequestKey]bool
	bundles []*message.Bundle // own, as submitted
	halted  string
}

// turn hands everything that has arrived to the replica, ends the turn, and syncs: what was staged
// is durable then, and what waited for it leaves (rule R1).
func (n *node) turn() {
	inbox := n.inbox
	n.inbox = nil
	for _, l := range inbox {
		n.step(pbft.Received{Msg: l.msg})
	}
	n.step(pbft.TurnEnd{})
	n.sync()
}

func (n *node) step(in pbft.Input) {
	for _, e := range n.replica.Step(in) {
		switch e := e.(type) {
		case pbft.Persist:
			n.keep(e.Record)
		case pbft.Send, pbft.Serve:
			n.waiting = append(n.waiting, e)
		case pbft.Execute:
			n.execute(e)
		case pbft.Accuse:
			if !n.liar[e.Evidence.Culprit] && e.Evidence.Kind.Convicts() {
				n.blame("instance %d accuses correct replica %d of %v", n.instance,
					e.Evidence.Culprit, e.Evidence.Kind)
			}
			n.accused[e.Evidence.Culprit] = true
		case pbft.Halt:
			n.halted = e.Why
			if !n.twin {
				n.blame("replica %d halts: %s", n.self, e.Why)
			}
		}
	}
}

// blame notes what no correct replica may do.
func (n *node) blame(format string, args ...any) {
	if !n.twin {
		n.unsafe = append(n.unsafe, fmt.Sprintf(format, args...))
	}
}

// keep notes the logged certificates: peers that are behind ask for them.
func (n *node) keep(rec *message.Record) {
	switch rec.Type {
	case message.RecordCommitted:
		n.proofs = append(n.proofs, message.Proof{Commit: rec.Cert})
	case message.RecordStable:
		n.proofs = append(n.proofs, message.Proof{Checkpoint: rec.Stable})
	default:
	}
}

func (n *node) sync() {
	waiting := n.waiting
	n.waiting = nil
	for _, e := range waiting {
		switch e := e.(type) {
		case pbft.Send:
			n.send(e.To, e.Msg)
		case pbft.Serve:
			n.serve(e)
		}
	}
}

func (n *node) send(to int, m message.Message) {
	v := n.sealer.Seal(m)
	if !n.twin {
		if what := n.ledger.signed(n.cfg, n.self, m); what != "" {
			n.blame("%s", what)
		}
	}
	n.sent++
	phase, view := phaseOf(m), n.viewOf(m)
	arrives, ok := n.carry(v)
	if !ok {
		return
	}
	if to == pbft.All && returns(m) {
		n.inbox = append(n.inbox, letter{n.instance, v})
	}
	for k, other := range n.nodes {
		if other.self != n.self && (to == pbft.All || to == other.self) &&
			n.connected(n.instance, k, view, phase) {
			other.inbox = append(other.inbox, letter{n.instance, arrives})
		}
	}
}

// returns reports whether a message is a statement that its author counts too.
func returns(m message.Message) bool {
	switch m.(type) {
	case *message.PrePrepare, *message.Vote, *message.Checkpoint, *message.ViewChange,
		*message.NewView, *message.Complain:
		return true
	}
	return false
}

// phaseOf says in which phase of its view a message is sent.
func phaseOf(m message.Message) int {
	switch m := m.(type) {
	case *message.PrePrepare, *message.Submission, *message.Have, *message.FetchBundles,
		*message.FetchBatches, *message.BatchReply:
		return phaseProposal
	case *message.Vote:
		if m.Kind == crypto.KindCommit {
			return phaseCommit
		}
		return phasePrepare
	case *message.Checkpoint:
		return phaseCommit
	}
	return phaseChange
}

// viewOf says to which view a message belongs: the one that it names, else the one that its sender
// is in. What ends a view, or begins it, belongs to the new one.
func (n *node) viewOf(m message.Message) uint64 {
	switch m := m.(type) {
	case *message.PrePrepare:
		return m.View
	case *message.Vote:
		return m.View
	case *message.ViewChange:
		return m.Stmt.NewView
	case *message.NewView:
		return m.View
	case *message.Complain:
		return m.View
	}
	return n.replica.Status().View
}

func (n *node) execute(e pbft.Execute) {
	h := &e.Batch.Header
	ref := message.Ref{Seq: h.Seq, Digest: h.Digest()}
	if h.Seq != uint64(len(n.log))+1 {
		n.blame("replica %d executes batch %d after %d", n.self, h.Seq, len(n.log))
	}
	n.log = append(n.log, e.Batch)
	if !n.twin {
		if d, known := n.decided[h.Seq]; known && d != ref.Digest {
			n.blame("replica %d executed another batch at %d", n.self, h.Seq)
		}
		n.decided[h.Seq] = ref.Digest
	}
	for _, v := range e.Verdicts {
		key := e.Batch.Bundles[v.Bundle].Key()
		if n.done[key] {
			n.blame("replica %d executed bundle %v twice", n.self, key)
		}
		n.done[key] = true
	}
	if e.Checkpoint {
		n.step(pbft.Executed{Batch: ref, Root: crypto.Hash("twins/root", ref.Digest[:])})
	}
}

// serve answers a request for decided batches from the log and the logged certificates.
func (n *node) serve(e pbft.Serve) {
	top, best := e.After, message.Proof{}
	for _, p := range n.proofs {
		var seq uint64
		if p.Commit != nil {
			seq = p.Commit.Seq
		} else {
			seq = p.Checkpoint.Seq
		}
		if seq > top && seq <= e.After+message.MaxDecided && seq <= uint64(len(n.log)) {
			top, best = seq, p
		}
	}
	if top == e.After {
		return
	}
	m := &message.Decided{Proof: best}
	for _, b := range n.log[e.After:top] {
		m.Headers = append(m.Headers, b.Header)
		m.Bodies = append(m.Bodies, b)
	}
	n.send(e.To, m)
}

// submit lets the node's gateway order one more operation.
func (n *node) submit() {
	b := &message.Bundle{
		Session: uint64(n.self), //nolint:gosec // a member's number
		Seq:     uint64(len(n.bundles)),
		Items:   []message.Item{{Op: fmt.Appendf(nil, "%d-%d", n.self, len(n.bundles))}},
	}
	n.sealer.SealBundle(b)
	n.bundles = append(n.bundles, b)
	n.broadcast(b)
}

// broadcast sends a bundle to all, and to itself.
func (n *node) broadcast(b *message.Bundle) {
	m := &message.Submission{Bundle: b}
	n.inbox = append(n.inbox, letter{n.instance, n.sealer.Seal(m)})
	n.send(pbft.All, m)
}

// rebroadcast repeats the own bundles that are not executed (rule R9f).
func (n *node) rebroadcast() {
	for _, b := range n.bundles {
		if !n.done[b.Key()] {
			n.broadcast(b)
		}
	}
}
