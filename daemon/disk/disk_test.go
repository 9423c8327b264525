package disk

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// eachDisk runs a test against both doors: the contract is one.
func eachDisk(t *testing.T, run func(t *testing.T, d Disk)) {
	t.Helper()
	t.Run("os", func(t *testing.T) {
		d, err := OS(filepath.Join(t.TempDir(), "home"))
		if err != nil {
			t.Fatal(err)
		}
		run(t, d)
	})
	t.Run("memory", func(t *testing.T) { run(t, NewMemory()) })
}

func write(t *testing.T, f File, text string) {
	t.Helper()
	if n, err := f.Write([]byte(text)); err != nil || n != len(text) {
		t.Fatalf("Write(%q) = %d, %v", text, n, err)
	}
}

func create(t *testing.T, d Disk, name, text string) File {
	t.Helper()
	f, err := d.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	write(t, f, text)
	return f
}

func wantContent(t *testing.T, d Disk, name, want string) {
	t.Helper()
	got, err := d.ReadFile(name)
	if err != nil || string(got) != want {
		t.Fatalf("%s holds %q (%v), want %q", name, got, err, want)
	}
}

func closeAll(t *testing.T, files ...interface{ Close() error }) {
	t.Helper()
	for _, f := range files {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestDisk_FilesKeepWhatIsWritten(t *testing.T) {
	eachDisk(t, func(t *testing.T, d Disk) {
		f := create(t, d, "a", "hello")
		if _, err := f.WriteAt([]byte("J"), 0); err != nil {
			t.Fatal(err)
		}
		write(t, f, " world") // WriteAt must not have moved the position.
		if _, err := f.WriteAt([]byte("!"), 13); err != nil {
			t.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
		wantContent(t, d, "a", "Jello world\x00\x00!")
		again, err := d.Append("a")
		if err != nil {
			t.Fatal(err)
		}
		write(t, again, "?")
		if size, err := d.Size("a"); err != nil || size != 15 {
			t.Fatalf("Size = %d, %v, want 15", size, err)
		}
		r, err := d.OpenRead("a")
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 5)
		if n, err := r.ReadAt(b, 6); err != nil || string(b[:n]) != "world" {
			t.Fatalf("ReadAt = %q, %v", b[:n], err)
		}
		if n, err := r.ReadAt(b, 13); err == nil || string(b[:n]) != "!?" {
			t.Fatalf("ReadAt at the end = %q, %v, want a short read with an error", b[:n], err)
		}
		closeAll(t, f, again, r)
	})
}

func TestDisk_CreateRefusesATakenName(t *testing.T) {
	eachDisk(t, func(t *testing.T, d Disk) {
		closeAll(t, create(t, d, "a", "x"))
		if _, err := d.Create("a"); !errors.Is(err, fs.ErrExist) {
			t.Fatalf("second Create: %v, want ErrExist", err)
		}
		wantContent(t, d, "a", "x")
	})
}

func TestDisk_MissingFilesSayso(t *testing.T) {
	eachDisk(t, func(t *testing.T, d Disk) {
		_, readErr := d.ReadFile("none")
		_, openErr := d.OpenRead("none")
		_, sizeErr := d.Size("dir/none")
		for i, err := range []error{
			readErr, openErr, sizeErr, d.Remove("none"), d.Truncate("none", 1),
		} {
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("call %d: %v, want ErrNotExist", i, err)
			}
		}
	})
}

func TestDisk_TruncateCutsAndLengthens(t *testing.T) {
	eachDisk(t, func(t *testing.T, d Disk) {
		closeAll(t, create(t, d, "a", "hello"))
		for _, step := range []struct {
			size int64
			want string
		}{{2, "he"}, {4, "he\x00\x00"}, {0, ""}} {
			if err := d.Truncate("a", step.size); err != nil {
				t.Fatal(err)
			}
			wantContent(t, d, "a", step.want)
		}
	})
}

func TestDisk_ListIsSortedAndOneLevelDeep(t *testing.T) {
	eachDisk(t, func(t *testing.T, d Disk) {
		for _, name := range []string{"seg-2", "seg-1", "other", "snap/b", "snap/a"} {
			closeAll(t, create(t, d, name, name))
		}
		if err := d.SyncDir(); err != nil {
			t.Fatal(err)
		}
		for prefix, want := range map[string][]string{
			"":       {"other", "seg-1", "seg-2"},
			"seg-":   {"seg-1", "seg-2"},
			"snap/":  {"snap/a", "snap/b"},
			"snap/b": {"snap/b"},
			"gone/":  nil,
		} {
			if got, err := d.List(prefix); err != nil || !slices.Equal(got, want) {
				t.Errorf("List(%q) = %v, %v, want %v", prefix, got, err, want)
			}
		}
	})
}

func TestDisk_WriteAtomicReplaces(t *testing.T) {
	eachDisk(t, func(t *testing.T, d Disk) {
		for _, text := range []string{"one", "a longer two", ""} {
			for _, name := range []string{"f", "dir/f"} {
				if err := d.WriteAtomic(name, []byte(text)); err != nil {
					t.Fatal(err)
				}
				wantContent(t, d, name, text)
			}
		}
		if names, err := d.List(""); err != nil || !slices.Equal(names, []string{"f"}) {
			t.Fatalf("List = %v, %v: a temporary file shows", names, err)
		}
	})
}

func TestDisk_RefusesNamesThatLeadElsewhere(t *testing.T) {
	eachDisk(t, func(t *testing.T, d Disk) {
		for _, name := range []string{
			"", ".", "..", "../a", "/a", "a/", "a/b/c", "a/../b", ".hidden", "a b", "a\x00b",
			`a\b`, "a.tmp", "d/a.tmp", "ä", strings.Repeat("n", NameMax+1),
		} {
			_, createErr := d.Create(name)
			_, appendErr := d.Append(name)
			_, readErr := d.ReadFile(name)
			_, openErr := d.OpenRead(name)
			_, sizeErr := d.Size(name)
			for i, err := range []error{
				createErr, appendErr, readErr, openErr, sizeErr,
				d.WriteAtomic(name, nil), d.Truncate(name, 0), d.Remove(name),
			} {
				if !errors.Is(err, ErrName) {
					t.Errorf("call %d with %q: %v, want ErrName", i, name, err)
				}
			}
		}
		if _, err := d.List("../"); !errors.Is(err, ErrName) {
			t.Errorf("List(../): %v, want ErrName", err)
		}
	})
}

func TestOS_FilesAreTheOwnersOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "home")
	d, err := OS(dir)
	if err != nil {
		t.Fatal(err)
	}
	closeAll(t, create(t, d, "snap/a", "x"))
	if err := d.WriteAtomic("b", nil); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{
		"": fs.ModeDir | 0o700, "snap": fs.ModeDir | 0o700, "snap/a": 0o600, "b": 0o600,
	} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode() != want {
			t.Errorf("%q has mode %v (%v), want %v", name, info.Mode(), err, want)
		}
	}
}

func TestOS_LinksCannotLeadOut(t *testing.T) {
	base := t.TempDir()
	secret := filepath.Join(base, "secret")
	if err := os.WriteFile(secret, []byte("s"), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := OS(filepath.Join(base, "home"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(secret, filepath.Join(base, "home", "link")); err != nil {
		t.Fatal(err)
	}
	if got, err := d.ReadFile("link"); err == nil {
		t.Fatalf("read %q through a link out of the root", got)
	}
}

func TestOS_LeftoverTemporaryIsReplaced(t *testing.T) {
	dir := t.TempDir()
	d, err := OS(dir)
	if err != nil {
		t.Fatal(err)
	}
	leftover := filepath.Join(dir, "f"+tempSuffix)
	if err := os.WriteFile(leftover, bytes.Repeat([]byte("x"), 100), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.WriteAtomic("f", []byte("new")); err != nil {
		t.Fatal(err)
	}
	wantContent(t, d, "f", "new")
	if _, err := os.Stat(leftover); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("leftover: %v, want it gone", err)
	}
}

func TestNamed_FullDiskHasOneName(t *testing.T) {
	for err, want := range map[error]bool{
		&fs.PathError{Err: syscall.ENOSPC}: true,
		&fs.PathError{Err: syscall.EDQUOT}: true,
		&fs.PathError{Err: syscall.EIO}:    false,
	} {
		if got := errors.Is(named(err), ErrFull); got != want {
			t.Errorf("named(%v) is ErrFull: %v, want %v", err, got, want)
		}
		if !errors.Is(named(err), err) {
			t.Errorf("named(%v) hides its cause", err)
		}
	}
}

func TestLock_SecondHolderLearnsWho(t *testing.T) {
	dir := t.TempDir()
	unlock, err := Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Lock(dir)
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), itoa(os.Getpid())) {
		t.Fatalf("second Lock: %v, want ErrLocked naming process %d", err, os.Getpid())
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	unlock, err = Lock(dir)
	if err != nil {
		t.Fatalf("Lock after unlock: %v", err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
}
