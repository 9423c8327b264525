package main

import (
	"fmt"

	"github.com/urfave/cli/v2"
)

func testnetStatusCommand() *cli.Command {
	return &cli.Command{
		Name: "status", Usage: "say how every node's process is, and where the node stands",
		Action: func(c *cli.Context) error {
			if _, err := arguments(c, 0, 0, "--home DIR"); err != nil {
				return err
			}
			net, err := openTestnet(c)
			if err != nil {
				return err
			}
			st, err := net.Status(c.Context)
			if err != nil {
				return testnetError(err)
			}
			if c.Bool(flagJSON) {
				return printJSON(c, st)
			}
			s := newScreen(c.App.Writer)
			for _, line := range s.table(st, 1<<10) {
				if _, err := fmt.Fprintln(c.App.Writer, line); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
