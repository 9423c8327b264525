package kv

import (
	"encoding/binary"
	"fmt"
)

const (
	snapshotMagic = "BYZDKV01"
	// snapshotEntryBytes is what an entry takes beside its key and value.
	snapshotEntryBytes = 4 + 4 + 3*8
	snapshotHeadBytes  = len(snapshotMagic) + 8 + 8 + 8
)

// Snapshot returns the whole state in its one encoding: revision, quota, and the entries in the
// order of their keys. It is as large as the state; take it from a [Store.Clone] to let the owner
// go on.
func (s *Store) Snapshot() []byte {
	b := make([]byte, 0, int64(snapshotHeadBytes)+s.bytes) // The overhead is the larger one.
	b = append(b, snapshotMagic...)
	b = appendInt(appendInt(b, s.revision), s.quota)
	b = appendInt(b, int64(s.ordered.Len()))
	s.ordered.Ascend(func(e *entry) bool {
		b = binary.BigEndian.AppendUint32(b, uint32(len(e.key))) //nolint:gosec // <= KeyBytesMax
		b = append(b, e.key...)
		b = appendBytes(b, e.value)
		b = appendInt(appendInt(appendInt(b, e.create), e.mod), e.version)
		return true
	})
	return b
}

// Restore replaces the state by that of a snapshot. It refuses bytes that no store could have
// written ([ErrMalformed], [ErrTooLarge], [ErrSnapshot]) and then leaves the state alone. Whether
// it is the right snapshot, the caller learns by comparing [Store.Root].
func (s *Store) Restore(snapshot []byte) error {
	r := &reader{b: snapshot}
	if magic := r.take(len(snapshotMagic)); r.err == nil && string(magic) != snapshotMagic {
		return fmt.Errorf("restore: %w: no snapshot of a known format", ErrMalformed)
	}
	revision, quota, count := r.natural(), r.natural(), r.natural()
	if r.err == nil && revision < firstRevision {
		return fmt.Errorf("restore: %w: revision %d", ErrSnapshot, revision)
	}
	fresh := NewWithQuota(quota)
	fresh.revision = revision
	for i := int64(0); i < count && r.err == nil; i++ {
		fresh.restoreEntry(r)
	}
	if err := r.end(); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	*s = *fresh
	return nil
}

// restoreEntry reads one entry and checks it against the ones before.
func (s *Store) restoreEntry(r *reader) {
	key, value := r.key(), r.bytes(ValueBytesMax)
	e := &entry{key: string(key), create: r.natural(), mod: r.natural(), version: r.natural()}
	if r.err != nil {
		return
	}
	last, follows := s.ordered.Max()
	switch {
	case e.key == "" || follows && last.key >= e.key:
		r.fail(fmt.Errorf("%w: key %.40q is out of order", ErrSnapshot, e.key))
		return
	case e.create <= firstRevision || e.create > e.mod || e.mod > s.revision:
		r.fail(fmt.Errorf("%w: key %.40q has revisions %d and %d, the store %d",
			ErrSnapshot, e.key, e.create, e.mod, s.revision))
		return
	case e.version < 1 || e.version-1 > e.mod-e.create:
		r.fail(fmt.Errorf("%w: key %.40q has version %d", ErrSnapshot, e.key, e.version))
		return
	}
	e.value = append([]byte(nil), value...)
	s.bytes += cost(e.key, e.value)
	if s.bytes > s.quota {
		r.fail(fmt.Errorf("%w: entries exceed the quota %d", ErrSnapshot, s.quota))
		return
	}
	e.bucket = bucketOf(key)
	e.leaf = s.leafOf(e)
	s.place(e)
}
