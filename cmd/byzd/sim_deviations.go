package main

import (
	"time"

	"github.com/urfave/cli/v2"

	"byzd/testnet/sim"
)

func simDeviationsCommand() *cli.Command {
	return &cli.Command{
		Name:  "deviations",
		Usage: "let a few deliveries of recorded runs go wrong, in every way",
		Description: "A first pass counts what reaches correct nodes: in a run in which nothing\n" +
			"goes wrong, in one whose primary falls silent, and in one whose primary\n" +
			"proposes two things. Then each is repeated with every way to let at most\n" +
			"--most of its first --within deliveries deviate: lost, late by all the rest of\n" +
			"the run, or the power of the receiver fails in its place. The run must still\n" +
			"finish its work.\n" +
			"Exit code 4: an oracle found something; the command that repeats it is printed.",
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "most", Value: 2, Usage: "`NUMBER` of deviations, 1 to 4"},
			&cli.IntFlag{Name: "within", Value: 120, Usage: "`NUMBER` of deliveries, 1 to 1000"},
			&cli.StringSliceFlag{Name: "run", Usage: "only this `RUN`; may be repeated"},
			&cli.Uint64Flag{Name: flagSeed, Value: 1, Usage: "`SEED` of the recorded runs"},
			&cli.Uint64Flag{Name: "every", Value: 1, Usage: "try each `N`th way only"},
			&cli.Uint64Flag{Name: flagFrom, Usage: "`NUMBER` of the first way of each run"},
			&cli.Uint64Flag{Name: "ways", Usage: "`NUMBER` of ways from there on; 0: all"},
			&cli.StringFlag{Name: flagReplay, Usage: "repeat one `CASE`, and print its events"},
		},
		Action: simDeviations,
	}
}

func simDeviations(c *cli.Context) error {
	if _, err := arguments(c, 0, 0, ""); err != nil {
		return err
	}
	if text := c.String(flagReplay); text != "" {
		return replayDeviations(c, text)
	}
	most, within := c.Int("most"), c.Int("within")
	if most < 1 || most > 4 || within < 1 || within > 1000 {
		return usagef("for instance --most 2 --within 120", "%d deviations among %d deliveries",
			most, within)
	}
	bar := newTicker(c.App.ErrWriter)
	r, err := sim.Deviate(c.Context, sim.DeviationOptions{
		Scenarios: c.StringSlice("run"), Seed: c.Uint64(flagSeed), Most: most, Within: within,
		From: c.Uint64(flagFrom), Count: c.Uint64("ways"), Every: c.Uint64("every"),
		Progress: func(name string, done, all uint64, elapsed time.Duration) {
			rate := perSecond(int(done), elapsed) //nolint:gosec // a count
			bar.show("%s: %d of %d ways, %.0f/s", name, done, all, rate)
		},
	})
	bar.clear()
	if err != nil {
		return usageError(err)
	}
	if err := r.Write(c.App.Writer); err != nil {
		return err
	}
	for _, f := range r.Failures {
		say(c, "byzd: %v\n  replay: byzd sim deviations --replay %v", f.Failure, f.Case)
	}
	if len(r.Failures) > 0 {
		return silent(exitBroken)
	}
	return c.Err()
}

func replayDeviations(c *cli.Context, text string) error {
	one, err := sim.ParseDeviations(text)
	if err != nil {
		return usageError(err)
	}
	return replayRun(c, one.Run)
}
