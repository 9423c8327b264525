package message

import (
	"encoding/binary"
	"errors"
	"fmt"

	"byzd/crypto"
	"byzd/pbft/quorum"
)

// ErrMalformed is returned for bytes that are not the one encoding of a value.
var ErrMalformed = errors.New("malformed")

// writer appends fixed-width big-endian fields.
type writer struct{ buf []byte }

func (w *writer) u8(v uint8)             { w.buf = append(w.buf, v) }
func (w *writer) u16(v uint16)           { w.buf = binary.BigEndian.AppendUint16(w.buf, v) }
func (w *writer) u32(v uint32)           { w.buf = binary.BigEndian.AppendUint32(w.buf, v) }
func (w *writer) u64(v uint64)           { w.buf = binary.BigEndian.AppendUint64(w.buf, v) }
func (w *writer) raw(b []byte)           { w.buf = append(w.buf, b...) }
func (w *writer) digest(d crypto.Digest) { w.buf = append(w.buf, d[:]...) }

func (w *writer) bytes(b []byte) {
	w.u32(uint32(len(b))) //nolint:gosec // every field is capped far below 4 GiB by its validator
	w.raw(b)
}

func (w *writer) signers(s quorum.Set) {
	for _, word := range s {
		w.u64(word)
	}
}

// reader takes fields off the front. After the first error every read returns zero values, so a
// decoder checks once, with done.
type reader struct {
	buf []byte
	err error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: "+format, append([]any{ErrMalformed}, args...)...)
	}
}

func (r *reader) take(n int) []byte {
	if r.err != nil {
		return nil
	}
	if n > len(r.buf) {
		r.fail("%d bytes wanted, %d left", n, len(r.buf))
		return nil
	}
	head := r.buf[:n:n]
	r.buf = r.buf[n:]
	return head
}

func (r *reader) u8() uint8 {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) u16() uint16 {
	if b := r.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *reader) u32() uint32 {
	if b := r.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *reader) u64() uint64 {
	if b := r.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (r *reader) digest() (d crypto.Digest) {
	copy(d[:], r.take(len(d)))
	return d
}

// bytes reads a length and that many bytes, at most limit. The result aliases the input.
func (r *reader) bytes(limit int) []byte {
	n := r.u32()
	if uint64(n) > uint64(limit) { //nolint:gosec // limits are positive constants
		r.fail("field of %d bytes, at most %d are legal", n, limit)
		return nil
	}
	return r.take(int(n))
}

// count reads the length of a list of at most limit elements of at least each bytes, so that a
// forged length allocates nothing.
func (r *reader) count(limit, each int) int {
	n := r.u32()
	if uint64(n) > uint64(limit) { //nolint:gosec // limits are positive constants
		r.fail("list of %d elements, at most %d are legal", n, limit)
		return 0
	}
	if int(n)*each > len(r.buf) {
		r.fail("list of %d elements in %d bytes", n, len(r.buf))
		return 0
	}
	return int(n)
}

func (r *reader) flag() bool {
	v := r.u8()
	if v > 1 {
		r.fail("flag is %d", v)
	}
	return v == 1
}

// index reads a replica number.
func (r *reader) index() int {
	v := r.u16()
	if v >= quorum.MaxReplicas {
		r.fail("replica number %d", v)
		return 0
	}
	return int(v)
}

// number reads a view, epoch or sequence number. Numbers at or beyond 2^62 are refused, so that
// sums in the protocol cannot overflow.
func (r *reader) number() uint64 {
	v := r.u64()
	if v >= MaxNumber {
		r.fail("number %d is beyond 2^62", v)
		return 0
	}
	return v
}

func (r *reader) signers() (s quorum.Set) {
	for w := range s {
		s[w] = r.u64()
	}
	return s
}

func (r *reader) done() error {
	if r.err == nil && len(r.buf) > 0 {
		r.fail("%d bytes too many", len(r.buf))
	}
	return r.err
}

// MaxNumber bounds every view, epoch and sequence number on the wire.
const MaxNumber = 1 << 62
