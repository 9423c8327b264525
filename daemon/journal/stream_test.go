package journal_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"byzd/daemon/journal"
)

type numbered struct {
	lsn uint64
	rec journal.Record
}

func sampleRecords() []journal.Record {
	return []journal.Record{
		{Type: 1, Version: 1, Body: []byte("first")},
		{Type: 2, Version: 7, Body: nil},
		{Type: 255, Version: 0, Body: bytes.Repeat([]byte{0xab}, 70_000)},
	}
}

// from returns a source of records with LSNs from first on that ends with an error.
func from(
	first uint64, recs []journal.Record, end error,
) func(func(uint64, journal.Record) error) error {
	return func(fn func(uint64, journal.Record) error) error {
		for i, r := range recs {
			if err := fn(first+uint64(i), r); err != nil {
				return err
			}
		}
		return end
	}
}

func readAll(data []byte, limit int) ([]numbered, error) {
	var got []numbered
	err := journal.ReadStream(bytes.NewReader(data), limit,
		func(lsn uint64, r journal.Record) error {
			got = append(got, numbered{lsn, r})
			return nil
		})
	return got, err
}

func TestStream_RecordsComeOutAsTheyWentIn(t *testing.T) {
	for _, recs := range [][]journal.Record{nil, sampleRecords()} {
		var w bytes.Buffer
		if err := journal.WriteStream(&w, from(9, recs, nil)); err != nil {
			t.Fatal(err)
		}
		got, err := readAll(w.Bytes(), 0)
		if err != nil || len(got) != len(recs) {
			t.Fatalf("%d of %d records, %v", len(got), len(recs), err)
		}
		for i, g := range got {
			want := recs[i]
			if g.lsn != 9+uint64(i) || g.rec.Type != want.Type || g.rec.Version != want.Version ||
				!bytes.Equal(g.rec.Body, want.Body) {
				t.Errorf("record %d came out as %d, type %d", i, g.lsn, g.rec.Type)
			}
		}
	}
}

func TestStream_AnyCutIsNoticed(t *testing.T) {
	var w bytes.Buffer
	if err := journal.WriteStream(&w, from(1, sampleRecords()[:2], nil)); err != nil {
		t.Fatal(err)
	}
	for n := range w.Len() {
		if _, err := readAll(w.Bytes()[:n], 0); !errors.Is(err, journal.ErrStream) {
			t.Errorf("cut after %d bytes of %d: %v", n, w.Len(), err)
		}
	}
}

func TestStream_SourceThatFailsTellsTheReader(t *testing.T) {
	var w bytes.Buffer
	damage := &journal.DamageError{Segment: "journal-1", LSN: 3, Why: "a bit flipped"}
	err := journal.WriteStream(&w, from(1, sampleRecords()[:2], damage))
	if !errors.Is(err, damage) {
		t.Errorf("the writer was told %v", err)
	}
	got, err := readAll(w.Bytes(), 0)
	if len(got) != 2 || !errors.Is(err, journal.ErrStreamSource) ||
		!strings.Contains(err.Error(), "a bit flipped") {
		t.Errorf("the reader got %d records and %v", len(got), err)
	}
}

// A length is refused or waited for, never believed: nothing is allocated because of it.
func TestStream_RefusesForeignBytesAndLongBodies(t *testing.T) {
	var w bytes.Buffer
	if err := journal.WriteStream(&w, from(1, sampleRecords(), nil)); err != nil {
		t.Fatal(err)
	}
	if _, err := readAll(w.Bytes(), 1000); !errors.Is(err, journal.ErrStream) {
		t.Errorf("a body beyond the limit: %v", err)
	}
	foreign := append([]byte("HTTP/1.1"), w.Bytes()[8:]...)
	if _, err := readAll(foreign, 0); !errors.Is(err, journal.ErrStream) {
		t.Errorf("foreign bytes: %v", err)
	}
	long := slices.Clone(w.Bytes()[:16])
	long = binary.BigEndian.AppendUint32(append(long, 1, 1), journal.MaxRecordDefault)
	if _, err := readAll(long, 0); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a body that never comes: %v", err)
	}
	odd := append(slices.Clone(w.Bytes()[:16]), 0, 9, 0, 0, 0, 0)
	if _, err := readAll(odd, 0); !errors.Is(err, journal.ErrStream) {
		t.Errorf("an unknown end: %v", err)
	}
}
