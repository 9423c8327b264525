package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"byzd/testnet/sim/twins"
)

// The flags of sim twins.
const (
	flagScenarios = "scenarios"
	flagSet       = "set"
	flagFrom      = "from"
	flagWorkers   = "workers"
	flagReplay    = "replay"
)

func simTwinsCommand() *cli.Command {
	return &cli.Command{
		Name:  "twins",
		Usage: "run one member twice with one key, cut the network in many ways, and heal it",
		Description: "T-A, T-B and T-C are complete sets in a fixed order: --from and\n" +
			"--scenarios take a part of one. T-D, T-E, mixed and control are drawn from\n" +
			"--seed. control has two twins of four members, and must be found unsafe.\n" +
			"A search that is interrupted says with which --from it goes on.\n" +
			"Each scenario must be safe, and once the cuts are healed everything that was\n" +
			"ordered must be executed everywhere. Exit code 4: a scenario failed; the command\n" +
			"that repeats it is printed.",
		Flags: []cli.Flag{
			&cli.Uint64Flag{Name: flagScenarios, Value: 10_000, Usage: "`NUMBER` of scenarios"},
			&cli.StringFlag{
				Name: flagSet, DefaultText: "mixed", Usage: "`SET`: T-A to T-E, mixed or control",
			},
			&cli.Uint64Flag{Name: flagFrom, Usage: "`NUMBER` of the first scenario"},
			&cli.Uint64Flag{
				Name: flagSeed, Value: 1, Usage: "`NUMBER` that what is drawn follows from",
			},
			&cli.IntFlag{
				Name: flagWorkers, Value: runtime.NumCPU(), DefaultText: "one for each core",
				Usage: "`NUMBER` of scenarios at the same time",
			},
			&cli.StringFlag{Name: flagReplay, Usage: "play this one `SCENARIO`, as it was printed"},
		},
		Action: simTwins,
	}
}

func simTwins(c *cli.Context) error {
	if _, err := arguments(c, 0, 0, ""); err != nil {
		return err
	}
	if text := c.String(flagReplay); text != "" {
		return replayTwins(c, text)
	}
	set, err := twins.FindSet(c.String(flagSet))
	if err != nil {
		return usagef("byzd sim twins --set T-A", "%w", err)
	}
	bar, began := newTicker(c.App.ErrWriter), time.Now()
	count := c.Uint64(flagScenarios)
	r := twins.Search(c.Context, twins.Options{
		Set: set, From: c.Uint64(flagFrom), Count: count, Seed: c.Uint64(flagSeed),
		Workers: c.Int(flagWorkers),
		Progress: func(played uint64) {
			bar.show("%s: %d of %d scenarios, %.0f/s", set.Name, played, count,
				perSecond(int(played), time.Since(began))) //nolint:gosec // a count
		},
	})
	bar.clear()
	if c.Bool(flagJSON) {
		if err := json.NewEncoder(c.App.Writer).Encode(r); err != nil {
			return err
		}
	} else {
		writeTwins(c, &set, &r)
	}
	if bad := len(r.Failures) > 0; bad != (set.Name == "control") {
		return silent(exitBroken)
	}
	return c.Err()
}

func writeTwins(c *cli.Context, set *twins.Set, r *twins.Report) {
	extent := "sampled"
	switch {
	case r.Complete:
		extent = "complete"
	case set.Size > 0:
		extent = fmt.Sprintf("numbers %d to %d of %d", r.From, r.Next, set.Size)
	}
	_, _ = fmt.Fprintf(c.App.Writer, "%s: %s\n  %d scenarios (%s) in %v, %.0f/s; %d with every "+
		"message encoded, %d with Ed25519\n  %d decided something before the end, %d changed the "+
		"view, %d convicted a twin; %d batches, %d messages\n  highest view %d; slowest heal "+
		"%d ms\n  unsafe %d, stuck %d\n", set.Name, set.Text, r.Played, extent,
		r.Elapsed.Round(10*time.Millisecond), r.PerSec, r.Wire, r.Real, r.Executed, r.Changed,
		r.Caught, r.Batches, r.Messages, r.MaxView, r.MaxHealed, r.Unsafe, r.Stuck)
	if set.Size > 0 && r.PerSec > 0 {
		_, _ = fmt.Fprintf(c.App.Writer, "  at this rate the whole set takes %v\n",
			time.Duration(float64(set.Size)/r.PerSec*float64(time.Second)).Round(time.Minute))
	}
	if c.Err() != nil || set.Size > r.Next {
		_, _ = fmt.Fprintf(c.App.Writer, "  it goes on with --from %d\n", r.Next)
	}
	for _, f := range r.Failures {
		_, _ = fmt.Fprintf(c.App.Writer, "  number %d: %s\n    byzd sim twins --replay '%s'\n",
			f.Number, describeTwins(&f.Outcome), f.Scenario)
	}
	if set.Name == "control" && len(r.Failures) == 0 {
		_, _ = fmt.Fprintln(c.App.Writer, "  the control was not found unsafe: the search is blind")
	}
}

func describeTwins(o *twins.Outcome) string {
	switch {
	case !o.Safe():
		return "UNSAFE: " + strings.Join(o.Unsafe, "; ")
	case o.Stuck != "":
		return "STUCK: " + o.Stuck
	}
	return fmt.Sprintf("safe; everything executed %d ms after the cuts, in view %d",
		o.Healed, o.Views)
}

func replayTwins(c *cli.Context, text string) error {
	sc, err := twins.Parse(text)
	if err != nil {
		return usagef("give it as byzd sim twins has printed it, in single quotes", "%w", err)
	}
	o := twins.NewLab(sc.Members, twins.Wire).Run(sc)
	if c.Bool(flagJSON) {
		if err := json.NewEncoder(c.App.Writer).Encode(o); err != nil {
			return err
		}
	} else {
		_, _ = fmt.Fprintln(c.App.Writer, describeTwins(&o))
	}
	if !o.OK() {
		return silent(exitBroken)
	}
	return nil
}
