package daemon

import (
	"sync"

	"byzd/crypto"
)

// remembering is a signature scheme that checks each signature once. What is said again (votes and
// view changes are repeated until they are answered, certificates travel with many messages) costs
// a hash. Without it a machine that is too slow for what arrives would be kept slow by the very
// repetitions that this causes. Only good signatures are remembered, and the oldest are forgotten.
type remembering struct {
	crypto.Scheme

	good *digests
}

// rememberedSignatures bounds the memory: several windows of votes of a large cluster.
const rememberedSignatures = 1 << 16

func remember(s crypto.Scheme) crypto.Scheme {
	return remembering{Scheme: s, good: newDigests(rememberedSignatures)}
}

func signatureID(pub crypto.PublicKey, message, signature []byte) crypto.Digest {
	return crypto.Hash("byzd/checked/1", pub.Bytes(), message, signature)
}

// Verify implements [crypto.Scheme].
func (s remembering) Verify(pub crypto.PublicKey, message, signature []byte) bool {
	id := signatureID(pub, message, signature)
	if s.good.Has(id) {
		return true
	}
	if !s.Scheme.Verify(pub, message, signature) {
		return false
	}
	s.good.Add(id)
	return true
}

// VerifyShares implements [crypto.Scheme].
func (s remembering) VerifyShares(
	pubs []crypto.PublicKey, message []byte, signatures [][]byte,
) []bool {
	verdicts := make([]bool, len(signatures))
	if len(pubs) != len(signatures) {
		return verdicts
	}
	ids := make([]crypto.Digest, len(signatures))
	var places []int
	var freshPubs []crypto.PublicKey
	var fresh [][]byte
	for i, signature := range signatures {
		ids[i] = signatureID(pubs[i], message, signature)
		if verdicts[i] = s.good.Has(ids[i]); verdicts[i] {
			continue
		}
		places = append(places, i)
		freshPubs, fresh = append(freshPubs, pubs[i]), append(fresh, signature)
	}
	if len(places) == 0 {
		return verdicts
	}
	for k, good := range s.Scheme.VerifyShares(freshPubs, message, fresh) {
		if good {
			verdicts[places[k]] = true
			s.good.Add(ids[places[k]])
		}
	}
	return verdicts
}

// VerifyAggregate implements [crypto.Scheme].
func (s remembering) VerifyAggregate(
	pubs []crypto.PublicKey, message, aggregate []byte,
) bool {
	parts := make([][]byte, 0, len(pubs)+2)
	for _, pub := range pubs {
		parts = append(parts, pub.Bytes())
	}
	id := crypto.Hash("byzd/checked/certificate/1", append(parts, message, aggregate)...)
	if s.good.Has(id) {
		return true
	}
	if !s.Scheme.VerifyAggregate(pubs, message, aggregate) {
		return false
	}
	s.good.Add(id)
	return true
}

// digests is a bounded set that forgets the oldest. It is safe for concurrent use, and a
// message.Cache.
type digests struct {
	mu    sync.Mutex
	known map[crypto.Digest]struct{}
	ring  []crypto.Digest
	next  int
}

func newDigests(limit int) *digests {
	return &digests{
		known: make(map[crypto.Digest]struct{}), ring: make([]crypto.Digest, limit),
	}
}

// Has implements message.Cache.
func (c *digests) Has(id crypto.Digest) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, known := c.known[id]
	return known
}

// Add implements message.Cache.
func (c *digests) Add(id crypto.Digest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.known[id]; known {
		return
	}
	delete(c.known, c.ring[c.next])
	c.known[id], c.ring[c.next] = struct{}{}, id
	c.next = (c.next + 1) % len(c.ring)
}
