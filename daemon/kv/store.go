package kv

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/google/btree"

	"byzd/crypto"
)

const (
	// QuotaDefault is etcd's default for the size of a store.
	QuotaDefault = 2 << 30
	// entryOverheadBytes is what an entry counts against the quota beside its key and value; it
	// is about what it takes in memory.
	entryOverheadBytes = 160

	firstRevision = 1
	btreeDegree   = 32
)

// Store is the state of the service. The zero value is not usable; see [New].
type Store struct {
	revision int64
	quota    int64
	bytes    int64 // of all entries, with overhead; never above quota
	ordered  *btree.BTreeG[*entry]
	hashed   hashed
	// undo holds what the operation under way has replaced, oldest first.
	undo    []replaced
	scratch []byte
}

// entry is a key with its value. It never changes, so stores may share it.
type entry struct {
	key                  string
	value                []byte
	create, mod, version int64
	bucket               uint16
	leaf                 crypto.Digest
}

// replaced is an entry that an operation took away, or nil where there was none.
type replaced struct {
	key string
	old *entry
}

// New returns an empty store at revision 1 with the default quota.
func New() *Store { return NewWithQuota(QuotaDefault) }

// NewWithQuota returns an empty store that refuses writes when keys, values and 160 bytes for
// each entry would take more than quota bytes. The quota is part of the replicated state.
func NewWithQuota(quota int64) *Store {
	return &Store{
		revision: firstRevision,
		quota:    max(0, quota),
		ordered:  btree.NewG(btreeDegree, func(a, b *entry) bool { return a.key < b.key }),
		hashed:   newHashed(),
	}
}

// Revision returns the newest revision.
func (s *Store) Revision() int64 { return s.revision }

// Len returns the number of keys.
func (s *Store) Len() int { return s.ordered.Len() }

// Clone returns an independent store with the same state. It copies the headers of all
// buckets, some tenths of a millisecond whatever the number of keys; later writes to either copy
// what they touch. The owner of s calls it; the clone may go to another goroutine.
func (s *Store) Clone() *Store {
	return &Store{
		revision: s.revision, quota: s.quota, bytes: s.bytes,
		ordered: s.ordered.Clone(), hashed: s.hashed.clone(),
	}
}

// Root returns the digest of the whole state: revision, quota, and all entries.
func (s *Store) Root() crypto.Digest {
	b := s.scratch[:0]
	b = append(b, "byzd/kv/root/1"...)
	b = appendInt(appendInt(b, s.revision), s.quota)
	b = appendInt(b, int64(s.ordered.Len()))
	b = s.hashed.appendGroups(b)
	s.scratch = b
	return sha256.Sum256(b)
}

// get returns the entry of a key, or nil.
func (s *Store) get(key []byte) *entry { return s.hashed.get(key) }

// cost is what an entry counts against the quota.
func cost(key string, value []byte) int64 {
	return int64(len(key)) + int64(len(value)) + entryOverheadBytes
}

// write sets a key at the next revision. The value is copied.
func (s *Store) write(key, value []byte) Code {
	old := s.get(key)
	e := &entry{value: slices.Clone(value), mod: s.revision + 1, version: 1}
	var freed int64
	if old == nil {
		e.key, e.create, e.bucket = string(key), e.mod, bucketOf(key)
	} else {
		e.key, e.create, e.bucket = old.key, old.create, old.bucket
		e.version = old.version + 1
		freed = cost(old.key, old.value)
	}
	grown := s.bytes - freed + cost(e.key, e.value)
	if grown > s.quota && grown > s.bytes {
		return CodeNoSpace
	}
	s.bytes = grown
	e.leaf = s.leafOf(e)
	s.undo = append(s.undo, replaced{key: e.key, old: old})
	s.place(e)
	return CodeOK
}

// remove deletes an entry that is there.
func (s *Store) remove(e *entry) {
	s.bytes -= cost(e.key, e.value)
	s.undo = append(s.undo, replaced{key: e.key, old: e})
	s.displace(e)
}

// place and displace change both structures, and nothing else.
func (s *Store) place(e *entry) {
	s.ordered.ReplaceOrInsert(e)
	s.hashed.put(e)
}

func (s *Store) displace(e *entry) {
	s.ordered.Delete(e)
	s.hashed.remove(e)
}

// commit ends an operation: if it changed something, that is the next revision.
func (s *Store) commit() {
	if len(s.undo) > 0 {
		s.revision++
	}
	clear(s.undo)
	s.undo = s.undo[:0]
}

// rollback ends an operation as if it had not been.
func (s *Store) rollback() {
	for _, r := range slices.Backward(s.undo) {
		if now := s.get([]byte(r.key)); now != nil {
			s.bytes -= cost(now.key, now.value)
			s.displace(now)
		}
		if r.old != nil {
			s.bytes += cost(r.old.key, r.old.value)
			s.place(r.old)
		}
	}
	clear(s.undo)
	s.undo = s.undo[:0]
}

// leafOf hashes everything that an entry is.
func (s *Store) leafOf(e *entry) crypto.Digest {
	b := s.scratch[:0]
	b = append(b, tagLeaf)
	b = binary.BigEndian.AppendUint32(b, uint32(len(e.key))) //nolint:gosec // <= KeyBytesMax
	b = append(b, e.key...)
	b = appendBytes(b, e.value)
	b = appendInt(appendInt(appendInt(b, e.create), e.mod), e.version)
	s.scratch = b
	return sha256.Sum256(b)
}

// visit calls fn with the entries of an interval in order until it returns false. The interval is
// given as in [Range].
func (s *Store) visit(key, end []byte, fn func(*entry) bool) {
	if len(end) == 0 {
		if e := s.get(key); e != nil {
			fn(e)
		}
		return
	}
	from := &entry{key: string(key)}
	if len(end) == 1 && end[0] == 0 {
		s.ordered.AscendGreaterOrEqual(from, fn)
		return
	}
	if strings.Compare(from.key, string(end)) >= 0 {
		return
	}
	s.ordered.AscendRange(from, &entry{key: string(end)}, fn)
}
