package main

import (
	"context"

	"github.com/urfave/cli/v2"

	"byzd/daemon/client"
)

func delCommand() *cli.Command {
	return &cli.Command{
		Name: "del", Usage: "remove a key; prints how many there were, 0 or 1",
		ArgsUsage: "KEY", Flags: clientFlags(),
		Action: func(c *cli.Context) error {
			args, err := arguments(c, 1, 1, "KEY")
			if err != nil {
				return err
			}
			return withClient(c, func(ctx context.Context, to *client.Client) error {
				existed, err := to.Delete(ctx, []byte(args[0]))
				if err != nil {
					return err
				}
				if existed {
					return show(c, deletedJSON{1}, "1")
				}
				return show(c, deletedJSON{0}, "0")
			})
		},
	}
}

type deletedJSON struct {
	Deleted int `json:"deleted"`
}
