package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"byzd/testnet"
)

// stoppedNote says what can be done where no supervisor runs.
func stoppedNote(st *testnet.Status) string {
	for i := range st.Nodes {
		if st.Nodes[i].Process.Alive() {
			return "the testnet's supervisor is gone and has left nodes behind; end them with: " +
				"byzd testnet down --home " + st.Home
		}
	}
	return "the testnet is stopped; start it again with: byzd testnet up --home " + st.Home
}

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
			if !st.Supervisor.Running {
				say(c, "byzd: note: %s", stoppedNote(st))
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
