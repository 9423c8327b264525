package sim

import (
	"fmt"
	"io"
)

// Write prints how many effects of each kind there were, at how many of them a node was crashed,
// and how long that took.
func (s *Sweep) Write(out io.Writer) error {
	if _, err := fmt.Fprintf(out, "%-20s %9s %9s\n", "effect", "points", "crashed"); err != nil {
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
	_, err := fmt.Fprintf(out, "%-20s %9d %9d\n%d recorded runs, %d crashes, %d failures, %.1f s\n",
		"all", points, crashed, s.Runs, s.Crashes, len(s.Failures), s.Elapsed.Seconds())
	return err
}
