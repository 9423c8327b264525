package kv

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"sort"

	"byzd/crypto"
)

const (
	bucketBits   = 12
	bucketCount  = 1 << bucketBits
	groupCount   = 64
	groupBuckets = bucketCount / groupCount
)

// Tags keep the levels of the tree apart: no node of one level has the bytes of another.
const (
	tagLeaf byte = iota
	tagBucket
	tagGroup
)

// hashed finds entries by the hash of their key and keeps the digests of the state. An empty
// bucket, and a group of empty buckets, has the zero digest.
type hashed struct {
	buckets []bucket
	groups  [groupCount]node
}

// node is a digest that may be out of date.
type node struct {
	sum   crypto.Digest
	dirty bool
}

// bucket holds its entries sorted by key.
type bucket struct {
	node

	entries []*entry
	shared  bool // with a clone: copy entries before changing them
}

func newHashed() hashed { return hashed{buckets: make([]bucket, bucketCount)} }

func (h *hashed) clone() hashed {
	for i := range h.buckets {
		h.buckets[i].shared = true
	}
	return hashed{buckets: slices.Clone(h.buckets), groups: h.groups}
}

func bucketOf(key []byte) uint16 {
	sum := sha256.Sum256(key)
	return binary.BigEndian.Uint16(sum[:]) >> (16 - bucketBits)
}

func (h *hashed) get(key []byte) *entry {
	b := &h.buckets[bucketOf(key)]
	i := sort.Search(len(b.entries), func(i int) bool { return b.entries[i].key >= string(key) })
	if i < len(b.entries) && b.entries[i].key == string(key) {
		return b.entries[i]
	}
	return nil
}

// find returns the place of a key in a bucket that is about to change.
func (h *hashed) find(e *entry) (b *bucket, at int, found bool) {
	b = &h.buckets[e.bucket]
	if b.shared {
		b.entries, b.shared = slices.Clone(b.entries), false
	}
	b.dirty = true
	h.groups[e.bucket/groupBuckets].dirty = true
	at = sort.Search(len(b.entries), func(i int) bool { return b.entries[i].key >= e.key })
	return b, at, at < len(b.entries) && b.entries[at].key == e.key
}

func (h *hashed) put(e *entry) {
	b, at, found := h.find(e)
	if found {
		b.entries[at] = e
		return
	}
	b.entries = slices.Insert(b.entries, at, e)
}

func (h *hashed) remove(e *entry) {
	if b, at, found := h.find(e); found {
		b.entries = slices.Delete(b.entries, at, at+1)
	}
}

// appendGroups brings all digests up to date and writes those of the groups behind out.
func (h *hashed) appendGroups(out []byte) []byte {
	var buf []byte
	for g := range h.groups {
		group := &h.groups[g]
		if group.dirty {
			buf = h.sumGroup(g, buf)
		}
		out = append(out, group.sum[:]...)
	}
	return out
}

// sumGroup computes the digests of a group and its dirty buckets. It returns buf for reuse.
func (h *hashed) sumGroup(g int, buf []byte) []byte {
	buckets := h.buckets[g*groupBuckets:][:groupBuckets]
	empty := true
	for i := range buckets {
		b := &buckets[i]
		empty = empty && len(b.entries) == 0
		if !b.dirty {
			continue
		}
		b.dirty, b.sum = false, crypto.Digest{}
		if len(b.entries) > 0 {
			buf = append(buf[:0], tagBucket)
			for _, e := range b.entries {
				buf = append(buf, e.leaf[:]...)
			}
			b.sum = sha256.Sum256(buf)
		}
	}
	group := &h.groups[g]
	group.dirty, group.sum = false, crypto.Digest{}
	if empty {
		return buf
	}
	buf = append(buf[:0], tagGroup)
	for i := range buckets {
		buf = append(buf, buckets[i].sum[:]...)
	}
	group.sum = sha256.Sum256(buf)
	return buf
}
