package genesis

import (
	"encoding/binary"
	"fmt"

	"byzd/crypto"
)

// ClusterID returns the canonical digest of the content. Two files have the same one exactly if
// they say the same, however they are written; the order of the members and of the administrators'
// keys is part of what they say. It does not check anything.
func (g *Genesis) ClusterID() crypto.Digest {
	var parts digestParts
	parts.text(g.Scheme)
	parts.number(boolNumber(g.Testnet))
	for _, p := range params() {
		parts.number(uint64(p.get(&g.Params))) //nolint:gosec // any injective mapping will do
	}
	parts.number(uint64(g.Admins.Threshold)) //nolint:gosec // as above
	parts.number(uint64(len(g.Admins.Keys)))
	for _, key := range g.Admins.Keys {
		parts.bytes(key)
	}
	parts.number(uint64(len(g.Members)))
	for _, m := range g.Members {
		parts.text(m.Name)
		parts.bytes(m.ID[:])
		parts.bytes(m.Key)
		parts.bytes(m.Proof)
	}
	return crypto.Hash(fmt.Sprintf("byzd/genesis/%d", Format), parts...)
}

// digestParts are what [crypto.Hash] hashes, each behind its length; lists stand behind their
// number of elements, so that no two geneses give the same parts.
type digestParts [][]byte

func (d *digestParts) bytes(b []byte) { *d = append(*d, b) }
func (d *digestParts) text(s string)  { d.bytes([]byte(s)) }
func (d *digestParts) number(v uint64) {
	d.bytes(binary.BigEndian.AppendUint64(nil, v))
}

func boolNumber(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}
