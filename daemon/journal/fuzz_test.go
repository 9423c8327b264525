package journal_test

import (
	"bytes"
	"errors"
	"testing"

	"byzd/daemon/disk"
	"byzd/daemon/journal"
)

// FuzzOpen: whatever the files hold, opening them ends, with an error or with a journal whose
// replay, reads and second opening agree, and that can go on.
func FuzzOpen(f *testing.F) {
	m := disk.NewMemory()
	j := mustOpen(f, m, options())
	add := func() {
		files := contents(f, m)
		segment := bytes.TrimRight([]byte(files[firstSegment]), "\x00")
		even, odd := []byte(files["journal.mark"][:32]), []byte(files["journal.mark"][4096:][:32])
		f.Add(segment, even, odd)
		f.Add(segment[:len(segment)-3], even, odd)
	}
	add()
	for last := uint64(1); last <= 7; last += 2 {
		write(f, j, last)
		add()
	}
	j.Append(journal.Record{Type: 1}, journal.Record{Type: 2, Body: make([]byte, 600)})
	mustFlush(f, j)
	add()
	f.Fuzz(func(t *testing.T, segment, even, odd []byte) {
		d := disk.NewMemory()
		mark := make([]byte, 8192)
		copy(mark, even)
		copy(mark[4096:], odd)
		for name, data := range map[string][]byte{firstSegment: segment, "journal.mark": mark} {
			if err := d.WriteAtomic(name, data); err != nil {
				t.Fatal(err)
			}
		}
		_ = journal.Scan(d, func(uint64, journal.Record) error { return nil })
		j, err := journal.Open(d, options())
		if err != nil {
			var damage *journal.DamageError
			if !errors.As(err, &damage) && !errors.Is(err, journal.ErrOwner) &&
				!errors.Is(err, journal.ErrVersion) {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		before := replayed(t, j)
		for lsn, want := range before {
			r, err := j.Read(uint64(lsn) + 1)
			if err == nil {
				err = same(r, want)
			}
			if err != nil {
				t.Fatalf("read %d: %v", lsn+1, err)
			}
		}
		j.Append(rec(1))
		mustFlush(t, j)
		d.Crash()
		after := replayed(t, mustOpen(t, d, options()))
		if len(after) != len(before)+1 {
			t.Fatalf("%d records, then %d", len(before), len(after))
		}
	})
}

func replayed(t *testing.T, j *journal.Journal) (records []journal.Record) {
	t.Helper()
	err := j.Replay(func(_ uint64, r journal.Record) error {
		records = append(records, r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return records
}

// FuzzReadStream: whatever comes over a connection, reading it ends.
func FuzzReadStream(f *testing.F) {
	for _, records := range [][]journal.Record{nil, sampleRecords()[:2]} {
		var w bytes.Buffer
		if err := journal.WriteStream(&w, from(9, records, nil)); err != nil {
			f.Fatal(err)
		}
		f.Add(w.Bytes())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := readAll(data, 1<<16)
		if err == nil {
			records := make([]journal.Record, 0, len(got))
			for _, n := range got {
				records = append(records, n.rec)
			}
			var w bytes.Buffer
			first := uint64(0)
			if len(got) > 0 {
				first = got[0].lsn
			}
			if err := journal.WriteStream(&w, from(first, records, nil)); err != nil {
				t.Fatal(err)
			}
			if len(got) > 0 && !bytes.HasPrefix(data, w.Bytes()) {
				t.Fatalf("it reads, and is written as %x", w.Bytes())
			}
		}
	})
}
