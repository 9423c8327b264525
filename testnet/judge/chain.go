package judge

import (
	"cmp"
	"fmt"
	"slices"

	"byzd/crypto"
	"byzd/pbft/message"
)

// Chain is what a log proves its node to have executed: batches that follow one another by their
// parents' digests, up to one that a quorum certified. It runs through the epochs: the last batch
// of one is the base of the next.
type Chain struct {
	Before  message.Ref     // the batch in front of the first one
	Digests []crypto.Digest // of batch Before.Seq+1 and those after it
	proof   *claim          // of the last; nil if there is none
}

// Top is the sequence number of the last batch.
func (c *Chain) Top() uint64 { return c.Before.Seq + uint64(len(c.Digests)) }

// At returns the digest of the batch at a sequence number, if the chain has one there, or begins
// behind it.
func (c *Chain) At(seq uint64) (crypto.Digest, bool) {
	if seq < c.Before.Seq || seq > c.Top() {
		return crypto.Digest{}, false
	}
	if seq == c.Before.Seq {
		return c.Before.Digest, true
	}
	return c.Digests[seq-c.Before.Seq-1], true
}

// has reports whether a batch is on the chain.
func (c *Chain) has(ref message.Ref) bool {
	d, ok := c.At(ref.Seq)
	return ok && d == ref.Digest
}

// tip is the last batch.
func (c *Chain) tip() message.Ref {
	d, _ := c.At(c.Top())
	return message.Ref{Seq: c.Top(), Digest: d}
}

// divergence returns the lowest sequence number at which two chains hold different batches. As each
// batch names its parent, chains that are equal somewhere are equal below.
func divergence(a, b *Chain) (uint64, bool) {
	low, high := max(a.Before.Seq, b.Before.Seq), min(a.Top(), b.Top())
	if low > high {
		return 0, false
	}
	differ := func(seq uint64) bool {
		x, _ := a.At(seq)
		y, _ := b.At(seq)
		return x != y
	}
	if !differ(high) {
		return 0, false
	}
	for low < high {
		if mid := low + (high-low)/2; differ(mid) {
			high = mid
		} else {
			low = mid + 1
		}
	}
	return high, true
}

// parting is divergence of what two logs prove, piece by piece.
func parting(a, b *Log) (seq uint64, forked bool) {
	for _, x := range a.chains() {
		for _, y := range b.chains() {
			if at, parted := divergence(x, y); parted && (!forked || at < seq) {
				seq, forked = at, true
			}
		}
	}
	return seq, forked
}

// chains are all that a log proves, the latest first.
func (l *Log) chains() []*Chain {
	if l.chain == nil {
		return nil
	}
	return append([]*Chain{l.chain}, l.earlier...)
}

// has reports whether a batch is on one of the log's chains.
func (l *Log) has(ref message.Ref) bool {
	return slices.ContainsFunc(l.chains(), func(c *Chain) bool { return c.has(ref) })
}

// at returns what a log proves its node to have executed at a sequence number.
func (l *Log) at(seq uint64) (crypto.Digest, bool) {
	for _, c := range l.chains() {
		if d, ok := c.At(seq); ok {
			return d, true
		}
	}
	return crypto.Digest{}, false
}

// verify checks a certificate's signatures, once.
func (h *History) verify(c *claim) error {
	if c.stable != nil {
		return h.verifyOnce(c.era, c.stable, c.stable.Signers.Count(), c.stable.Verify)
	}
	if c.commit.Kind != crypto.KindCommit {
		return fmt.Errorf("a certificate of %v decides nothing", c.commit.Kind)
	}
	return h.verifyOnce(c.era, c.commit, c.commit.Signers.Count(), c.commit.Verify)
}

func (h *History) verifyOnce(
	e *era, key any, signatures int, verify func(*message.Config) error,
) error {
	err, known := e.verified[key]
	if !known {
		err = verify(e.cfg)
		e.verified[key] = err
		h.checked += signatures
	}
	return err
}

// executed rebuilds what a log proves, and says what was wrong on the way to it. The highest
// certificate whose batches are all there counts; above it a node may have learned that more was
// decided, but has not executed it. A log that was shortened proves what is left of it, and a
// certified state that its node keeps is one that it has come to: where it was given one, the
// batches before are not its own, and what it executed earlier is a chain of its own.
func (h *History) executed(l *Log) (faults []error) {
	claims := slices.Clone(l.decided)
	slices.SortStableFunc(claims, func(a, b *claim) int {
		return cmp.Compare(b.ref.Seq, a.ref.Seq)
	})
	var pieces, loose []*Chain
	visited := map[crypto.Digest]bool{}
	for _, c := range claims {
		if visited[c.ref.Digest] || l.bodies[c.ref.Digest] == nil && !l.came(c.ref) {
			continue
		}
		if n := len(pieces); n > 0 && c.ref.Seq >= pieces[n-1].Before.Seq {
			continue // judgeClaims looks at it
		}
		if err := h.verify(c); err != nil {
			faults = append(faults, fmt.Errorf(
				"the certificate of batch %d does not verify: %w", c.ref.Seq, err))
			continue
		}
		chain := h.descend(l, c, visited)
		switch {
		case chain.Before == h.Config.Base:
			pieces = append(pieces, chain)
			l.chain, l.earlier = pieces[0], pieces[1:]
			return faults
		case l.cameTo(chain):
			pieces = append(pieces, chain)
		default:
			loose = append(loose, chain)
		}
	}
	if len(pieces) == 0 && l.First > 1 && len(loose) > 0 {
		pieces = loose[:1] // shortened, and nobody shows the state that it goes on from
	}
	if len(pieces) == 0 {
		pieces = []*Chain{{Before: h.Config.Base}}
	}
	l.chain, l.earlier = pieces[0], pieces[1:]
	return faults
}

// came reports whether a node keeps the state after a batch.
func (l *Log) came(ref message.Ref) bool {
	return slices.ContainsFunc(l.states, func(s *state) bool { return s.ref() == ref })
}

// cameTo reports whether a node keeps a state on a chain, or the one that it begins with.
func (l *Log) cameTo(c *Chain) bool {
	return slices.ContainsFunc(l.states, func(s *state) bool { return c.has(s.ref()) })
}

// descend walks from a certified batch to the base, or as far as there are bodies.
func (h *History) descend(l *Log, c *claim, visited map[crypto.Digest]bool) *Chain {
	chain := &Chain{proof: c}
	at, e := c.ref, c.era
	for at != h.Config.Base && l.bodies[at.Digest] != nil {
		for e != nil && at == e.cfg.Base {
			e = e.before
		}
		header := h.headers[at.Digest]
		if e == nil || header.Seq != at.Seq || header.Cluster != h.Config.Cluster ||
			header.Epoch != e.cfg.Epoch || at.Seq == 0 {
			break
		}
		visited[at.Digest] = true
		chain.Digests = append(chain.Digests, at.Digest)
		at = message.Ref{Seq: at.Seq - 1, Digest: header.Parent}
	}
	slices.Reverse(chain.Digests)
	chain.Before = at
	return chain
}

// covering returns the lowest certificate that verifies in a log that covers a batch on its chain.
func (h *History) covering(l *Log, seq uint64) *claim {
	var best *claim
	for _, c := range l.decided {
		if c.ref.Seq < seq || !l.has(c.ref) || best != nil && best.ref.Seq <= c.ref.Seq {
			continue
		}
		if h.verify(c) == nil {
			best = c
		}
	}
	return best
}
