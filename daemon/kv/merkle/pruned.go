package merkle

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"byzd/crypto"
)

// ErrMalformed is in the errors about bytes that are not in the one form that a proof, a chunk or a
// path can have.
var ErrMalformed = errors.New("merkle: malformed")

// A pruned tree is a tree some subtrees of which are replaced by their digests. Proofs and chunks
// are pruned trees, written node, left, right; each place starts with one of these.
const (
	kindEmpty  byte = iota // no node
	kindPruned             // digest of a subtree, 32
	kindEntry              // key length u16, value length u32, key, value; left; right
	kindHidden             // key length u16, key, digest of the value 32; left; right
)

// part is one place of a pruned tree.
type part struct {
	kind       byte
	key, value []byte
	digest     crypto.Digest // of the subtree where it is pruned, else of the value
	lo, hi     int           // the parts whose keys bound this place, or outermost

	sum         crypto.Digest // of the subtree, as root computes it
	left, right int           // the parts below a node, as root finds them
}

// outermost stands for a bound of the whole pruned tree.
const outermost = -1

// pruned is a pruned tree taken apart, in the order in which it is written. Slices alias the input.
type pruned struct {
	parts  []part
	lo, hi []byte // all keys lie strictly between them; an empty one is no bound
}

// low and high return the keys between which all keys of a place's subtree lie.
func (p *pruned) low(i int) []byte  { return p.bound(p.parts[i].lo, p.lo) }
func (p *pruned) high(i int) []byte { return p.bound(p.parts[i].hi, p.hi) }

func (p *pruned) bound(i int, outer []byte) []byte {
	if i == outermost {
		return outer
	}
	return p.parts[i].key
}

// parsePruned reads a pruned tree whose keys lie between lo and hi, and checks the order of the
// keys. It accepts any input, and allocates a small multiple of its size.
func parsePruned(data, lo, hi []byte) (*pruned, error) {
	const usualBytes = 64 // of a place
	p := &pruned{lo: lo, hi: hi, parts: make([]part, 0, len(data)/usualBytes)}
	empty := emptyDigest()
	open := []part{{lo: outermost, hi: outermost}} // places to be read, the next one last
	for len(open) > 0 {
		place := open[len(open)-1]
		open = open[:len(open)-1]
		rest, err := place.read(data)
		if err != nil {
			return nil, err
		}
		data = rest
		if place.kind == kindPruned && place.digest == empty {
			return nil, fmt.Errorf("%w: nothing, and not written as such", ErrMalformed)
		}
		i := len(p.parts)
		p.parts = append(p.parts, place)
		if place.kind < kindEntry {
			continue
		}
		if bytes.Compare(place.key, p.low(i)) <= 0 || !below(place.key, p.high(i)) {
			return nil, fmt.Errorf("%w: key %.40q is out of order", ErrMalformed, place.key)
		}
		open = append(open, part{lo: i, hi: place.hi}, part{lo: place.lo, hi: i})
	}
	if len(data) > 0 {
		return nil, fmt.Errorf("%w: %d bytes left over", ErrMalformed, len(data))
	}
	return p, nil
}

// below reports whether a key lies below a bound that may be open.
func below(key, hi []byte) bool { return len(hi) == 0 || bytes.Compare(key, hi) < 0 }

// read fills in a place from the front of data.
func (p *part) read(data []byte) ([]byte, error) {
	if len(data) == 0 {
		return nil, fmt.Errorf("%w: a place is missing", ErrMalformed)
	}
	p.kind, data = data[0], data[1:]
	switch p.kind {
	case kindEmpty:
		return data, nil
	case kindPruned:
		return p.readDigest(data)
	case kindEntry:
		return p.readEntry(data)
	case kindHidden:
		if len(data) < 2 {
			break
		}
		n := int(binary.BigEndian.Uint16(data))
		if data = data[2:]; n > len(data) {
			break
		}
		p.key = data[:n:n]
		return p.readDigest(data[n:])
	}
	return nil, fmt.Errorf("%w: place of kind %d with %d bytes", ErrMalformed, p.kind, len(data))
}

func (p *part) readDigest(data []byte) ([]byte, error) {
	if len(data) < len(p.digest) {
		return nil, fmt.Errorf("%w: %d bytes of a digest", ErrMalformed, len(data))
	}
	return data[copy(p.digest[:], data):], nil
}

func (p *part) readEntry(data []byte) ([]byte, error) {
	const head = 2 + 4
	if len(data) < head {
		return nil, fmt.Errorf("%w: %d bytes of an entry", ErrMalformed, len(data))
	}
	k, v := int(binary.BigEndian.Uint16(data)), int64(binary.BigEndian.Uint32(data[2:]))
	data = data[head:]
	if v > ValueBytesMax || int64(k)+v > int64(len(data)) {
		return nil, fmt.Errorf("%w: entry of %d and %d bytes in %d", ErrMalformed, k, v, len(data))
	}
	end := k + int(v)
	p.key, p.value = data[:k:k], data[k:end:end]
	p.digest = valueDigest(p.value)
	return data[end:], nil
}

// root computes the digests of all places, and returns that of the whole. Read backwards, the
// subtrees of a node come before it, the left one last.
func (p *pruned) root() crypto.Digest {
	empty := emptyDigest()
	var below []int // the places whose node is still to come, the left one of each pair last
	for i := len(p.parts) - 1; i >= 0; i-- {
		switch one := &p.parts[i]; one.kind {
		case kindEmpty:
			one.sum = empty
		case kindPruned:
			one.sum = one.digest
		default:
			top := len(below) - 1
			one.left, one.right = below[top], below[top-1]
			left, right := &p.parts[one.left].sum, &p.parts[one.right].sum
			one.sum = nodeDigest(one.key, &one.digest, left, right)
			below = below[:top-1]
		}
		below = append(below, i)
	}
	return p.parts[0].sum
}
