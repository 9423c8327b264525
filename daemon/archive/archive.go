package archive

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"sync"

	"byzd/daemon/disk"
	"byzd/daemon/journal"
	"byzd/pbft/message"
)

// BytesDefault is the size of the ring (rule R7.8).
const BytesDefault = 64 << 20

// keptPerLevel is how many certificates stay of each j.
const keptPerLevel = 64

// segments is how many parts the ring has: the oldest goes as a whole.
const segments = 16

// Options are read once, by [Open].
type Options struct {
	// Owner is that of the node's journal.
	Owner [32]byte
	// Every is K, the distance of checkpoints in batches; at least 1.
	Every uint64
	// Bytes bounds the ring, give or take a segment; 64 MiB when zero.
	Bytes int64
}

// Archive is an open archive.
type Archive struct {
	journal *journal.Journal
	every   uint64
	bytes   int64

	mu      sync.Mutex
	entries []entry // in the order of their LSNs
	known   map[[sha256.Size]byte]bool
	size    int64 // of the entries
	top     uint64
	broken  error
}

// entry is a record in the ring.
type entry struct {
	lsn  uint64
	size int64
	key  [sha256.Size]byte
	seq  uint64         // of a certificate; 0 for a NEW-VIEW
	body journal.Record // of a certificate, to be written anew
}

// Open reads the archive in d, or makes a new one. The error is a [journal.DamageError], or what
// else [journal.Open] returns; nothing was changed then.
func Open(d disk.Disk, opts Options) (*Archive, error) {
	if opts.Bytes == 0 {
		opts.Bytes = BytesDefault
	}
	if opts.Every == 0 {
		return nil, errors.New("archive: checkpoints at distance 0")
	}
	j, err := journal.Open(d, journal.Options{
		Owner: opts.Owner, SegmentBytes: max(opts.Bytes/segments, 4<<10),
	})
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	a := &Archive{
		journal: j, every: opts.Every, bytes: opts.Bytes, known: map[[sha256.Size]byte]bool{},
	}
	err = j.Replay(func(lsn uint64, raw journal.Record) error {
		rec, err := message.DecodeRecord(message.RecordType(raw.Type), raw.Version, raw.Body)
		if err != nil {
			return fmt.Errorf("archive record %d: %w", lsn, err)
		}
		a.index(lsn, rec, raw)
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, j.Close())
	}
	return a, nil
}

// wants reports whether a record is kept at all.
func (a *Archive) wants(rec *message.Record) bool {
	switch rec.Type {
	case message.RecordView:
		return true
	case message.RecordStable:
		return len(rec.Stable.Aggregate) > 0 && rec.Stable.Seq%a.every == 0 && rec.Stable.Seq > 0
	default:
		return false
	}
}

// Keep stages a record if it is of interest and not there yet. It never blocks for a disk.
func (a *Archive) Keep(rec *message.Record) {
	if !a.wants(rec) {
		return
	}
	raw := journal.Record{
		Type: uint8(rec.Type), Version: message.RecordVersion, Body: rec.Encode(),
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.broken != nil || a.known[keyOf(raw)] || rec.Type == message.RecordStable &&
		!a.live(rec.Stable.Seq) {
		return
	}
	a.index(a.journal.Append(raw), rec, raw)
}

func keyOf(raw journal.Record) [sha256.Size]byte {
	return sha256.Sum256(append([]byte{raw.Type}, raw.Body...))
}

// index notes a record of the ring.
func (a *Archive) index(lsn uint64, rec *message.Record, raw journal.Record) {
	e := entry{lsn: lsn, size: int64(len(raw.Body)) + recordOverhead, key: keyOf(raw)}
	if rec.Type == message.RecordStable {
		e.seq = rec.Stable.Seq
		e.body = journal.Record{
			Type: raw.Type, Version: raw.Version, Body: slices.Clone(raw.Body),
		}
		a.top = max(a.top, e.seq)
	}
	a.entries = append(a.entries, e)
	a.known[e.key] = true
	a.size += e.size
}

// recordOverhead is about what the journal adds to each body.
const recordOverhead = 26

// live reports whether a certificate is among the last of some level that it belongs to. It is
// enough to look at the highest: there they reach back furthest.
func (a *Archive) live(seq uint64) bool {
	step := a.every << bits.TrailingZeros64(seq/a.every)
	return seq > a.top || a.top/step-seq/step < keptPerLevel
}

// Flush makes what was kept durable, and lets the oldest go if the ring is full. An error that
// matches [disk.ErrFull] may pass; after any other the archive keeps nothing more.
func (a *Archive) Flush() error {
	a.mu.Lock()
	broken, cut := a.broken, a.turn()
	a.mu.Unlock()
	if broken != nil {
		return broken
	}
	err := a.journal.Flush()
	if err == nil && cut > 0 {
		err = a.journal.TruncateBefore(cut)
	}
	if err != nil && !errors.Is(err, disk.ErrFull) {
		a.mu.Lock()
		a.broken = err
		a.mu.Unlock()
	}
	return err
}

// turn forgets the oldest entries of a full ring, down to three quarters of it, and stages what of
// them must stay anew. It returns the LSN before which the files may be cut, or 0.
func (a *Archive) turn() (cut uint64) {
	if a.broken != nil || a.size <= a.bytes {
		return 0
	}
	n := 0
	var again []journal.Record
	for n < len(a.entries) && a.size > a.bytes*3/4 {
		e := a.entries[n]
		if e.seq > 0 && a.live(e.seq) {
			again = append(again, e.body)
		}
		delete(a.known, e.key)
		a.size -= e.size
		n++
	}
	if n == len(a.entries) {
		cut = a.entries[n-1].lsn + 1
	} else {
		cut = a.entries[n].lsn
	}
	a.entries = slices.Delete(a.entries, 0, n)
	for _, raw := range again {
		rec, err := message.DecodeRecord(message.RecordType(raw.Type), raw.Version, raw.Body)
		if err != nil {
			panic("archive: what was indexed does not decode: " + err.Error())
		}
		a.index(a.journal.Append(raw), rec, raw)
	}
	return cut
}

// Records returns how many records are kept.
func (a *Archive) Records() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.entries)
}

// Size returns the bytes of the files.
func (a *Archive) Size() int64 { return a.journal.Size() }

// Close makes what was kept durable and releases the files.
func (a *Archive) Close() error { return errors.Join(a.Flush(), a.journal.Close()) }
