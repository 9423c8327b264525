package crypto

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// MerkleRoot returns the root of a binary tree over leaves. Leaves, inner nodes and the root are
// hashed under different labels, so none can be taken for another; the last node of a level of odd
// length moves up as it is. The root binds the number of leaves, so that a proof speaks of one
// position in a list of one length. The root of no leaves is Hash("byzd/merkle/empty").
func MerkleRoot(leaves []Digest) Digest {
	if len(leaves) == 0 {
		return Hash("byzd/merkle/empty")
	}
	level := merkleLeaves(leaves)
	for len(level) > 1 {
		level = merkleParents(level)
	}
	return merkleTop(len(leaves), level[0])
}

// MerkleProof returns the siblings on the way from leaf i to the root, the lowest first: at most
// the logarithm of the number of leaves. Like indexing, it panics if there is no leaf i.
func MerkleProof(leaves []Digest, i int) []Digest {
	if i < 0 || i >= len(leaves) {
		panic(fmt.Sprintf("crypto: Merkle proof of leaf %d of %d", i, len(leaves)))
	}
	var path []Digest
	for level := merkleLeaves(leaves); len(level) > 1; level = merkleParents(level) {
		if sibling := i ^ 1; sibling < len(level) {
			path = append(path, level[sibling])
		}
		i /= 2
	}
	return path
}

// VerifyMerkle reports whether leaf is number i of the n leaves under root. It accepts any input,
// and only a path of exactly the length that i and n demand.
func VerifyMerkle(root, leaf Digest, i, n int, path []Digest) bool {
	if i < 0 || i >= n {
		return false
	}
	node := Hash("byzd/merkle/leaf", leaf[:])
	for width := n; width > 1; width = width/2 + width%2 {
		if sibling := i ^ 1; sibling < width {
			if len(path) == 0 {
				return false
			}
			if sibling < i {
				node = merkleNode(path[0], node)
			} else {
				node = merkleNode(node, path[0])
			}
			path = path[1:]
		}
		i /= 2
	}
	return len(path) == 0 && merkleTop(n, node) == root
}

func merkleLeaves(leaves []Digest) []Digest {
	level := slices.Clone(leaves)
	for i := range level {
		level[i] = Hash("byzd/merkle/leaf", level[i][:])
	}
	return level
}

// merkleParents overwrites level with the level above it.
func merkleParents(level []Digest) []Digest {
	parents := level[:0]
	for i := 0; i < len(level); i += 2 {
		if i+1 < len(level) {
			parents = append(parents, merkleNode(level[i], level[i+1]))
		} else {
			parents = append(parents, level[i])
		}
	}
	return parents
}

func merkleNode(left, right Digest) Digest {
	return Hash("byzd/merkle/node", left[:], right[:])
}

func merkleTop(n int, node Digest) Digest {
	count := uint64(n) //nolint:gosec // both callers have checked that n is positive
	return Hash("byzd/merkle/root", binary.BigEndian.AppendUint64(nil, count), node[:])
}
