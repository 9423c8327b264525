package scope

import (
	"iter"
	"math/bits"
)

// words is how many words a set has: a scope that needs more messages panics.
const words = 8

// maxMessages bounds the messages of one scope.
const maxMessages = 64 * words

// set is a set of messages, by number. It is a value, and can be a map's key.
type set [words]uint64 //nolint:recvcheck // a value: only add changes one in place

func (s set) has(i int) bool { return s[i/64]&(1<<(i%64)) != 0 }

func (s *set) add(i int) { s[i/64] |= 1 << (i % 64) }

func (s set) union(other set) set {
	for k := range s {
		s[k] |= other[k]
	}
	return s
}

func (s set) intersect(other set) set {
	for k := range s {
		s[k] &= other[k]
	}
	return s
}

func (s set) minus(other set) set {
	for k := range s {
		s[k] &^= other[k]
	}
	return s
}

func (s set) count() (n int) {
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

// all goes through the members in ascending order.
func (s set) all() iter.Seq[int] {
	return func(yield func(int) bool) {
		for k, w := range s {
			for ; w != 0; w &= w - 1 {
				if !yield(64*k + bits.TrailingZeros64(w)) {
					return
				}
			}
		}
	}
}
