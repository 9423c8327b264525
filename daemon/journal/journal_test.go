package journal_test

import (
	"bytes"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"byzd/daemon/disk"
	"byzd/daemon/journal"
)

// onDisks runs a test over the disk in memory and over a real one.
func onDisks(t *testing.T, test func(t *testing.T, d disk.Disk)) {
	t.Helper()
	t.Run("memory", func(t *testing.T) { test(t, disk.NewMemory()) })
	t.Run("os", func(t *testing.T) {
		d, err := disk.OS(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		test(t, d)
	})
}

func TestJournal_RecordsComeBack(t *testing.T) {
	onDisks(t, func(t *testing.T, d disk.Disk) {
		j := mustOpen(t, d, small())
		holds(t, d, j, 1, 0)
		for last := uint64(3); last <= 40; last += 3 {
			write(t, j, last)
			holds(t, d, j, 1, last)
		}
		size := j.Size()
		mustClose(t, j)
		for range 2 { // opening changes nothing
			j = mustOpen(t, d, small())
			holds(t, d, j, 1, 39)
			r := j.Report()
			if r.Records != 39 || r.First != 1 || r.Last != 39 || r.Mark != 39 ||
				r.TornBytes != 0 || r.TornSegment != "" || r.MarkSlotLost || r.Segments < 5 {
				t.Errorf("report is %+v", r)
			}
			if j.Size() != size {
				t.Errorf("size is %d, was %d", j.Size(), size)
			}
			mustClose(t, j)
		}
		j = mustOpen(t, d, small())
		write(t, j, 50)
		holds(t, d, j, 1, 50)
		mustClose(t, j)
	})
}

// What is appended and not flushed is nowhere yet; nothing to flush is no flush.
func TestJournal_StagedIsNotFlushed(t *testing.T) {
	m := disk.NewMemory()
	j := mustOpen(t, m, options())
	write(t, j, 2)
	body := []byte("mine")
	if lsn := j.Append(rec(3), journal.Record{Type: 9, Body: body}); lsn != 4 {
		t.Errorf("two records more end at %d", lsn)
	}
	body[0] = 'x' // the journal has a copy
	if j.Staged() == 0 {
		t.Error("nothing is staged")
	}
	holds(t, m, j, 1, 2)
	mustFlush(t, j)
	if r, err := j.Read(4); err != nil || string(r.Body) != "mine" {
		t.Errorf("record 4 is %q (%v)", r.Body, err)
	}
	syncs := m.Syncs()
	mustFlush(t, j)
	if j.Staged() != 0 || m.Syncs() != syncs {
		t.Errorf("a flush of nothing cost %d syncs", m.Syncs()-syncs)
	}
	j.Append(rec(5))
	mustClose(t, j)
	if j = mustOpen(t, m, options()); j.Report().Last != 4 {
		t.Errorf("the journal ends at %d, and 5 was never flushed", j.Report().Last)
	}
}

// A flush is one write and one sync of the segment, however many records it has.
func TestJournal_GroupCommit(t *testing.T) {
	m := disk.NewMemory()
	w := watch(m)
	j := mustOpen(t, w, journal.Options{Owner: cluster()})
	write(t, j, 1) // it lengthens the segment
	for _, n := range []uint64{1, 7, 300} {
		steps := map[string]int{}
		w.before = func(op, name string) {
			if strings.HasPrefix(name, "journal-") {
				name = "segment"
			}
			steps[op+" "+name]++
		}
		syncs := m.Syncs()
		write(t, j, j.Append()+n)
		if got := m.Syncs() - syncs; got != 1 {
			t.Errorf("a flush of %d records cost %d syncs", n, got)
		}
		want := map[string]int{"write segment": 1, "sync segment": 1, "write journal.mark": 1}
		for step, times := range steps {
			if times != want[step] {
				t.Errorf("a flush of %d records did %d × %s", n, times, step)
			}
		}
	}
}

func TestJournal_LargeFlushGetsItsOwnSegment(t *testing.T) {
	m := disk.NewMemory()
	j := mustOpen(t, m, small())
	write(t, j, 1)
	write(t, j, 60) // many segments' worth in one flush
	write(t, j, 61)
	holds(t, m, j, 1, 61)
	names, err := m.List("journal-")
	if err != nil || len(names) != 3 {
		t.Errorf("segments are %v (%v)", names, err)
	}
	mustClose(t, j)
	holds(t, m, mustOpen(t, m, small()), 1, 61)
}

func TestJournal_TruncateBefore(t *testing.T) {
	onDisks(t, func(t *testing.T, d disk.Disk) {
		j := mustOpen(t, d, small())
		for last := uint64(2); last <= 40; last += 2 {
			write(t, j, last)
		}
		before := j.Size()
		if err := j.TruncateBefore(0); err != nil || j.Size() != before {
			t.Errorf("nothing to cut: %v", err)
		}
		if err := j.TruncateBefore(21); err != nil {
			t.Fatal(err)
		}
		first, _ := j.Bounds()
		if first == 1 || first > 21 {
			t.Errorf("the journal begins at %d", first)
		}
		holds(t, d, j, first, 40)
		mustClose(t, j)
		j = mustOpen(t, d, small())
		holds(t, d, j, first, 40)
		write(t, j, 41)
		if err := j.TruncateBefore(1 << 60); err != nil { // the segment being written stays
			t.Fatal(err)
		}
		first, _ = j.Bounds()
		holds(t, d, j, first, 41)
		mustClose(t, j)
		holds(t, d, mustOpen(t, d, small()), first, 41)
	})
}

// A removal that failed is finished before the next begins: whatever fails and whenever the power
// goes, no hole is left.
func TestJournal_TruncationThatFailsLeavesNoHole(t *testing.T) {
	for n := 1; ; n++ {
		m := disk.NewMemory()
		j := mustOpen(t, m, small())
		for last := uint64(2); last <= 60; last += 2 {
			write(t, j, last)
		}
		m.Fail(n)
		failed := j.TruncateBefore(30) != nil
		m.Fail(0)
		for _, keep := range []func(disk.Unsynced) bool{
			func(disk.Unsynced) bool { return false }, func(disk.Unsynced) bool { return true },
		} {
			crashed := m.Clone()
			crashed.CrashKeeping(keep)
			checkTail(t, crashed, 60)
		}
		if err := j.TruncateBefore(50); err != nil {
			t.Fatalf("fault %d: the next truncation: %v", n, err)
		}
		if names, err := m.List("journal-"); err != nil || len(names) > 9 {
			t.Errorf("fault %d: %d segments are left (%v)", n, len(names), err)
		}
		checkTail(t, m.Clone(), 60)
		if !failed {
			if n < 5 {
				t.Errorf("only %d steps can fail", n)
			}
			return
		}
	}
}

// checkTail opens a journal that may begin anywhere and must end at last.
func checkTail(t *testing.T, d disk.Disk, last uint64) {
	t.Helper()
	j, err := journal.Open(d, small())
	if err != nil {
		t.Errorf("after a truncation: %v", err)
		return
	}
	first, _ := j.Bounds()
	holds(t, d, j, first, last)
}

func TestJournal_RefusesWhatIsNotIts(t *testing.T) {
	m := disk.NewMemory()
	j := mustOpen(t, m, options())
	write(t, j, 3)
	mustClose(t, j)
	other := options()
	other.Owner = [32]byte{1}
	before := contents(t, m)
	_, err := journal.Open(m, other)
	if !errors.Is(err, journal.ErrOwner) || !strings.Contains(err.Error(), "c1000000") {
		t.Errorf("another cluster's journal: %v", err)
	}
	segment := "journal-0000000000000001"
	newer := m.Clone()
	if err := newer.Damage(segment, func(b []byte) []byte { b[11] = 2; return b }); err != nil {
		t.Fatal(err)
	}
	_, err = journal.Open(newer, options())
	if !errors.Is(err, journal.ErrVersion) || !strings.Contains(err.Error(), "2") {
		t.Errorf("a later version's journal: %v", err)
	}
	if after := contents(t, m); len(after) != len(before) || after[segment] != before[segment] {
		t.Error("a refused journal was changed")
	}
	for name, change := range map[string]func(*journal.Options){
		"tiny segments":  func(o *journal.Options) { o.SegmentBytes = 68 },
		"huge segments":  func(o *journal.Options) { o.SegmentBytes = journal.SegmentBytesMax + 1 },
		"negative":       func(o *journal.Options) { o.SegmentBytes = -1 },
		"no records":     func(o *journal.Options) { o.MaxRecord = -1 },
		"boundless ones": func(o *journal.Options) { o.MaxRecord = 1<<28 + 1 },
	} {
		o := options()
		change(&o)
		if _, err := journal.Open(disk.NewMemory(), o); !errors.Is(err, journal.ErrOptions) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The salt is made with the journal; whoever opens it later need not know it.
func TestJournal_KeepsItsSalt(t *testing.T) {
	m := disk.NewMemory()
	j := mustOpen(t, m, options())
	write(t, j, 3)
	mustClose(t, j)
	o := options()
	o.Salt = 99
	j = mustOpen(t, m, o)
	write(t, j, 5)
	holds(t, m, j, 1, 5)
	mustClose(t, j)
	holds(t, m, mustOpen(t, m, options()), 1, 5)
}

func TestJournal_Closed(t *testing.T) {
	m := disk.NewMemory()
	j := mustOpen(t, m, options())
	write(t, j, 3)
	mustClose(t, j)
	none := func(uint64, journal.Record) error { return nil }
	_, err := j.Read(1)
	for what, err := range map[string]error{
		"flush": j.Flush(), "read": err, "replay": j.Replay(none), "close": j.Close(),
		"truncate": j.TruncateBefore(2), "sync the mark": j.SyncMark(),
	} {
		if !errors.Is(err, journal.ErrClosed) {
			t.Errorf("%s after close: %v", what, err)
		}
	}
}

// A body beyond the limit is a bug of the caller.
func TestJournal_TooLargeARecordPanics(t *testing.T) {
	o := options()
	o.MaxRecord = 10
	j := mustOpen(t, disk.NewMemory(), o)
	j.Append(journal.Record{Type: 1, Body: make([]byte, 10)})
	defer func() {
		if recover() == nil {
			t.Error("11 bytes were taken")
		}
	}()
	j.Append(journal.Record{Type: 1, Body: make([]byte, 11)})
}

// The caller's own error stops a replay and a scan, and comes back as it was.
func TestJournal_ReplayStopsAtTheCallersError(t *testing.T) {
	m := disk.NewMemory()
	j := mustOpen(t, m, options())
	write(t, j, 5)
	stop := errors.New("enough")
	for how, each := range map[string]func(func(uint64, journal.Record) error) error{
		"replay": j.Replay,
		"scan":   func(fn func(uint64, journal.Record) error) error { return journal.Scan(m, fn) },
	} {
		seen := 0
		err := each(func(lsn uint64, _ journal.Record) error {
			seen++
			if lsn == 2 {
				return stop
			}
			return nil
		})
		if !errors.Is(err, stop) || seen != 2 {
			t.Errorf("%s saw %d records and returned %v", how, seen, err)
		}
	}
}

// A full disk is no damage: the flush that failed is written when there is room, at the same place.
func TestJournal_FullDiskThenRoom(t *testing.T) {
	refused := 0
	for room := int64(0); room < 1600; room += 13 {
		m := disk.NewMemory()
		o := small()
		j := mustOpen(t, m, o)
		write(t, j, 2)
		m.Room(room)
		last := uint64(2)
		for range 20 {
			last += 2
			j.Append(rec(last-1), rec(last))
			if err := j.Flush(); err != nil {
				if !errors.Is(err, disk.ErrFull) {
					t.Fatalf("room for %d: %v", room, err)
				}
				refused++
				break
			}
		}
		acked := last - 2
		if last == 42 {
			acked = last
		}
		crashed := m.Clone() // the process dies while the disk is full
		crashed.Full(false)
		c := mustOpen(t, crashed, o)
		if n := count(t, c); n < acked || n > last {
			t.Errorf("room for %d: %d records after a kill, %d were acknowledged", room, n, acked)
		}
		if err := j.Flush(); err != nil && !errors.Is(err, disk.ErrFull) {
			t.Fatalf("room for %d, still full: %v", room, err)
		}
		j.Append(rec(last + 1)) // staging goes on meanwhile
		m.Full(false)
		mustFlush(t, j)
		holds(t, m, j, 1, last+1)
		mustClose(t, j)
		holds(t, m, mustOpen(t, m, o), 1, last+1)
	}
	if refused < 50 {
		t.Errorf("the disk was full only %d times", refused)
	}
}

// Any other failure poisons: no later flush pretends that the earlier one had been written.
func TestJournal_OtherErrorsPoison(t *testing.T) {
	for n := 1; ; n++ {
		m := disk.NewMemory()
		j := mustOpen(t, m, small())
		write(t, j, 4)
		m.Fail(n)
		acked := uint64(4)
		var failure error
		for last := uint64(6); last <= 30 && failure == nil; last += 2 {
			j.Append(rec(last-1), rec(last))
			if failure = j.Flush(); failure == nil {
				acked = last
			}
		}
		if failure == nil {
			if n < 30 {
				t.Errorf("only %d steps can fail", n)
			}
			return
		}
		if errors.Is(failure, journal.ErrPoisoned) {
			t.Errorf("fault %d: the first failure is called a later one: %v", n, failure)
		}
		for range 2 {
			j.Append(rec(acked + 1))
			if err := j.Flush(); !errors.Is(err, journal.ErrPoisoned) ||
				!strings.Contains(err.Error(), failure.Error()[len("flush journal: "):]) {
				t.Errorf("fault %d: a flush after %q returned %v", n, failure, err)
			}
		}
		crashed := m.Clone()
		crashed.Crash()
		for _, d := range []*disk.Memory{m, crashed} {
			if got := count(t, mustOpen(t, d, small())); got < acked || got > acked+2 {
				t.Errorf("fault %d: %d records are found, %d were acknowledged", n, got, acked)
			}
		}
	}
}

// A directory that cannot be made a journal says so; nothing half made stays in the way.
func TestJournal_OpenThatFailsCanBeRepeated(t *testing.T) {
	for n := 1; ; n++ {
		m := disk.NewMemory()
		m.Fail(n)
		_, err := journal.Open(m, options())
		m.Fail(0)
		j := mustOpen(t, m, options())
		write(t, j, 2)
		holds(t, m, j, 1, 2)
		if err == nil {
			if n < 4 {
				t.Errorf("only %d steps can fail", n)
			}
			return
		}
	}
}

func TestJournal_ReadNoticesChangedBytes(t *testing.T) {
	m := disk.NewMemory()
	j := mustOpen(t, m, options())
	write(t, j, 5)
	err := m.Damage("journal-0000000000000001", func(b []byte) []byte {
		i := bytes.Index(b, []byte("record 3"))
		b[i] ^= 1
		return b
	})
	if err != nil {
		t.Fatal(err)
	}
	var damage *journal.DamageError
	if _, err := j.Read(3); !errors.As(err, &damage) || damage.LSN != 3 {
		t.Errorf("reading the changed record: %v", err)
	}
	if _, err := j.Read(2); err != nil {
		t.Errorf("reading the one before it: %v", err)
	}
	err = j.Replay(func(uint64, journal.Record) error { return nil })
	if !errors.As(err, &damage) || damage.LSN != 3 {
		t.Errorf("replaying it: %v", err)
	}
	if err := m.Remove("journal-0000000000000001"); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Read(2); !errors.Is(err, journal.ErrNotFound) {
		t.Errorf("reading from a file that is gone: %v", err)
	}
	err = j.Replay(func(uint64, journal.Record) error { return nil })
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("replaying a file that is gone: %v", err)
	}
}

// A quota's end is a full disk like any other.
func TestJournal_Quota(t *testing.T) {
	q, err := disk.WithQuota(disk.NewMemory(), 20_000)
	if err != nil {
		t.Fatal(err)
	}
	j := mustOpen(t, q, small())
	last := uint64(0)
	for full := false; !full; {
		last += 2
		j.Append(rec(last-1), rec(last))
		err := j.Flush()
		if full = errors.Is(err, disk.ErrFull); err != nil && !full {
			t.Fatal(err)
		}
		if last > 1000 {
			t.Fatal("the quota was never reached")
		}
	}
	q.SetLimit(40_000)
	mustFlush(t, j)
	holds(t, q, j, 1, last)
	if err := j.TruncateBefore(last / 2); err != nil {
		t.Fatal(err)
	}
	q.SetLimit(20_000) // there is room again without more of it
	write(t, j, last+10)
}
