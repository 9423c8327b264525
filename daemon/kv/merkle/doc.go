// Package merkle is an ordered map of byte strings whose whole content has one digest: a treap in
// which a key's priority is a hash of it, and in which each node's digest covers its key, its
// value and both subtrees.
//
// # What follows from that
//
//   - The shape, and so the root, depends on the content alone and not on its history.
//   - A [Tree] is an immutable value. Changes copy the path to what they change; a copy of the
//     value is a snapshot, at no cost, and may go to another goroutine.
//   - A short proof shows that a key is there with its value, or is not there ([Tree.Prove]), and
//     that a list of entries is all of an interval ([Tree.ProveRange]). Unlike a tree ordered by
//     hashes it can do so for the ranges that clients ask for.
//   - Two trees are compared in time proportional to their difference ([Diff]).
//   - A tree of a known root is fetched in pieces from sources that nobody trusts ([Tree.Chunk],
//     [Builder]), without what a local tree already has.
//
// Keys have 1 to [KeyBytesMax] bytes, values up to [ValueBytesMax]; larger ones are a mistake of
// the caller, and panic.
//
//	t := merkle.Tree{}.Set([]byte("k"), []byte("v"))
//	value, present, err := t.Prove([]byte("k")).Verify(t.Root(), []byte("k"))
//
// # A verifier of one's own
//
// Whoever wants to check proofs needs digest.go, pruned.go and verify.go, which use nothing but
// byzd/crypto's Hash; DESIGN.md has the format in words.
package merkle
