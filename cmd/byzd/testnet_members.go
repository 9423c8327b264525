package main

import (
	"context"
	"strconv"

	"github.com/urfave/cli/v2"

	"byzd/testnet"
)

func testnetAddCommand() *cli.Command {
	return &cli.Command{
		Name: "add", Usage: "add nodes, and have the members agree that they are members",
		ArgsUsage: "[COUNT]",
		Action: func(c *cli.Context) error {
			net, err := openTestnet(c)
			if err != nil {
				return err
			}
			args, err := arguments(c, 0, 1, "--home DIR [COUNT]")
			if err != nil {
				return err
			}
			count := 1
			if len(args) == 1 {
				if count, err = strconv.Atoi(args[0]); err != nil || count < 1 {
					return usagef("for instance byzd testnet add 3", "%q is no number of nodes",
						args[0])
				}
			}
			nodes, err := net.Add(c.Context, count)
			if err != nil {
				return testnetError(err)
			}
			return showNodes(c, net, nodes)
		},
	}
}

func testnetRemoveCommand() *cli.Command {
	return nodesCommand("remove", "have the members agree that nodes are none of them any more",
		func(net *testnet.Network, ctx context.Context, nodes ...int) error {
			return net.Remove(ctx, nodes...)
		})
}
