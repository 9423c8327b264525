package sim

import (
	"fmt"
	"io"
)

// Write prints how many effects of each kind there were, at how many of them a node was crashed,
// and how long that took.
func (s *Sweep) Write(out io.Writer) error {
	if _, err := fmt.Fprintf(out, "%-20s %9s %9s\n", "effect", "points", "to crash"); err != nil {
		return err
	}
	points, crashed := 0, 0
	for k := range pointKinds {
		points, crashed = points+s.Points[k], crashed+s.Crashed[k]
		_, err := fmt.Fprintf(out, "%-20v %9d %9d\n", k, s.Points[k], s.Crashed[k])
		if err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(out, "%-20s %9d %9d\n%d recorded runs, %d crashes, %d failures, %.1f s, "+
		"%.0f crashes/s\n", "all", points, crashed, s.Runs, s.Crashes, len(s.Failures),
		s.Elapsed.Seconds(), float64(s.Crashes)/max(s.Elapsed.Seconds(), 1e-9))
	for _, m := range sweepMarks() {
		if err == nil {
			_, err = fmt.Fprintf(out, "%7d: %s\n", s.Struck[m], markers()[m].name)
		}
	}
	if err == nil {
		_, err = fmt.Fprintf(out, "%d points of a node that fetches a state\n", s.Fetching)
	}
	if err == nil && s.Crashes < s.All {
		_, err = fmt.Fprintf(out, "ended early: %d of %d crashes, drawn from all of these points\n",
			s.Crashes, s.All)
	}
	return err
}

// sweepMarks are what some crashes must have come in the middle of.
func sweepMarks() []marker {
	return []marker{
		markCrashHeld, markCrashFlushing, markCrashInChange, markCrashFetching, markCrashFenced,
		markCrashPrimary,
	}
}
