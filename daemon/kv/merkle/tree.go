package merkle

import (
	"bytes"

	"byzd/crypto"
)

// Tree is an ordered map with one digest. It never changes: Set and Delete return another one that
// shares what is equal. The zero value is the empty tree. Several goroutines may use one Tree.
type Tree struct {
	root  *node
	count int
	bytes int64
}

// Get returns a key's value, which the caller must not change.
func (t Tree) Get(key []byte) (value []byte, ok bool) {
	if n := t.root.find(key); n != nil {
		return n.value, true
	}
	return nil, false
}

// Set returns the tree with another value under key. Both are copied.
func (t Tree) Set(key, value []byte) Tree {
	e := t.Edit()
	e.Set(key, value)
	return e.Tree()
}

// Delete returns the tree without key.
func (t Tree) Delete(key []byte) Tree {
	e := t.Edit()
	e.Delete(key)
	return e.Tree()
}

// Len returns the number of keys.
func (t Tree) Len() int { return t.count }

// Bytes returns the bytes of all keys and values.
func (t Tree) Bytes() int64 { return t.bytes }

// Root returns the digest of the content. The first call hashes each node that was changed since
// the last one.
func (t Tree) Root() crypto.Digest {
	if t.root == nil {
		return emptyDigest()
	}
	t.root.settle()
	return t.root.digest
}

// Ascend calls visit for the entries in from <= key < to in order until it returns false. An empty
// bound is none. The slices must not be changed.
func (t Tree) Ascend(from, to []byte, visit func(key, value []byte) bool) {
	t.root.ascend(from, func(n *node) bool {
		return below(n.key, to) && visit(n.key, n.value)
	})
}

// ascend visits the nodes at from and behind it.
func (n *node) ascend(from []byte, visit func(*node) bool) {
	var few [64]*node
	open := few[:0] // nodes to be visited before what is to their right, the next one last
	for n != nil || len(open) > 0 {
		for n != nil {
			if bytes.Compare(n.key, from) < 0 {
				n = n.right
				continue
			}
			open = append(open, n)
			n = n.left
		}
		if len(open) == 0 {
			return
		}
		next := open[len(open)-1]
		open = open[:len(open)-1]
		if !visit(next) {
			return
		}
		n = next.right
	}
}
