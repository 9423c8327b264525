package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// windowBytes is how much of a file is read at once.
const windowBytes = 256 << 10

// searchBytes is what the search for later flushes may checksum in any case.
const searchBytes = 64 << 20

// window reads a file forward through a buffer.
type window struct {
	r    io.ReaderAt
	size int64
	buf  []byte
	off  int64 // of buf[0]
	// least is how much is read at once, if it is not windowBytes: less for whoever wants little.
	least int64
}

// bytes returns n bytes at off, valid until the next call. The caller has checked off+n <= size.
func (w *window) bytes(off, n int64) ([]byte, error) {
	if off >= w.off && off+n <= w.off+int64(len(w.buf)) {
		return w.buf[off-w.off:][:n], nil
	}
	least := w.least
	if least == 0 {
		least = windowBytes
	}
	want := min(max(n, least), w.size-off)
	if int64(cap(w.buf)) < want {
		w.buf = make([]byte, want)
	}
	w.buf, w.off = w.buf[:want], off
	got, err := w.r.ReadAt(w.buf, off)
	if int64(got) < want {
		w.buf = w.buf[:0]
		if err == nil || errors.Is(err, io.EOF) {
			err = fmt.Errorf("file became shorter than %d bytes: %w", w.size, io.ErrUnexpectedEOF)
		}
		return nil, err
	}
	return w.buf[:n], nil
}

// contentEnd returns the offset behind the last byte that is not zero, and off if there is none
// from off on.
func (w *window) contentEnd(off int64) (int64, error) {
	end := off
	for off < w.size {
		n := min(windowBytes, w.size-off)
		b, err := w.bytes(off, n)
		if err != nil {
			return 0, err
		}
		if used := len(bytes.TrimRight(b, "\x00")); used > 0 {
			end = off + int64(used)
		}
		off += n
	}
	return end, nil
}

// walker goes through the records of one segment.
type walker struct {
	window

	off  int64
	seed uint32
	prev uint32 // checksum of the record before off
	next uint64 // LSN of the record at off
}

// badRecordError says why there is no record where one could be.
type badRecordError struct{ why string }

func (e *badRecordError) Error() string { return e.why }

func bad(format string, args ...any) error {
	return &badRecordError{why: fmt.Sprintf(format, args...)}
}

// newWalker starts at the first record of s.
func newWalker(r io.ReaderAt, size int64, h segmentHeader) *walker {
	return &walker{
		window: window{r: r, size: size},
		off:    headerBytes, seed: saltSeed(h.salt), prev: h.prev, next: h.first,
	}
}

// step returns the record at w.off and moves behind it. The body is valid until the next call.
// The error is io.EOF where the file ends or holds only zeros, a badRecordError where something
// else than the next record stands, or the file's own.
func (w *walker) step() (recordHeader, []byte, error) {
	h, err := w.header()
	if err != nil {
		return h, nil, err
	}
	raw, err := w.bytes(w.off, h.size())
	if err != nil {
		return h, nil, err
	}
	body := raw[recordHeaderBytes:]
	switch sum := checksum(w.seed, raw, body); {
	case sum != h.sum:
		return h, nil, bad("checksum is %08x, computed %08x", h.sum, sum)
	case h.lsn != w.next:
		return h, nil, bad("record has LSN %d, expected %d", h.lsn, w.next)
	case h.prev != w.prev:
		return h, nil, bad("record follows checksum %08x, expected %08x", h.prev, w.prev)
	}
	w.off += h.size()
	w.prev = h.sum
	w.next++
	return h, body, nil
}

// header reads the fixed part at w.off and checks that the body lies in the file, before anybody
// asks for memory to hold it.
func (w *walker) header() (recordHeader, error) {
	left := w.size - w.off
	n := min(left, recordHeaderBytes)
	raw, err := w.bytes(w.off, n)
	if err != nil {
		return recordHeader{}, err
	}
	blank := true
	for _, c := range raw {
		blank = blank && c == 0
	}
	if blank {
		return recordHeader{}, w.end()
	}
	if n < recordHeaderBytes {
		return recordHeader{}, bad("%d bytes are too few for a record", n)
	}
	h := parseRecordHeader(raw)
	if h.length > bodyBytesMax || h.size() > left {
		return h, bad("length %d leads out of the file", h.length)
	}
	return h, nil
}

// end tells a clean end from zeros in the middle.
func (w *walker) end() error {
	end, err := w.contentEnd(w.off)
	if err != nil {
		return err
	}
	if end > w.off {
		return bad("zeros, and something behind them")
	}
	return io.EOF
}

// laterFlush looks behind a bad place for a whole record whose flush began after the record that
// is missing there, which proves that the missing record had been synced. Bytes that look like
// headers cost a checksum each; the budget keeps a client's bodies from making a start take hours.
func (w *walker) laterFlush() (lsn uint64, found bool, err error) {
	budget := searchBytes + 16*(w.size-w.off)
	for off := w.off; off+recordHeaderBytes <= w.size; off++ {
		raw, err := w.bytes(off, recordHeaderBytes)
		if err != nil {
			return 0, false, err
		}
		h := parseRecordHeader(raw)
		// There is room for so many records only between the missing one and this.
		room := uint64(off-w.off) / recordHeaderBytes //nolint:gosec // off >= w.off
		if h.lsn <= w.next || h.lsn-w.next > room || uint64(h.place) >= h.lsn-w.next ||
			h.length > bodyBytesMax || h.size() > w.size-off {
			continue
		}
		if budget -= h.size(); budget < 0 {
			return 0, false, nil
		}
		raw, err = w.bytes(off, h.size())
		if err != nil {
			return 0, false, err
		}
		if checksum(w.seed, raw, raw[recordHeaderBytes:]) == h.sum {
			return h.lsn, true, nil
		}
	}
	return 0, false, nil
}
