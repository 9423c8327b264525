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
