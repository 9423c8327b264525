package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"byzd/daemon/operator"
)

func statusCommand() *cli.Command {
	return &cli.Command{
		Name: "status", Usage: "say where a node stands",
		Flags: []cli.Flag{operatorFlag()},
		Action: func(c *cli.Context) error {
			if _, err := arguments(c, 0, 0, "--home DIR"); err != nil {
				return err
			}
			var st operator.Status
			if err := askOperator(c, "/status", &st); err != nil {
				return err
			}
			if c.Bool(flagJSON) {
				return json.NewEncoder(c.App.Writer).Encode(st)
			}
			return printStatus(c, &st)
		},
	}
}

func printStatus(c *cli.Context, st *operator.Status) error {
	w := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) {
		_, _ = fmt.Fprintf(w, name+"\t"+format+"\n", args...)
	}
	line("node", "%d (%s) of cluster %.8s", st.Node, st.Name, st.Cluster)
	if st.Ready {
		line("ready", "yes")
	} else {
		line("ready", "no: %s", st.Reason)
	}
	line("view", "%d, primary node %d", st.View, st.Primary)
	line("executed", "%d (stable %d)", st.Sequence, st.Stable)
	line("pending", "%d operations, the oldest for %d ms", st.Pending.Count, st.Pending.OldestMS)
	for _, t := range st.Traitors {
		line("TRAITOR", "%s (%s)", t.Spec, t.State)
	}
	for _, e := range st.Evidence {
		line("proof", "%s against node %d: %s", e.Kind, e.Culprit, e.File)
	}
	for _, p := range st.Peers {
		line("peer", "%d (%s) connected %s, gossip says %s, last vote (%d,%d)", p.Node, p.Name,
			yesNo(p.Connected), p.Swim, p.LastVote.View, p.LastVote.Sequence)
	}
	return w.Flush()
}
