package main

import (
	"context"

	"github.com/urfave/cli/v2"

	"byzd/daemon/client"
)

func getCommand() *cli.Command {
	return &cli.Command{
		Name: "get", Usage: "print the value of a key",
		ArgsUsage: "KEY", Flags: clientFlags(),
		Action: func(c *cli.Context) error {
			args, err := arguments(c, 1, 1, "KEY")
			if err != nil {
				return err
			}
			return withClient(c, func(ctx context.Context, to *client.Client) error {
				entry, found, err := to.Get(ctx, []byte(args[0]))
				if err != nil {
					return err
				}
				if !found {
					return failf(exitFailed, "", "key %q is not there", args[0])
				}
				return show(c, entryOf(&entry), string(entry.Value))
			})
		},
	}
}
