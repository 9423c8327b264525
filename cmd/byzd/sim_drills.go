package main

import (
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"byzd/testnet/sim"
)

func simOutageCommand() *cli.Command {
	return &cli.Command{
		Name:  "outage",
		Usage: "an hour without a quorum, silent primaries, a bad link: how long until all is well",
		Action: func(c *cli.Context) error {
			for _, n := range []int{4, 7, 10} {
				if err := drill(c, func() *sim.Drill { return sim.DrillSilent(1, n) }); err != nil {
					return err
				}
				err := drill(c, func() *sim.Drill { return sim.DrillOutage(1, n, 3_600_000_000) })
				if err != nil {
					return err
				}
			}
			for _, fares := range []sim.Lone{sim.LoneWell, sim.LoneDown, sim.LoneFlapping} {
				err := drill(c, func() *sim.Drill { return sim.DrillLone(1, fares) })
				if err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func simRestartsCommand() *cli.Command {
	return &cli.Command{
		Name:  "restarts",
		Usage: "restart one member many times under light load",
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "count", Value: 10_000, Usage: "`NUMBER` of restarts"},
		},
		Action: func(c *cli.Context) error {
			return drill(c, func() *sim.Drill { return sim.DrillRestarts(1, c.Int("count")) })
		},
	}
}

// drill runs a drill and prints what it measured.
func drill(c *cli.Context, run func() *sim.Drill) error {
	began := time.Now()
	d := run()
	_, err := fmt.Fprintf(c.App.Writer, "%s: back after %d ms, view timeout %d then %d ms, "+
		"view %d, "+
		"%d operations of %d µs, disk at most %d bytes, %.1f s\n", d.Name, d.Back/1000, d.Before,
		d.Tau, d.View, d.Done, d.Latency, d.Disk, time.Since(began).Seconds())
	if err != nil {
		return err
	}
	if d.Failure != nil {
		say(c, "byzd: %v", d.Failure)
		return silent(exitBroken)
	}
	return nil
}
