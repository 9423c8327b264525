package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"byzd/testnet"
	"byzd/testnet/load"
	"byzd/testnet/nemesis"
)

// allWorkloads names all of them at once.
const allWorkloads = "all"

func nemesisCommand() *cli.Command {
	return &cli.Command{
		Name:  "nemesis",
		Usage: "break a network of its own on purpose under load, and judge it",
		Description: "Starts a testnet, lets clients work on it, carries out a seeded schedule\n" +
			"of faults, heals each and waits for the recovery, and checks what the clients\n" +
			"were told (for linearizability) and what the nodes did.\n" +
			"Exit code 4: consistency is broken; 3: no progress after a heal; 1: the run is\n" +
			"invalid: too few operations or faults, or undecided; 0: passed.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "list", Usage: "list the faults, and end"},
			&cli.BoolFlag{
				Name: "matrix", Usage: "make a run for each fault, and print a table",
			},
			&cli.StringFlag{
				Name: "faults", DefaultText: "drawn from all", Usage: "`NAME,...` of faults",
			},
			killsFlag(), whomFlag(),
			&cli.StringFlag{
				Name: "workload", Value: allWorkloads,
				Usage: "`NAME,...` of workloads: " + strings.Join(load.WorkloadNames(), ", "),
			},
			&cli.Uint64Flag{
				Name: flagSeed, DefaultText: "by chance",
				Usage: "`NUMBER` that the plan follows from",
			},
			&cli.DurationFlag{
				Name: "for", Value: nemesis.DefaultFor,
				Usage: "how long to carry out faults, roughly",
			},
			&cli.DurationFlag{
				Name: "hold", Value: nemesis.DefaultHold, Usage: "how long a fault lasts at least",
			},
			&cli.IntFlag{Name: "nodes", Value: 4, Usage: "number of nodes"},
			&cli.IntFlag{
				Name: flagClients, Value: nemesis.DefaultClients,
				Usage: "`NUMBER` of clients of each workload",
			},
			&cli.BoolFlag{Name: "traitors", Usage: "let f nodes lie from the beginning"},
			&cli.StringSliceFlag{
				Name:  "traitor",
				Usage: "`NODE=SPEC`: let this node lie from the beginning; may be repeated",
			},
			beyondFFlag(),
			&cli.StringSliceFlag{
				Name:  "set",
				Usage: "`KEY=VALUE` of every byzd.toml, as keep-batches=200; may be repeated",
			},
			&cli.Float64Flag{
				Name: "min-rate", Value: nemesis.DefaultMinRate,
				Usage: "`OPERATIONS` per second without which a run is invalid",
			},
			&cli.Float64Flag{
				Name: "min-happened", Value: nemesis.DefaultMinHappened,
				Usage: "`PART` of the planned faults without which a run is invalid",
			},
			&cli.DurationFlag{
				Name: "patience", Value: nemesis.DefaultPatience,
				Usage: "how long a recovery may take",
			},
			&cli.DurationFlag{
				Name: "check-limit", Value: nemesis.DefaultCheckLimit,
				Usage: "how long the check of the history may take",
			},
		},
		Action: runNemesis,
	}
}

func killsFlag() cli.Flag {
	return &cli.IntFlag{
		Name: "kills", DefaultText: "none",
		Usage: "`NUMBER` of SIGKILLs as the only fault: at any moment of a node's life, " +
			"also while it starts",
	}
}

func whomFlag() cli.Flag {
	return &cli.StringFlag{
		Name: "whom", DefaultText: nemesis.KillOne,
		Usage: "whom --kills hits: `one`, any or primary, and only one at a time",
	}
}

func runNemesis(c *cli.Context) error {
	if _, err := arguments(c, 0, 0, "[--faults NAME,...] [--workload NAME,...] ..."); err != nil {
		return err
	}
	if c.Bool("list") {
		return listFaults(c)
	}
	o, err := nemesisOptions(c)
	if err != nil {
		return err
	}
	temporary := o.Home == ""
	if temporary {
		if o.Home, err = os.MkdirTemp("", "byzd-nemesis-"); err != nil {
			return err
		}
	}
	if err := o.Complete(); err != nil {
		return usagef("byzd nemesis --list shows the faults", "%w", err)
	}
	// A closed terminal is a reason to stop everything, like Ctrl-C.
	ctx, release := signal.NotifyContext(c.Context, syscall.SIGHUP)
	defer release()
	say(c, "nemesis: seed %d, home %s", o.Seed, o.Home)
	if c.Bool("matrix") {
		return runMatrix(ctx, c, o, temporary)
	}
	r, err := nemesis.Run(ctx, o)
	if err != nil {
		return testnetError(err)
	}
	show := func() error { return r.Write(c.App.Writer) }
	return showNemesis(c, r, show, r.Outcome, o.Home, temporary)
}

func runMatrix(ctx context.Context, c *cli.Context, o nemesis.Options, temporary bool) error {
	m, err := nemesis.Matrix(ctx, o)
	if err != nil {
		return testnetError(err)
	}
	show := func() error { return m.Write(c.App.Writer, o.Workloads) }
	return showNemesis(c, m, show, m.Outcome, o.Home, temporary)
}

// nemesisOptions reads the command line.
func nemesisOptions(c *cli.Context) (nemesis.Options, error) {
	o := nemesis.Options{
		Home: c.String(flagHome), Nodes: c.Int("nodes"), Seed: c.Uint64(flagSeed),
		For: c.Duration("for"), Hold: c.Duration("hold"), Clients: c.Int(flagClients),
		Faults: commaList(c.String("faults")), Workloads: commaList(c.String("workload")),
		Kills: c.Int("kills"), Whom: c.String("whom"), Traitors: c.Bool("traitors"),
		BeyondF: c.Bool("beyond-f"), MinRate: c.Float64("min-rate"),
		MinHappened: c.Float64("min-happened"), Patience: c.Duration("patience"),
		CheckLimit: c.Duration("check-limit"), Settings: map[string]string{},
		Say: func(format string, args ...any) { say(c, "nemesis: "+format, args...) },
	}
	if slices.Contains(o.Workloads, allWorkloads) {
		o.Workloads = nil
	}
	if !c.IsSet(flagSeed) {
		o.Seed = rand.Uint64N(1 << 32) //nolint:gosec // a number that can be typed, and no secret
	}
	if err := assignments(c, "set", "keep-batches=200", o.Settings); err != nil {
		return o, err
	}
	for _, text := range c.StringSlice("traitor") {
		lie, err := testnet.ParseLie(text)
		if err != nil {
			return o, testnetError(err)
		}
		o.Lies = append(o.Lies, lie)
	}
	return o, nil
}

// commaList splits a list; an empty text is an empty list.
func commaList(text string) []string {
	var list []string
	for word := range strings.SplitSeq(text, ",") {
		if word = strings.TrimSpace(word); word != "" {
			list = append(list, word)
		}
	}
	return list
}

// showNemesis prints a report. A home that was made for a run that passed has done its work.
func showNemesis(
	c *cli.Context, report any, text func() error, o nemesis.Outcome, home string, temporary bool,
) error {
	if c.Bool(flagJSON) {
		text = func() error { return printJSON(c, report) }
	}
	if err := text(); err != nil {
		return err
	}
	code := nemesisExit(o)
	if code == exitGood && temporary {
		return os.RemoveAll(home)
	}
	say(c, "nemesis: the report, the history and the nodes' files are in %s", home)
	if code == exitGood {
		return nil
	}
	return silent(code)
}

func nemesisExit(o nemesis.Outcome) int {
	switch o {
	case nemesis.Passed:
		return exitGood
	case nemesis.NoProgress:
		return exitNoProgress
	case nemesis.Broken:
		return exitBroken
	case nemesis.Interrupted:
		return exitInterrupted
	case nemesis.Invalid:
	}
	return exitFailed
}

func listFaults(c *cli.Context) error {
	all := nemesis.Catalogue()
	if c.Bool(flagJSON) {
		type listed struct {
			*nemesis.Fault

			Unable string `json:"unable,omitempty"` // why it cannot be made here
		}
		list := make([]listed, len(all))
		for i, f := range all {
			list[i] = listed{f, f.Unable()}
		}
		return printJSON(c, list)
	}
	w := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
	for _, f := range all {
		notes := ""
		if f.Halts {
			notes = " (no quorum meanwhile)"
		}
		if f.Charges {
			notes = " (counts among the f)"
		}
		if f.Needs != "" {
			notes += " (needs " + f.Needs + ")"
		}
		if f.Slows {
			notes += " (no rate is demanded)"
		}
		if why := f.Unable(); why != "" {
			notes += " (skipped here: " + why + ")"
		}
		_, _ = fmt.Fprintf(w, "%s\t%s%s\n", f.Name, f.Text, notes)
	}
	return w.Flush()
}
