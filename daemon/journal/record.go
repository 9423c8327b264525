package journal

import (
	"encoding/binary"
	"hash/crc32"
)

// Record is what the journal keeps. Type and Version are the caller's; the body is opaque.
type Record struct {
	Type    uint8
	Version uint8
	Body    []byte
}

const (
	// recordHeaderBytes precede every body.
	recordHeaderBytes = 4 + 1 + 1 + 4 + 8 + 4 + 4
	// checkedHeaderBytes of them are covered by the checksum: all but the checksum itself.
	checkedHeaderBytes = recordHeaderBytes - 4
	// bodyBytesMax bounds a body that is read back; Options.MaxRecord bounds what is written.
	bodyBytesMax = 1 << 28
)

// recordHeader is the fixed part of a record, as on disk.
type recordHeader struct {
	length  uint32
	kind    uint8
	version uint8
	place   uint32 // how many records precede it in its flush
	lsn     uint64
	prev    uint32 // checksum of the previous record
	sum     uint32
}

// castagnoli returns the table of CRC32C; the package crc32 keeps it.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// saltSeed is the state of the checksum after the salt.
func saltSeed(salt uint64) uint32 {
	return crc32.Checksum(binary.BigEndian.AppendUint64(nil, salt), castagnoli())
}

// appendRecord encodes r behind buf and returns its checksum. It fills in length and sum of h.
func appendRecord(buf []byte, seed uint32, h recordHeader, body []byte) ([]byte, uint32) {
	at := len(buf)
	buf = binary.BigEndian.AppendUint32(buf, uint32(len(body))) //nolint:gosec // <= bodyBytesMax
	buf = append(buf, h.kind, h.version)
	buf = binary.BigEndian.AppendUint32(buf, h.place)
	buf = binary.BigEndian.AppendUint64(buf, h.lsn)
	buf = binary.BigEndian.AppendUint32(buf, h.prev)
	sum := checksum(seed, buf[at:], body)
	buf = binary.BigEndian.AppendUint32(buf, sum)
	return append(buf, body...), sum
}

// checksum covers the salt, the checked part of the header, and the body.
func checksum(seed uint32, head, body []byte) uint32 {
	sum := crc32.Update(seed, castagnoli(), head[:checkedHeaderBytes])
	return crc32.Update(sum, castagnoli(), body)
}

// parseRecordHeader reads the fixed part; b has at least recordHeaderBytes.
func parseRecordHeader(b []byte) recordHeader {
	return recordHeader{
		length:  binary.BigEndian.Uint32(b),
		kind:    b[4],
		version: b[5],
		place:   binary.BigEndian.Uint32(b[6:]),
		lsn:     binary.BigEndian.Uint64(b[10:]),
		prev:    binary.BigEndian.Uint32(b[18:]),
		sum:     binary.BigEndian.Uint32(b[22:]),
	}
}

// size is the number of bytes of the whole record.
func (h recordHeader) size() int64 { return recordHeaderBytes + int64(h.length) }
