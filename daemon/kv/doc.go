// Package kv is the replicated store: a map of keys with etcd's revisions, changed by operations
// that arrive as bytes in the agreed order.
//
// # Determinism
//
// [Store.Apply] is total: every byte string gives a result, and the same byte strings in the same
// order give the same results and the same [Store.Root] on every machine. It reads no clock, no
// random numbers, no map order and no floating point. Malformed or oversized operations, which a
// lying gateway can get ordered, are answered with a [Code] like any other failed operation; they
// change nothing. Whether the sender may do what it asks, and whether it asked before, is decided
// above this package.
//
// # Revisions
//
// As in etcd: a new store is at revision 1; each operation that changes something makes the next
// revision, one for a whole transaction; a key remembers the revision that created it, the one
// that changed it last, and how often it was written since its creation. Only the newest revision
// is kept: there is no history and no compaction yet. A read may name that revision, no other.
//
// An operation that fails changes nothing at all, also in the middle of a transaction.
//
// # State and its digest
//
// The state is one ordered Merkle tree (package merkle), and its root is [Store.Root]: everything
// that decides what the store will answer stands in it. A tree's key starts with a byte that says
// what it is; integers are big-endian and take 8 bytes each:
//
//	'k', key   create, mod, version, value     for each entry
//	'm'        revision, quota                 the head
//
// [Store.Tree] hands the tree out at no cost: for proofs of entries and ranges ([TreeKey],
// [DecodeEntry]), for checkpoints, and for nodes that fetch it. [Store.Reset] takes one in, after
// looking at all of it, because a tree under a certified root is what correct nodes have agreed
// on, but one that is restored from a disk need not be. The head is written to the tree when a
// root or a tree is asked for.
//
// What counts against the quota follows from the tree's numbers of keys and bytes.
//
// # Encodings
//
// [Encode], [Decode], [EncodeResult] and [DecodeResult] are one-to-one: big-endian
// integers, lengths before bytes, booleans 0 or 1, nothing after the end. Decoders never ask for
// more memory than a small multiple of their input.
//
// A Store has one owner; it does not lock. Clones and trees may be used by other goroutines.
//
//	s := kv.New()
//	op, err := kv.Encode(kv.Put{Key: []byte("k"), Value: []byte("v")})
//	result, err := kv.DecodeResult(s.Apply(op))
package kv
