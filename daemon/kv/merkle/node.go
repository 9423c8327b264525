package merkle

import (
	"bytes"
	"fmt"
	"runtime"
	"sync/atomic"

	"byzd/crypto"
)

// node is a node of a treap: keys to its left are smaller, and it outranks all nodes below it.
//
// Nodes are shared between trees and between goroutines. All but what is settled later is written
// before a node can be seen by more than its owner.
type node struct {
	key, value  []byte
	rank        uint64
	value256    crypto.Digest // the value's
	left, right *node
	owner       *owner // the edit that may change it, if it is still under way

	// What follows is computed when it is needed first, and guarded by state.
	state  atomic.Uint32
	digest crypto.Digest
	count  int64
	size   int64 // of the subtree's encoding, see pruned.go
}

// owner is the identity of one edit up to its next snapshot.
type owner struct{ _ byte }

// The states of a node's digest.
const (
	unsettled uint32 = iota
	settling
	settled
)

// Sizes of the places of a pruned tree.
const (
	emptyBytes  = 1
	prunedBytes = 1 + 32
	entryBytes  = 1 + 2 + 4 // beside key and value
)

// newNode copies key and value.
func newNode(key, value []byte, own *owner) *node {
	if len(key) == 0 || len(key) > KeyBytesMax || len(value) > ValueBytesMax {
		panic(fmt.Sprintf("merkle: key of %d bytes, value of %d bytes", len(key), len(value)))
	}
	n := &node{rank: priority(key), owner: own}
	n.fill(key, value, valueDigest(value))
	return n
}

// fill sets key and value, in memory of their own, and the value's digest.
func (n *node) fill(key, value []byte, digest crypto.Digest) {
	both := make([]byte, len(key)+len(value))
	copy(both[copy(both, key):], value)
	n.key, n.value = both[:len(key):len(key)], both[len(key):]
	n.value256 = digest
}

// outranks reports whether n stands above m in every tree that has both.
func (n *node) outranks(m *node) bool { return outranks(n.rank, n.key, m.rank, m.key) }

// find returns the node of a key, or nil.
func (n *node) find(key []byte) *node {
	for n != nil {
		switch order := bytes.Compare(key, n.key); {
		case order < 0:
			n = n.left
		case order > 0:
			n = n.right
		default:
			return n
		}
	}
	return nil
}

// settle computes the digests of n and of what is below it, where that has not been done. It needs
// no stack of calls, however deep the tree is; two goroutines may settle the same nodes.
func (n *node) settle() {
	if n.state.Load() == settled {
		return
	}
	empty := emptyDigest()
	var few [64]*node
	open := append(few[:0], n)
	for len(open) > 0 {
		top := open[len(open)-1]
		switch {
		case top.left != nil && top.left.state.Load() != settled:
			open = append(open, top.left)
		case top.right != nil && top.right.state.Load() != settled:
			open = append(open, top.right)
		default:
			top.settleOne(&empty)
			open = open[:len(open)-1]
		}
	}
}

// settleOne computes the digest of a node above settled ones.
func (n *node) settleOne(empty *crypto.Digest) {
	left, right := empty, empty
	if n.left != nil {
		left = &n.left.digest
	}
	if n.right != nil {
		right = &n.right.digest
	}
	n.settleAs(nodeDigest(n.key, &n.value256, left, right))
}

// settleAs stores the digest of a node above settled ones.
func (n *node) settleAs(digest crypto.Digest) {
	count, size := int64(1), int64(entryBytes+len(n.key)+len(n.value)+2*emptyBytes)
	if n.left != nil {
		count, size = count+n.left.count, size+n.left.size-emptyBytes
	}
	if n.right != nil {
		count, size = count+n.right.count, size+n.right.size-emptyBytes
	}
	if n.state.CompareAndSwap(unsettled, settling) {
		n.digest, n.count, n.size = digest, count, size
		n.state.Store(settled)
		return
	}
	for n.state.Load() != settled { // Another goroutine is storing the same numbers.
		runtime.Gosched()
	}
}

// copyFor returns a node with the same entry and children that own may change: n itself if it is
// own's already. Its digest has to be computed anew.
func (n *node) copyFor(own *owner) *node {
	if n.owner == own {
		n.state.Store(unsettled)
		return n
	}
	return &node{
		key: n.key, value: n.value, rank: n.rank, value256: n.value256,
		left: n.left, right: n.right, owner: own,
	}
}
