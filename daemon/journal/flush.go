package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"byzd/daemon/disk"
)

// stagedBytesKept is the largest buffer that is kept for reuse after a flush.
const stagedBytesKept = 4 << 20

// writer is the side of the journal that waits for the disk. Its mutex is held through a flush.
type writer struct {
	sync.Mutex

	active   *segment  // the last of Journal.segments
	file     disk.File // its file
	extent   int64     // its length; zeros from the last record on
	pending  batch     // being written, or left over by a flush that failed
	sum      uint32    // checksum of the last record of active
	cut      bool      // a failed write may have left bytes behind the last record
	mark     disk.File
	marked   mark // newest mark written
	poisoned error
}

// Flush makes everything appended so far durable, with one write and one sync. After an error that
// matches [disk.ErrFull] it may be called again, and first writes what it could not; after any
// other the journal is poisoned and every later Flush returns [ErrPoisoned]. Records of a Flush
// that failed are not acknowledged, but may be found by the next Open.
func (j *Journal) Flush() error {
	w := &j.out
	w.Lock()
	defer w.Unlock()
	j.mu.Lock()
	closed := j.closed
	j.mu.Unlock()
	if closed {
		return ErrClosed
	}
	if w.poisoned != nil {
		return w.poisoned
	}
	err := j.flush()
	if err != nil && !errors.Is(err, disk.ErrFull) {
		w.poisoned = fmt.Errorf("%w: %w", ErrPoisoned, err)
	}
	if err != nil {
		return fmt.Errorf("flush journal: %w", err)
	}
	return nil
}

// flush writes what an earlier flush left over and what is staged, each with its own sync: their
// records' places say that they are two flushes.
func (j *Journal) flush() error {
	w := &j.out
	if len(w.pending.bytes) > 0 {
		if err := j.writeOut(); err != nil {
			return err
		}
	}
	j.mu.Lock()
	w.pending, j.staged = j.staged, batch{
		bytes: w.pending.bytes[:0], next: j.staged.next, sum: j.staged.sum,
	}
	j.mu.Unlock()
	if len(w.pending.bytes) > 0 {
		if err := j.writeOut(); err != nil {
			return err
		}
	}
	return j.writeMark()
}

// writeOut writes the pending batch at the end of the active segment and syncs it. When it fails,
// the batch stays pending and the segment is as long as before.
func (j *Journal) writeOut() error {
	w := &j.out
	size := int64(len(w.pending.bytes))
	if s := w.active; s.used > headerBytes && s.used+size > j.opts.SegmentBytes {
		if err := j.roll(); err != nil {
			return err
		}
	}
	s := w.active
	if w.cut {
		if err := j.disk.Truncate(s.name, s.used); err != nil {
			return err
		}
		w.cut, w.extent = false, s.used
	}
	if _, err := w.file.WriteAt(w.pending.bytes, s.used); err != nil {
		w.cut = true
		return err
	}
	if err := j.reserve(s.used + size); err != nil {
		return err
	}
	if err := w.file.Sync(); err != nil {
		w.cut = true
		return err
	}
	j.commit()
	return nil
}

// reserve lengthens the active segment with zeros if the records have reached its end. There may
// be no room for that while there was room for the records, which is no failure.
func (j *Journal) reserve(end int64) error {
	w := &j.out
	if end < w.extent {
		return nil
	}
	w.extent = end
	n := min(reserveBytes, j.opts.SegmentBytes-end)
	if n <= 0 {
		return nil
	}
	_, err := w.file.WriteAt(make([]byte, n), end)
	switch {
	case err == nil:
		w.extent += n
	case errors.Is(err, disk.ErrFull):
		// Whatever part was written is zeros, and zeros end a segment.
	default:
		w.cut = true
		return err
	}
	return nil
}

// commit takes the pending batch, which is durable now, over into the index.
func (j *Journal) commit() {
	w := &j.out
	j.mu.Lock()
	defer j.mu.Unlock()
	s := w.active
	for b := w.pending.bytes; len(b) > 0; {
		h := parseRecordHeader(b)
		s.note(h, s.used)
		b = b[h.size():]
	}
	if s.last != w.pending.next-1 {
		panic(fmt.Sprintf("journal: flushed up to %d, expected %d", s.last, w.pending.next-1))
	}
	w.sum = w.pending.sum
	if cap(w.pending.bytes) > stagedBytesKept {
		w.pending.bytes = nil
	}
	w.pending.bytes = w.pending.bytes[:0]
}

// writeMark writes the mark if records were synced since it was last written. It does not sync:
// see the package comment.
func (j *Journal) writeMark() error {
	w := &j.out
	last := w.active.last
	if w.marked.lsn == last {
		return nil
	}
	next := mark{sequence: w.marked.sequence + 1, lsn: last, sum: w.sum}
	if _, err := w.mark.WriteAt(next.encode(), next.offset()); err != nil {
		return err
	}
	w.marked = next
	return nil
}

// roll ends the active segment and begins the next. When it fails, the active one goes on, and the
// next flush tries again.
func (j *Journal) roll() error {
	w, s := &j.out, j.out.active
	if err := j.seal(s); err != nil {
		return err
	}
	next := newSegment(segmentHeader{
		salt: s.head.salt, owner: s.head.owner, first: s.last + 1, prev: w.sum,
	})
	file, err := createSegment(j.disk, next)
	if err != nil {
		return err
	}
	old := w.file
	w.active = next
	w.file, w.extent, w.cut = file, headerBytes, false
	j.mu.Lock()
	j.segments = append(j.segments, next)
	j.mu.Unlock()
	return old.Close()
}

// seal cuts a segment to its length and makes the mark at its end durable, so that nothing after
// it can hide that it is damaged. It cuts also what has its length already: that may be what a cut
// left whose sync failed, before the process began anew, and a power cut would bring back the rest.
func (j *Journal) seal(s *segment) error {
	w := &j.out
	if err := j.writeMark(); err != nil {
		return err
	}
	if err := w.mark.Sync(); err != nil {
		return err
	}
	if err := j.disk.Truncate(s.name, s.used); err != nil {
		return err
	}
	w.cut, w.extent = false, s.used
	return nil
}

// createSegment writes an empty segment durably, name and all. It takes the place of what an
// earlier attempt may have left.
func createSegment(d disk.Disk, s *segment) (disk.File, error) {
	if err := d.Remove(s.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	file, err := d.Create(s.name)
	if err != nil {
		return nil, err
	}
	_, err = file.Write(s.head.encode())
	if err == nil {
		err = file.Sync()
	}
	if err == nil {
		err = d.SyncDir()
	}
	if err != nil {
		// Left behind, the file would be taken for a torn beginning: harmless. It is removed
		// because on a full disk its bytes may be wanted.
		return nil, errors.Join(err, file.Close(), d.Remove(s.name))
	}
	return file, nil
}
