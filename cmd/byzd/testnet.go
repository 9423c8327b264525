package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"byzd/testnet"
)

func testnetCommand() *cli.Command {
	return &cli.Command{
		Name: "testnet", Usage: "run a network of nodes on this machine, break it and heal it",
		Subcommands: []*cli.Command{
			testnetUpCommand(),
			testnetSuperviseCommand(),
			testnetStatusCommand(),
			testnetDownCommand(),
			testnetLogsCommand(),
			testnetKillCommand(),
			testnetPauseCommand(),
			testnetResumeCommand(),
			testnetRestartCommand(),
			testnetPartitionCommand(),
			testnetWeatherCommand(), testnetHealCommand(),
			testnetTraitorCommand(),
			testnetAddCommand(),
			testnetRemoveCommand(),
		},
	}
}

// openTestnet finds the testnet that --home names.
func openTestnet(c *cli.Context) (*testnet.Network, error) {
	home := c.String(flagHome)
	if home == "" {
		return nil, usagef("name its directory, which testnet up has said, with --home DIR",
			"which testnet?")
	}
	net, err := testnet.Open(home)
	return net, testnetError(err)
}

// testnetError gives an error of the testnet its exit code.
func testnetError(err error) error {
	e, ok := errors.AsType[*testnet.Error](err)
	if !ok {
		return err
	}
	code := exitFailed
	switch e.Kind {
	case testnet.Usage:
		code = exitUsage
	case testnet.NotReady:
		code = exitNoProgress
	case testnet.Failed:
	}
	return failf(code, e.Advice, "%w", err)
}

// nodeArguments reads the numbers of nodes, at least low of them, each once.
func nodeArguments(c *cli.Context, st *testnet.State, low int) ([]int, error) {
	what := "NODE..."
	if low == 0 {
		what = "[NODE...]"
	}
	words, err := arguments(c, low, -1, "--home DIR "+what)
	if err != nil {
		return nil, err
	}
	var nodes []int
	for _, word := range words {
		i, err := testnet.ParseNode(len(st.Nodes), word)
		if err != nil {
			return nil, testnetError(err)
		}
		if !slices.Contains(nodes, i) {
			nodes = append(nodes, i)
		}
	}
	return nodes, nil
}

// showNodes says how the nodes are after a command.
func showNodes(c *cli.Context, net *testnet.Network, nodes []int) error {
	st, err := net.State()
	if err != nil {
		return err
	}
	var shown []testnet.NodeState
	for _, i := range nodes {
		shown = append(shown, st.Nodes[i])
	}
	if c.Bool(flagJSON) {
		return printJSON(c, map[string]any{"nodes": shown})
	}
	for i := range shown {
		n := &shown[i]
		text := n.Describe()
		if n.PID != 0 {
			text += fmt.Sprintf(", process %d", n.PID)
		}
		if _, err := fmt.Fprintf(c.App.Writer, "node %d: %s\n", n.Node, text); err != nil {
			return err
		}
	}
	return nil
}

func printJSON(c *cli.Context, v any) error {
	e := json.NewEncoder(c.App.Writer)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

func testnetDownCommand() *cli.Command {
	return &cli.Command{
		Name: "down", Usage: "stop all nodes and the supervisor",
		Action: func(c *cli.Context) error {
			if _, err := arguments(c, 0, 0, "--home DIR"); err != nil {
				return err
			}
			net, err := openTestnet(c)
			if err != nil {
				return err
			}
			if err = net.Down(c.Context); err != nil {
				return testnetError(err)
			}
			if c.Bool(flagJSON) {
				return printJSON(c, map[string]any{"home": net.Home(), "running": false})
			}
			_, err = fmt.Fprintf(c.App.ErrWriter, "the testnet is stopped; its logs are in %s\n",
				logsOf(net.Home()))
			return err
		},
	}
}

func logsOf(home string) string { return home + "/node-*/byzd.log" }
