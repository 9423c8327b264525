package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sort"
	"strconv"
	"strings"
)

const (
	segmentPrefix  = "journal-"
	segmentMagic   = "BYZDJRNL"
	formatVersion  = 1
	headerBytes    = 8 + 4 + 8 + 32 + 8 + 4 + 4
	indexStepBytes = 32 << 10 // a read walks over at most this much before it finds its record
)

// segment is one file of records, as far as it is flushed.
type segment struct {
	name  string
	head  segmentHeader
	last  uint64 // head.first-1 when empty
	used  int64  // bytes up to the end of the last record
	index []point
}

// point is an entry of the sparse index: a record's place, and what its checksum chains to.
type point struct {
	lsn  uint64
	off  int64
	prev uint32
}

// segmentHeader is what every segment opens with.
type segmentHeader struct {
	salt  uint64
	owner [32]byte
	first uint64
	prev  uint32 // checksum of the last record of the segment before, zero for none
}

func newSegment(h segmentHeader) *segment {
	return &segment{
		name: segmentName(h.first), head: h, last: h.first - 1, used: headerBytes,
	}
}

func segmentName(first uint64) string { return fmt.Sprintf("%s%016x", segmentPrefix, first) }

// parseSegmentName is the strict inverse of segmentName.
func parseSegmentName(name string) (first uint64, ok bool) {
	first, err := strconv.ParseUint(strings.TrimPrefix(name, segmentPrefix), 16, 64)
	return first, err == nil && first > 0 && segmentName(first) == name
}

func (h segmentHeader) encode() []byte {
	b := append(make([]byte, 0, headerBytes), segmentMagic...)
	b = binary.BigEndian.AppendUint32(b, formatVersion)
	b = binary.BigEndian.AppendUint64(b, h.salt)
	b = append(b, h.owner[:]...)
	b = binary.BigEndian.AppendUint64(b, h.first)
	b = binary.BigEndian.AppendUint32(b, h.prev)
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli()))
}

// errBadHeader says that a header is no header; whether that is damage depends on the segment.
var errBadHeader = errors.New("segment header is unreadable")

// parseSegmentHeader tells a header of another format ([ErrVersion]) from none (errBadHeader).
func parseSegmentHeader(b []byte) (segmentHeader, error) {
	if len(b) < headerBytes || !bytes.HasPrefix(b, []byte(segmentMagic)) {
		return segmentHeader{}, errBadHeader
	}
	version := binary.BigEndian.Uint32(b[8:])
	if version != formatVersion && version != 0 { // Zero is what a torn header has there.
		return segmentHeader{}, fmt.Errorf("%w: %d", ErrVersion, version)
	}
	sum := crc32.Checksum(b[:headerBytes-4], castagnoli())
	if version == 0 || binary.BigEndian.Uint32(b[headerBytes-4:]) != sum {
		return segmentHeader{}, errBadHeader
	}
	h := segmentHeader{salt: binary.BigEndian.Uint64(b[12:])}
	copy(h.owner[:], b[20:])
	h.first = binary.BigEndian.Uint64(b[52:])
	h.prev = binary.BigEndian.Uint32(b[60:])
	return h, nil
}

// readSegmentHeader reads the header at the beginning of r.
func readSegmentHeader(r io.ReaderAt) (segmentHeader, error) {
	b := make([]byte, headerBytes)
	n, err := r.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return segmentHeader{}, err
	}
	return parseSegmentHeader(b[:n])
}

// note adds a record to the segment. Records come in order.
func (s *segment) note(h recordHeader, off int64) {
	if n := len(s.index); n == 0 || off-s.index[n-1].off >= indexStepBytes {
		s.index = append(s.index, point{lsn: h.lsn, off: off, prev: h.prev})
	}
	s.last = h.lsn
	s.used = off + h.size()
}

// before returns the point from which a walk reaches lsn, which the segment must hold.
func (s *segment) before(lsn uint64) point {
	i := sort.Search(len(s.index), func(i int) bool { return s.index[i].lsn > lsn })
	return s.index[i-1]
}

func (s *segment) damage(off int64, lsn uint64, why string) *DamageError {
	return &DamageError{Segment: s.name, Offset: off, LSN: lsn, Why: why}
}
