package judge

import (
	"byzd/crypto"
	"byzd/pbft/message"
	"byzd/pbft/quorum"
)

// Hear adds what is signed in a message that some member sent, or that was found anywhere: whatever
// a clever accuser could get hold of. Nothing is verified yet; every proof that is built of it is.
func (h *History) Hear(m message.Message) {
	s := &h.said
	switch m := m.(type) {
	case *message.PrePrepare:
		s.proposals = append(s.proposals, m)
		s.votes = append(s.votes, m.Vote(h.Config))
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
		s.addNewView(h.Config, m)
	case *message.Complain:
		s.votes = append(s.votes, m.Statements...)
	case *message.Proof:
		h.hearProof(m)
	case *message.Decided:
		h.hearProof(&m.Proof)
		for i := range m.Headers {
			h.learnHeader(&m.Headers[i])
		}
		for _, b := range m.Bodies {
			h.hearBundles(b.Bundles...)
		}
	case *message.BatchReply:
		h.learnHeader(&m.Batch.Header)
		h.hearBundles(m.Batch.Bundles...)
		s.votes = append(s.votes, m.Votes...)
	case *message.Submission:
		h.hearBundles(m.Bundle)
	case *message.FenceAnswer:
		s.votes = append(s.votes, m.Votes...)
		for i := range m.Stmts {
			s.changes = append(s.changes, &m.Stmts[i])
		}
	case *message.Evidence:
		s.addProof(m)
	}
}

func (h *History) hearProof(m *message.Proof) {
	for _, c := range []*message.Certificate{m.Prepared, m.Commit} {
		if c != nil {
			h.said.certs = append(h.said.certs, c)
		}
	}
	if m.Checkpoint != nil {
		h.said.checkpoints = append(h.said.checkpoints, m.Checkpoint)
	}
	if m.NewView != nil {
		h.said.addNewView(h.Config, m.NewView)
	}
}

func (h *History) hearBundles(bundles ...*message.Bundle) {
	if h.said.bundles == nil {
		h.said.bundles = map[crypto.Digest]*message.Bundle{}
	}
	for _, b := range bundles {
		h.said.bundles[b.ID()] = b
	}
}

func (h *History) learnHeader(header *message.Header) {
	if d := header.Digest(); h.headers[d] == nil {
		h.headers[d] = header
	}
}

// Incriminated looks for any proof of any kind against members that are correct, in all that the
// history holds (journals that were read, messages that were heard). There must be none: a correct
// replica never signs what convicts it, whatever crashes, restarts and view changes it goes
// through, and whoever puts its words together. It is an oracle for simulations and tests: run it
// at the end of a seed, or now and then; it goes through everything that was said. It may be called
// again after more was heard.
func (h *History) Incriminated(correct quorum.Set) []Proof {
	var wrong []Proof
	for _, p := range h.accuse() {
		if correct.Has(p.Culprit) {
			wrong = append(wrong, p)
		}
	}
	return wrong
}
