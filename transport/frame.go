package transport

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
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
// against the cap, and nothing else.
type frameReader struct {
	reader *bufio.Reader
	max    uint32
	header [headerSize]byte
}

func newFrameReader(r io.Reader, size, limit int) *frameReader {
	return &frameReader{
		reader: bufio.NewReaderSize(r, size),
		max:    uint32(limit), //nolint:gosec // limit <= frameCapMax
	}
}

// next returns the next frame. io.EOF means that the stream ended between two frames.
func (f *frameReader) next() (lamport uint64, frame []byte, err error) {
	if _, err := io.ReadFull(f.reader, f.header[:]); err != nil {
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
	if _, err := io.ReadFull(f.reader, frame); err != nil {
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
