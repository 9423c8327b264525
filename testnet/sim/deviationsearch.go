package sim

import (
	"cmp"
	"context"
	"io"
	"runtime"
	"slices"
	"sync"
	"time"
)

// DeviationOptions say which deviations to try.
type DeviationOptions struct {
	Scenarios []string // nil: all
	Seed      uint64   // of the recorded runs
	Most      int      // deviations in one run
	Within    int      // the first deliveries of the recorded run, among which they are placed
	From      uint64   // the number of the first run of each scenario
	Count     uint64   // runs of each scenario; 0: all
	Every     uint64   // each so manieth of these only
	// Progress, if not nil, is told after each run how many of how many there were. It is called by
	// one goroutine at a time.
	Progress func(scenario string, done, all uint64, elapsed time.Duration)
}

// DeviationScenario is what came of one recorded run.
type DeviationScenario struct {
	Name       string
	Deliveries int // among which deviations are placed
	All        uint64
	Runs       uint64
	Idle       uint64 // in which not every deviation was reached
	Views      uint64 // in which the view changed
}

// DeviationFailure is a run in which an oracle found something.
type DeviationFailure struct {
	Case    DeviationCase
	Failure *Failure
}

// DeviationReport is what came of a search.
type DeviationReport struct {
	Most      int
	Scenarios []DeviationScenario
	Runs      uint64
	Failures  []DeviationFailure // the first ones by number
	Complete  bool               // every way to place the deviations was tried
	Elapsed   time.Duration
}

// deviationFailures end a search: what is broken once is broken often.
const deviationFailures = 10

// Deviate tries all ways to let deliveries of recorded runs deviate, or a part of them, until all
// are tried, some fail, or ctx ends: then the report is about what was done.
func Deviate(ctx context.Context, o DeviationOptions) (*DeviationReport, error) {
	if o.Scenarios == nil {
		o.Scenarios = deviationScenarios()
	}
	o.Every = max(o.Every, 1)
	r, began := &DeviationReport{Most: o.Most, Complete: true}, time.Now()
	for _, name := range o.Scenarios {
		if len(r.Failures) >= deviationFailures {
			r.Complete = false
			break
		}
		if err := r.scenario(ctx, name, &o); err != nil {
			return r, err
		}
	}
	r.Elapsed = time.Since(began)
	return r, nil
}

// scenario tries what there is to try with one recorded run.
func (r *DeviationReport) scenario(ctx context.Context, name string, o *DeviationOptions) error {
	none := DeviationCase{Scenario: name, Seed: o.Seed}
	first, d, err := none.run(Setup{})
	if err != nil {
		return err
	}
	s := DeviationScenario{Name: name, Deliveries: min(d.count, o.Within)}
	s.All = placements(s.Deliveries, o.Most)
	end := s.All
	if o.Count > 0 {
		end = min(end, o.From+o.Count)
	}
	if first.Failure != nil {
		r.Failures = append(r.Failures, DeviationFailure{none, first.Failure})
		end = 0
	}
	w := deviationWork{report: r, scenario: &s, o: o, next: o.From, end: end, began: time.Now()}
	var group sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() { w.work(ctx) })
	}
	group.Wait()
	r.Runs += s.Runs
	r.Complete = r.Complete && s.Runs == s.All
	r.Scenarios = append(r.Scenarios, s)
	slices.SortFunc(w.failures, func(a, b numberedFailure) int {
		return cmp.Compare(a.number, b.number)
	})
	for _, f := range w.failures {
		r.Failures = append(r.Failures, f.DeviationFailure)
	}
	return nil
}

type numberedFailure struct {
	DeviationFailure

	number uint64
}

// deviationWork is shared by those who work on one recorded run.
type deviationWork struct {
	report    *DeviationReport
	scenario  *DeviationScenario
	o         *DeviationOptions
	began     time.Time
	mu        sync.Mutex
	next, end uint64
	failures  []numberedFailure
}

func (w *deviationWork) work(ctx context.Context) {
	s := w.scenario
	for {
		w.mu.Lock()
		k := w.next
		w.next += w.o.Every
		over := k >= w.end || ctx.Err() != nil || len(w.failures) >= deviationFailures
		w.mu.Unlock()
		if over {
			return
		}
		c := DeviationCase{s.Name, w.o.Seed, placement(k, s.Deliveries)}
		r, d, err := c.run(Setup{})
		if err != nil {
			panic("sim: " + err.Error()) // its scenario is known
		}
		w.mu.Lock()
		s.Runs++
		if d.reached < len(c.Placed) {
			s.Idle++
		}
		if d.changed {
			s.Views++
		}
		if r.Failure != nil {
			f := DeviationFailure{c, r.Failure}
			w.failures = append(w.failures, numberedFailure{f, k})
		}
		if w.o.Progress != nil {
			all := (w.end - w.o.From + w.o.Every - 1) / w.o.Every
			w.o.Progress(s.Name, s.Runs, all, time.Since(w.began))
		}
		w.mu.Unlock()
	}
}

// choose is how many ways there are to choose k of n.
func choose(n, k int) uint64 {
	ways := uint64(1)
	for i := range k {
		ways = ways * uint64(n-i) / uint64(i+1) //nolint:gosec // 0 before it is negative
	}
	return ways
}

// placements is in how many ways 1 to most deviations can be placed among so many deliveries.
func placements(deliveries, most int) (all uint64) {
	kinds := uint64(1)
	for k := 1; k <= min(most, deliveries); k++ {
		kinds *= uint64(deviationKinds)
		all += choose(deliveries, k) * kinds
	}
	return all
}

// placement is the way with a number: those with fewer deviations come first.
func placement(number uint64, deliveries int) []Deviation {
	k, kinds := 1, uint64(deviationKinds)
	for number >= choose(deliveries, k)*kinds {
		number -= choose(deliveries, k) * kinds
		k++
		kinds *= uint64(deviationKinds)
	}
	places, what := number/kinds, number%kinds
	list := make([]Deviation, 0, k)
	for at := 0; k > 0; at++ {
		with := choose(deliveries-at-1, k-1) // ways whose first place is this one
		if places >= with {
			places -= with
			continue
		}
		kind := deviationKind(what % uint64(deviationKinds))
		list = append(list, Deviation{at, kind})
		what /= uint64(deviationKinds)
		k--
	}
	return list
}

// Write prints what was tried.
func (r *DeviationReport) Write(out io.Writer) error {
	p := printer{out: out}
	p.line("%-14s %10s %10s %10s %12s %12s", "recorded run", "deliveries", "ways", "tried",
		"view changed", "not reached")
	for _, s := range r.Scenarios {
		p.line("%-14s %10d %10d %10d %12d %12d", s.Name, s.Deliveries, s.All, s.Runs, s.Views,
			s.Idle)
	}
	extent := "a part of all ways"
	if r.Complete {
		extent = "all ways"
	}
	p.line("%s to place at most %d deviations: %d runs, %d failures, %.1f s, %.0f runs/s", extent,
		r.Most, r.Runs, len(r.Failures), r.Elapsed.Seconds(),
		float64(r.Runs)/max(r.Elapsed.Seconds(), 1e-9))
	return p.err
}
