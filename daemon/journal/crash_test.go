package journal_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"

	"byzd/daemon/disk"
	"byzd/daemon/journal"
)

const firstSegment = "journal-0000000000000001"

// beforeSync makes a journal with acked records, flushes count more, and returns the disk as it is
// when they are written and not synced.
func beforeSync(t *testing.T, acked, count uint64) *disk.Memory {
	t.Helper()
	m := disk.NewMemory()
	w := watch(m)
	j := mustOpen(t, w, options())
	for n := uint64(1); n <= acked; n++ {
		write(t, j, n)
	}
	if err := j.SyncMark(); err != nil {
		t.Fatal(err)
	}
	var snapshot *disk.Memory
	w.before = func(op, name string) {
		if op == "sync" && name == firstSegment {
			snapshot = m.Clone()
		}
	}
	write(t, j, acked+count)
	return snapshot
}

// survives opens what a crash left: all acknowledged records are there, perhaps the beginning of
// the flush under way, and the journal goes on.
func survives(t *testing.T, what string, d *disk.Memory, acked, staged uint64) journal.Report {
	t.Helper()
	j, err := journal.Open(d, options())
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return journal.Report{}
	}
	n := count(t, j)
	if n < acked || n > acked+staged {
		t.Errorf("%s: %d records are left, %d were acknowledged", what, n, acked)
	}
	report := j.Report()
	write(t, j, n+2)
	d.Crash() // what was found is durable, and so is what came after it
	holds(t, d, mustOpen(t, d, options()), 1, n+2)
	return report
}

// A power cut keeps any beginning of the writes that were not synced.
func TestCrash_TornAtEveryByte(t *testing.T) {
	snapshot := beforeSync(t, 3, 4)
	lengths := map[uint64]bool{}
	torn := 0
	for n := range int64(701) {
		d := snapshot.Clone()
		d.CrashTorn(n)
		r := survives(t, fmt.Sprintf("%d bytes kept", n), d, 3, 4)
		lengths[r.Records] = true
		if r.TornBytes > 0 {
			torn++
			if r.TornSegment != firstSegment || r.TornOffset == 0 || r.TornWhy == "" {
				t.Errorf("%d bytes kept: report is %+v", n, r)
			}
		}
	}
	if len(lengths) != 5 || torn < 100 {
		t.Errorf("journals of %d lengths were seen, %d of them torn", len(lengths), torn)
	}
}

// A disk that reorders keeps any subset of the sectors that were not synced, with or without the
// mark of the flush before.
func TestCrash_EverySubsetOfSectors(t *testing.T) {
	snapshot := beforeSync(t, 3, 30)
	var pieces []disk.Unsynced
	snapshot.Clone().CrashKeeping(func(u disk.Unsynced) bool {
		pieces = append(pieces, u)
		return false
	})
	if len(pieces) < 8 || len(pieces) > 14 {
		t.Fatalf("%d pieces are not synced", len(pieces))
	}
	for mask := range 1 << len(pieces) {
		d := snapshot.Clone()
		i := 0
		d.CrashKeeping(func(disk.Unsynced) bool {
			i++
			return mask>>(i-1)&1 == 1
		})
		survives(t, fmt.Sprintf("pieces %b kept", mask), d, 3, 30)
	}
}

// kill -9 keeps everything written: the flush that was under way may be found.
func TestCrash_KilledBeforeTheSync(t *testing.T) {
	d := beforeSync(t, 3, 4)
	if r := survives(t, "killed", d, 3, 4); r.Last != 7 || r.Mark != 3 || r.TornBytes != 0 {
		t.Errorf("report is %+v", r)
	}
}

// Every step of a life with changing segments and truncations is followed by a crash of each kind.
func TestCrash_AtEveryStep(t *testing.T) {
	for seed := range uint64(8) {
		rng := rand.New(rand.NewPCG(seed, 1))
		m := disk.NewMemory()
		w := watch(m)
		life := &model{t: t, seed: seed, rng: rng, m: m}
		w.before = func(op, name string) { life.crash(op + " " + name) }
		j := mustOpen(t, w, small())
		life.j = j
		for range 25 {
			life.step()
		}
		if life.crashes < 100 {
			t.Errorf("seed %d: only %d crashes", seed, life.crashes)
		}
	}
}

// model knows what a journal must still hold after a crash.
type model struct {
	t       *testing.T
	seed    uint64
	rng     *rand.Rand
	m       *disk.Memory
	j       *journal.Journal
	acked   uint64 // flushed: must be there
	staged  uint64 // may be there
	cut     uint64 // records before this may be gone
	crashes int
}

func (l *model) step() {
	switch l.rng.IntN(10) {
	case 0:
		l.cut = l.acked / 2
		if err := l.j.TruncateBefore(l.cut); err != nil {
			l.t.Fatal(err)
		}
	case 1:
		if err := l.j.SyncMark(); err != nil {
			l.t.Fatal(err)
		}
	default:
		for range 1 + l.rng.IntN(5) {
			l.staged = l.j.Append(rec(l.staged + 1))
		}
		mustFlush(l.t, l.j)
		l.acked = l.staged
	}
}

// crash lets the power go now, in several ways, and looks at what is left.
func (l *model) crash(step string) {
	for how, keep := range map[string]func(disk.Unsynced) bool{
		"nothing":  func(disk.Unsynced) bool { return false },
		"all":      func(disk.Unsynced) bool { return true },
		"some":     func(disk.Unsynced) bool { return l.rng.IntN(2) == 0 },
		"most":     func(disk.Unsynced) bool { return l.rng.IntN(20) > 0 },
		"no names": func(u disk.Unsynced) bool { return u.Data },
		"no mark":  func(u disk.Unsynced) bool { return u.Name != "journal.mark" },
	} {
		l.crashes++
		d := l.m.Clone()
		d.CrashKeeping(keep)
		what := fmt.Sprintf("seed %d, before %s, kept %s", l.seed, step, how)
		j, err := journal.Open(d, small())
		if err != nil {
			l.t.Errorf("%s: %v", what, err)
			continue
		}
		first, last := j.Bounds()
		if last < l.acked || last > l.staged || first > max(l.cut, 1) {
			l.t.Errorf("%s: records %d to %d are left; %d to %d are needed",
				what, first, last, l.cut, l.acked)
		}
		holds(l.t, d, j, first, last)
		write(l.t, j, last+1)
	}
}

// Damage to what was synced is never accepted and never cut off in silence: after any flipped
// bit of a record or a header, Open refuses, says where, and changes nothing.
func TestDamage_EveryByteOfSyncedRecords(t *testing.T) {
	m := disk.NewMemory()
	j := mustOpen(t, m, small())
	for last := uint64(2); last <= 20; last += 2 {
		write(t, j, last)
	}
	mustClose(t, j)
	segments, err := m.List("journal-")
	if err != nil || len(segments) < 3 {
		t.Fatalf("segments are %v (%v)", segments, err)
	}
	ends := usedEnds(t, m, segments)
	for _, name := range segments {
		for i := range ends[name] {
			d := m.Clone()
			flip(t, d, name, i)
			refused(t, d, fmt.Sprintf("%s, byte %d flipped", name, i))
		}
		for n := range ends[name] {
			d := m.Clone()
			if err := d.Damage(name, func(b []byte) []byte { return b[:n] }); err != nil {
				t.Fatal(err)
			}
			refused(t, d, fmt.Sprintf("%s cut to %d bytes", name, n))
		}
	}
}

// usedEnds returns where the content of each segment ends.
func usedEnds(t *testing.T, m *disk.Memory, segments []string) map[string]int {
	t.Helper()
	ends := map[string]int{}
	for name, data := range contents(t, m) {
		ends[name] = len(strings.TrimRight(data, "\x00"))
	}
	maps.DeleteFunc(ends, func(name string, _ int) bool {
		return !strings.HasPrefix(name, "journal-")
	})
	if len(ends) != len(segments) {
		t.Fatalf("%d of %d segments have content", len(ends), len(segments))
	}
	return ends
}

func flip(t *testing.T, d *disk.Memory, name string, i int) {
	t.Helper()
	err := d.Damage(name, func(b []byte) []byte {
		b[i] ^= 1 << (i % 8)
		return b
	})
	if err != nil {
		t.Fatal(err)
	}
}

// refused fails unless Open calls the journal damaged, or of another version, and leaves it alone.
func refused(t *testing.T, d *disk.Memory, what string) {
	t.Helper()
	before := contents(t, d)
	_, err := journal.Open(d, small())
	var damage *journal.DamageError
	switch {
	case err == nil:
		t.Errorf("%s: accepted", what)
	case errors.As(err, &damage):
		text := err.Error()
		if damage.Segment == "" || damage.Why == "" || !strings.Contains(text, damage.Segment) ||
			!strings.Contains(text, "damaged") {
			t.Errorf("%s: the error says too little: %v", what, err)
		}
	case !errors.Is(err, journal.ErrVersion):
		t.Errorf("%s: %v", what, err)
	}
	if !maps.Equal(contents(t, d), before) {
		t.Errorf("%s: the refused journal was changed", what)
	}
	if err := journal.Scan(d, func(uint64, journal.Record) error { return nil }); err == nil {
		t.Errorf("%s: the scan saw nothing", what)
	}
}

// A missing, doubled or foreign file is damage, too.
func TestDamage_Files(t *testing.T) {
	m := disk.NewMemory()
	j := mustOpen(t, m, small())
	for last := uint64(2); last <= 20; last += 2 {
		write(t, j, last)
	}
	mustClose(t, j)
	segments, err := m.List("journal-")
	if err != nil {
		t.Fatal(err)
	}
	files := contents(t, m)
	mark := files["journal.mark"]
	copyTo := func(d *disk.Memory, name, data string) {
		if err := d.WriteAtomic(name, []byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	for what, change := range map[string]func(d *disk.Memory){
		"no mark":             func(d *disk.Memory) { _ = d.Remove("journal.mark") },
		"no segments":         func(d *disk.Memory) { removeAll(d, segments) },
		"the last is missing": func(d *disk.Memory) { _ = d.Remove(segments[len(segments)-1]) },
		"a middle is missing": func(d *disk.Memory) { _ = d.Remove(segments[1]) },
		"an unreadable name":  func(d *disk.Memory) { copyTo(d, "journal-1", "") },
		"a name in capitals":  func(d *disk.Memory) { copyTo(d, "journal-000000000000001A", "") },
		"a segment 0":         func(d *disk.Memory) { copyTo(d, "journal-0000000000000000", "") },
		"a segment twice":     func(d *disk.Memory) { copyTo(d, segments[1], files[segments[0]]) },
		"a segment from later": func(d *disk.Memory) {
			copyTo(d, "journal-0000000000000f00", files[segments[1]])
		},
		"an empty one at the end, of no use": func(d *disk.Memory) {
			copyTo(d, "journal-0000000000000f00", "")
		},
		"a short mark": func(d *disk.Memory) { copyTo(d, "journal.mark", mark[:8000]) },
		"a blank mark": func(d *disk.Memory) {
			copyTo(d, "journal.mark", strings.Repeat("\x00", len(mark)))
		},
		"an earlier end": func(d *disk.Memory) { copyTo(d, segments[len(segments)-1], "") },
		"a neighbour's records": func(d *disk.Memory) {
			data := files[segments[1]]
			copyTo(d, segments[1], data[:68]+files[segments[2]][68:])
		},
	} {
		d := m.Clone()
		change(d)
		refused(t, d, what)
	}
}

func removeAll(d *disk.Memory, names []string) {
	for _, name := range names {
		_ = d.Remove(name)
	}
}

// One slot of the mark may be lost, in a power cut for instance: the other one counts, and Open
// says so. Two are damage.
func TestDamage_OneSlotOfTheMark(t *testing.T) {
	m := disk.NewMemory()
	j := mustOpen(t, m, options())
	write(t, j, 3)
	write(t, j, 6)
	mustClose(t, j)
	for i := range 32 {
		for _, slot := range []int{0, 4096} {
			d := m.Clone()
			flip(t, d, "journal.mark", slot+i)
			j := mustOpen(t, d, options())
			if r := j.Report(); !r.MarkSlotLost || r.Last != 6 || r.Mark != 6 && r.Mark != 3 {
				t.Errorf("byte %d of the mark: report is %+v", slot+i, r)
			}
			write(t, j, 8)
			mustClose(t, j)
			holds(t, d, mustOpen(t, d, options()), 1, 8)
		}
		d := m.Clone()
		flip(t, d, "journal.mark", i)
		flip(t, d, "journal.mark", 4096+i)
		refused(t, d, fmt.Sprintf("byte %d of both slots", i))
	}
}

// After a power cut the mark may be old. Then a whole flush behind a bad record still proves that
// the bad one had been synced; only the very last flush is taken for a torn tail.
func TestDamage_WithAnOldMark(t *testing.T) {
	m := disk.NewMemory()
	j := mustOpen(t, m, options())
	ends := []int{68}
	for last := uint64(3); last <= 15; last += 3 {
		write(t, j, last)
		ends = append(ends, int(j.Size()))
	}
	m.Crash() // the mark was never synced: it names record 0
	for i := ends[0]; i < ends[len(ends)-1]; i++ {
		d := m.Clone()
		flip(t, d, firstSegment, i)
		j, err := journal.Open(d, options())
		if i < ends[len(ends)-2] {
			var damage *journal.DamageError
			if !errors.As(err, &damage) || !strings.Contains(damage.Why, "later flush is whole") {
				t.Errorf("byte %d, in a flush before the last: %v", i, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("byte %d, in the last flush: %v", i, err)
			continue
		}
		if r := j.Report(); r.Last < 12 || r.Last > 14 || r.TornBytes == 0 {
			t.Errorf("byte %d, in the last flush: report is %+v", i, r)
		}
	}
}

// Records that were spliced in from elsewhere do not fit, although their own checksums do.
func TestDamage_SplicedRecords(t *testing.T) {
	m := disk.NewMemory()
	j := mustOpen(t, m, options())
	var ends []int
	for n := range uint64(6) {
		write(t, j, n+1)
		ends = append(ends, int(j.Size()))
	}
	mustClose(t, j)
	part := func(b []byte, n int) []byte { return b[ends[n-1]:ends[n]] }
	for what, change := range map[string]func(b []byte) []byte{
		"two exchanged": func(b []byte) []byte {
			out := append([]byte(nil), b[:ends[1]]...)
			out = append(append(out, part(b, 3)...), part(b, 2)...)
			return append(out, b[ends[3]:]...)
		},
		"one left out": func(b []byte) []byte {
			return append(append([]byte(nil), b[:ends[1]]...), b[ends[2]:]...)
		},
		"one twice": func(b []byte) []byte {
			out := append([]byte(nil), b[:ends[2]]...)
			return append(append(out, part(b, 2)...), b[ends[2]:]...)
		},
	} {
		d := m.Clone()
		if err := d.Damage(firstSegment, change); err != nil {
			t.Fatal(err)
		}
		refused(t, d, what)
	}
}

// What Open has let through is durable before anybody sees it: after kill -9 the kernel still has
// what was written and not synced, and after a failed sync it still shows pages that it will never
// write. The power may go right after the start.
func TestCrash_WhatOpenShowsIsDurable(t *testing.T) {
	killed := beforeSync(t, 3, 4)
	failed := disk.NewMemory()
	j := mustOpen(t, failed, options())
	write(t, j, 3)
	failed.FailSync(1)
	j.Append(rec(4), rec(5), rec(6), rec(7))
	if err := j.Flush(); err == nil {
		t.Fatal("the sync did not fail")
	}
	for how, d := range map[string]*disk.Memory{"killed": killed, "failed sync": failed} {
		if n := count(t, mustOpen(t, d, options())); n != 7 {
			t.Errorf("%s: %d records are found", how, n)
		}
		d.Crash()
		if n := count(t, mustOpen(t, d, options())); n != 7 {
			t.Errorf("%s: %d records survive the power cut after the start", how, n)
		}
	}
}

// A record that fits by its number but follows another history is refused, although its own
// checksum and the mark fit.
func TestDamage_RecordsOfAnotherHistory(t *testing.T) {
	history := func(second string) (*disk.Memory, []int) {
		m := disk.NewMemory()
		j := mustOpen(t, m, options())
		var ends []int
		for _, body := range []string{"one", second, "three"} {
			j.Append(journal.Record{Type: 1, Body: []byte(body)})
			mustFlush(t, j)
			ends = append(ends, int(j.Size()))
		}
		mustClose(t, j)
		return m, ends
	}
	m, ends := history("two")
	other, _ := history("TWO")
	theirs := contents(t, other)[firstSegment]
	err := m.Damage(firstSegment, func(b []byte) []byte {
		copy(b[ends[1]:], theirs[ends[1]:ends[2]])
		return b
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.WriteAtomic("journal.mark", []byte(contents(t, other)["journal.mark"])); err != nil {
		t.Fatal(err)
	}
	refused(t, m, "the third record of another history")
}

// The end of a segment is in a durable mark before the next begins: after a power cut, too, the
// loss of everything from there on is noticed.
func TestDamage_EndOfASealedSegment(t *testing.T) {
	m := disk.NewMemory()
	j := mustOpen(t, m, small())
	var before, sealed int64 // where the last flush of the first segment begins and ends
	for n, size := uint64(1), int64(0); ; n++ {
		write(t, j, n)
		if names, err := m.List("journal-"); err != nil || len(names) == 2 {
			break
		}
		before, sealed = size, j.Size()
		size = sealed
	}
	m.Crash() // what was not synced of the mark is gone
	names, err := m.List("journal-")
	if err != nil || len(names) != 2 {
		t.Fatalf("segments are %v (%v)", names, err)
	}
	removeAll(m, names[1:])
	if err := m.Damage(firstSegment, func(b []byte) []byte { return b[:before] }); err != nil {
		t.Fatal(err)
	}
	if before == 0 || before >= sealed {
		t.Fatalf("the last flush lies from %d to %d", before, sealed)
	}
	refused(t, m, "the end of a sealed segment and all behind it are lost")
}

// Neither a mark nor a segment of another history is taken, although it is whole in itself and
// begins at the right number.
func TestDamage_FilesOfAnotherHistory(t *testing.T) {
	history := func(second string) (*disk.Memory, []string) {
		m := disk.NewMemory()
		j := mustOpen(t, m, small())
		for _, body := range []string{"one", second, strings.Repeat("3", 600), "four", "five"} {
			j.Append(journal.Record{Type: 1, Body: []byte(body)})
			mustFlush(t, j)
		}
		mustClose(t, j)
		names, err := m.List("journal-")
		if err != nil || len(names) < 2 {
			t.Fatalf("segments are %v (%v)", names, err)
		}
		return m, names
	}
	_, names := history("two")
	others, _ := history("TWO")
	theirs := contents(t, others)
	for what, files := range map[string][]string{
		"the mark":                    {"journal.mark"},
		"the last segments":           names[1:],
		"the last segments, the mark": append(names[1:len(names):len(names)], "journal.mark"),
	} {
		m, _ := history("two")
		for _, name := range files {
			if err := m.WriteAtomic(name, []byte(theirs[name])); err != nil {
				t.Fatal(err)
			}
		}
		before := contents(t, m)
		var damage *journal.DamageError
		if _, err := journal.Open(m, small()); !errors.As(err, &damage) {
			t.Errorf("%s of another history: %v", what, err)
		}
		if !maps.Equal(contents(t, m), before) {
			t.Errorf("%s of another history: the refused journal was changed", what)
		}
	}
}

// Each sync in turn fails, the process ends and begins anew on what the kernel shows it, and later the
// power goes: what was shown, and was not durable, must have been made so.
func TestCrash_PowerCutAfterAFailedSync(t *testing.T) {
	for failing := 1; ; failing++ {
		m := disk.NewMemory()
		j := mustOpen(t, m, small())
		m.FailSync(failing)
		acked, failed := uint64(0), false
		for acked < 40 && !failed {
			last := j.Append(rec(acked + 1))
			if failed = j.Flush() != nil; !failed {
				acked = last
			}
		}
		if !failed {
			if failing < 40 {
				t.Fatalf("only %d syncs", failing)
			}
			return
		}
		_ = j.Close()
		j = mustOpen(t, m, small())
		_, last := j.Bounds()
		write(t, j, last+20)
		m.Crash()
		j, err := journal.Open(m, small())
		if err != nil {
			t.Fatalf("sync %d failed, after record %d: %v", failing, acked, err)
		}
		holds(t, m, j, 1, last+20)
	}
}
