package merkle

import "encoding/binary"

// Prove returns the proof of a key's value or absence. It grows with the depth of the place: about
// 22 nodes of 68 bytes and their keys among 100,000.
func (t Tree) Prove(key []byte) Proof { return Proof(t.ProveRange(key, after(key), 0)) }

// ProveRange returns the proof of the entries in from <= key < to, an empty bound being none: with
// a limit above zero, of the first so many. It is as long as the entries, and two paths.
func (t Tree) ProveRange(from, to []byte, limit int) RangeProof {
	t.Root()
	last := to // entries are shown below it, and it is shown itself if it cuts others off
	cut := false
	if limit > 0 {
		seen := 0
		t.root.ascend(from, func(n *node) bool {
			if !below(n.key, to) {
				return false
			}
			seen++
			if seen > limit {
				last, cut = n.key, true
			}
			return !cut
		})
	}
	shown := last
	if cut {
		shown = after(last)
	}
	var out []byte
	type place struct {
		n      *node
		lo, hi []byte
	}
	open := []place{{n: t.root}}
	for len(open) > 0 {
		p := open[len(open)-1]
		open = open[:len(open)-1]
		switch {
		case p.n == nil:
			out = append(out, kindEmpty)
			continue
		case apart(p.lo, p.hi, from, shown):
			out = appendPruned(out, p.n)
			continue
		case within(p.n.key, from, last):
			out = appendEntry(out, p.n)
		default:
			out = appendHidden(out, p.n)
		}
		open = append(open, place{p.n.right, p.n.key, p.hi}, place{p.n.left, p.lo, p.n.key})
	}
	return out
}

func appendPruned(out []byte, n *node) []byte {
	return append(append(out, kindPruned), n.digest[:]...)
}

func appendEntry(out []byte, n *node) []byte {
	out = append(out, kindEntry)
	out = binary.BigEndian.AppendUint16(out, uint16(len(n.key)))   //nolint:gosec // bounded
	out = binary.BigEndian.AppendUint32(out, uint32(len(n.value))) //nolint:gosec // bounded
	return append(append(out, n.key...), n.value...)
}

func appendHidden(out []byte, n *node) []byte {
	out = append(out, kindHidden)
	out = binary.BigEndian.AppendUint16(out, uint16(len(n.key))) //nolint:gosec // <= KeyBytesMax
	out = append(out, n.key...)
	return append(out, n.value256[:]...)
}
