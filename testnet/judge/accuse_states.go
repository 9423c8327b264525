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
	for _, c := range a.era.said.states {
		for _, cert := range certs[c.Seq] {
			a.add(message.WrongRoot(a.era.cfg, c, cert))
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
	for _, c := range a.era.said.checkpoints {
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
				a.add(message.Contradiction(a.era.cfg, message.EvidenceForkedRoot, s.Voter,
					other.said, s.said, nil))
			}
		}
	}
}

// statesIn takes the CHECKPOINTs out of a certificate.
func (a *accusations) statesIn(c *message.CheckpointCertificate) []*checkpoint {
	cfg := a.era.cfg
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
	for _, p := range a.era.said.proposals {
		var suspect []*message.Bundle
		first := map[message.RequestKey]*message.Bundle{}
		for _, id := range p.IDs {
			b := a.era.said.bundles[id]
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
		v := p.Vote(a.era.cfg)
		a.add(message.InvalidBatch(a.era.cfg, v, p.Header, p.IDs, suspect))
	}
}

// forged reports whether a bundle is not validly signed; each is checked once.
func (a *accusations) forged(b *message.Bundle) bool {
	return a.h.verifyOnce(a.era, b, 1, func(cfg *message.Config) error {
		m := &message.Submission{Bundle: b}
		_, err := message.Verify(cfg, unchecked{}, 0, cfg.Epoch, m)
		return err
	}) != nil
}

// bundles finds gateways that gave one place to two bundles (E9). Bundles survive epochs, and so
// does the place: what a gateway signed in an earlier epoch counts as long as its key is the same.
func (a *accusations) bundles(first map[slot]said) {
	each := func(b *message.Bundle) {
		if b.Gateway >= len(a.era.cfg.Members) {
			return
		}
		at := slot{a.era.node(b.Gateway), b.Key()}
		other, known := first[at]
		if !known {
			first[at] = said{a.era, b}
			return
		}
		if b.ID() != other.bundle.ID() {
			word := other.bundle.Word(other.era.cfg)
			word.Gateway = b.Gateway
			a.add(message.ContradictingWords(a.era.cfg, word, b.Word(a.era.cfg)))
		}
	}
	for _, b := range a.era.said.bundles {
		each(b)
	}
	for _, batch := range a.h.batches {
		if batch.Header.Epoch != a.era.cfg.Epoch {
			continue
		}
		for _, b := range batch.Bundles {
			each(b)
		}
	}
}

// slot is a place in the session of a node's gateway, and said who filled it first, and when.
type slot struct {
	node int
	key  message.RequestKey
}

type said struct {
	era    *era
	bundle *message.Bundle
}
