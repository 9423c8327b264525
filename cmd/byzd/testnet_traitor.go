package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"byzd/testnet"
)

// honest is written in place of a behaviour.
const honest = "none"

func testnetTraitorCommand() *cli.Command {
	return &cli.Command{
		Name: "traitor", Usage: "make nodes lie from now on, or honest again: 0=mute, 0 none",
		ArgsUsage: "NODE=SPEC... | NODE none",
		Description: "What is given for a node replaces what it did before. A node that has lied " +
			"stays listed as a traitor for good: it is no correct node any more.",
		Flags: []cli.Flag{beyondFFlag()},
		Action: func(c *cli.Context) error {
			words, err := arguments(c, 1, -1, "--home DIR NODE=SPEC... | NODE none")
			if err != nil {
				return err
			}
			net, err := openTestnet(c)
			if err != nil {
				return err
			}
			st, err := net.State()
			if err != nil {
				return testnetError(err)
			}
			lies, err := readLies(len(st.Nodes), words)
			if err != nil {
				return testnetError(err)
			}
			var nodes []int
			for _, l := range lies {
				nodes = append(nodes, l.node)
				err := net.SetTraitor(c.Context, l.node, l.specs, c.Bool("beyond-f"))
				if err != nil {
					return testnetError(err)
				}
			}
			return showLies(c, net, nodes)
		},
	}
}

func beyondFFlag() cli.Flag {
	return &cli.BoolFlag{
		Name: "beyond-f", Usage: "allow more traitors than the network can bear",
	}
}

// nodeLies are all lies of one node.
type nodeLies struct {
	node  int
	specs []string
}

// readLies reads NODE=SPEC for any number of nodes, or NODE none.
func readLies(n int, words []string) ([]nodeLies, error) {
	if len(words) == 2 && words[1] == honest {
		words = []string{words[0] + "=" + honest}
	}
	var lies []nodeLies
	for _, word := range words {
		lie, err := testnet.ParseLie(word)
		if err != nil {
			return nil, err
		}
		if _, err := testnet.ParseNode(n, strconv.Itoa(lie.Node)); err != nil {
			return nil, err
		}
		at := slices.IndexFunc(lies, func(l nodeLies) bool { return l.node == lie.Node })
		if at < 0 {
			at = len(lies)
			lies = append(lies, nodeLies{node: lie.Node})
		}
		if lie.Spec != honest {
			lies[at].specs = append(lies[at].specs, lie.Spec)
		}
	}
	return lies, nil
}

func showLies(c *cli.Context, net *testnet.Network, nodes []int) error {
	st, err := net.State()
	if err != nil {
		return err
	}
	if c.Bool(flagJSON) {
		return showNodes(c, net, nodes)
	}
	for _, i := range nodes {
		text := "is told to be honest"
		if lying := st.Nodes[i].Lying; len(lying) > 0 {
			text = "lies: " + strings.Join(lying, " ")
		}
		if past := st.Nodes[i].Traitors; len(past) > 0 && len(st.Nodes[i].Lying) == 0 {
			text += ", and stays listed as a traitor (" + strings.Join(past, " ") + ")"
		}
		if _, err := fmt.Fprintf(c.App.Writer, "node %d %s\n", i, text); err != nil {
			return err
		}
	}
	return nil
}
