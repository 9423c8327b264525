package archive_test

import (
	"fmt"
	"testing"

	"byzd/crypto"
	"byzd/daemon/archive"
	"byzd/daemon/disk"
	"byzd/daemon/journal"
	"byzd/pbft/message"
)

var owner = crypto.Hash("owner")

func open(t *testing.T, d disk.Disk, bytes int64) *archive.Archive {
	t.Helper()
	a, err := archive.Open(d, archive.Options{Owner: owner, Every: 8, Bytes: bytes})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func flush(t *testing.T, a *archive.Archive) {
	t.Helper()
	if err := a.Flush(); err != nil {
		t.Fatal(err)
	}
}

func stable(seq uint64) *message.Record {
	return &message.Record{Type: message.RecordStable, Stable: &message.CheckpointCertificate{
		Seq: seq, Digest: crypto.Hash("batch", fmt.Append(nil, seq)), Aggregate: make([]byte, 192),
	}}
}

func view(v uint64, size int) *message.Record {
	return &message.Record{Type: message.RecordView, NewView: &message.NewView{
		View: v, Base: &message.Certificate{Kind: crypto.KindPrepare}, Sig: make([]byte, 64),
		Stable: &message.CheckpointCertificate{Aggregate: make([]byte, size)},
	}}
}

// contents reads what is on the disk, as the judge does.
func contents(t *testing.T, d disk.Disk) (seqs, views map[uint64]bool) {
	t.Helper()
	seqs, views = map[uint64]bool{}, map[uint64]bool{}
	err := journal.Scan(d, func(_ uint64, raw journal.Record) error {
		rec, err := message.DecodeRecord(message.RecordType(raw.Type), raw.Version, raw.Body)
		if err != nil {
			return err
		}
		if rec.Stable != nil {
			seqs[rec.Stable.Seq] = true
		} else {
			views[rec.NewView.View] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return seqs, views
}

// R7.8: the last 64 certificates at multiples of K·2^j stay for each j, and every NEW-VIEW,
// whatever the ring throws out, over restarts; the ring stays within its size.
func TestKeepsTheLastOfEachLevel(t *testing.T) {
	const k, top, bytes = 8, 6000, 256 << 10
	d := disk.NewMemory()
	a := open(t, d, bytes)
	for seq := uint64(k); seq <= k*top; seq += k {
		a.Keep(stable(seq))
		if seq%(k*10) == 0 {
			flush(t, a)
		}
		if seq == k*top/2 {
			if err := a.Close(); err != nil {
				t.Fatal(err)
			}
			a = open(t, d, bytes)
		}
	}
	flush(t, a)
	seqs, _ := contents(t, d)
	for step := uint64(k); step <= k*top; step *= 2 {
		last := k * top / step * step
		for i := uint64(0); i < 64 && last > i*step; i++ {
			if !seqs[last-i*step] {
				t.Errorf("certificate %d, a multiple of %d, is gone", last-i*step, step)
			}
		}
	}
	if a.Size() > bytes*5/4 {
		t.Errorf("the ring has %d bytes of %d", a.Size(), bytes)
	}
	if len(seqs) == top {
		t.Error("nothing was ever thrown out: the test shows nothing")
	}
}

// The ring of NEW-VIEWs is bounded, and it is the oldest that go.
func TestOldestNewViewsGo(t *testing.T) {
	const bytes = 256 << 10
	d := disk.NewMemory()
	a := open(t, d, bytes)
	for v := uint64(1); v <= 1000; v++ {
		a.Keep(view(v, 1000))
		flush(t, a)
		if a.Size() > bytes*5/4 {
			t.Fatalf("the ring has %d bytes of %d", a.Size(), bytes)
		}
	}
	_, views := contents(t, d)
	for v := uint64(1000); v > 900; v-- {
		if !views[v] {
			t.Fatalf("NEW-VIEW %d of 1000 is gone", v)
		}
	}
	if views[1] {
		t.Error("the first is still there")
	}
}

// What is handed over again after a start is not kept twice; what is of no interest is not kept.
func TestKeepsEachOnce(t *testing.T) {
	d := disk.NewMemory()
	a := open(t, d, 0)
	for range 2 {
		for _, rec := range []*message.Record{
			view(1, 10), stable(8), stable(9), // no multiple of K
			{Type: message.RecordVote, Vote: &message.Vote{Kind: crypto.KindCommit}},
			{Type: message.RecordStable, Stable: &message.CheckpointCertificate{Seq: 16}}, // the base
		} {
			a.Keep(rec)
		}
		flush(t, a)
		if a.Records() != 2 {
			t.Fatalf("%d records are kept, not 2", a.Records())
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		a = open(t, d, 0)
	}
	a.Keep(view(2, 10))
	d.Crash() // it was not flushed: the journal has it still, and hands it over again
	a = open(t, d, 0)
	if a.Records() != 2 {
		t.Errorf("%d records after a crash", a.Records())
	}
}

// A disk that fails ends the archive, not the node.
func TestBrokenArchiveKeepsNothingMore(t *testing.T) {
	d := disk.NewMemory()
	a := open(t, d, 0)
	a.Keep(view(1, 10))
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	a.Keep(view(2, 10))
	if a.Flush() == nil {
		t.Error("a closed archive takes records")
	}
	a.Keep(view(3, 10))
	if a.Flush() == nil {
		t.Error("it works again")
	}
}
