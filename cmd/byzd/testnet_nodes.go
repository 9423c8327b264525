package main

import (
	"context"

	"github.com/urfave/cli/v2"

	"byzd/testnet"
)

func testnetKillCommand() *cli.Command {
	return nodesCommand("kill", "end nodes with SIGKILL, as a crash does", (*testnet.Network).Kill)
}

func testnetPauseCommand() *cli.Command {
	return nodesCommand("pause", "let nodes stand still (SIGSTOP)", (*testnet.Network).Pause)
}

func testnetResumeCommand() *cli.Command {
	return nodesCommand("resume", "let paused nodes go on (SIGCONT)", (*testnet.Network).Resume)
}

func testnetRestartCommand() *cli.Command {
	return nodesCommand("restart", "start nodes again from their disks, stopping those that run",
		(*testnet.Network).Restart)
}

// nodesCommand is a command that does something to some nodes.
func nodesCommand(
	name, usage string, do func(*testnet.Network, context.Context, ...int) error,
) *cli.Command {
	return &cli.Command{
		Name: name, Usage: usage, ArgsUsage: "NODE...",
		Action: func(c *cli.Context) error {
			net, err := openTestnet(c)
			if err != nil {
				return err
			}
			st, err := net.State()
			if err != nil {
				return testnetError(err)
			}
			nodes, err := nodeArguments(c, st, 1)
			if err != nil {
				return err
			}
			if err := do(net, c.Context, nodes...); err != nil {
				return testnetError(err)
			}
			return showNodes(c, net, nodes)
		},
	}
}
