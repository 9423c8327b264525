package journal_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"byzd/daemon/disk"
	"byzd/daemon/journal"
)

// cluster is the one whose journal the tests keep.
func cluster() [32]byte { return [32]byte{0: 0xc1, 31: 7} }

func options() journal.Options {
	return journal.Options{Owner: cluster(), Salt: 0x5a17, SegmentBytes: 16 << 10}
}

// small makes segments change every few flushes.
func small() journal.Options {
	o := options()
	o.SegmentBytes = 700
	return o
}

func mustOpen(tb testing.TB, d disk.Disk, o journal.Options) *journal.Journal {
	tb.Helper()
	j, err := journal.Open(d, o)
	if err != nil {
		tb.Fatal(err)
	}
	return j
}

func mustFlush(tb testing.TB, j *journal.Journal) {
	tb.Helper()
	if err := j.Flush(); err != nil {
		tb.Fatal(err)
	}
}

func mustClose(tb testing.TB, j *journal.Journal) {
	tb.Helper()
	if err := j.Close(); err != nil {
		tb.Fatal(err)
	}
}

// rec is the record that every test appends as its n-th: type, version and length vary.
func rec(n uint64) journal.Record {
	size := int(n*37) % 150
	body := append(fmt.Appendf(nil, "record %d ", n), bytes.Repeat([]byte{byte(n)}, size)...)
	kind, version := uint8(1+n%255), uint8(n%7)
	return journal.Record{Type: kind, Version: version, Body: body}
}

// write appends rec(n) for all n from the next LSN to last, and flushes them as one.
func write(tb testing.TB, j *journal.Journal, last uint64) {
	tb.Helper()
	for next := j.Append() + 1; next <= last; next++ {
		if lsn := j.Append(rec(next)); lsn != next {
			tb.Fatalf("record %d got LSN %d", next, lsn)
		}
	}
	mustFlush(tb, j)
}

// holds fails unless replay, read and scan all see exactly rec(first) to rec(last).
func holds(tb testing.TB, d disk.Disk, j *journal.Journal, first, last uint64) {
	tb.Helper()
	if a, b := j.Bounds(); a != first || b != last {
		tb.Errorf("bounds are %d to %d, want %d to %d", a, b, first, last)
	}
	check := func(how string, each func(func(uint64, journal.Record) error) error) {
		next := first
		err := each(func(lsn uint64, r journal.Record) error {
			if lsn != next {
				return fmt.Errorf("%d comes where %d should", lsn, next)
			}
			next++
			return same(r, rec(lsn))
		})
		if err != nil || next != last+1 {
			tb.Errorf("%s ends after %d of %d: %v", how, next-1, last, err)
		}
	}
	check("replay", j.Replay)
	check("scan", func(fn func(uint64, journal.Record) error) error { return journal.Scan(d, fn) })
	for lsn := first; lsn <= last; lsn++ {
		r, err := j.Read(lsn)
		if err == nil {
			err = same(r, rec(lsn))
		}
		if err != nil {
			tb.Errorf("read %d: %v", lsn, err)
		}
	}
	for _, lsn := range []uint64{0, first - 1, last + 1, last + 1000, 1<<64 - 1} {
		if _, err := j.Read(lsn); !errors.Is(err, journal.ErrNotFound) {
			tb.Errorf("read %d: %v, want ErrNotFound", lsn, err)
		}
	}
}

func same(a, b journal.Record) error {
	if a.Type != b.Type || a.Version != b.Version || !bytes.Equal(a.Body, b.Body) {
		return fmt.Errorf("record is (%d, %d, %.30q), want (%d, %d, %.30q)",
			a.Type, a.Version, a.Body, b.Type, b.Version, b.Body)
	}
	return nil
}

// count returns how many records a replay sees, or fails if one of them is not rec.
func count(tb testing.TB, j *journal.Journal) (n uint64) {
	tb.Helper()
	err := j.Replay(func(lsn uint64, r journal.Record) error {
		n = lsn
		return same(r, rec(lsn))
	})
	if err != nil {
		tb.Errorf("replay: %v", err)
	}
	return n
}

// contents is everything that a disk shows.
func contents(tb testing.TB, d disk.Disk) map[string]string {
	tb.Helper()
	names, err := d.List("")
	if err != nil {
		tb.Fatal(err)
	}
	files := map[string]string{}
	for _, name := range names {
		data, err := d.ReadFile(name)
		if err != nil {
			tb.Fatal(err)
		}
		files[name] = string(data)
	}
	return files
}

// watched is a memory disk that tells of every step before it is taken.
type watched struct {
	*disk.Memory

	before func(op, name string)
}

func watch(m *disk.Memory) *watched {
	return &watched{Memory: m, before: func(string, string) {}}
}

func (w *watched) file(name string, f disk.File, err error) (disk.File, error) {
	if err != nil {
		return nil, err
	}
	return &watchedFile{File: f, w: w, name: name}, nil
}

func (w *watched) Create(name string) (disk.File, error) {
	w.before("create", name)
	f, err := w.Memory.Create(name)
	return w.file(name, f, err)
}

func (w *watched) Append(name string) (disk.File, error) {
	w.before("append", name)
	f, err := w.Memory.Append(name)
	return w.file(name, f, err)
}

func (w *watched) WriteAtomic(name string, data []byte) error {
	w.before("atomic", name)
	return w.Memory.WriteAtomic(name, data)
}

func (w *watched) Truncate(name string, size int64) error {
	w.before("truncate", name)
	return w.Memory.Truncate(name, size)
}

func (w *watched) Remove(name string) error {
	w.before("remove", name)
	return w.Memory.Remove(name)
}

func (w *watched) SyncDir() error {
	w.before("syncdir", "")
	return w.Memory.SyncDir()
}

type watchedFile struct {
	disk.File

	w    *watched
	name string
}

func (f *watchedFile) Write(p []byte) (int, error) {
	f.w.before("write", f.name)
	return f.File.Write(p)
}

func (f *watchedFile) WriteAt(p []byte, off int64) (int, error) {
	f.w.before("write", f.name)
	return f.File.WriteAt(p, off)
}

func (f *watchedFile) Sync() error {
	f.w.before("sync", f.name)
	return f.File.Sync()
}
