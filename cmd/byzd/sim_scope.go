package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	search "byzd/testnet/sim/scope" // scope is a type of verdict
)

// The flags of sim scope.
const (
	flagStates = "states"
	flagLimit  = "limit"
	flagLevels = "levels"
	flagExact  = "exact"
	flagLocals = "locals"
)

func simScopeCommand() *cli.Command {
	return &cli.Command{
		Name: "scope", ArgsUsage: "SCOPE...|list",
		Usage: "visit every state of a small scope, with the real protocol core",
		Description: "A scope is a few sequence numbers and views of four replicas, one of them\n" +
			"a traitor that says everything it could sign, in any order, with any loss. The\n" +
			"name of a group takes all of its scopes: X1. list tells what there is.\n" +
			"A search that ends by a limit says bounded; exhausted means that every state was\n" +
			"visited. Large scopes are searched by sight: a state is what can be seen of the\n" +
			"replicas, with all that each may be; its level is how many messages they have\n" +
			"sent, batches executed and views entered.\n" +
			"Exit code 4: a promise is broken, and how is printed.",
		Flags: []cli.Flag{
			&cli.IntFlag{Name: flagStates, Usage: "stop after this `NUMBER` of states"},
			&cli.DurationFlag{Name: flagLimit, Usage: "stop each search after so long"},
			&cli.IntFlag{
				Name: flagLevels, Usage: "by sight, visit everything up to this `LEVEL`; 0: all",
			},
			&cli.IntFlag{
				Name: flagLocals, Value: 500_000,
				Usage: "by sight, stop at this `NUMBER` of states of single replicas; 0: never",
			},
			&cli.BoolFlag{Name: flagExact, Usage: "search state by state, also large scopes"},
			&cli.IntFlag{
				Name: flagWorkers, Value: runtime.NumCPU(), DefaultText: "one for each core",
				Usage: "`NUMBER` of replicas that work at the same time, by sight",
			},
		},
		Action: simScope,
	}
}

func simScope(c *cli.Context) error {
	names, err := arguments(c, 1, -1, "SCOPE...|list")
	if err != nil {
		return err
	}
	if names[0] == "list" {
		for _, sc := range search.Scopes() {
			_, _ = fmt.Fprintf(c.App.Writer, "%-14s %s\n", sc.Name, sc.Text)
		}
		return nil
	}
	var chosen []search.Scope
	for _, name := range names {
		group := search.Find(name)
		if len(group) == 0 {
			return usagef("byzd sim scope list", "there is no scope %q", name)
		}
		chosen = append(chosen, group...)
	}
	broken := false
	for i := range chosen {
		ok, err := runScope(c, &chosen[i])
		if err != nil {
			return err
		}
		broken = broken || !ok
	}
	if broken {
		return silent(exitBroken)
	}
	return nil
}

// manyLocals are about a gigabyte of replicas.
const manyLocals = 30_000

// runScope searches one scope and reports whether it ended as it must.
func runScope(c *cli.Context, sc *search.Scope) (bool, error) {
	// A search keeps nearly all that it makes: to collect often finds little. Once that is much,
	// memory is worth more than time.
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	sc.Sight = sc.Sight && !c.Bool(flagExact)
	bar := newTicker(c.App.ErrWriter)
	r := search.Explore(c.Context, sc, search.Limits{
		States: c.Int(flagStates), Time: c.Duration(flagLimit), Levels: c.Int(flagLevels),
		Workers: c.Int(flagWorkers), Locals: c.Int(flagLocals),
		Progress: func(r search.Report) {
			if r.Locals > manyLocals {
				debug.SetGCPercent(50)
			}
			bar.show("%s: %d states, %.0f/s, frontier %d, depth %d, level %d; %d states of single "+
				"replicas, %d steps", sc.Name, r.States, perSecond(r.States, r.Elapsed), r.Frontier,
				r.Depth, r.Level, r.Locals, r.Steps)
		},
	})
	bar.clear()
	ok := (r.Violation != "") == sc.Control
	if c.Bool(flagJSON) {
		return ok, json.NewEncoder(c.App.Writer).Encode(r)
	}
	how := "states"
	if r.Sight {
		how = "states by sight"
	}
	_, _ = fmt.Fprintf(c.App.Writer,
		"%-14s %s\n  %d %s, %d transitions, depth %d, frontier %d; %d states of single replicas, "+
			"%d steps of the core, %d messages\n  %s in %v, %.0f states/s\n",
		r.Scope, sc.Text, r.States, how, r.Transitions, r.Depth, r.Frontier, r.Locals, r.Steps,
		r.Messages, scopeOutcome(r), r.Elapsed.Round(10*time.Millisecond),
		perSecond(r.States, r.Elapsed))
	if r.Violation != "" {
		_, _ = fmt.Fprintf(c.App.Writer, "  broken: %s\n    %s\n", r.Violation,
			strings.Join(r.Trace, "\n    "))
	}
	if sc.Control && !ok {
		_, _ = fmt.Fprintln(c.App.Writer, "  the control was not found broken: the search is blind")
	}
	return ok, nil
}

func scopeOutcome(r search.Report) string {
	switch {
	case r.Violation != "":
		return "BROKEN"
	case r.Exhausted:
		return "EXHAUSTED, nothing broken"
	}
	if r.Sight {
		return fmt.Sprintf("BOUNDED by %s, nothing broken; everything up to level %d was visited",
			r.Bound, r.Level)
	}
	return "BOUNDED by " + r.Bound + ", nothing broken"
}
