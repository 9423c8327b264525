package merkle

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"byzd/crypto"
)

// ErrMismatch is in the errors about a proof or chunk of another tree than the one asked for, or
// one that does not show what it has to.
var ErrMismatch = errors.New("merkle: mismatch")

// Proof shows a key's value, or that the key is not there: the nodes from the root to it, or to
// where it would be. It is its own encoding.
type Proof []byte

// RangeProof shows all entries of an interval, or the first ones and that there are more. It is its
// own encoding.
type RangeProof []byte

// Entry is a key with its value.
type Entry struct{ Key, Value []byte }

// Verify returns the value that the tree of a root has under a key, or that it has none. Any bytes
// may come in; the error is [ErrMalformed] or [ErrMismatch]. The value aliases the proof.
func (p Proof) Verify(root crypto.Digest, key []byte) (value []byte, present bool, err error) {
	if len(key) == 0 {
		return nil, false, fmt.Errorf("%w: an empty key", ErrMalformed)
	}
	entries, _, err := RangeProof(p).Verify(root, key, after(key), 0)
	if err != nil || len(entries) == 0 {
		return nil, false, err
	}
	return entries[0].Value, true, nil
}

// Verify returns the entries that the tree of a root has in from <= key < to, in order; an empty
// bound is none. With a limit above zero it is the first so many, and more says whether there are
// others; nothing but the fact that one exists is shown of them. Any bytes may come in; the error
// is [ErrMalformed] or [ErrMismatch]. Entries alias the proof.
func (p RangeProof) Verify(root crypto.Digest, from, to []byte, limit int) (
	entries []Entry, more bool, err error,
) {
	tree, err := parsePruned(p, nil, nil)
	if err != nil {
		return nil, false, err
	}
	if got := tree.root(); got != root {
		return nil, false, fmt.Errorf("%w: proof of root %s, not %s", ErrMismatch, got, root)
	}
	end := to // of what must be shown: the first key of the interval that is hidden, if any
	for i := range tree.parts {
		one := &tree.parts[i]
		if one.kind == kindHidden && within(one.key, from, end) {
			end, more = one.key, true
		}
	}
	for i := range tree.parts {
		switch one := &tree.parts[i]; one.kind {
		case kindPruned:
			if !apart(tree.low(i), tree.high(i), from, end) {
				return nil, false, fmt.Errorf("%w: a part of the interval is missing", ErrMismatch)
			}
		case kindEntry:
			if !within(one.key, from, end) {
				return nil, false, fmt.Errorf("%w: key %.40q was not asked for",
					ErrMismatch, one.key)
			}
			entries = append(entries, Entry{Key: one.key, Value: one.value})
		}
	}
	if limit > 0 && len(entries) > limit || more && (limit <= 0 || len(entries) < limit) {
		return nil, false, fmt.Errorf("%w: %d entries, limit %d", ErrMismatch, len(entries), limit)
	}
	slices.SortFunc(entries, func(a, b Entry) int { return bytes.Compare(a.Key, b.Key) })
	return entries, more, nil
}

// within reports whether from <= key < to.
func within(key, from, to []byte) bool { return bytes.Compare(key, from) >= 0 && below(key, to) }

// apart reports whether no key can lie both between lo and hi and in from <= key < to. An empty
// bound is none.
func apart(lo, hi, from, to []byte) bool {
	return len(hi) > 0 && bytes.Compare(hi, from) <= 0 ||
		len(to) > 0 && bytes.Compare(to, after(lo)) <= 0
}

// after returns the first key behind another one.
func after(key []byte) []byte { return append(slices.Clip(key), 0) }
