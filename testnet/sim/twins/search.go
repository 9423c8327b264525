package twins

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Options say which scenarios to play.
type Options struct {
	Set   Set
	From  uint64 // the number of the first one
	Count uint64
	Seed  uint64 // of sets that are drawn at random
	// Workers play at the same time; what comes of it does not depend on how many.
	Workers int
	// Progress, if not nil, is told now and then how many were played. It is called by one worker
	// at a time.
	Progress func(played uint64)
}

// Failure is a scenario that was not safe or not live.
type Failure struct {
	Number   uint64
	Scenario *Scenario
	Outcome  Outcome
}

// Report says what came of a search.
type Report struct {
	Set      string
	From     uint64
	Seed     uint64
	Played   uint64
	Next     uint64 // everything from From to before it was played
	Complete bool   // the whole of an enumerated set was played
	Wire     uint64
	Real     uint64
	Elapsed  time.Duration
	PerSec   float64

	Failures []Failure // the first few, by number
	Unsafe   uint64
	Stuck    uint64

	// What was reached.
	Executed  uint64 // scenarios in which something was executed before the end
	Changed   uint64 // that had a view change
	Caught    uint64 // in which a twin was convicted of lying
	Batches   uint64
	Messages  uint64
	MaxView   uint64
	MaxHealed int64 // the longest time to the end after the cuts, in milliseconds
}

// maxFailures is how many failures end a search.
const maxFailures = 10

// Every so many scenarios one is played with more of the real thing.
const (
	wireEvery = 8
	realEvery = 1024
)

func fidelityOf(k uint64) Fidelity {
	switch {
	case k%realEvery == realEvery-1:
		return Real
	case k%wireEvery == wireEvery-1:
		return Wire
	}
	return Fast
}

// chunk is how many scenarios a worker takes at once.
const chunk = 64

// search is a search under way.
type search struct {
	o     Options
	end   uint64
	next  atomic.Uint64
	stop  atomic.Bool
	mu    sync.Mutex
	total Report
}

// Search plays scenarios until all are played, some have failed, or ctx ends.
func Search(ctx context.Context, o Options) Report {
	s := &search{o: o, end: o.From + o.Count}
	if o.Set.Size > 0 {
		s.end = min(s.end, o.Set.Size)
	}
	s.next.Store(o.From)
	s.total = Report{Set: o.Set.Name, From: o.From, Seed: o.Seed}
	start := time.Now()
	var workers sync.WaitGroup
	for range max(o.Workers, 1) {
		workers.Go(func() { s.work(ctx) })
	}
	workers.Wait()
	r := s.total
	r.Elapsed = time.Since(start)
	r.PerSec = float64(r.Played) / max(r.Elapsed.Seconds(), 1e-9)
	r.Next = min(s.next.Load(), s.end) // who takes a chunk plays all of it
	r.Complete = o.Set.Size > 0 && r.Played == o.Set.Size
	slices.SortFunc(r.Failures, func(a, b Failure) int {
		if a.Number < b.Number {
			return -1
		}
		return 1
	})
	return r
}

func (s *search) work(ctx context.Context) {
	labs := map[string]*Lab{}
	for !s.stop.Load() && ctx.Err() == nil {
		first := s.next.Add(chunk) - chunk
		if first >= s.end {
			return
		}
		part := Report{}
		for k := first; k < min(first+chunk, s.end); k++ {
			s.play(labs, k, &part)
		}
		s.add(&part)
	}
}

func (s *search) play(labs map[string]*Lab, k uint64, part *Report) {
	sc, f := s.o.Set.At(s.o.Seed, k), fidelityOf(k)
	name := fmt.Sprint(sc.Members, f)
	if labs[name] == nil {
		labs[name] = NewLab(sc.Members, f)
	}
	o := labs[name].Run(sc)
	part.Played++
	switch f {
	case Wire:
		part.Wire++
	case Real:
		part.Real++
	case Fast:
	}
	part.Batches += uint64(o.Executed) //nolint:gosec // a count
	part.Messages += uint64(o.Sent)    //nolint:gosec // a count
	part.MaxView, part.MaxHealed = max(part.MaxView, o.Views), max(part.MaxHealed, o.Healed)
	for _, reached := range []struct {
		is    bool
		count *uint64
	}{
		{o.Executed > 0, &part.Executed},
		{o.Views > 0, &part.Changed},
		{o.Caught, &part.Caught},
		{!o.Safe(), &part.Unsafe},
		{o.Stuck != "", &part.Stuck},
	} {
		if reached.is {
			*reached.count++
		}
	}
	if !o.OK() {
		part.Failures = append(part.Failures, Failure{k, sc, o})
	}
}

func (s *search) add(part *Report) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &s.total
	t.Played += part.Played
	t.Wire += part.Wire
	t.Real += part.Real
	t.Unsafe += part.Unsafe
	t.Stuck += part.Stuck
	t.Executed += part.Executed
	t.Changed += part.Changed
	t.Caught += part.Caught
	t.Batches += part.Batches
	t.Messages += part.Messages
	t.MaxView, t.MaxHealed = max(t.MaxView, part.MaxView), max(t.MaxHealed, part.MaxHealed)
	t.Failures = append(t.Failures, part.Failures...)
	if len(t.Failures) >= maxFailures {
		s.stop.Store(true)
	}
	if s.o.Progress != nil {
		s.o.Progress(t.Played)
	}
}
