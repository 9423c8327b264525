package main

import (
	"bufio"
	"context"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"byzd/testnet/sim"
)

func simSweepCommand() *cli.Command {
	return &cli.Command{
		Name:  "sweep",
		Usage: "crash each node before and after every effect of recorded runs",
		Description: "A first pass counts what each node sends, hands out and does to its disk.\n" +
			"Then the run is repeated once for every such point, side and state of the disk:\n" +
			"clean, unsynced lost, torn, scattered. The node starts again, the run must finish\n" +
			"its work.\n" +
			"Crashes come in a drawn order: what is interrupted has looked a little everywhere,\n" +
			"and prints what it has so far.\n" +
			"Exit code 4: an oracle found something; the command that repeats it is printed.",
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "run", Usage: "only this recorded `RUN`; may be repeated"},
			&cli.IntFlag{
				Name: "runs", DefaultText: "one of each", Usage: "`NUMBER` of recorded runs",
			},
			&cli.Uint64Flag{Name: "seed", Value: 1, Usage: "the first `SEED`"},
			&cli.DurationFlag{Name: flagLimit, Usage: "stop after so long"},
			&cli.IntFlag{Name: "every", Value: 1, Usage: "take each `N`th effect only"},
			&cli.StringFlag{Name: "replay", Usage: "repeat this one `CRASH`, and print its events"},
		},
		Action: simSweep,
	}
}

func simSweep(c *cli.Context) error {
	if _, err := arguments(c, 0, 0, ""); err != nil {
		return err
	}
	if text := c.String("replay"); text != "" {
		return replaySweep(c, text)
	}
	ctx, bar := c.Context, newTicker(c.App.ErrWriter)
	if limit := c.Duration(flagLimit); limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	s, err := sim.RunSweep(ctx, sim.SweepOptions{
		Scenarios: c.StringSlice("run"), Seed: c.Uint64("seed"), Runs: c.Int("runs"),
		Every: c.Int("every"),
		Progress: func(s *sim.Sweep, elapsed time.Duration) {
			bar.show("%d of %d crashes, %d failures, %.0f/s", s.Crashes, s.All, len(s.Failures),
				perSecond(s.Crashes, elapsed))
		},
	})
	bar.clear()
	if err != nil {
		return usageError(err)
	}
	if err := s.Write(c.App.Writer); err != nil {
		return err
	}
	for _, f := range s.Failures {
		say(c, "byzd: %v\n  replay: byzd sim sweep --replay %v", f.Failure, f.Crash)
	}
	if len(s.Failures) > 0 {
		return silent(exitBroken)
	}
	return c.Err()
}

func replaySweep(c *cli.Context, text string) error {
	crash, err := sim.ParseSweepCrash(text)
	if err != nil {
		return usageError(err)
	}
	return replayRun(c, crash.Run)
}

// replayRun repeats one variant of a recorded run, and prints its events.
func replayRun(c *cli.Context, run func(sim.Setup) (*sim.Result, error)) error {
	out := bufio.NewWriter(c.App.Writer)
	r, err := run(sim.Setup{Trace: out})
	if err != nil {
		return usageError(err)
	}
	if _, err := fmt.Fprintf(out, "hash %016x, %d events\n", r.Hash, r.Events); err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if r.Failure != nil {
		say(c, "byzd: %v\n%s", r.Failure, r.Failure.Stack)
		return silent(exitBroken)
	}
	return nil
}
