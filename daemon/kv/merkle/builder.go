package merkle

import (
	"errors"
	"fmt"
	"slices"

	"byzd/crypto"
)

// ErrNotWanted is returned for a chunk of a subtree that is not, or no longer, wanted. It says
// nothing against its source: a second answer to a repeated question gives it.
var ErrNotWanted = errors.New("merkle: chunk of a subtree that is not wanted")

// ChunkBytesMax bounds what [Builder.Add] looks at: a node of the largest key and value.
const ChunkBytesMax = entryBytes + KeyBytesMax + ValueBytesMax + 2*prunedBytes

// Builder makes the tree of a given root out of chunks from sources that nobody trusts, and out of
// subtrees that local trees have. It has one owner.
//
// Everything that was added is verified, so nothing of it is lost by a restart if the caller keeps
// the chunks with their paths and adds them again to a new Builder of the same root, in the same
// order. When the root changes instead, [Builder.Partial] goes into the new one as a local tree.
type Builder struct {
	root   *node
	wanted map[Path]*gap
	ask    []Path // those that Want has not returned, the next one last; some may be stale
	bytes  int64
}

// gap is a subtree of which only the digest is known.
type gap struct {
	place
	digest crypto.Digest
	asked  bool
}

// place is where a subtree belongs. All keys lie between lo and hi, empty ones being no bounds, and
// none outranks above.
type place struct {
	link   **node
	path   Path
	lo, hi []byte
	above  *node // nil at the root
	// near has for each local tree the highest node at this place or above it that could be in it.
	near []*node
}

// NewBuilder starts on the tree of a root. Of the local trees, whose subtrees need not be fetched,
// all digests are computed here; no index is made of them: a wanted subtree lies between two
// keys, and is looked for among the highest few dozen nodes that a local tree has between those.
func NewBuilder(root crypto.Digest, locals ...Tree) *Builder {
	b := &Builder{wanted: map[Path]*gap{}}
	near := make([]*node, 0, len(locals))
	for _, t := range locals {
		if t.root != nil {
			t.Root()
			near = append(near, t.root)
		}
	}
	if root != emptyDigest() {
		b.want(place{link: &b.root, near: near}, root)
	}
	return b
}

// Want returns up to limit subtrees to be asked for. It returns none twice, unless Retry says so.
func (b *Builder) Want(limit int) []Path {
	var out []Path
	for len(out) < limit && len(b.ask) > 0 {
		p := b.ask[len(b.ask)-1]
		b.ask = b.ask[:len(b.ask)-1]
		if g := b.wanted[p]; g != nil {
			g.asked = true
			out = append(out, p)
		}
	}
	return out
}

// Retry makes Want return a path again, if it is still wanted.
func (b *Builder) Retry(p Path) {
	if g := b.wanted[p]; g != nil && g.asked {
		g.asked = false
		b.ask = append(b.ask, p)
	}
}

// Progress returns the bytes of all chunks taken, and how many subtrees are wanted.
func (b *Builder) Progress() (bytes int64, pending int) { return b.bytes, len(b.wanted) }

// Done returns the tree when nothing is wanted any more. Of the digests, those of nodes above
// subtrees that came in other chunks are computed here, the others were when a chunk was verified.
func (b *Builder) Done() (Tree, bool) {
	if len(b.wanted) > 0 {
		return Tree{}, false
	}
	return b.Partial(), true
}

// Partial ends the work and returns the tree of all entries that are known: it is a good local tree
// for another Builder. Nothing is wanted afterwards.
func (b *Builder) Partial() Tree {
	clear(b.wanted)
	b.ask = nil
	t := Tree{root: b.root}
	t.Root()
	if b.root != nil {
		t.count = int(b.root.count)
		t.bytes = b.root.size - emptyBytes - b.root.count*(entryBytes+emptyBytes)
	}
	return t
}

// Add takes the chunk of a subtree. It verifies that all of it is what was promised: the digests,
// the order of the keys, and the ranks. An error ([ErrNotWanted], [ErrMalformed], [ErrMismatch])
// means that nothing has changed; the last two prove that the source lies, and the path has to be
// asked for again ([Builder.Retry]). The chunk may be reused afterwards.
func (b *Builder) Add(p Path, chunk []byte) error {
	g := b.wanted[p]
	if g == nil {
		return fmt.Errorf("%w: %s", ErrNotWanted, p)
	}
	if len(chunk) > ChunkBytesMax {
		return fmt.Errorf("%w: chunk of %d bytes", ErrMalformed, len(chunk))
	}
	tree, err := parsePruned(chunk, g.lo, g.hi)
	if err != nil {
		return err
	}
	if got := tree.root(); got != g.digest {
		return fmt.Errorf("%w: chunk of %s has digest %s, not %s",
			ErrMismatch, p, got.Short(), g.digest.Short())
	}
	nodes, err := chunkNodes(tree, g.above)
	if err != nil {
		return err
	}
	delete(b.wanted, p)
	b.bytes += int64(len(chunk))
	b.attach(g.place, tree, nodes)
	return nil
}

// chunkNodes makes the nodes of a chunk, not yet connected, and checks their ranks.
func chunkNodes(tree *pruned, above *node) ([]*node, error) {
	nodes := make([]*node, len(tree.parts))
	parents := []*node{above}
	for i := range tree.parts {
		one := &tree.parts[i]
		parent := parents[len(parents)-1]
		parents = parents[:len(parents)-1]
		if one.kind == kindHidden || one.kind == kindPruned && i == 0 {
			return nil, fmt.Errorf("%w: chunk with a part of kind %d at %d",
				ErrMalformed, one.kind, i)
		}
		if one.kind != kindEntry {
			continue
		}
		n := &node{rank: priority(one.key)}
		n.fill(one.key, one.value, one.digest)
		if parent != nil && !parent.outranks(n) {
			return nil, fmt.Errorf("%w: key %.40q above its place", ErrMismatch, n.key)
		}
		nodes[i] = n
		parents = append(parents, n, n)
	}
	return nodes, nil
}

// attach connects the verified nodes of a chunk and sees to what it leaves out.
func (b *Builder) attach(top place, tree *pruned, nodes []*node) {
	open := []place{top}
	for i := range tree.parts {
		at := open[len(open)-1]
		open = open[:len(open)-1]
		switch n := nodes[i]; {
		case n != nil:
			*at.link = n
			near := at.local()
			open = append(open,
				place{&n.right, pathRight(n.key), n.key, at.hi, n, near},
				place{&n.left, pathLeft(n.key), at.lo, n.key, n, near})
		case tree.parts[i].kind == kindPruned:
			b.want(at, tree.parts[i].digest)
		}
	}
	for i, n := range slices.Backward(nodes) {
		if n == nil {
			continue
		}
		left, right := &tree.parts[tree.parts[i].left], &tree.parts[tree.parts[i].right]
		if complete(n.left, left) && complete(n.right, right) {
			n.settleAs(tree.parts[i].sum)
		}
	}
}

// complete reports whether all of a subtree is there.
func complete(n *node, p *part) bool {
	return p.kind == kindEmpty || n != nil && n.state.Load() == settled
}

// want sees to a subtree: it is taken from a local tree, or will be asked for.
func (b *Builder) want(at place, digest crypto.Digest) {
	at.near = at.local()
	for _, n := range at.near {
		if found := n.search(digest, at.lo, at.hi); found != nil {
			*at.link = found
			return
		}
	}
	b.wanted[at.path] = &gap{place: at, digest: digest}
	b.ask = append(b.ask, at.path)
}

// local returns for each local tree the highest node between the bounds of a place, without those
// that have none. Nodes that lie outside of them lie outside of the bounds below, too, so the way
// down is gone only once.
func (at *place) local() []*node {
	if len(at.near) == 0 {
		return nil
	}
	out := make([]*node, 0, len(at.near))
	for _, n := range at.near {
		if n = n.between(at.lo, at.hi); n != nil {
			out = append(out, n)
		}
	}
	return slices.Clip(out)
}

// between returns the highest node in n's subtree whose key lies between two bounds, or nil.
func (n *node) between(lo, hi []byte) *node {
	for n != nil {
		switch {
		case string(n.key) <= string(lo):
			n = n.right
		case !below(n.key, hi):
			n = n.left
		default:
			return n
		}
	}
	return nil
}

// searchMax is how many nodes of a local tree are compared with one wanted subtree. With the exact
// bounds known, the first one is it, except where keys of the local tree are gone from the new one.
const searchMax = 64

// search looks for a subtree, the highest nodes first.
func (n *node) search(digest crypto.Digest, lo, hi []byte) *node {
	queue := []*node{n}
	for i := 0; i < len(queue) && i < searchMax; i++ {
		next := queue[i]
		if next.digest == digest {
			return next
		}
		for _, child := range []*node{next.left.between(lo, hi), next.right.between(lo, hi)} {
			if child != nil && len(queue) < searchMax {
				queue = append(queue, child)
			}
		}
	}
	return nil
}
