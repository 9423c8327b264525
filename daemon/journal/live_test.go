package journal_test

import (
	"errors"
	"sync"
	"testing"

	"byzd/daemon/disk"
	"byzd/daemon/journal"
)

// One goroutine appends, one flushes, one reads, one truncates, one scans the files from outside:
// everything that is seen is whole and in order.
func TestLive_EverybodyAtOnce(t *testing.T) {
	onDisks(t, func(t *testing.T, d disk.Disk) {
		o := options()
		o.SegmentBytes = 20_000
		j := mustOpen(t, d, o)
		const total = 3000
		done := make(chan struct{})
		var group sync.WaitGroup
		run := func(body func() error) {
			group.Go(func() {
				for {
					select {
					case <-done:
						return
					default:
					}
					if err := body(); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		run(j.Flush)
		run(func() error { return readNewest(j) })
		run(j.SyncMark)
		run(func() error {
			_, last := j.Bounds()
			if last < 1000 {
				return nil
			}
			return j.TruncateBefore(last - 1000)
		})
		run(func() error { return scanOnce(d) })
		for n := uint64(1); n <= total; n++ {
			j.Append(rec(n))
			for j.Staged() > 10_000 { // as the owner loop does: no more than the disk takes
				if err := j.Flush(); err != nil {
					t.Fatal(err)
				}
			}
		}
		mustFlush(t, j)
		close(done)
		group.Wait()
		first, last := j.Bounds()
		if last != total || first == 1 {
			t.Errorf("records %d to %d are kept", first, last)
		}
		holds(t, d, j, first, total)
		mustClose(t, j)
		holds(t, d, mustOpen(t, d, o), first, total)
	})
}

func readNewest(j *journal.Journal) error {
	first, last := j.Bounds()
	for _, lsn := range []uint64{first, (first + last) / 2, last} {
		r, err := j.Read(lsn)
		if errors.Is(err, journal.ErrNotFound) {
			continue // cut off meanwhile, or none yet
		}
		if err == nil {
			err = same(r, rec(lsn))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func scanOnce(d disk.Disk) error {
	next := uint64(0)
	err := journal.Scan(d, func(lsn uint64, r journal.Record) error {
		if next != 0 && lsn != next {
			return errors.New("a gap")
		}
		next = lsn + 1
		return same(r, rec(lsn))
	})
	if errors.Is(err, journal.ErrTruncated) {
		return nil
	}
	return err
}

// Flush waits for the disk, Append does not: the next turn is staged meanwhile, and stays for the
// next flush.
func TestLive_AppendDuringAFlush(t *testing.T) {
	m := disk.NewMemory()
	w := watch(m)
	j := mustOpen(t, w, options())
	write(t, j, 1)
	entered := false
	w.before = func(op, name string) {
		if op == "sync" && name == firstSegment && !entered {
			entered = true
			j.Append(rec(3)) // would not return if Append waited
		}
	}
	write(t, j, 2)
	w.before = func(string, string) {}
	if !entered || j.Staged() == 0 {
		t.Fatal("nothing was staged during the flush")
	}
	holds(t, m, j, 1, 2)
	mustFlush(t, j)
	holds(t, m, j, 1, 3)
}
