package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// streamMagic opens every stream of records; its last byte is the version.
const streamMagic = "byzdjrn\x01"

// The frames of a stream that are no records. Both have type 0, which no record has.
const (
	frameEnd    = 0 // the stream is whole
	frameBroken = 1 // the records end early; the body says why
)

// streamFrameBytes is what stands in front of each body: type, version, length.
const streamFrameBytes = 1 + 1 + 4

// streamReasonMax bounds the text of a frame that says why records end early.
const streamReasonMax = 4 << 10

var (
	// ErrStream says that bytes are not a stream of records, or not all of one.
	ErrStream = errors.New("journal stream")
	// ErrStreamSource wraps what the writer of a stream said about its own journal.
	ErrStreamSource = errors.New("the journal behind the stream")
)

// WriteStream writes the records that each hands to its function: [Journal.Replay] is one such,
// [Scan] over a disk another. The form is the magic, the LSN of the first record (0 if there is
// none), and frames of
//
//	u8 type | u8 version | u32 length of the body | body
//
// with big-endian integers. A frame of type 0 ends it, so that a stream that was cut off is told
// from a short one. When each fails, the reader is told why; the error is returned as well.
func WriteStream(
	w io.Writer, each func(fn func(lsn uint64, r Record) error) error,
) error {
	s := streamWriter{w: w}
	failure := each(func(lsn uint64, r Record) error {
		if err := s.open(lsn); err != nil {
			return err
		}
		return s.frame(r.Type, r.Version, r.Body)
	})
	if s.err != nil {
		return s.err
	}
	if err := s.open(0); err != nil {
		return err
	}
	if failure == nil {
		return s.frame(0, frameEnd, nil)
	}
	reason := []byte(failure.Error())
	return errors.Join(failure, s.frame(0, frameBroken, reason[:min(len(reason), streamReasonMax)]))
}

// streamWriter remembers the first error of its writer.
type streamWriter struct {
	w      io.Writer
	opened bool
	err    error
	head   [streamFrameBytes]byte
}

func (s *streamWriter) open(first uint64) error {
	if s.opened {
		return nil
	}
	s.opened = true
	return s.write(binary.BigEndian.AppendUint64([]byte(streamMagic), first))
}

func (s *streamWriter) frame(kind, version uint8, body []byte) error {
	s.head[0], s.head[1] = kind, version
	binary.BigEndian.PutUint32(s.head[2:], uint32(len(body))) //nolint:gosec // at most MaxRecord
	if err := s.write(s.head[:]); err != nil {
		return err
	}
	return s.write(body)
}

func (s *streamWriter) write(b []byte) error {
	if s.err == nil {
		if _, err := s.w.Write(b); err != nil {
			s.err = fmt.Errorf("write journal stream: %w", err)
		}
	}
	return s.err
}

// ReadStream reads what [WriteStream] wrote and calls fn with every record, in order; it stops at
// fn's first error. A body may have at most maxRecord bytes ([MaxRecordDefault] when zero), and
// takes memory only as it arrives. The error wraps [ErrStream] when the bytes are no stream or end
// early, and [ErrStreamSource] when the writer said that its journal does.
func ReadStream(r io.Reader, maxRecord int, fn func(lsn uint64, r Record) error) error {
	if maxRecord <= 0 {
		maxRecord = MaxRecordDefault
	}
	head := make([]byte, len(streamMagic)+8)
	if _, err := io.ReadFull(r, head); err != nil {
		return fmt.Errorf("%w: no beginning: %w", ErrStream, err)
	}
	if !bytes.HasPrefix(head, []byte(streamMagic)) {
		return fmt.Errorf("%w: it begins with %q, not with %q", ErrStream,
			head[:len(streamMagic)], streamMagic)
	}
	lsn := binary.BigEndian.Uint64(head[len(streamMagic):])
	for {
		rec, err := readFrame(r, maxRecord)
		switch {
		case err != nil:
			return fmt.Errorf("%w: record %d: %w", ErrStream, lsn, err)
		case rec.Type != 0:
			if err := fn(lsn, rec); err != nil {
				return err
			}
			lsn++
		case rec.Version == frameBroken:
			return fmt.Errorf("%w: %.*q", ErrStreamSource, streamReasonMax, rec.Body)
		case rec.Version != frameEnd || len(rec.Body) > 0:
			return fmt.Errorf("%w: unknown end %d", ErrStream, rec.Version)
		default:
			return nil
		}
	}
}

func readFrame(r io.Reader, maxRecord int) (Record, error) {
	var head [streamFrameBytes]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return Record{}, cutOff(err)
	}
	size := int64(binary.BigEndian.Uint32(head[2:]))
	if size > int64(maxRecord) {
		return Record{}, fmt.Errorf("%d bytes, at most %d are legal", size, maxRecord)
	}
	var body bytes.Buffer
	if _, err := io.CopyN(&body, r, size); err != nil {
		return Record{}, cutOff(err)
	}
	return Record{Type: head[0], Version: head[1], Body: body.Bytes()}, nil
}

// cutOff calls an end where there should be none what it is.
func cutOff(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
