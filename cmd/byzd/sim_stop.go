package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"byzd/testnet/sim"
)

// stopGrace is how long a run may go on after Ctrl-C: more than any takes that comes to its end.
const stopGrace = 5 * time.Second

// watchSeeds ends the process when it is told to stop and a run does not: a simulation is one
// goroutine, and a bug of the protocol may keep it in one step for ever. The caller calls what it
// returns when nothing runs any more.
func watchSeeds(c *cli.Context, seeds *sim.Seeds) (release func()) {
	done := make(chan struct{})
	go endAnyway(c.Context, done, stopGrace, seeds, func(why string) {
		say(c, "byzd: %s", why)
		leave(exitFailed) // whoever runs the step cannot be asked
	})
	return func() { close(done) }
}

// endAnyway waits until there is nothing to end, or calls end with the reason.
func endAnyway(
	ctx context.Context, done <-chan struct{}, grace time.Duration, seeds *sim.Seeds,
	end func(why string),
) {
	select {
	case <-done:
		return
	case <-ctx.Done():
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-done:
		return
	case <-timer.C:
	}
	var b strings.Builder
	b.WriteString("stopped in the middle of a run that does not end:")
	for _, seed := range seeds.Running() {
		fmt.Fprintf(&b, " byzd sim --seed %d", seed)
	}
	end(b.String())
}
