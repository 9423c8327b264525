package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"

	"byzd/daemon/disk"
)

const (
	// SegmentBytesDefault is the size at which a new segment begins.
	SegmentBytesDefault = 64 << 20
	// SegmentBytesMax keeps one file, and the search in a damaged one, bounded.
	SegmentBytesMax = 1 << 30
	// MaxRecordDefault bounds the body of one record.
	MaxRecordDefault = 32 << 20
	// reserveBytes is the step by which a segment is lengthened ahead of the records.
	reserveBytes = 1 << 20
)

// Options are read once, by [Open]. The zero value of every field but Owner has a meaning.
type Options struct {
	// Owner names whose promises the journal holds: one member of one cluster. A journal of
	// another owner is refused.
	Owner [32]byte
	// SegmentBytes is the size at which a new segment begins; 64 MiB when zero. A single flush
	// that is larger than it gets a segment of its own. Larger segments are removed later.
	SegmentBytes int64
	// MaxRecord is the largest body in bytes that may be appended; 32 MiB when zero.
	MaxRecord int
	// Salt goes into every checksum of a journal that is made new; an existing one keeps its
	// own. It should be a random number, so that a client cannot build bytes that look like
	// records. Zero is right for simulations.
	Salt uint64
}

func (o Options) withDefaults() (Options, error) {
	if o.SegmentBytes == 0 {
		o.SegmentBytes = SegmentBytesDefault
	}
	if o.MaxRecord == 0 {
		o.MaxRecord = MaxRecordDefault
	}
	if o.SegmentBytes <= headerBytes || o.SegmentBytes > SegmentBytesMax {
		return o, fmt.Errorf("%w: segment of %d bytes", ErrOptions, o.SegmentBytes)
	}
	if o.MaxRecord < 0 || o.MaxRecord > bodyBytesMax {
		return o, fmt.Errorf("%w: record of %d bytes", ErrOptions, o.MaxRecord)
	}
	return o, nil
}

// Report says what Open found.
type Report struct {
	// Segments and Records are kept; First > Last means that there are no records.
	Segments    int
	Records     uint64
	First, Last uint64
	// Mark is the LSN that the mark named: records behind it had been written, but perhaps not
	// synced, when the last process ended.
	Mark uint64
	// MarkSlotLost says that one slot of the mark could not be read. The other one was used.
	MarkSlotLost bool
	// TornBytes were cut off from TornSegment at TornOffset because of TornWhy.
	TornBytes   int64
	TornSegment string
	TornOffset  int64
	TornWhy     string
}

// Journal is an open write-ahead log. See the package comment for who may call what.
type Journal struct {
	disk   disk.Disk
	opts   Options
	report Report

	mu     sync.Mutex // guards what follows, for moments only
	staged batch
	seed   uint32
	// Invariant: segments is never empty; its last is the one being written.
	segments []*segment
	closed   bool

	out writer

	cutting sync.Mutex // held through a truncation
	doomed  string     // a segment that the index has forgotten and the disk perhaps not
}

// batch is what one flush writes.
type batch struct {
	bytes []byte
	next  uint64 // LSN of the next record
	sum   uint32 // checksum of the last record
	count uint32
}

// Open reads and checks the whole journal in d and makes it ready for appending, or makes a new
// one. It cuts off a torn tail. It returns a [DamageError], [ErrOwner] or [ErrVersion], and has
// then changed nothing, or the disk's error.
func Open(d disk.Disk, opts Options) (*Journal, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	j := &Journal{disk: d, opts: opts}
	if err := j.recover(); err != nil {
		return nil, fmt.Errorf("open journal %s: %w", d.Path(markName), err)
	}
	return j, nil
}

// Report returns what Open found.
func (j *Journal) Report() Report { return j.report }

// Append stages records for the next [Journal.Flush] and returns the LSN of the last of them (of
// the newest record if there are none). It copies the bodies. It panics on a body larger than
// Options.MaxRecord: the caller has computed its limits from n and the scheme, so that is a bug.
func (j *Journal) Append(recs ...Record) (lsn uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	b := &j.staged
	for _, r := range recs {
		if len(r.Body) > j.opts.MaxRecord {
			panic(fmt.Sprintf("journal: record of %d bytes, limit %d",
				len(r.Body), j.opts.MaxRecord))
		}
		h := recordHeader{
			kind: r.Type, version: r.Version, place: b.count, lsn: b.next, prev: b.sum,
		}
		b.bytes, b.sum = appendRecord(b.bytes, j.seed, h, r.Body)
		b.next++
		b.count++
	}
	return b.next - 1
}

// Staged returns how many bytes wait for a Flush, those of a failed Flush not counted.
func (j *Journal) Staged() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.staged.bytes)
}

// Size returns the bytes of all flushed records and segment headers.
func (j *Journal) Size() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	var n int64
	for _, s := range j.segments {
		n += s.used
	}
	return n
}

// Bounds returns the first LSN that is kept and the last that is flushed; first > last when there
// is none.
func (j *Journal) Bounds() (first, last uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.segments[0].head.first, j.segments[len(j.segments)-1].last
}

// TruncateBefore removes the segments that hold only records before lsn. The segment being written
// stays. It syncs the names after each, and finishes first what an earlier call could not, so that
// neither a crash nor an error leaves a hole.
func (j *Journal) TruncateBefore(lsn uint64) error {
	j.cutting.Lock()
	defer j.cutting.Unlock()
	for {
		if err := j.bury(); err != nil {
			return fmt.Errorf("truncate journal: %w", err)
		}
		j.mu.Lock()
		if j.closed {
			j.mu.Unlock()
			return ErrClosed
		}
		first := j.segments[0]
		if len(j.segments) == 1 || first.last >= lsn {
			j.mu.Unlock()
			return nil
		}
		j.segments = slices.Delete(j.segments, 0, 1)
		j.mu.Unlock()
		j.doomed = first.name
	}
}

// bury removes the file of a segment that the index has forgotten, durably.
func (j *Journal) bury() error {
	if j.doomed == "" {
		return nil
	}
	if err := j.disk.Remove(j.doomed); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := j.disk.SyncDir(); err != nil {
		return err
	}
	j.doomed = ""
	return nil
}

// SyncMark makes the mark durable, so that from now on even a power cut leaves it exact. It is
// for idle moments; it may run beside a Flush.
func (j *Journal) SyncMark() error {
	j.out.Lock()
	file := j.out.mark
	j.out.Unlock()
	if file == nil {
		return ErrClosed
	}
	return file.Sync()
}

// Close syncs the mark and releases the files. What was staged and not flushed is lost.
func (j *Journal) Close() error {
	j.mu.Lock()
	was := j.closed
	j.closed = true
	j.mu.Unlock()
	if was {
		return ErrClosed
	}
	j.out.Lock()
	defer j.out.Unlock()
	return errors.Join(j.out.mark.Sync(), j.out.closeFiles())
}
