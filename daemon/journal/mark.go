package journal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"byzd/daemon/disk"
)

const (
	markName  = "journal.mark"
	markMagic = "BYZDMARK"
	// markSlotBytes keeps the two slots in different pages, so that no single write of the disk
	// can tear both.
	markSlotBytes = 4096
	markFileBytes = 2 * markSlotBytes
	// markBytes of a slot are used: magic, sequence, LSN, record's checksum, own checksum.
	markBytes = 8 + 8 + 8 + 4 + 4
)

// mark names the last record that is known to be synced. The slot with the higher sequence holds.
type mark struct {
	sequence uint64
	lsn      uint64
	sum      uint32
}

func (m mark) encode() []byte {
	b := append(make([]byte, 0, markBytes), markMagic...)
	b = binary.BigEndian.AppendUint64(b, m.sequence)
	b = binary.BigEndian.AppendUint64(b, m.lsn)
	b = binary.BigEndian.AppendUint32(b, m.sum)
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli()))
}

// offset is the place of the slot that m goes to; its neighbour keeps the mark before it.
func (m mark) offset() int64 {
	if m.sequence%2 == 0 {
		return 0
	}
	return markSlotBytes
}

func parseMark(b []byte) (mark, bool) {
	sum := crc32.Checksum(b[:markBytes-4], castagnoli())
	if !bytes.HasPrefix(b, []byte(markMagic)) || binary.BigEndian.Uint32(b[markBytes-4:]) != sum {
		return mark{}, false
	}
	return mark{
		sequence: binary.BigEndian.Uint64(b[8:]),
		lsn:      binary.BigEndian.Uint64(b[16:]),
		sum:      binary.BigEndian.Uint32(b[24:]),
	}, true
}

// createMark writes the mark of an empty journal to both slots.
func createMark(d disk.Disk) error {
	b := make([]byte, markFileBytes)
	copy(b, mark{sequence: 0}.encode())
	copy(b[markSlotBytes:], mark{sequence: 1}.encode())
	return d.WriteAtomic(markName, b)
}

// readMark returns the newer of the slots that can be read, and whether one of them cannot: that
// is what a power cut during the write-back of the mark leaves. Both unreadable is damage.
func readMark(d disk.Disk) (newest mark, slotLost bool, err error) {
	size, err := d.Size(markName)
	if err != nil {
		return mark{}, false, err
	}
	if size != markFileBytes {
		return mark{}, false, &DamageError{
			Segment: markName, Why: fmt.Sprintf("%d bytes, expected %d", size, markFileBytes),
		}
	}
	b, err := d.ReadFile(markName)
	if err != nil {
		return mark{}, false, err
	}
	if len(b) != markFileBytes {
		return mark{}, false, &DamageError{Segment: markName, Why: "changed while it was read"}
	}
	even, evenOK := parseMark(b)
	odd, oddOK := parseMark(b[markSlotBytes:])
	switch {
	case !evenOK && !oddOK:
		return mark{}, true, &DamageError{Segment: markName, Why: "both slots are unreadable"}
	case !oddOK || evenOK && even.sequence > odd.sequence:
		return even, !oddOK, nil
	default:
		return odd, !evenOK, nil
	}
}
