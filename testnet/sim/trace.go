package sim

import (
	"encoding/binary"
	"fmt"

	"byzd/crypto"
	"byzd/pbft"
	"byzd/pbft/message"
)

// tracef writes a line for who reads along.
func (w *World) tracef(format string, args ...any) {
	if w.trace == nil || w.events < w.from {
		return
	}
	_, _ = fmt.Fprintf(w.trace, "%7d %10.3f  ", w.events, float64(w.now)/1000)
	_, _ = fmt.Fprintf(w.trace, format, args...)
	_, _ = fmt.Fprintln(w.trace)
}

// traceSend folds what is sent into the hash of the run.
func (w *World) traceSend(from *node, to int, p *packet) {
	link := uint64(from.index)<<8 ^ uint64(uint8(to)) //nolint:gosec // bits
	word := uint64(p.typ)<<48 ^ link<<32
	if p.frame != nil {
		word ^= tag(1, p.frame)
	} else {
		word ^= digestOf(p.msg)
	}
	w.hash = mix(w.hash, word)
	if w.trace != nil && w.events >= w.from {
		whom := "all"
		if to != pbft.All {
			whom = fmt.Sprintf("n%d", to)
		}
		w.tracef("%s sends %s: %s", from.name(), whom, w.describe(p))
	}
}

func (w *World) traceArrive(n *node, p *packet) {
	if w.trace != nil && w.events >= w.from {
		w.tracef("%s <- n%d: %s", n.name(), p.from, w.describe(p))
	}
}

// digestOf is a cheap word that tells messages apart.
func digestOf(m message.Message) uint64 {
	word := func(d crypto.Digest) uint64 { return binary.LittleEndian.Uint64(d[:]) }
	switch m := m.(type) {
	case *message.PrePrepare:
		return m.View<<32 ^ m.Header.Seq ^ word(m.Header.Root) ^ word(m.Header.Parent)
	case *message.Vote:
		return m.View<<32 ^ m.Seq ^ uint64(m.Kind)<<24 ^ word(m.Digest)
	case *message.Checkpoint:
		return m.Seq ^ word(m.Root) ^ word(m.Digest)
	case *message.ViewChange:
		return m.Stmt.NewView ^ word(m.Stmt.High.Digest)
	case *message.NewView:
		return m.View ^ word(m.Base.Digest)
	case *message.Submission:
		return word(m.Bundle.ID())
	case *message.Status:
		return m.Executed<<32 ^ m.View ^ m.Tip<<16 ^ m.Stable<<48
	case *message.Decided:
		return uint64(len(m.Headers))<<16 ^ uint64(len(m.Bodies))
	default:
		return 0
	}
}

// describe says what a packet is.
func (*World) describe(p *packet) string {
	m := p.msg
	if m == nil {
		_, decoded, err := message.Decode(p.frame)
		if err != nil {
			return fmt.Sprintf("%v that is malformed: %v", p.typ, err)
		}
		m = decoded
	}
	switch m := m.(type) {
	case *message.PrePrepare:
		return fmt.Sprintf("pre-prepare view %d batch %d %s of %d bundles",
			m.View, m.Header.Seq, m.Header.Digest().Short(), len(m.IDs))
	case *message.Vote:
		return fmt.Sprintf("%v view %d batch %d %s by n%d",
			m.Kind, m.View, m.Seq, m.Digest.Short(), m.Voter)
	case *message.Checkpoint:
		return fmt.Sprintf("checkpoint %d %s root %s", m.Seq, m.Digest.Short(), m.Root.Short())
	case *message.ViewChange:
		return fmt.Sprintf("view-change to %d high (%d,%d) stable %d by n%d",
			m.Stmt.NewView, m.Stmt.HighView, m.Stmt.High.Seq, m.Stmt.Stable.Seq, m.Stmt.Voter)
	case *message.NewView:
		return fmt.Sprintf("new-view %d base (%d,%d) %s", m.View, m.Base.View, m.Base.Seq,
			m.Base.Digest.Short())
	case *message.Status:
		return fmt.Sprintf("status view %d target %d executed %d stable %d tip %d committed %v",
			m.View, m.Target, m.Executed, m.Stable, m.Tip, m.Committed)
	case *message.Submission:
		return fmt.Sprintf("bundle %d of n%d with %d operations",
			m.Bundle.Seq, m.Bundle.Gateway, len(m.Bundle.Items))
	case *message.Complain:
		return fmt.Sprintf("complain of view %d: %v", m.View, m.Reason)
	case *message.FetchDecided:
		return fmt.Sprintf("fetch-decided after %d", m.After)
	case *message.Decided:
		return fmt.Sprintf("decided, %d headers, %d bodies", len(m.Headers), len(m.Bodies))
	case *message.Offer:
		return fmt.Sprintf("offer of the state after %d, log from %d", m.Snapshot.Seq, m.First)
	case *message.FetchState:
		return fmt.Sprintf("fetch-state %v %q of %s", m.Want.Tree, m.Want.Path, m.Want.Root.Short())
	case *message.FenceAsk:
		return fmt.Sprintf("fence-ask %d", m.Nonce)
	case *message.FenceAnswer:
		return fmt.Sprintf("fence-answer %d, %d votes", m.Nonce, len(m.Votes))
	default:
		return p.typ.String()
	}
}
