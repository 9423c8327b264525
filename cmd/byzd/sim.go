package main

import "github.com/urfave/cli/v2"

func simCommand() *cli.Command {
	return &cli.Command{
		Name: "sim", Usage: "try to break the protocol, in one process and without a network",
		Subcommands: []*cli.Command{
			simScopeCommand(),
		},
	}
}
