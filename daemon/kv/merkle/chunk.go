package merkle

import (
	"errors"
	"fmt"
)

// ErrNoSubtree is returned for a path that names nothing in this tree.
var ErrNoSubtree = errors.New("merkle: no such subtree")

// Chunk returns the upper part of a subtree as a pruned tree of at most limit bytes, or its root
// node alone if that is larger: the whole subtree if it fits. Otherwise nodes whose subtrees
// do not fit come first, level by level, and the space left goes to whole subtrees; so the subtrees
// that remain to be asked for are between a chunk's size and some small fraction of it, and
// of the order of 2*size/limit in number. It returns ErrNoSubtree if there is nothing.
func (t Tree) Chunk(p Path, limit int) ([]byte, error) {
	t.Root()
	top := t.at(p)
	if top == nil {
		return nil, fmt.Errorf("%w: %s", ErrNoSubtree, p)
	}
	whole := top.size <= int64(limit)
	size := top.size
	opened := map[*node]bool{} // true: with all that is below
	if !whole {
		size = choose(top, int64(limit), opened)
	}
	out := make([]byte, 0, size)
	type place struct {
		n     *node
		whole bool
	}
	open := []place{{top, whole}}
	for len(open) > 0 {
		next := open[len(open)-1]
		open = open[:len(open)-1]
		if next.n == nil {
			out = append(out, kindEmpty)
			continue
		}
		if !next.whole {
			all, chosen := opened[next.n]
			if !chosen {
				out = appendPruned(out, next.n)
				continue
			}
			next.whole = all
		}
		out = appendEntry(out, next.n)
		open = append(open, place{next.n.right, next.whole}, place{next.n.left, next.whole})
	}
	return out, nil
}

// choose fills opened with the nodes of a chunk and returns the chunk's size.
func choose(top *node, limit int64, opened map[*node]bool) int64 {
	size := int64(0)
	large := []*node{top}
	var small []*node
	for i := 0; i < len(large); i++ {
		n := large[i]
		more := int64(entryBytes+len(n.key)+len(n.value)) + placeBytes(n.left) + placeBytes(n.right)
		if n != top {
			if more -= prunedBytes; size+more > limit {
				continue
			}
		}
		size += more
		opened[n] = false
		for _, child := range []*node{n.left, n.right} {
			switch {
			case child == nil:
			case child.size > limit:
				large = append(large, child)
			default:
				small = append(small, child)
			}
		}
	}
	for _, n := range small {
		if more := n.size - prunedBytes; size+more <= limit {
			size += more
			opened[n] = true
		}
	}
	return size
}

// placeBytes is what a child takes that is not opened.
func placeBytes(n *node) int64 {
	if n == nil {
		return emptyBytes
	}
	return prunedBytes
}
