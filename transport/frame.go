package transport

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"time"
)

// A frame on a stream is u32 length || u64 Lamport time || payload, big endian. The length counts
// the payload only and is never 0.
const headerSize = 4 + 8

// bufferSize is that of each stream's reader and writer: one TLS record.
const bufferSize = 16 << 10

// appendHeader appends the header of a frame with the given payload size.
func appendHeader(b []byte, size int, lamport uint64) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(size)) //nolint:gosec // size <= frameCapMax
	return binary.BigEndian.AppendUint64(b, lamport)
}

// frameReader cuts a stream into frames. It allocates the payload, after its length was checked
// against the cap, and nothing else. It waits for a frame as long as it takes, but a frame that has
// begun must go on: each header, and each piece of at most pieceMax bytes, has a deadline.
type frameReader struct {
	reader   *bufio.Reader
	max      uint32
	header   [headerSize]byte
	deadline func(time.Time) error // sets the source's; zero lifts it; nil: there is none
	patience time.Duration         // for a piece
}

func newFrameReader(r io.Reader, size, limit int) *frameReader {
	return &frameReader{
		reader: bufio.NewReaderSize(r, size),
		max:    uint32(limit), //nolint:gosec // limit <= frameCapMax
	}
}

// pieceMax is the most of a frame that one deadline covers, for writers and for readers. A smaller
// piece would cost a deadline more often, a larger one would cut off a slow peer that makes
// progress.
const pieceMax = 64 << 10

// fill reads all of b, which is a part of a frame that has begun. What has come already costs no
// deadline.
func (f *frameReader) fill(b []byte) error {
	for len(b) > 0 {
		piece := b[:min(len(b), pieceMax)]
		if f.deadline == nil || f.reader.Buffered() >= len(piece) {
			if _, err := io.ReadFull(f.reader, piece); err != nil {
				return err
			}
		} else if err := f.fillInTime(piece); err != nil {
			return err
		}
		b = b[len(piece):]
	}
	return nil
}

func (f *frameReader) fillInTime(piece []byte) error {
	if err := f.deadline(time.Now().Add(f.patience)); err != nil {
		return err
	}
	if _, err := io.ReadFull(f.reader, piece); err != nil {
		return err
	}
	return f.deadline(time.Time{})
}

// next returns the next frame. io.EOF means that the stream ended between two frames.
func (f *frameReader) next() (lamport uint64, frame []byte, err error) {
	if _, err := f.reader.Peek(1); err != nil {
		return 0, nil, err
	}
	if err := f.fill(f.header[:]); err != nil {
		return 0, nil, err
	}
	size := binary.BigEndian.Uint32(f.header[:4])
	switch {
	case size == 0:
		return 0, nil, errFrameEmpty
	case size > f.max:
		return 0, nil, tooLargeError{size: size, max: f.max}
	}
	frame = make([]byte, size)
	if err := f.fill(frame); err != nil {
		if err == io.EOF { //nolint:errorlint // io.ReadFull returns io.EOF itself
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, err
	}
	return binary.BigEndian.Uint64(f.header[4:]), frame, nil
}

// tooLargeError tells how large the refused frame was said to be. It is a value, so that refusing
// costs no memory that grows with the claim.
type tooLargeError struct{ size, max uint32 }

func (e tooLargeError) Error() string {
	return fmt.Sprintf("%v: %d bytes, at most %d", errFrameTooLarge, e.size, e.max)
}

func (tooLargeError) Unwrap() error { return errFrameTooLarge }
