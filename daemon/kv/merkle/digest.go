package merkle

import (
	"bytes"
	"encoding/binary"

	"byzd/crypto"
)

// Limits of what a tree holds. They are part of the format.
const (
	KeyBytesMax   = 1<<16 - 1
	ValueBytesMax = 32 << 20
)

// The labels keep values, nodes, priorities and the empty tree apart.
const (
	labelEmpty    = "byzd/tree/empty/1"
	labelValue    = "byzd/tree/value/1"
	labelNode     = "byzd/tree/node/1"
	labelPriority = "byzd/tree/priority/1"
)

// emptyDigest is the digest of a tree, or a subtree, without a node.
func emptyDigest() crypto.Digest { return crypto.Hash(labelEmpty) }

func valueDigest(value []byte) crypto.Digest { return crypto.Hash(labelValue, value) }

// nodeDigest is the digest of a node and everything below it.
func nodeDigest(key []byte, value, left, right *crypto.Digest) crypto.Digest {
	return crypto.Hash(labelNode, key, value[:], left[:], right[:])
}

// priority decides who stands above whom.
func priority(key []byte) uint64 {
	sum := crypto.Hash(labelPriority, key)
	return binary.BigEndian.Uint64(sum[:])
}

// outranks reports whether one key stands above another in every tree that has both. Equal
// priorities, which can be found with 2^32 hashes, are decided by the keys.
func outranks(a uint64, keyA []byte, b uint64, keyB []byte) bool {
	return a > b || a == b && bytes.Compare(keyA, keyB) < 0
}
