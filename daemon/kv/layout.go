package kv

import (
	"encoding/binary"
	"fmt"
	"math"

	"byzd/daemon/kv/merkle"
)

// The state is one tree. The first byte of a tree's key says what stands there; a tree with
// another first byte is not one of this version.
const (
	regionKeys = 'k' // + a user's key: create, mod and version, 8 bytes each, and the value
	regionHead = 'm' // alone: revision and quota, 8 bytes each
)

const (
	entryHeadBytes = 3 * 8
	headBytes      = 2 * 8
	// headTreeBytes and entryTreeBytes are what [merkle.Tree.Bytes] counts for the head, and for an
	// entry beside its key and value.
	headTreeBytes  = 1 + headBytes
	entryTreeBytes = 1 + entryHeadBytes
)

// head is the part of the state that is not an entry.
type head struct{ revision, quota int64 }

// TreeKey returns the key of [Store.Tree] under which a key's entry stands, for proofs about it.
func TreeKey(key []byte) []byte { return appendTreeKey(nil, key) }

func appendTreeKey(out, key []byte) []byte { return append(append(out, regionKeys), key...) }

// appendTreeEnd writes the end of a range of [Store.Tree] for that of a range of keys.
func appendTreeEnd(out, end []byte) []byte {
	if len(end) == 1 && end[0] == 0 {
		return append(out, regionKeys+1)
	}
	return appendTreeKey(out, end)
}

// DecodeEntry reads an entry of [Store.Tree], which a proof has shown. It refuses what no store
// writes ([ErrMalformed], [ErrTooLarge]); slices alias the input.
func DecodeEntry(treeKey, treeValue []byte) (KV, error) {
	if len(treeKey) < 2 || treeKey[0] != regionKeys {
		return KV{}, fmt.Errorf("%w: %.40q is not the place of a key", ErrMalformed, treeKey)
	}
	e := KV{Key: treeKey[1:]}
	if len(e.Key) > KeyBytesMax || len(treeValue) > entryHeadBytes+ValueBytesMax {
		return KV{}, fmt.Errorf("%w: key of %d bytes, value of %d", ErrTooLarge, len(e.Key),
			len(treeValue)-entryHeadBytes)
	}
	r := reader{b: treeValue}
	e.Create, e.Mod, e.Version = r.natural(), r.natural(), r.natural()
	e.Value = r.b
	if r.err != nil {
		return KV{}, fmt.Errorf("key %.40q: %w", e.Key, r.err)
	}
	if e.Create <= firstRevision || e.Create > e.Mod ||
		e.Version < 1 || e.Version-1 > e.Mod-e.Create {
		return KV{}, fmt.Errorf("%w: key %.40q created at %d, changed at %d, has version %d",
			ErrImpossible, e.Key, e.Create, e.Mod, e.Version)
	}
	return e, nil
}

// entryOf reads what the store itself has written.
func entryOf(key, treeValue []byte) entry {
	number := func(at int) int64 {
		return int64(binary.BigEndian.Uint64(treeValue[at:])) //nolint:gosec // written from one
	}
	return entry{
		raw: treeValue, key: key, value: treeValue[entryHeadBytes:],
		create: number(0), mod: number(8), version: number(16),
	}
}

// decodeHead finds and reads the head of a tree.
func decodeHead(t merkle.Tree) (head, error) {
	raw, there := t.Get([]byte{regionHead})
	if !there {
		return head{}, fmt.Errorf("%w: no head", ErrMalformed)
	}
	r := &reader{b: raw}
	h := head{revision: r.natural(), quota: r.natural()}
	if err := r.end(); err != nil {
		return head{}, fmt.Errorf("head: %w", err)
	}
	if h.revision < firstRevision || h.revision == math.MaxInt64 {
		return head{}, fmt.Errorf("%w: revision %d", ErrImpossible, h.revision)
	}
	return h, nil
}

// checkTree reads all of a tree, and returns its head if a store could have written it.
func checkTree(t merkle.Tree) (head, error) {
	h, err := decodeHead(t)
	if err != nil {
		return head{}, err
	}
	t.Ascend(nil, nil, func(key, value []byte) bool {
		if len(key) == 1 && key[0] == regionHead {
			return true
		}
		var e KV
		if e, err = DecodeEntry(key, value); err == nil && e.Mod > h.revision {
			err = fmt.Errorf("%w: key %.40q changed at revision %d of %d",
				ErrImpossible, e.Key, e.Mod, h.revision)
		}
		return err == nil
	})
	if err != nil {
		return head{}, err
	}
	if used := usedBytes(t.Len(), t.Bytes()); used > h.quota {
		return head{}, fmt.Errorf("%w: %d bytes exceed the quota %d", ErrImpossible, used, h.quota)
	}
	return h, nil
}

// usedBytes is what counts against the quota, from the numbers of a tree with a head.
func usedBytes(count int, bytes int64) int64 {
	entries := int64(count) - 1
	return bytes - headTreeBytes + entries*(entryOverheadBytes-entryTreeBytes)
}
