package judge

import (
	"byzd/crypto"
	"byzd/pbft/message"
	"byzd/pbft/quorum"
)

// Hear adds what is signed in a message that some member sent, or that was found anywhere: whatever
// a clever accuser could get hold of. Nothing is verified yet; every proof that is built of it is.
//
// What is heard is of the first epoch; [History.HearIn] is for the others.
func (h *History) Hear(m message.Message) { h.HearIn(h.Config.Epoch, m) }

// HearIn is [History.Hear] of a message of an epoch. If nothing that was read leads there yet, it
// waits until something does.
func (h *History) HearIn(epoch uint64, m message.Message) {
	if end, ok := m.(*message.EpochProof); ok {
		h.ends[end.Manifest.Header.Epoch] = append(h.ends[end.Manifest.Header.Epoch], end)
		h.follow()
	}
	known := false
	for _, e := range h.eras {
		if e.cfg.Epoch == epoch {
			h.hear(e, m)
			known = true
		}
	}
	if !known {
		h.unheard = append(h.unheard, heard{m, epoch})
	}
}

func (h *History) hear(e *era, m message.Message) {
	s := &e.said
	switch m := m.(type) {
	case *message.PrePrepare:
		s.proposals = append(s.proposals, m)
		s.votes = append(s.votes, m.Vote(e.cfg))
		h.learnHeader(&m.Header)
	case *message.Vote:
		s.votes = append(s.votes, m)
	case *message.Checkpoint:
		s.states = append(s.states, m)
	case *message.ViewChange:
		s.changes = append(s.changes, &m.Stmt)
		s.certs, s.checkpoints = append(s.certs, m.High), append(s.checkpoints, m.Stable)
		s.votes = append(s.votes, m.Statements...)
	case *message.NewView:
		s.addNewView(e.cfg, m)
	case *message.Complain:
		s.votes = append(s.votes, m.Statements...)
	case *message.Proof:
		e.hearProof(m)
	case *message.Decided:
		e.hearProof(&m.Proof)
		for i := range m.Headers {
			h.learnHeader(&m.Headers[i])
		}
		for _, b := range m.Bodies {
			e.hearBundles(b.Bundles...)
		}
	case *message.BatchReply:
		h.learnHeader(&m.Batch.Header)
		e.hearBundles(m.Batch.Bundles...)
		s.votes = append(s.votes, m.Votes...)
	case *message.Submission:
		e.hearBundles(m.Bundle)
	case *message.FenceAnswer:
		s.votes = append(s.votes, m.Votes...)
		for i := range m.Stmts {
			s.changes = append(s.changes, &m.Stmts[i])
		}
	case *message.Evidence:
		s.addProof(m)
	case *message.EpochProof:
		s.checkpoints = append(s.checkpoints, m.Certificate)
	}
}

func (e *era) hearProof(m *message.Proof) {
	for _, c := range []*message.Certificate{m.Prepared, m.Commit} {
		if c != nil {
			e.said.certs = append(e.said.certs, c)
		}
	}
	if m.Checkpoint != nil {
		e.said.checkpoints = append(e.said.checkpoints, m.Checkpoint)
	}
	if m.NewView != nil {
		e.said.addNewView(e.cfg, m.NewView)
	}
}

func (e *era) hearBundles(bundles ...*message.Bundle) {
	if e.said.bundles == nil {
		e.said.bundles = map[crypto.Digest]*message.Bundle{}
	}
	for _, b := range bundles {
		e.said.bundles[b.ID()] = b
	}
}

func (h *History) learnHeader(header *message.Header) {
	if d := header.Digest(); h.headers[d] == nil {
		h.headers[d] = header
	}
}

// Incriminated looks for any proof of any kind against nodes that are correct, in all that the
// history holds of all epochs (journals that were read, messages that were heard). There must be
// none: a correct replica never signs what convicts it, whatever crashes, restarts and view changes
// it goes through, and whoever puts its words together. It is an oracle for simulations and tests:
// run it at the end of a seed, or now and then; it goes through everything that was said. It may be
// called again after more was heard.
func (h *History) Incriminated(correct quorum.Set) []Proof {
	var wrong []Proof
	for _, p := range h.accuse() {
		if correct.Has(p.Culprit) {
			wrong = append(wrong, p)
		}
	}
	return wrong
}
