package merkle

import "bytes"

// Diff calls visit for each key whose value differs between two trees, in order, with nil for the
// value of the tree that does not have it (a value that is there is never nil). Its time goes with
// the number of differences times the depth: subtrees of one digest are skipped.
func Diff(a, b Tree, visit func(key, a, b []byte)) { diff(a, b, visit) }

// diff returns how many subtrees it had to open.
func diff(a, b Tree, visit func(key, a, b []byte)) (opened int) {
	a.Root()
	b.Root()
	left, right := newCursor(a), newCursor(b)
	for {
		x, y := left.head(), right.head()
		switch {
		case x == nil && y == nil:
			return left.opened + right.opened
		case same(x, y):
			left.skip()
			right.skip()
		case x != nil && x.subtree && (y == nil || !y.subtree || !y.n.outranks(x.n)):
			left.open()
		case y != nil && y.subtree:
			right.open()
		default:
			difference(left, right, visit)
		}
	}
}

// same reports whether two heads stand for the same entries.
func same(x, y *item) bool {
	return x != nil && y != nil && x.subtree && y.subtree && x.n.digest == y.n.digest
}

// difference takes the smaller of two entries off its cursor, or both if they are of one key.
func difference(left, right *cursor, visit func(key, a, b []byte)) {
	x, y := left.head(), right.head()
	var order int
	switch {
	case x == nil:
		order = 1
	case y == nil:
		order = -1
	default:
		order = bytes.Compare(x.n.key, y.n.key)
	}
	switch {
	case order < 0:
		visit(x.n.key, x.n.value, nil)
	case order > 0:
		visit(y.n.key, nil, y.n.value)
	case x.n.value256 != y.n.value256:
		visit(x.n.key, x.n.value, y.n.value)
	}
	if order <= 0 {
		left.skip()
	}
	if order >= 0 {
		right.skip()
	}
}

// item is what a cursor stands on: an entry, or a whole subtree.
type item struct {
	n       *node
	subtree bool
}

// cursor walks through a tree in the order of its keys and opens subtrees only when told.
type cursor struct {
	items  []item // the next one last
	opened int
}

func newCursor(t Tree) *cursor {
	c := &cursor{}
	c.push(t.root)
	return c
}

func (c *cursor) push(n *node) {
	if n != nil {
		c.items = append(c.items, item{n: n, subtree: true})
	}
}

// head returns nil at the end.
func (c *cursor) head() *item {
	if len(c.items) == 0 {
		return nil
	}
	return &c.items[len(c.items)-1]
}

func (c *cursor) skip() { c.items = c.items[:len(c.items)-1] }

// open replaces the subtree at the head by its left side, its entry, and its right side.
func (c *cursor) open() {
	n := c.head().n
	c.opened++
	c.skip()
	c.push(n.right)
	c.items = append(c.items, item{n: n})
	c.push(n.left)
}
