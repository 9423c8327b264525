package judge

import (
	"bytes"
	"slices"

	"byzd/pbft/message"
)

// checkpoint is what a member said of its state, and how that can be shown.
type checkpoint struct {
	message.Checkpoint

	said message.Statement
}

// checkpoints finds members that executed two batches at one sequence number, by their own word
// (E11), or came to another state than a quorum did (E8).
func (a *accusations) checkpoints() {
	certs := a.checkpointCertificates()
	states := map[uint64][]*checkpoint{}
	for _, c := range a.h.said.states {
		for _, cert := range certs[c.Seq] {
			a.add(message.WrongRoot(a.h.Config, c, cert))
		}
		states[c.Seq] = append(states[c.Seq], &checkpoint{*c, c.Statement()})
	}
	for seq, list := range certs {
		if len(list)+len(states[seq]) < 2 {
			continue // nothing to compare it with
		}
		for _, c := range list {
			states[seq] = append(states[seq], a.statesIn(c)...)
		}
	}
	for _, list := range states {
		a.parted(list)
	}
}

// checkpointCertificates lists the versions of each checkpoint.
func (a *accusations) checkpointCertificates() map[uint64][]*message.CheckpointCertificate {
	certs := map[uint64][]*message.CheckpointCertificate{}
	for _, c := range a.h.said.checkpoints {
		alike := func(o *message.CheckpointCertificate) bool {
			return o.Digest == c.Digest && o.Root == c.Root && o.Signers == c.Signers &&
				bytes.Equal(o.Aggregate, c.Aggregate)
		}
		if len(certs[c.Seq]) < keptVersions && !slices.ContainsFunc(certs[c.Seq], alike) {
			certs[c.Seq] = append(certs[c.Seq], c)
		}
	}
	return certs
}

// parted accuses everybody who said that it executed two batches at one sequence number.
func (a *accusations) parted(list []*checkpoint) {
	for i, s := range list {
		for _, other := range list[:i] {
			if s.Voter == other.Voter && s.Digest != other.Digest {
				a.add(message.Contradiction(a.h.Config, message.EvidenceForkedRoot, s.Voter,
					other.said, s.said, nil))
			}
		}
	}
}

// statesIn takes the CHECKPOINTs out of a certificate.
func (a *accusations) statesIn(c *message.CheckpointCertificate) []*checkpoint {
	cfg := a.h.Config
	var list []*checkpoint
	for _, i := range c.Signers.Members() {
		s := &checkpoint{Checkpoint: message.Checkpoint{
			Seq: c.Seq, Digest: c.Digest, Root: c.Root, Voter: i,
		}}
		if !message.Separable(cfg.Scheme) {
			s.said = c.Statement()
		} else {
			if s.Sig = share(cfg, c.Signers.Members(), i, c.Aggregate); s.Sig == nil {
				continue
			}
			s.said = s.Statement()
		}
		list = append(list, s)
	}
	return list
}

// batches finds primaries that proposed what no correct one proposes (E7).
func (a *accusations) batches() {
	for _, p := range a.h.said.proposals {
		var suspect []*message.Bundle
		first := map[message.RequestKey]*message.Bundle{}
		for _, id := range p.IDs {
			b := a.h.said.bundles[id]
			switch {
			case b == nil:
			case first[b.Key()] != nil:
				suspect = append(suspect, first[b.Key()], b)
			default:
				first[b.Key()] = b
				if a.forged(b) {
					suspect = append(suspect, b)
				}
			}
		}
		v := p.Vote(a.h.Config)
		a.add(message.InvalidBatch(a.h.Config, v, p.Header, p.IDs, suspect))
	}
}

// forged reports whether a bundle is not validly signed; each is checked once.
func (a *accusations) forged(b *message.Bundle) bool {
	return a.h.verifyOnce(b, 1, func(cfg *message.Config) error {
		m := &message.Submission{Bundle: b}
		_, err := message.Verify(cfg, unchecked{}, 0, cfg.Epoch, m)
		return err
	}) != nil
}

// bundles finds gateways that gave one place to two bundles (E9).
func (a *accusations) bundles() {
	type slot struct {
		gateway int
		key     message.RequestKey
	}
	first := map[slot]*message.Bundle{}
	each := func(b *message.Bundle) {
		at := slot{b.Gateway, b.Key()}
		other := first[at]
		if other == nil {
			first[at] = b
			return
		}
		if b.ID() != other.ID() && b.Gateway < len(a.h.Config.Members) {
			a.add(message.ContradictingWords(
				a.h.Config, other.Word(a.h.Config), b.Word(a.h.Config)))
		}
	}
	for _, b := range a.h.said.bundles {
		each(b)
	}
	for _, batch := range a.h.batches {
		for _, b := range batch.Bundles {
			each(b)
		}
	}
}
