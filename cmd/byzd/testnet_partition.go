package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"byzd/testnet"
)

func testnetPartitionCommand() *cli.Command {
	return &cli.Command{
		Name: "partition", Usage: "cut links: 0,1/2,3 cuts these two groups from each other",
		ArgsUsage: "[GROUP/GROUP...]",
		Description: "Frames, gossip and dials do not pass; clients reach every node as before. " +
			"It replaces the cuts made before. A node that no group names keeps its links.",
		Flags: []cli.Flag{&cli.StringSliceFlag{
			Name:  "one-way",
			Usage: "`FROM>TO`: only what FROM sends does not arrive; may be repeated",
		}},
		Action: func(c *cli.Context) error {
			words, err := arguments(c, 0, 1, "--home DIR [GROUP/GROUP...] [--one-way FROM>TO]...")
			if err != nil {
				return err
			}
			net, err := openTestnet(c)
			if err != nil {
				return err
			}
			groups := strings.Join(words, "")
			if err := net.Partition(c.Context, groups, c.StringSlice("one-way")...); err != nil {
				return testnetError(err)
			}
			return showCuts(c, net)
		},
	}
}

func testnetHealCommand() *cli.Command {
	return &cli.Command{
		Name: "heal", Usage: "undo all cuts, and make the weather good",
		Action: func(c *cli.Context) error {
			if _, err := arguments(c, 0, 0, "--home DIR"); err != nil {
				return err
			}
			net, err := openTestnet(c)
			if err != nil {
				return err
			}
			if err := net.Heal(c.Context); err != nil {
				return testnetError(err)
			}
			return showCuts(c, net)
		},
	}
}

// showCuts says who does not reach whom.
func showCuts(c *cli.Context, net *testnet.Network) error {
	st, err := net.State()
	if err != nil {
		return err
	}
	type cut struct {
		Node int   `json:"node"`
		Cut  []int `json:"cut"`
	}
	cuts := make([]cut, len(st.Nodes))
	whole := true
	for i := range st.Nodes {
		cuts[i] = cut{Node: i, Cut: append([]int{}, st.Nodes[i].Cut...)}
		whole = whole && len(cuts[i].Cut) == 0
	}
	if c.Bool(flagJSON) {
		return printJSON(c, map[string]any{"nodes": cuts})
	}
	if whole {
		_, err = fmt.Fprintln(c.App.Writer, "all nodes reach each other")
		return err
	}
	for _, n := range cuts {
		if len(n.Cut) == 0 {
			continue
		}
		list := strings.Trim(strings.ReplaceAll(fmt.Sprint(n.Cut), " ", ", "), "[]")
		_, err = fmt.Fprintf(c.App.Writer, "node %d does not reach %s\n", n.Node, list)
		if err != nil {
			return err
		}
	}
	return nil
}
