package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"byzd/daemon/operator"
)

func membersCommand() *cli.Command {
	return &cli.Command{
		Name: "members", Usage: "list the members and where gossip says they are",
		Flags: []cli.Flag{operatorFlag()},
		Action: func(c *cli.Context) error {
			if _, err := arguments(c, 0, 0, "--home DIR"); err != nil {
				return err
			}
			var members []operator.Member
			if err := askOperator(c, "/members", &members); err != nil {
				return err
			}
			if c.Bool(flagJSON) {
				return json.NewEncoder(c.App.Writer).Encode(members)
			}
			w := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
			_, _ = fmt.Fprintln(w, "NODE\tNAME\tSWIM\tCONNECTED\tGOSSIP\tTRANSPORT\tCLIENT")
			for _, m := range members {
				connected := yesNo(m.Connected)
				if m.Self {
					connected = "itself"
				}
				_, _ = fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\n", m.Node, m.Name, m.Swim,
					connected, dash(m.Gossip), dash(m.Transport), dash(m.Client))
			}
			return w.Flush()
		},
	}
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
