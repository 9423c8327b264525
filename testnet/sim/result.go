package sim

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"time"
)

// Result is what came of a run.
type Result struct {
	Seed    uint64
	Options Options
	Hash    uint64 // of everything that happened
	Events  uint64
	Virtual int64 // µs
	Batches int
	Settled int64 // µs from the healing until the core had done its work
	Faults  [classCount]uint64
	Marks   [markCount]uint64
	Made    []Decision
	Lied    bool // some traitor has told a lie
	Failure *Failure
	Flagged *Failure // with more than f traitors, what an oracle found first
}

func (w *World) result() *Result {
	return &Result{
		Seed: w.seed, Options: w.opts, Hash: w.hash, Events: w.events, Virtual: w.now,
		Batches: max(0, len(w.oracles.log)-1), Settled: w.settled, Faults: w.faults,
		Marks: w.marks, Made: w.choices.made, Lied: w.lying(), Failure: w.failure,
		Flagged: w.flagged,
	}
}

// Summary adds up many runs.
type Summary struct {
	Seeds     int
	Faults    [classCount]uint64
	FaultRuns [classCount]int
	Marks     [markCount]uint64
	MarkRuns  [markCount]int
	Both      int // runs that commit under an active traitor and go through a view change
	Events    []uint64
	Batches   uint64
	Hash      uint64 // of all runs, in any order
	Failures  []*Result
	Flagged   int // runs with more than f traitors in which an oracle found something
	Elapsed   time.Duration
	Workers   int
}

func (s *Summary) add(r *Result) {
	s.Seeds++
	for i, count := range r.Faults {
		s.Faults[i] += count
		if count > 0 {
			s.FaultRuns[i]++
		}
	}
	for i, count := range &r.Marks {
		s.Marks[i] += count
		if count > 0 {
			s.MarkRuns[i]++
		}
	}
	changes := r.Marks[markViewChange] + r.Marks[markPlannedChange]
	if r.Marks[markCommitUnderTraitor] > 0 && changes > 0 {
		s.Both++
	}
	s.Events = append(s.Events, r.Events)
	s.Batches += uint64(r.Batches) //nolint:gosec // not negative
	s.Hash += mix(r.Hash, r.Seed)
	if r.Flagged != nil {
		s.Flagged++
	}
	if r.Failure != nil {
		s.Failures = append(s.Failures, r)
	}
}

// MedianEvents is the median of the runs' numbers of events.
func (s *Summary) MedianEvents() uint64 {
	if len(s.Events) == 0 {
		return 0
	}
	slices.Sort(s.Events)
	return s.Events[len(s.Events)/2]
}

// Many runs seeds first to first+count-1, on all processors: seeds are independent. It stops early
// when the context ends, or after as many failures as are allowed. each may be nil; it is called
// for one run at a time.
func Many(
	ctx context.Context, first uint64, count, failures int, s Setup, each func(*Result),
) *Summary {
	workers := min(runtime.GOMAXPROCS(0), max(count, 1))
	sum := &Summary{Workers: workers}
	began := time.Now()
	var mu sync.Mutex
	next := 0
	take := func() (uint64, bool) {
		mu.Lock()
		defer mu.Unlock()
		if next >= count || ctx.Err() != nil || failures > 0 && len(sum.Failures) >= failures {
			return 0, false
		}
		next++
		return first + uint64(next) - 1, true //nolint:gosec // not negative
	}
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for seed, more := take(); more; seed, more = take() {
				r := Run(seed, s)
				mu.Lock()
				sum.add(r)
				if each != nil {
					each(r)
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	slices.SortFunc(sum.Failures, func(a, b *Result) int {
		if a.Seed < b.Seed {
			return -1
		}
		return 1
	})
	sum.Elapsed = time.Since(began)
	return sum
}

// Forks returns how many runs came to a fork whose f+1 culprits were named, and how many of them to
// one across views.
func (s *Summary) Forks() (all, across int) {
	return s.MarkRuns[markForkNamed], s.MarkRuns[markForkAcross]
}

// AimPerMinute is VERIFY's aim on two cores, in seeds.
const AimPerMinute = 2000

// Missing lists the markers at zero that fail a long run.
func (s *Summary) Missing() []string {
	var list []string
	for i, r := range markers() {
		if s.Marks[i] == 0 && !r.rare {
			list = append(list, r.name)
		}
	}
	return list
}

// Write prints the tables.
func (s *Summary) Write(out io.Writer) error {
	p := &printer{out: out}
	p.line("%-16s %12s %8s", "fault", "strikes", "seeds")
	for i, name := range className {
		p.line("%-16s %12d %8d", name, s.Faults[i], s.FaultRuns[i])
	}
	p.line("")
	p.line("%-52s %12s %8s", "reached", "times", "seeds")
	for i, r := range markers() {
		p.line("%-52s %12d %8d", r.name, s.Marks[i], s.MarkRuns[i])
	}
	p.line("")
	perMinute := float64(s.Seeds) / s.Elapsed.Minutes()
	p.line("%d seeds, %d failed, hash %016x", s.Seeds, len(s.Failures), s.Hash)
	p.line("commit under an active traitor and a view change: %d seeds (%.0f %%, aim 50 %%)",
		s.Both, 100*float64(s.Both)/float64(max(s.Seeds, 1)))
	p.line("median %d events, %.1f batches a seed", s.MedianEvents(),
		float64(s.Batches)/float64(max(s.Seeds, 1)))
	p.line("%.0f seeds/min on %d cores (aim %d on 2)", perMinute, s.Workers, AimPerMinute)
	return p.err
}

// printer keeps the first error of its writer.
type printer struct {
	out io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.out, format+"\n", args...)
	}
}
