package main

import (
	"context"

	"github.com/urfave/cli/v2"

	"byzd/daemon/client"
)

func putCommand() *cli.Command {
	return &cli.Command{
		Name: "put", Usage: "write a key; the value - is read from standard input",
		ArgsUsage: "KEY VALUE", Flags: clientFlags(),
		Action: func(c *cli.Context) error {
			args, err := arguments(c, 2, 2, "KEY VALUE")
			if err != nil {
				return err
			}
			value, err := valueArgument(c, args[1])
			if err != nil {
				return err
			}
			return withClient(c, func(ctx context.Context, to *client.Client) error {
				r, err := to.Put(ctx, []byte(args[0]), value)
				if err != nil {
					return err
				}
				return show(c, revisionJSON{r.Revision}, "OK")
			})
		},
	}
}

// revisionJSON is the answer to a write.
type revisionJSON struct {
	Revision int64 `json:"revision"`
}
