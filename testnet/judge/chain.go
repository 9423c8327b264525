package judge

import (
	"cmp"
	"fmt"
	"slices"

	"byzd/crypto"
	"byzd/pbft/message"
)

// Chain is what a log proves its node to have executed: batches that follow one another by their
// parents' digests, up to one that a quorum certified.
type Chain struct {
	Before  message.Ref     // the batch in front of the first one
	Digests []crypto.Digest // of batch Before.Seq+1 and those after it
	proof   *claim          // of the last; nil if there is none
}

// Top is the sequence number of the last batch.
func (c *Chain) Top() uint64 { return c.Before.Seq + uint64(len(c.Digests)) }

// At returns the digest of the batch at a sequence number, if the chain has one there.
func (c *Chain) At(seq uint64) (crypto.Digest, bool) {
	if seq <= c.Before.Seq || seq > c.Top() {
		return crypto.Digest{}, false
	}
	return c.Digests[seq-c.Before.Seq-1], true
}

// has reports whether a batch is on the chain.
func (c *Chain) has(ref message.Ref) bool {
	d, ok := c.At(ref.Seq)
	return ok && d == ref.Digest
}

// divergence returns the lowest sequence number at which two chains hold different batches. As each
// batch names its parent, chains that are equal somewhere are equal below.
func divergence(a, b *Chain) (uint64, bool) {
	low, high := max(a.Before.Seq, b.Before.Seq)+1, min(a.Top(), b.Top())
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

// verify checks a certificate's signatures, once.
func (h *History) verify(c *claim) error {
	if c.stable != nil {
		return h.verifyOnce(c.stable, c.stable.Signers.Count(), c.stable.Verify)
	}
	if c.commit.Kind != crypto.KindCommit {
		return fmt.Errorf("a certificate of %v decides nothing", c.commit.Kind)
	}
	return h.verifyOnce(c.commit, c.commit.Signers.Count(), c.commit.Verify)
}

func (h *History) verifyOnce(
	key any, signatures int, verify func(*message.Config) error,
) error {
	err, known := h.verified[key]
	if !known {
		err = verify(h.Config)
		h.verified[key] = err
		h.checked += signatures
	}
	return err
}

// executed returns the chain that a log proves, and what was wrong on the way to it. The highest
// certificate whose batches are all there counts; above it a node may have learned that more was
// decided, but has not executed it. A log that was shortened proves what is left of it.
func (h *History) executed(l *Log) (chain *Chain, faults []error) {
	claims := slices.Clone(l.decided)
	slices.SortStableFunc(claims, func(a, b *claim) int {
		return cmp.Compare(b.ref.Seq, a.ref.Seq)
	})
	var rest *Chain
	visited := map[crypto.Digest]bool{}
	for _, c := range claims {
		if visited[c.ref.Digest] || !l.bodies[c.ref.Digest] {
			continue
		}
		if err := h.verify(c); err != nil {
			faults = append(faults, fmt.Errorf(
				"the certificate of batch %d does not verify: %w", c.ref.Seq, err))
			continue
		}
		chain := h.descend(l, c, visited)
		if chain.Before == h.Config.Base {
			return chain, faults
		}
		if rest == nil {
			rest = chain
		}
	}
	if rest != nil && l.First > 1 {
		return rest, faults
	}
	return &Chain{Before: h.Config.Base}, faults
}

// descend walks from a certified batch to the base, or as far as there are bodies.
func (h *History) descend(l *Log, c *claim, visited map[crypto.Digest]bool) *Chain {
	chain := &Chain{proof: c}
	at := c.ref
	for at != h.Config.Base && l.bodies[at.Digest] {
		header := h.headers[at.Digest]
		if header.Seq != at.Seq || header.Cluster != h.Config.Cluster ||
			header.Epoch != h.Config.Epoch || at.Seq == 0 {
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
		if c.ref.Seq < seq || !l.chain.has(c.ref) || best != nil && best.ref.Seq <= c.ref.Seq {
			continue
		}
		if h.verify(c) == nil {
			best = c
		}
	}
	return best
}
