package kv

import (
	"encoding/binary"
	"fmt"
	"math"
)

// appendBytes writes a length and the bytes.
func appendBytes(b, data []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(data))) //nolint:gosec // limits are far below
	return append(b, data...)
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

func appendInt(b []byte, v int64) []byte {
	return binary.BigEndian.AppendUint64(b, uint64(v)) //nolint:gosec // two's complement is meant
}

// reader takes values off the front of b. After the first error it returns zeros only, so callers
// check once, at the end.
type reader struct {
	b   []byte
	err error
}

// fail keeps the first error.
func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.b = nil
}

// take returns the next n bytes, which alias the input.
func (r *reader) take(n int) []byte {
	if n > len(r.b) {
		r.fail(fmt.Errorf("%w: %d bytes expected, %d left", ErrMalformed, n, len(r.b)))
		return nil
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) u8() uint8 {
	if b := r.take(1); r.err == nil {
		return b[0]
	}
	return 0
}

func (r *reader) u16() uint16 {
	if b := r.take(2); r.err == nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *reader) u32() uint32 {
	if b := r.take(4); r.err == nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *reader) u64() uint64 {
	if b := r.take(8); r.err == nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// i64 reads two's complement.
func (r *reader) i64() int64 { return int64(r.u64()) } //nolint:gosec // two's complement is meant

// natural reads an integer that is not negative.
func (r *reader) natural() int64 {
	v := r.u64()
	if v > math.MaxInt64 {
		r.fail(fmt.Errorf("%w: number %d", ErrMalformed, v))
		return 0
	}
	return int64(v)
}

func (r *reader) boolean() bool {
	v := r.u8()
	if v > 1 {
		r.fail(fmt.Errorf("%w: boolean %d", ErrMalformed, v))
	}
	return v == 1
}

// bytes reads a length of at most limit and as many bytes; none give nil.
func (r *reader) bytes(limit int) []byte {
	n := r.u32()
	if int64(n) > int64(limit) {
		r.fail(fmt.Errorf("%w: %d bytes, limit %d", ErrTooLarge, n, limit))
		return nil
	}
	if n == 0 {
		return nil
	}
	return r.take(int(n))
}

// count reads the length of a list whose elements take at least size bytes each, so that no list
// can be announced that the input does not hold.
func (r *reader) count(size int) int {
	n := r.u32()
	if int64(n) > int64(len(r.b)/size) {
		r.fail(fmt.Errorf("%w: list of %d elements in %d bytes", ErrMalformed, n, len(r.b)))
		return 0
	}
	return int(n)
}

// end refuses what is left over and returns the first error.
func (r *reader) end() error {
	if r.err == nil && len(r.b) > 0 {
		r.fail(fmt.Errorf("%w: %d bytes left over", ErrMalformed, len(r.b)))
	}
	return r.err
}
