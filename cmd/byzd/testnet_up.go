package main

import (
	"context"
	"fmt"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"byzd/testnet"
)

func testnetUpCommand() *cli.Command {
	return &cli.Command{
		Name: "up", Usage: "make a network, or start a stopped one again",
		Description: "Without --home it gets a temporary directory. Without --detach it stays in " +
			"the foreground, shows what happens, and stops everything on Ctrl-C.",
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "nodes", DefaultText: "4", Usage: "number of nodes"},
			&cli.StringFlag{
				Name: "scheme", DefaultText: "ed25519",
				Usage: "signature `SCHEME`: ed25519, bls12381 or ed25519+mldsa65",
			},
			&cli.StringSliceFlag{
				Name: "traitor", Usage: "`NODE=SPEC`: make a node lie; may be repeated",
			},
			&cli.BoolFlag{Name: "detach", Usage: "leave it running and return when it is ready"},
			&cli.DurationFlag{
				Name: "wait", Value: testnet.DefaultWait,
				Usage: "how long the nodes may take to be ready",
			},
			beyondFFlag(),
			&cli.BoolFlag{Name: "force", Usage: "wipe the stopped testnet that is in --home"},
			&cli.Uint64Flag{
				Name: "rotate-every",
				Usage: "change the primary as planned at the first stable checkpoint after " +
					"`N` batches, and one comes every checkpoint-every (128) batches; 0 is never",
			},
			&cli.IntFlag{
				Name: "port-base",
				Usage: "node i listens on `P`+4i (members), " +
					"+1 (gossip), +2 (clients), +3 (operator)",
			},
			&cli.StringSliceFlag{
				Name: "set",
				Usage: "`KEY=VALUE` of every node's byzd.toml, as snapshot-every=5s; " +
					"may be repeated",
			},
			&cli.StringSliceFlag{
				Name:  "param",
				Usage: "`NAME=VALUE` of the genesis, as view-timeout=500; may be repeated",
			},
		},
		Action: testnetUp,
	}
}

func testnetUp(c *cli.Context) error {
	if _, err := arguments(c, 0, 0, "[--home DIR] [--nodes N] ..."); err != nil {
		return err
	}
	o, err := upOptions(c)
	if err != nil {
		return testnetError(err)
	}
	// A closed terminal is a reason to stop everything, like Ctrl-C.
	ctx, release := signal.NotifyContext(c.Context, syscall.SIGHUP)
	defer release()
	say(c, "the testnet's home is %s", o.Home)
	for _, l := range o.Traitors {
		say(c, "TRAITOR: node %d will lie: %s", l.Node, l.Spec)
	}
	began := time.Now()
	net, err := testnet.Up(ctx, o)
	if ctx.Err() != nil && err != nil {
		return failf(exitInterrupted, "its logs are in "+logsOf(o.Home),
			"interrupted; the testnet is stopped")
	}
	if err != nil {
		return testnetError(err)
	}
	say(c, "ready after %v", time.Since(began).Round(time.Millisecond))
	if err := showUp(ctx, c, net); err != nil && ctx.Err() == nil {
		return err
	}
	if o.Detach {
		say(c, "stop it with: byzd testnet down --home %s", o.Home)
		return nil
	}
	return watch(ctx, c, net)
}

// say tells a person something, on standard error.
func say(c *cli.Context, format string, args ...any) {
	_, _ = fmt.Fprintf(c.App.ErrWriter, format+"\n", args...)
}

// assignments reads the NAME=VALUEs of a flag.
func assignments(c *cli.Context, flag, example string, into map[string]string) error {
	for _, text := range c.StringSlice(flag) {
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			return usagef("write it as in "+example, "--%s %q is not NAME=VALUE", flag, text)
		}
		if _, twice := into[name]; twice {
			return usagef("leave one out", "--%s %s is given twice", flag, name)
		}
		into[name] = value
	}
	return nil
}

// upOptions reads the command line. Where no home is named it makes one, so that it can be said
// before anything can go wrong in it.
func upOptions(c *cli.Context) (testnet.Options, error) {
	o := testnet.Options{
		Home: c.String(flagHome), Nodes: c.Int("nodes"), Scheme: c.String("scheme"),
		Detach: c.Bool("detach"), Wait: c.Duration("wait"), BeyondF: c.Bool("beyond-f"),
		Force: c.Bool("force"), PortBase: c.Int("port-base"),
		LogLevel: c.String(flagLogLevel), LogFormat: c.String(flagLogFormat),
		Params: map[string]string{}, Settings: map[string]string{},
	}
	if c.IsSet("nodes") && o.Nodes == 0 {
		return o, usagef("", "a testnet has at least one node")
	}
	if c.IsSet("wait") && o.Wait <= 0 {
		return o, usagef("", "--wait must be positive, as in --wait 30s")
	}
	if err := assignments(c, "param", "view-timeout=500", o.Params); err != nil {
		return o, err
	}
	if err := assignments(c, "set", "snapshot-every=5s", o.Settings); err != nil {
		return o, err
	}
	if c.IsSet("rotate-every") {
		o.Params["rotate-every"] = strconv.FormatUint(c.Uint64("rotate-every"), 10)
	}
	for _, text := range c.StringSlice("traitor") {
		lie, err := testnet.ParseLie(text)
		if err != nil {
			return o, err
		}
		o.Traitors = append(o.Traitors, lie)
	}
	err := o.Prepare()
	return o, err
}

// showUp shows the network that has just come up.
func showUp(ctx context.Context, c *cli.Context, net *testnet.Network) error {
	if c.Bool(flagJSON) {
		st, err := net.State()
		if err != nil {
			return err
		}
		return printJSON(c, struct {
			*testnet.State

			Home string `json:"home"`
		}{st, net.Home()})
	}
	if !c.Bool("detach") {
		return nil // watch shows it
	}
	st, err := net.Status(ctx)
	if err != nil {
		return err
	}
	return newScreen(c.App.Writer).showChanges(st)
}

// watch shows the network until it ends or somebody has seen enough, and stops it.
func watch(ctx context.Context, c *cli.Context, net *testnet.Network) error {
	s := newScreen(c.App.Writer)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		st, err := net.Status(ctx)
		if err == nil && !c.Bool(flagJSON) {
			err = s.show(st, "Ctrl-C stops everything. Home: "+net.Home())
		}
		if err != nil && ctx.Err() == nil {
			say(c, "the status cannot be shown: %v", err)
		}
		select {
		case <-ctx.Done():
			say(c, "stopping")
			if err := net.Down(context.WithoutCancel(ctx)); err != nil {
				return testnetError(err)
			}
			say(c, "stopped; the logs are in %s", logsOf(net.Home()))
			say(c, "start it again with: byzd testnet up --home %s", net.Home())
			return silent(exitInterrupted)
		case <-net.Done():
			say(c, "stopped by byzd testnet down; the logs are in %s", logsOf(net.Home()))
			return nil
		case <-tick.C:
		}
	}
}

// testnetSuperviseCommand is what up --detach leaves behind. It is not for people.
func testnetSuperviseCommand() *cli.Command {
	words := testnet.SuperviseCommand()
	return &cli.Command{
		Name: words[len(words)-1], Hidden: true, Usage: "be the supervisor of a detached testnet",
		Action: func(c *cli.Context) error {
			if _, err := arguments(c, 0, 0, "--home DIR"); err != nil {
				return err
			}
			return testnetError(testnet.Supervise(c.Context, c.App.Reader))
		},
	}
}
