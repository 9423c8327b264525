package disk_test

import (
	"errors"
	"testing"

	"byzd/daemon/disk"
)

// A quota refuses what would exceed it, as a full disk does, and takes it when there is room again.
func TestQuota(t *testing.T) {
	m := disk.NewMemory()
	if err := m.WriteAtomic("old", make([]byte, 40)); err != nil {
		t.Fatal(err)
	}
	q, err := disk.WithQuota(m, 100)
	if err != nil {
		t.Fatal(err)
	}
	f, err := q.Create("new")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(make([]byte, 60)); err != nil {
		t.Fatalf("what fits is refused: %v", err)
	}
	if _, err := f.Write([]byte{1}); !errors.Is(err, disk.ErrFull) {
		t.Fatalf("one byte too many: %v", err)
	}
	if _, err := f.WriteAt([]byte{1}, 59); err != nil {
		t.Fatalf("a write within the file is refused: %v", err)
	}
	if err := q.Truncate("new", 200); !errors.Is(err, disk.ErrFull) {
		t.Fatalf("lengthening beyond the quota: %v", err)
	}
	if err := q.Remove("old"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(make([]byte, 40)); err != nil {
		t.Fatalf("removing made no room: %v", err)
	}
	q.SetLimit(101)
	if _, err := f.Write([]byte{1}); err != nil {
		t.Fatalf("the higher limit is not used: %v", err)
	}
	if err := q.WriteAtomic("more", []byte{1}); !errors.Is(err, disk.ErrFull) {
		t.Fatalf("a new file beyond the quota: %v", err)
	}
}

// What a file is charged for follows its size: a write that the disk refuses, then a cut, then the
// same write again, neither loses room nor gains any.
func TestQuotaKeepsItsAccounts(t *testing.T) {
	m := disk.NewMemory()
	q, err := disk.WithQuota(m, 100)
	if err != nil {
		t.Fatal(err)
	}
	f, err := q.Create("f")
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		m.Full(true)
		if _, err := f.WriteAt(make([]byte, 60), 0); !errors.Is(err, disk.ErrFull) {
			t.Fatalf("a write to a full disk: %v", err)
		}
		m.Full(false)
		if err := q.Truncate("f", 0); err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt(make([]byte, 100), 0); err != nil {
			t.Fatalf("there was room: %v", err)
		}
		if _, err := f.WriteAt([]byte{1}, 0); err != nil {
			t.Fatalf("writing over what is there: %v", err)
		}
		if err := q.WriteAtomic("g", []byte{1}); !errors.Is(err, disk.ErrFull) {
			t.Fatalf("writing over what is there made room: %v", err)
		}
		if _, err := f.WriteAt([]byte{1}, 100); !errors.Is(err, disk.ErrFull) {
			t.Fatalf("there was room for one byte more: %v", err)
		}
		if err := q.Truncate("f", 0); err != nil {
			t.Fatal(err)
		}
		if err := q.WriteAtomic("g", make([]byte, 100)); err != nil {
			t.Fatalf("cutting made no room: %v", err)
		}
		if err := q.Remove("g"); err != nil {
			t.Fatal(err)
		}
	}
	if err := q.Remove("g"); err == nil {
		t.Error("a missing file was removed")
	}
	if err := q.Truncate("missing", 10); err == nil {
		t.Error("a missing file was lengthened")
	}
	if err := q.WriteAtomic("h", make([]byte, 100)); err != nil {
		t.Errorf("what is missing takes room: %v", err)
	}
}
