package main

import (
	"context"

	"github.com/urfave/cli/v2"

	"byzd/daemon/client"
)

const flagRaw = "raw"

func getCommand() *cli.Command {
	return &cli.Command{
		Name: "get", Usage: "print the value of a key",
		Description: "A newline follows the value; --raw prints the value's bytes and nothing " +
			"else, so that\nwhat was put comes back as it was. --json prints the entry: key and " +
			"value, or where\nthe bytes are no UTF-8 key_base64 and value_base64 in their place.",
		ArgsUsage: "KEY",
		Flags: clientFlags(&cli.BoolFlag{
			Name: flagRaw, Usage: "print the value's bytes alone, without a newline",
		}),
		Action: func(c *cli.Context) error {
			args, err := arguments(c, 1, 1, "KEY")
			if err != nil {
				return err
			}
			if c.Bool(flagRaw) && c.Bool(flagJSON) {
				return usagef("leave one away", "--raw and --json exclude each other")
			}
			return withClient(c, func(ctx context.Context, to *client.Client) error {
				entry, found, err := to.Get(ctx, []byte(args[0]))
				if err != nil {
					return err
				}
				if !found {
					return failf(exitFailed, "", "key %q is not there", args[0])
				}
				if c.Bool(flagRaw) {
					_, err = c.App.Writer.Write(entry.Value)
					return err
				}
				return show(c, entryOf(&entry), string(entry.Value))
			})
		},
	}
}
