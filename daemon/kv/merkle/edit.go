package merkle

import (
	"bytes"

	"byzd/crypto"
)

// Edit is a tree that is being changed. Many changes in a row are cheaper than with [Tree.Set],
// because nodes that the edit has made itself are changed in place. It has one owner; trees taken
// from it go anywhere.
type Edit struct {
	tree Tree
	own  *owner
}

// Edit starts changing a copy of the tree.
func (t Tree) Edit() *Edit { return &Edit{tree: t, own: new(owner)} }

// Tree returns the present state. What is changed later is copied again, so this costs nothing now
// and the copies of a path later.
func (e *Edit) Tree() Tree {
	e.own = new(owner)
	return e.tree
}

// Get is [Tree.Get]. The value is valid after later changes too.
func (e *Edit) Get(key []byte) (value []byte, ok bool) { return e.tree.Get(key) }

// Len is [Tree.Len].
func (e *Edit) Len() int { return e.tree.count }

// Bytes is [Tree.Bytes].
func (e *Edit) Bytes() int64 { return e.tree.bytes }

// Root is [Tree.Root]. Unlike Tree it leaves the nodes to the edit.
func (e *Edit) Root() crypto.Digest { return e.tree.Root() }

// Ascend is [Tree.Ascend]; visit must not change anything.
func (e *Edit) Ascend(from, to []byte, visit func(key, value []byte) bool) {
	e.tree.Ascend(from, to, visit)
}

// Set writes a value under a key. Both are copied.
func (e *Edit) Set(key, value []byte) {
	if old := e.tree.root.find(key); old != nil {
		e.tree.bytes += int64(len(value)) - int64(len(old.value))
		_, n := e.descend(key)
		n.fill(n.key, value, valueDigest(value))
		return
	}
	e.tree.count++
	e.tree.bytes += int64(len(key)) + int64(len(value))
	e.insert(newNode(key, value, e.own))
}

// Delete removes a key and reports whether it was there.
func (e *Edit) Delete(key []byte) bool {
	old := e.tree.root.find(key)
	if old == nil {
		return false
	}
	e.tree.count--
	e.tree.bytes -= int64(len(old.key)) + int64(len(old.value))
	place, n := e.descend(key)
	e.merge(place, n.left, n.right)
	return true
}

// DeleteRange removes the keys in from <= key < to, an empty bound being none, and returns how many
// there were. It takes two ways down the tree and a look at each key, where deleting one by one
// takes a way down for each.
func (e *Edit) DeleteRange(from, to []byte) int {
	var before, within, after *node
	e.split(e.tree.root, from, &before, &within)
	if len(to) > 0 {
		rest := within
		e.split(rest, to, &within, &after)
	}
	count := 0
	within.ascend(nil, func(n *node) bool {
		count++
		e.tree.bytes -= int64(len(n.key)) + int64(len(n.value))
		return true
	})
	e.tree.count -= count
	e.merge(&e.tree.root, before, after)
	return count
}

// descend makes the path to a key that is there the edit's own, and returns its node and the place
// that refers to it.
func (e *Edit) descend(key []byte) (place **node, n *node) {
	place = &e.tree.root
	for {
		n = (*place).copyFor(e.own)
		*place = n
		switch order := bytes.Compare(key, n.key); {
		case order < 0:
			place = &n.left
		case order > 0:
			place = &n.right
		default:
			return place, n
		}
	}
}

// insert puts a node where its rank and key want it, and splits what is there between its sides.
func (e *Edit) insert(x *node) {
	place := &e.tree.root
	for *place != nil && (*place).outranks(x) {
		n := (*place).copyFor(e.own)
		*place = n
		if bytes.Compare(x.key, n.key) < 0 {
			place = &n.left
		} else {
			place = &n.right
		}
	}
	rest := *place
	*place = x
	e.split(rest, x.key, &x.left, &x.right)
}

// split puts the keys of a subtree that are smaller than key into one place, and the others into
// another.
func (e *Edit) split(rest *node, key []byte, left, right **node) {
	for rest != nil {
		n := rest.copyFor(e.own)
		if bytes.Compare(n.key, key) < 0 {
			*left, rest = n, n.right
			left = &n.right
		} else {
			*right, rest = n, n.left
			right = &n.left
		}
	}
	*left, *right = nil, nil
}

// merge puts two trees into one place, all keys of the one being smaller than those of the other.
func (e *Edit) merge(place **node, left, right *node) {
	for left != nil && right != nil {
		if left.outranks(right) {
			n := left.copyFor(e.own)
			*place, left = n, n.right
			place = &n.right
		} else {
			n := right.copyFor(e.own)
			*place, right = n, n.left
			place = &n.left
		}
	}
	if left == nil {
		left = right
	}
	*place = left
}
