package kv

import (
	"bytes"
	"fmt"
	"slices"

	"byzd/crypto"
	"byzd/daemon/kv/merkle"
)

const (
	// QuotaDefault is etcd's default for the size of a store.
	QuotaDefault = 2 << 30
	// entryOverheadBytes is what an entry counts against the quota beside its key and value, on
	// every replica. In memory it takes about 210.
	entryOverheadBytes = 160

	firstRevision = 1
)

// Store is the state of the service. The zero value is not usable; see [New].
type Store struct {
	head

	tree *merkle.Edit
	// sealed says that the tree holds the head as it is.
	sealed bool
	// undo holds what the operation under way has replaced, oldest first.
	undo []replaced
	// key, end and raw are room for one tree key each, and for a tree value.
	key, end, raw []byte
}

// entry is a key with its value, as it stands in the tree. Its bytes never change.
type entry struct {
	raw                  []byte
	key, value           []byte
	create, mod, version int64
}

// replaced is an entry that an operation took away, raw, or nil where there was none; without a
// key it is everything, as it was.
type replaced struct {
	key, old []byte
	tree     merkle.Tree
}

// New returns an empty store at revision 1 with the default quota.
func New() *Store { return NewWithQuota(QuotaDefault) }

// NewWithQuota returns an empty store that refuses writes when keys, values and 160 bytes for
// each entry would take more than quota bytes. The quota is part of the replicated state.
func NewWithQuota(quota int64) *Store {
	s := &Store{
		head: head{revision: firstRevision, quota: max(0, quota)},
		tree: merkle.Tree{}.Edit(),
	}
	s.seal()
	return s
}

// Revision returns the newest revision.
func (s *Store) Revision() int64 { return s.revision }

// Len returns the number of keys.
func (s *Store) Len() int { return s.tree.Len() - 1 }

// Clone returns an independent store with the same state, at no cost; later writes to either copy
// what they touch. The owner of s calls it; the clone may go to another goroutine.
func (s *Store) Clone() *Store {
	return &Store{head: s.head, tree: s.Tree().Edit(), sealed: true}
}

// Root returns the digest of the whole state, the root of [Store.Tree]: revision, quota, and all
// entries. It hashes what was changed since the last root.
func (s *Store) Root() crypto.Digest {
	s.seal()
	return s.tree.Root()
}

// Tree returns the whole state, at no cost. It may go to another goroutine.
func (s *Store) Tree() merkle.Tree {
	s.seal()
	return s.tree.Tree()
}

// Reset replaces the state by that of a tree, for example one that was fetched from other nodes
// under a certified root. It refuses a tree that no store could have written with an error that
// names what is wrong ([ErrMalformed], [ErrTooLarge], [ErrImpossible]), and then leaves the state
// alone. It reads the whole tree.
func (s *Store) Reset(t merkle.Tree) error {
	h, err := checkTree(t)
	if err != nil {
		return fmt.Errorf("reset: %w", err)
	}
	*s = Store{head: h, tree: t.Edit(), sealed: true}
	return nil
}

// seal writes the head into the tree.
func (s *Store) seal() {
	if s.sealed {
		return
	}
	s.raw = appendInt(appendInt(s.raw[:0], s.revision), s.quota)
	s.tree.Set([]byte{regionHead}, s.raw)
	s.sealed = true
}

// get returns the entry of a key, if it is there. The entry's key is the caller's.
func (s *Store) get(key []byte) (entry, bool) {
	s.key = appendTreeKey(s.key[:0], key)
	raw, there := s.tree.Get(s.key)
	if !there {
		return entry{}, false
	}
	return entryOf(key, raw), true
}

// write sets a key at the next revision. The value is copied.
func (s *Store) write(key, value []byte) Code {
	old, there := s.get(key) // which leaves the tree's key in s.key
	create, version := s.revision+1, int64(1)
	grown := int64(len(key)) + int64(len(value)) + entryOverheadBytes
	if there {
		create, version = old.create, old.version+1
		grown = int64(len(value)) - int64(len(old.value))
	}
	if grown > 0 && usedBytes(s.tree.Len(), s.tree.Bytes())+grown > s.quota {
		return CodeNoSpace
	}
	s.raw = appendInt(appendInt(appendInt(s.raw[:0], create), s.revision+1), version)
	s.raw = append(s.raw, value...)
	s.undo = append(s.undo, replaced{key: slices.Clone(s.key), old: old.raw})
	s.tree.Set(s.key, s.raw)
	return CodeOK
}

// remove deletes an entry that is there.
func (s *Store) remove(e entry) {
	treeKey := TreeKey(e.key)
	s.undo = append(s.undo, replaced{key: treeKey, old: e.raw})
	s.tree.Delete(treeKey)
}

// removedSinglyMax is how many entries are removed one by one. Clients can drive the depth up, and
// removing a range as a whole, and taking that back, does not take it for each entry; but what is
// written next has to copy its way again.
const removedSinglyMax = 64

// removeRange deletes the entries of an interval, given as in [Range], of which there are some.
func (s *Store) removeRange(key, end []byte) {
	s.undo = append(s.undo, replaced{tree: s.tree.Tree()})
	s.tree.DeleteRange(appendTreeKey(nil, key), appendTreeEnd(nil, end))
}

// commit ends an operation: if it changed something, that is the next revision.
func (s *Store) commit() {
	if len(s.undo) > 0 {
		s.revision++
		s.sealed = false
	}
	s.forget()
}

// rollback ends an operation as if it had not been.
func (s *Store) rollback() {
	for _, r := range slices.Backward(s.undo) {
		switch {
		case r.key == nil:
			s.tree = r.tree.Edit()
		case r.old == nil:
			s.tree.Delete(r.key)
		default:
			s.tree.Set(r.key, r.old)
		}
	}
	s.forget()
}

// bufferKeptBytes bounds the room that is kept from one operation to the next.
const bufferKeptBytes = 64 << 10

func (s *Store) forget() {
	clear(s.undo)
	s.undo = s.undo[:0]
	if cap(s.raw) > bufferKeptBytes {
		s.raw = nil
	}
}

// visit calls fn with the entries of an interval in order until it returns false. The interval is
// given as in [Range]. fn must not use the store.
func (s *Store) visit(key, end []byte, fn func(entry) bool) {
	if len(end) == 0 {
		if e, there := s.get(key); there {
			fn(e)
		}
		return
	}
	s.key = appendTreeKey(s.key[:0], key)
	s.end = appendTreeEnd(s.end[:0], end)
	if bytes.Compare(s.key, s.end) >= 0 {
		return
	}
	s.tree.Ascend(s.key, s.end, func(treeKey, raw []byte) bool {
		return fn(entryOf(treeKey[1:], raw))
	})
}
