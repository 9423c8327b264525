package disk

import (
	"errors"
	"io/fs"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func itoa(n int) string { return strconv.Itoa(n) }

func wantMissing(t *testing.T, d Disk, name string) {
	t.Helper()
	if got, err := d.ReadFile(name); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("%s holds %q (%v), want it missing", name, got, err)
	}
}

func mustSync(t *testing.T, m *Memory, files ...File) {
	t.Helper()
	for _, f := range files {
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.SyncDir(); err != nil {
		t.Fatal(err)
	}
}

func TestMemory_CrashKeepsWhatWasSynced(t *testing.T) {
	m := NewMemory()
	named, unnamed := create(t, m, "named", "old"), create(t, m, "gone", "x")
	mustSync(t, m, named)
	late := create(t, m, "late", "x")
	if err := late.Sync(); err != nil { // The bytes are durable, the name is not.
		t.Fatal(err)
	}
	write(t, named, " new")
	if err := m.Remove("gone"); err != nil {
		t.Fatal(err)
	}
	m.Crash()
	wantContent(t, m, "named", "old")
	wantContent(t, m, "gone", "") // Its removal was not durable, and neither were its bytes.
	wantMissing(t, m, "late")
	for _, f := range []File{named, unnamed, late} {
		if _, err := f.Write([]byte("x")); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("write after the crash: %v, want ErrClosed", err)
		}
	}
}

func TestMemory_AtomicAndTruncateSurviveACrash(t *testing.T) {
	m := NewMemory()
	f := create(t, m, "a", "abcdef")
	mustSync(t, m)
	if err := m.WriteAtomic("b", []byte("B")); err != nil {
		t.Fatal(err)
	}
	if err := m.Truncate("a", 3); err != nil {
		t.Fatal(err)
	}
	closeAll(t, f)
	m.Crash()
	wantContent(t, m, "a", "abc")
	wantContent(t, m, "b", "B")
}

func TestMemory_CrashTornKeepsAPrefix(t *testing.T) {
	for n, want := range map[int64]string{0: "", 1: "a", 3: "abc", 4: "abcX", 6: "abcXYZ", 99: "abcXYZ"} {
		m := NewMemory()
		f := create(t, m, "f", "")
		mustSync(t, m, f)
		write(t, f, "abc")
		write(t, f, "XYZ")
		m.CrashTorn(n)
		wantContent(t, m, "f", want)
	}
}

func TestMemory_CrashKeepingReordersSectors(t *testing.T) {
	m := NewMemory()
	f := create(t, m, "f", "")
	mustSync(t, m, f)
	write(t, f, strings.Repeat("a", 100)+strings.Repeat("b", SectorBytes))
	var asked int
	m.CrashKeeping(func(u Unsynced) bool {
		asked++
		return u.Offset == SectorBytes
	})
	wantContent(t, m, "f", strings.Repeat("\x00", SectorBytes)+strings.Repeat("b", 100))
	if asked != 2 {
		t.Errorf("asked about %d pieces, want 2 sectors", asked)
	}
}

func TestMemory_FailedSyncLosesTheBytesForGood(t *testing.T) {
	m := NewMemory()
	f := create(t, m, "f", "old")
	mustSync(t, m, f)
	write(t, f, " new")
	m.FailSync(1)
	if err := f.Sync(); !errors.Is(err, syscall.EIO) {
		t.Fatalf("Sync: %v, want EIO", err)
	}
	wantContent(t, m, "f", "old new") // The process still sees them,
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	m.Crash()
	wantContent(t, m, "f", "old") // but a later sync did not write them.
}

func TestMemory_FullDiskWritesWhatFits(t *testing.T) {
	m := NewMemory()
	f := create(t, m, "f", "abc")
	m.Room(2)
	if n, err := f.Write([]byte("defg")); n != 2 || !errors.Is(err, ErrFull) {
		t.Fatalf("Write = %d, %v, want 2 and ErrFull", n, err)
	}
	if _, err := f.WriteAt([]byte("ABC"), 0); err != nil {
		t.Fatalf("overwriting on a full disk: %v", err)
	}
	if err := m.WriteAtomic("g", []byte("x")); !errors.Is(err, ErrFull) {
		t.Fatalf("WriteAtomic: %v, want ErrFull", err)
	}
	wantMissing(t, m, "g")
	m.Full(false)
	write(t, f, "fg")
	wantContent(t, m, "f", "ABCdefg")
}

// TestMemory_EveryCallCanFail runs one history and fails each of its calls in turn.
func TestMemory_EveryCallCanFail(t *testing.T) {
	history := func(m *Memory) error {
		f, err := m.Create("f")
		if err != nil {
			return err
		}
		if _, err := f.Write([]byte("abc")); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
		if err := m.WriteAtomic("g", []byte("x")); err != nil {
			return err
		}
		if err := m.Truncate("f", 1); err != nil {
			return err
		}
		return m.Remove("f")
	}
	const calls = 1 + 1 + 1 + 3 + 2 + 1
	for n := 1; n <= calls; n++ {
		m := NewMemory()
		m.Fail(n)
		if err := history(m); !errors.Is(err, syscall.EIO) {
			t.Errorf("call %d: %v, want EIO", n, err)
		}
		if err := history(NewMemory()); err != nil {
			t.Fatal(err)
		}
	}
	m := NewMemory()
	m.Fail(calls + 1)
	if err := history(m); err != nil {
		t.Errorf("a fault behind the last call: %v", err)
	}
}

func TestMemory_CloneIsIndependent(t *testing.T) {
	m := NewMemory()
	f := create(t, m, "f", "abc")
	mustSync(t, m, f)
	write(t, f, "def")
	c := m.Clone()
	write(t, f, "ghi")
	m.Crash()
	wantContent(t, m, "f", "abc")
	wantContent(t, c, "f", "abcdef")
	if got := c.UnsyncedBytes(); got != 3 {
		t.Errorf("clone has %d unsynced bytes, want 3", got)
	}
	c.CrashTorn(2)
	wantContent(t, c, "f", "abcde")
}

func TestMemory_CountsSyncsAndTakesDamage(t *testing.T) {
	m := NewMemory()
	f := create(t, m, "f", "abc")
	mustSync(t, m, f, f)
	if got := m.Syncs(); got != 3 {
		t.Errorf("Syncs = %d, want 3", got)
	}
	if err := m.Damage("f", func(b []byte) []byte { b[1] ^= 1; return b }); err != nil {
		t.Fatal(err)
	}
	m.Crash()
	wantContent(t, m, "f", "acc")
}
