package quorum

import (
	"fmt"
	"math/bits"
)

// MaxReplicas is the largest cluster that byzd supports.
const MaxReplicas = 128

// Sizes are the thresholds of a cluster of N replicas.
type Sizes struct {
	N      int // replicas
	F      int // liars that the cluster withstands
	Quorum int // votes that make a certificate
	Weak   int // replicas of which one must be correct
}

// Of returns the thresholds for n replicas. It fails unless 1 ≤ n ≤ MaxReplicas.
func Of(n int) (Sizes, error) {
	if n < 1 || n > MaxReplicas {
		return Sizes{}, fmt.Errorf("a cluster has 1 to %d replicas, not %d", MaxReplicas, n)
	}
	f := (n - 1) / 3
	return Sizes{N: n, F: f, Quorum: (n+f)/2 + 1, Weak: f + 1}, nil
}

// Set is a set of replica numbers below MaxReplicas. The zero value is empty; sets are values.
type Set [MaxReplicas / 64]uint64

// Add returns the set with replica i in it.
func (s Set) Add(i int) Set {
	s[i/64] |= 1 << (i % 64)
	return s
}

// Has reports whether replica i is in the set.
func (s Set) Has(i int) bool {
	return i >= 0 && i < MaxReplicas && s[i/64]&(1<<(i%64)) != 0
}

// Count returns the number of replicas in the set.
func (s Set) Count() int {
	total := 0
	for _, word := range s {
		total += bits.OnesCount64(word)
	}
	return total
}

// Members lists the set in ascending order.
func (s Set) Members() []int {
	members := make([]int, 0, s.Count())
	for w, word := range s {
		for ; word != 0; word &= word - 1 {
			members = append(members, w*64+bits.TrailingZeros64(word))
		}
	}
	return members
}

// Intersect returns the replicas that are in both sets.
func (s Set) Intersect(other Set) Set {
	for w := range s {
		s[w] &= other[w]
	}
	return s
}

// Bytes returns the set as a bitmap of ⌈n/8⌉ bytes, replica 0 in the lowest bit of the first byte.
func (s Set) Bytes(n int) []byte {
	bitmap := make([]byte, (n+7)/8)
	for _, i := range s.Members() {
		bitmap[i/8] |= 1 << (i % 8)
	}
	return bitmap
}

// FromBytes reads a bitmap that [Set.Bytes] wrote for n replicas. It refuses another length and
// bits at or beyond n.
func FromBytes(bitmap []byte, n int) (Set, error) {
	if len(bitmap) != (n+7)/8 {
		return Set{}, fmt.Errorf("signer bitmap of %d bytes for %d replicas", len(bitmap), n)
	}
	var s Set
	for i := range len(bitmap) * 8 {
		if bitmap[i/8]&(1<<(i%8)) == 0 {
			continue
		}
		if i >= n {
			return Set{}, fmt.Errorf("signer bitmap names replica %d of %d", i, n)
		}
		s = s.Add(i)
	}
	return s, nil
}
