package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"byzd/daemon/disk"
)

// Replay calls fn with every flushed record that is kept, in order, and stops at its first error.
// The body is fn's to keep. A [DamageError] says that the file has changed since Open read it.
func (j *Journal) Replay(fn func(lsn uint64, r Record) error) error {
	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()
		return ErrClosed
	}
	segments := make([]segment, 0, len(j.segments))
	for _, s := range j.segments {
		segments = append(segments, *s) // A copy: a flush may lengthen the last one meanwhile.
	}
	j.mu.Unlock()
	for i := range segments {
		if err := j.replaySegment(&segments[i], fn); err != nil {
			return err
		}
	}
	return nil
}

func (j *Journal) replaySegment(s *segment, fn func(uint64, Record) error) error {
	f, err := j.disk.OpenRead(s.name)
	if err != nil {
		return fmt.Errorf("replay journal: %w", err)
	}
	w := newWalker(f, s.used, s.head)
	for err == nil && w.next <= s.last {
		off := w.off
		var h recordHeader
		var body []byte
		if h, body, err = w.step(); err != nil {
			err = s.reading(off, w.next, err)
			break
		}
		err = fn(h.lsn, Record{Type: h.kind, Version: h.version, Body: bytes.Clone(body)})
	}
	return errors.Join(err, f.Close())
}

// reading turns the error of a step over flushed records into what the caller should see.
func (s *segment) reading(off int64, lsn uint64, err error) error {
	if _, isBad := errors.AsType[*badRecordError](err); isBad {
		return s.damage(off, lsn, err.Error())
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return s.damage(off, lsn, "record is gone")
	}
	return fmt.Errorf("read %s: %w", s.name, err)
}

// Read returns one flushed record, or [ErrNotFound], or a [DamageError] if its bytes have changed
// since they were written.
func (j *Journal) Read(lsn uint64) (Record, error) {
	var out Record
	err := j.ReadEach([]uint64{lsn}, func(r Record) error {
		out = r
		return nil
	})
	return out, err
}

// ReadEach calls fn with each of some flushed records, in the order in which they are named, and
// stops at its first error. Records that follow each other cost one pass over their part of the
// journal: hundreds are read as fast as their bytes, and not a file's opening and an index step's
// bytes for each. The body is fn's to keep. Errors are those of Read.
func (j *Journal) ReadEach(lsns []uint64, fn func(r Record) error) (err error) {
	at := &reader{journal: j, least: windowBytes}
	if len(lsns) == 1 {
		at.least = indexStepBytes
	}
	defer func() { err = errors.Join(err, at.close()) }()
	for _, lsn := range lsns {
		r, err := at.read(lsn)
		if err != nil {
			return err
		}
		if err := fn(r); err != nil {
			return err
		}
	}
	return nil
}

// reader reads records and remembers where it is.
type reader struct {
	journal *Journal
	least   int64
	file    disk.ReaderAtCloser
	name    string // of the open segment
	w       *walker
}

func (r *reader) close() error {
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}

// read returns one record. It goes on from where it is if the record lies ahead, and the index
// knows no place between.
func (r *reader) read(lsn uint64) (Record, error) {
	s, at, err := r.journal.locate(lsn)
	if err != nil {
		return Record{}, err
	}
	if err := r.open(&s, lsn); err != nil {
		return Record{}, err
	}
	w := r.w
	w.size = s.used // it may have grown
	if w.next > lsn || w.next < at.lsn {
		w.off, w.prev, w.next = at.off, at.prev, at.lsn
	}
	for {
		off := w.off
		h, body, err := w.step()
		if err != nil {
			return Record{}, s.reading(off, w.next, err)
		}
		if h.lsn == lsn {
			return Record{Type: h.kind, Version: h.version, Body: bytes.Clone(body)}, nil
		}
	}
}

// open opens the segment of a record, unless it is open.
func (r *reader) open(s *segment, lsn uint64) error {
	if r.file != nil && r.name == s.name {
		return nil
	}
	if err := r.close(); err != nil {
		return fmt.Errorf("read journal: %w", err)
	}
	r.file = nil
	f, err := r.journal.disk.OpenRead(s.name)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %d", ErrNotFound, lsn) // Removed since it was located.
	}
	if err != nil {
		return fmt.Errorf("read journal: %w", err)
	}
	r.file, r.name = f, s.name
	r.w = newWalker(f, s.used, s.head)
	r.w.least = r.least
	return nil
}

// locate finds the segment of a flushed record and where in it to begin.
func (j *Journal) locate(lsn uint64) (segment, point, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return segment{}, point{}, ErrClosed
	}
	i, _ := slices.BinarySearchFunc(j.segments, lsn, func(s *segment, lsn uint64) int {
		if s.last < lsn {
			return -1
		}
		return 1
	})
	if i == len(j.segments) || lsn < j.segments[i].head.first {
		return segment{}, point{}, fmt.Errorf("%w: %d", ErrNotFound, lsn)
	}
	return *j.segments[i], j.segments[i].before(lsn), nil
}

// Scan reads the journal of any owner in d without changing it, whether a process is using it or
// not, and calls fn with every whole record in order. It ends quietly at a torn tail. A
// [DamageError] means what it means for Open, except that damage at the very end which only Open
// could judge may pass as a tail. [ErrTruncated] asks to try again.
func Scan(d disk.Disk, fn func(lsn uint64, r Record) error) error {
	m, _, err := readMark(d)
	if err != nil {
		return fmt.Errorf("scan journal: %w", err)
	}
	names, firsts, err := listSegments(d)
	if err != nil {
		return fmt.Errorf("scan journal: %w", err)
	}
	s := &scan{disk: d, fn: fn}
	for i, name := range names {
		if err := s.segment(name, firsts[i], i == len(names)-1); err != nil {
			return err
		}
	}
	if s.chain.next <= m.lsn {
		return &DamageError{
			Segment: markName, LSN: s.chain.next, Why: fmt.Sprintf(
				"journal ends, but record %d had been synced", m.lsn),
		}
	}
	return nil
}

// scan is the state between the segments of a Scan.
type scan struct {
	disk    disk.Disk
	fn      func(lsn uint64, r Record) error
	chain   chain
	owner   [32]byte
	retried uint64 // LSN that was looked at twice
}

func (c *scan) segment(name string, first uint64, last bool) error {
	f, err := c.disk.OpenRead(name)
	if errors.Is(err, fs.ErrNotExist) {
		if c.chain.next == 0 {
			return nil // It was removed after the listing; so were all before it.
		}
		return ErrTruncated
	}
	if err != nil {
		return fmt.Errorf("scan journal: %w", err)
	}
	size, err := c.disk.Size(name)
	if errors.Is(err, fs.ErrNotExist) {
		err = ErrTruncated
	}
	if err == nil {
		err = c.read(f, name, first, size, last)
	}
	return errors.Join(err, f.Close())
}

func (c *scan) read(
	f io.ReaderAt, name string, first uint64, size int64, last bool,
) error {
	s := &segment{name: name}
	head, err := readSegmentHeader(f)
	switch {
	case errors.Is(err, errBadHeader) && last &&
		(c.chain.next == first || c.chain.next == 0 && first == 1):
		c.chain.next = max(c.chain.next, 1)
		return nil // It is being made.
	case errors.Is(err, errBadHeader):
		return s.damage(0, first, err.Error())
	case err != nil:
		return fmt.Errorf("scan %s: %w", name, err)
	}
	s.head = head
	if c.chain.next != 0 && head.owner != c.owner {
		return fmt.Errorf("scan %s: %w", name, ErrOwner)
	}
	c.owner = head.owner
	if err := c.chain.join(s, first); err != nil {
		return err
	}
	w := newWalker(f, size, head)
	for {
		h, body, err := w.step()
		if err != nil {
			again, err := c.ending(s, w, last, err)
			if again {
				continue
			}
			c.chain = chain{next: w.next, prev: w.prev}
			return err
		}
		err = c.fn(h.lsn, Record{Type: h.kind, Version: h.version, Body: bytes.Clone(body)})
		if err != nil {
			return err
		}
	}
}

// ending decides whether the walk is over, and with which error, or goes on with fresh bytes: the
// owner may have written, or cut the segment, since they were read.
func (c *scan) ending(s *segment, w *walker, last bool, cause error) (again bool, err error) {
	_, isBad := errors.AsType[*badRecordError](cause)
	switch {
	case errors.Is(cause, io.ErrUnexpectedEOF):
		size, err := c.disk.Size(s.name)
		if err == nil && size >= w.size {
			err = cause
		}
		w.size, w.buf = size, nil
		return err == nil, err
	case errors.Is(cause, io.EOF):
		return false, nil // If too much is missing, the next segment or the mark tells.
	case !isBad:
		return false, fmt.Errorf("scan %s: %w", s.name, cause)
	case !last:
		return false, s.damage(w.off, w.next, cause.Error())
	}
	later, found, err := w.laterFlush()
	if err != nil || !found {
		return false, err
	}
	if c.retried != w.next {
		c.retried, w.buf = w.next, nil
		return true, nil
	}
	return false, s.damage(w.off, w.next,
		fmt.Sprintf("%s, and record %d of a later flush is whole", cause, later))
}
