package journal_test

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"testing"

	"byzd/daemon/disk"
	"byzd/daemon/journal"
)

// counted counts what is read, and how often a file is opened for it.
type counted struct {
	disk.Disk

	bytes, opens int
}

type countedFile struct {
	disk.ReaderAtCloser

	disk *counted
}

func (c *counted) OpenRead(name string) (disk.ReaderAtCloser, error) {
	c.opens++
	f, err := c.Disk.OpenRead(name)
	return countedFile{f, c}, err
}

func (f countedFile) ReadAt(b []byte, off int64) (int, error) {
	n, err := f.ReaderAtCloser.ReadAt(b, off)
	f.disk.bytes += n
	return n, err
}

// ReadEach gives the records that are asked for, in the order in which they are, across segments
// and whatever that order is.
func TestJournal_ReadEach(t *testing.T) {
	for name, o := range map[string]journal.Options{"one segment": options(), "many": small()} {
		t.Run(name, func(t *testing.T) {
			j := mustOpen(t, disk.NewMemory(), o)
			const count = 120
			for n := uint64(10); n <= count; n += 10 {
				write(t, j, n)
			}
			random := rand.New(rand.NewPCG(1, 2))
			for range 20 {
				var lsns []uint64
				for range random.IntN(30) {
					lsns = append(lsns, 1+random.Uint64N(count))
				}
				at := 0
				err := j.ReadEach(lsns, func(r journal.Record) error {
					if !reflect.DeepEqual(r, rec(lsns[at])) {
						t.Errorf("record %d of %v is %+v", at, lsns, r)
					}
					at++
					return nil
				})
				if err != nil || at != len(lsns) {
					t.Fatalf("%v: %d records, %v", lsns, at, err)
				}
			}
			stop := errors.New("stop")
			if err := j.ReadEach([]uint64{1, 2}, func(journal.Record) error { return stop }); !errors.Is(err, stop) {
				t.Errorf("the caller's error becomes %v", err)
			}
			if err := j.ReadEach([]uint64{1, count + 1}, func(journal.Record) error { return nil }); !errors.Is(err, journal.ErrNotFound) {
				t.Errorf("a record that does not exist: %v", err)
			}
		})
	}
}

// Records in a row cost one pass over their part of the journal. Read one by one, each cost a
// window of 256 KiB, and a replica that answered for hundreds of batches stood still for seconds.
func TestJournal_ReadEachReadsOnce(t *testing.T) {
	d := &counted{Disk: disk.NewMemory()}
	o := options()
	o.SegmentBytes = 64 << 20
	j := mustOpen(t, d, o)
	const count = 4000
	write(t, j, count)
	size := j.Size()
	var lsns []uint64
	for n := uint64(1); n <= count; n += 3 {
		lsns = append(lsns, n)
	}
	d.bytes, d.opens = 0, 0
	if err := j.ReadEach(lsns, func(journal.Record) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if int64(d.bytes) > 2*size || d.opens != 1 {
		t.Errorf("%d bytes read and %d files opened, for a journal of %d bytes", d.bytes, d.opens, size)
	}
	d.bytes = 0
	if _, err := j.Read(count / 2); err != nil {
		t.Fatal(err)
	}
	if d.bytes > 100<<10 {
		t.Errorf("%d bytes read for one record", d.bytes)
	}
}
