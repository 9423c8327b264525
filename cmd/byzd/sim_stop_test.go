package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"byzd/testnet/sim"
)

// A simulation that never comes back from one step is ended, and says which seed that was (mutant
// M14 is such); one that comes to its end is left alone.
func TestSimEndsInTheMiddleOfAStep(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	var seeds sim.Seeds
	seeds.Begin(17)
	seeds.Begin(4)
	seeds.End(4)
	why := make(chan string, 1)
	endAnyway(ctx, make(chan struct{}), time.Millisecond, &seeds, func(text string) { why <- text })
	if got := <-why; !strings.Contains(got, "--seed 17") || strings.Contains(got, "--seed 4") {
		t.Errorf("it says %q", got)
	}
	done := make(chan struct{})
	close(done)
	endAnyway(ctx, done, time.Hour, &seeds, func(string) { t.Error("a run that ended is ended") })
	endAnyway(t.Context(), done, 0, &seeds, func(string) { t.Error("nobody stopped it") })
}
