package merkle

import "fmt"

// Path names a subtree of a tree of a known root: the empty path the whole tree, any other one the
// left or the right side of a key. Unlike turns from the root, it is no longer where the tree is
// deep.
type Path string

// PathBytesMax bounds a path.
const PathBytesMax = 1 + KeyBytesMax

// The first byte of a path that is not empty.
const (
	sideLeft  = 'l'
	sideRight = 'r'
)

// DecodePath reads a path from the bytes that it consists of. It refuses what no path is.
func DecodePath(b []byte) (Path, error) {
	switch {
	case len(b) == 0:
		return "", nil
	case len(b) == 1 || len(b) > PathBytesMax || b[0] != sideLeft && b[0] != sideRight:
		return "", fmt.Errorf("%w: path of %d bytes", ErrMalformed, len(b))
	}
	return Path(b), nil
}

// Bytes returns the path's encoding.
func (p Path) Bytes() []byte { return []byte(p) }

// String shows the path for logs.
func (p Path) String() string {
	if p == "" {
		return "root"
	}
	return fmt.Sprintf("%c:%.40q", p[0], string(p[1:]))
}

func pathLeft(key []byte) Path  { return Path(sideLeft) + Path(key) }
func pathRight(key []byte) Path { return Path(sideRight) + Path(key) }

// at returns the root of the subtree that a path names, or nil.
func (t Tree) at(p Path) *node {
	if p == "" {
		return t.root
	}
	n := t.root.find([]byte(p[1:]))
	switch {
	case n == nil:
		return nil
	case p[0] == sideLeft:
		return n.left
	case p[0] == sideRight:
		return n.right
	}
	return nil
}
