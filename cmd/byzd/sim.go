package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"

	"github.com/urfave/cli/v2"

	"byzd/testnet/sim"
)

// markersFrom is the number of seeds from which a marker at zero is a failure.
const markersFrom = 1000

func simCommand() *cli.Command {
	return &cli.Command{
		Name:  "sim",
		Usage: "run simulated clusters in which everything goes wrong, and ask the oracles",
		Description: "Each seed is one run: the shipped node in virtual time, with faults,\n" +
			"traitors and lying clients that the seed draws. The same seed is the same run.\n" +
			"Exit code 4: an oracle found something; 1: a rare state was never reached\n" +
			"(from 1000 seeds on); 0: clean.",
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "seeds", Value: 100, Usage: "run `N` seeds"},
			&cli.Uint64Flag{Name: "first", Value: 1, Usage: "the first `SEED`"},
			&cli.Uint64Flag{Name: "seed", Usage: "run one `SEED` only"},
			&cli.Uint64Flag{Name: "until", Usage: "end the run of --seed before event `N`"},
			&cli.Uint64Flag{Name: "from", Usage: "begin the dump with event `N`"},
			&cli.BoolFlag{Name: "dump", Usage: "print the events of --seed"},
			&cli.BoolFlag{Name: "shrink", Usage: "reduce the failing --seed to a script"},
			&cli.StringFlag{Name: "script", Usage: "replay a kept case from `FILE`"},
			&cli.BoolFlag{Name: "twice", Usage: "run every seed twice and compare (O17)"},
			&cli.BoolFlag{
				Name:  "beyond-f",
				Usage: "one traitor too many: a fork must name f+1, nothing an innocent",
			},
			&cli.StringSliceFlag{Name: "off", Usage: "switch `ORACLE` off; may be repeated"},
			&cli.IntFlag{Name: "failures", Value: 10, Usage: "stop after `N` failures; 0: never"},
		},
		Subcommands: simSubcommands(),
		Action:      simulate,
	}
}

// simSubcommands are the searches that stand beside the simulator.
func simSubcommands() []*cli.Command {
	return []*cli.Command{
		simScopeCommand(),
		simTwinsCommand(),
		simSweepCommand(),
		simDeviationsCommand(),
		simOutageCommand(),
		simRestartsCommand(),
	}
}

func simulate(c *cli.Context) error {
	if _, err := arguments(c, 0, 0, "[--seeds N] | --seed S [--dump]"); err != nil {
		return err
	}
	s, err := simSetup(c)
	if err != nil {
		return err
	}
	s.Seeds = &sim.Seeds{}
	defer watchSeeds(c, s.Seeds)()
	if c.IsSet("seed") || c.IsSet("script") {
		return simulateOne(c, s)
	}
	if c.Int("seeds") < 1 {
		return usagef("for instance --seeds 1000", "%d seeds are none", c.Int("seeds"))
	}
	sum := sim.Many(c.Context, c.Uint64("first"), c.Int("seeds"), c.Int("failures"), s, nil)
	if err := sum.Write(c.App.Writer); err != nil {
		return err
	}
	for _, r := range sum.Failures {
		say(c, "byzd: seed %d: %v\n  %s\n  replay: byzd sim --seed %d --dump",
			r.Seed, r.Failure, r.Options.String(), r.Seed)
	}
	if s.Beyond && c.Err() == nil && len(sum.Failures) == 0 {
		return simBeyond(c, sum)
	}
	missing := sum.Missing()
	for _, name := range missing {
		say(c, "byzd: note: never reached: %s", name)
	}
	switch {
	case c.Err() != nil:
		return c.Err()
	case len(sum.Failures) > 0:
		return silent(exitBroken)
	case len(missing) > 0 && sum.Seeds >= markersFrom:
		return failf(exitFailed, "", "%d rare states were never reached", len(missing))
	}
	return nil
}

// simBeyond says how often one traitor too many was seen (control C2 of VERIFY §10).
func simBeyond(c *cli.Context, sum *sim.Summary) error {
	one, across := sum.Forks()
	_, err := fmt.Fprintf(c.App.Writer, "f+1 traitors: %d of %d seeds flagged, %d forks named, "+
		"%d of them across views\n", sum.Flagged, sum.Seeds, one, across)
	if err == nil && one == 0 {
		err = failf(exitFailed, "", "no seed came to a fork")
	}
	return err
}

// simSetup reads which oracles are off.
func simSetup(c *cli.Context) (sim.Setup, error) {
	s := sim.Setup{
		Off: map[string]bool{}, Until: c.Uint64("until"), From: c.Uint64("from"),
		Twice: c.Bool("twice"), Beyond: c.Bool("beyond-f"),
	}
	for _, name := range c.StringSlice("off") {
		known := false
		for _, o := range sim.Oracles() {
			known = known || o[0] == name
		}
		if !known {
			return s, usagef("the oracles are O1 to O21 and panic", "there is no oracle %q", name)
		}
		s.Off[name] = true
	}
	return s, nil
}

// simulateOne replays a seed or a kept case.
func simulateOne(c *cli.Context, s sim.Setup) error {
	seed, want := c.Uint64("seed"), ""
	one := sim.Case{Seed: seed, Options: sim.Draw(seed)}
	if s.Beyond {
		one.Options = sim.DrawBeyond(seed)
	}
	if file := c.String("script"); file != "" {
		text, err := os.ReadFile(file) //nolint:gosec // the user names it
		if err != nil {
			return err
		}
		if one, err = sim.ParseScript(string(text)); err != nil {
			return usageError(err)
		}
		want = one.Want
	}
	s.Seeds.Begin(one.Seed)
	defer s.Seeds.End(one.Seed)
	if c.Bool("shrink") {
		return shrink(c, one)
	}
	kept := one.Setup()
	s.Options, s.Only = kept.Options, kept.Only
	out := bufio.NewWriter(c.App.Writer)
	if c.Bool("dump") {
		s.Trace = out
	}
	r := sim.New(one.Seed, s).Run()
	_, err := fmt.Fprintf(out, "seed %d %s\nhash %016x, %d events, %.3f s, %d batches\n",
		r.Seed, r.Options.String(), r.Hash, r.Events, float64(r.Virtual)/1e6, r.Batches)
	if err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return err
	}
	found := "clean"
	if r.Failure != nil {
		found = r.Failure.Oracle
		say(c, "byzd: seed %d: %v\n%s", r.Seed, r.Failure, r.Failure.Stack)
	}
	if want == found || want == "" && r.Failure == nil {
		return nil
	}
	return silent(exitBroken)
}

// shrink reduces a failing case and prints it as a script.
func shrink(c *cli.Context, one sim.Case) error {
	small, failed := sim.Shrink(c.Context, one, func(what string) { say(c, "byzd: %s", what) })
	if !failed {
		return failf(exitFailed, "", "seed %d finds nothing to shrink", one.Seed)
	}
	why := "Shrunk from seed " + strconv.FormatUint(one.Seed, 10)
	_, err := fmt.Fprint(c.App.Writer, small.Script(why))
	return err
}
