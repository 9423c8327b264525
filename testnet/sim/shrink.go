package sim

import (
	"context"
	"slices"
)

// Case is a run that can be kept: a seed, its options, and the faults that strike.
type Case struct {
	Seed    uint64
	Options Options
	Only    []Decision // nil: all that are drawn
	Want    string     // the oracle that must find something; "clean" for none
}

// Setup is how to run the case.
func (c *Case) Setup() Setup {
	s := Setup{Options: &c.Options}
	if c.Only != nil {
		s.Only = map[Decision]bool{}
		for _, d := range c.Only {
			s.Only[d] = true
		}
	}
	return s
}

// shrinker looks for a smaller case that fails by the same oracle.
type shrinker struct {
	ended func() error // not nil once it shall stop
	best  Case
	made  []Decision // of the best case, as it ran
	runs  int        // that may still be made
	tell  func(string)
}

// ShrinkRuns is how many runs a shrinking may take.
const ShrinkRuns = 600

// Shrink reduces a failing case: whole classes of faults and liars first, then clients and
// operations, then single strikes (delta debugging). It returns the smallest case found, and false
// if the given one does not fail. tell may be nil.
func Shrink(ctx context.Context, c Case, tell func(string)) (Case, bool) {
	if tell == nil {
		tell = func(string) {}
	}
	s := &shrinker{ended: ctx.Err, best: c, runs: ShrinkRuns, tell: tell}
	r := New(c.Seed, c.Setup()).Run()
	if r.Failure == nil {
		return c, false
	}
	s.best.Want, s.made = r.Failure.Oracle, r.Made
	for s.dropWhole() {
		continue
	}
	s.dropStrikes()
	return s.best, true
}

// try keeps a case if it fails as the best one does.
func (s *shrinker) try(c Case, what string) bool {
	if s.runs == 0 || s.ended() != nil {
		return false
	}
	s.runs--
	r := New(c.Seed, c.Setup()).Run()
	if r.Failure == nil || r.Failure.Oracle != s.best.Want {
		return false
	}
	c.Want = s.best.Want
	s.best, s.made = c, r.Made
	s.tell(what)
	return true
}

// dropWhole tries to do without whole classes, liars, clients and operations. It reports whether
// anything went.
func (s *shrinker) dropWhole() bool {
	less := false
	change := func(what string, edit func(*Options) bool) {
		c := s.best
		c.Options.Traitors = slices.Clone(c.Options.Traitors)
		if edit(&c.Options) && s.try(c, what) {
			less = true
		}
	}
	for c := range s.best.Options.Rates {
		change("without "+className[c], func(o *Options) bool {
			was := o.Rates[c]
			o.Rates[c] = 0
			return was > 0
		})
	}
	for i := range s.best.Options.Traitors {
		change("one lie less", func(o *Options) bool {
			if i >= len(o.Traitors) || len(o.Traitors[i].Specs) < 2 {
				return false
			}
			o.Traitors[i].Specs = o.Traitors[i].Specs[1:]
			return true
		})
	}
	for i := range s.best.Options.Traitors {
		change("one traitor less", func(o *Options) bool {
			if i >= len(o.Traitors) {
				return false
			}
			o.Traitors = slices.Delete(o.Traitors, i, i+1)
			return true
		})
	}
	change("without twins", func(o *Options) bool {
		was := len(o.Twins)
		o.Twins = nil
		return was > 0
	})
	for _, number := range []struct {
		name string
		at   func(*Options) *int
		low  int
	}{
		{"signed clients", func(o *Options) *int { return &o.Signed }, 0},
		{"clients", func(o *Options) *int { return &o.Clients }, 1},
		{"operations", func(o *Options) *int { return &o.Ops }, 1},
	} {
		change("fewer "+number.name, func(o *Options) bool {
			at := number.at(o)
			was := *at
			*at = max(number.low, was/2)
			o.Signed = min(o.Signed, o.Clients)
			return *at < was
		})
	}
	return less
}

// dropStrikes is delta debugging over the strikes: it tries to do without ever smaller parts.
func (s *shrinker) dropStrikes() {
	keep := slices.Clone(s.made)
	c := s.best
	c.Only = keep
	if !s.try(c, "recorded") {
		return
	}
	for size := max(1, len(keep)/2); ; size = max(1, size/2) {
		for at := 0; at < len(keep); {
			end := min(at+size, len(keep))
			rest := slices.Concat(keep[:at], keep[end:])
			c := s.best
			c.Only = rest
			if s.try(c, "fewer strikes") {
				keep = rest
			} else {
				at = end
			}
		}
		if size == 1 || s.runs == 0 {
			return
		}
	}
}
