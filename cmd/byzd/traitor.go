package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"byzd/pbft/traitor"
)

func traitorCommand() *cli.Command {
	return &cli.Command{
		Name: "traitor", Usage: "the lies that a testnet's nodes can be told to tell",
		Subcommands: []*cli.Command{
			{Name: "list", Usage: "list every behaviour", Action: listTraitors},
			{
				Name: "explain", Usage: "say what a behaviour does and what defeats it",
				ArgsUsage: "NAME", Action: explainTraitor,
			},
		},
	}
}

func listTraitors(c *cli.Context) error {
	if _, err := arguments(c, 0, 0, ""); err != nil {
		return err
	}
	if c.Bool(flagJSON) {
		return json.NewEncoder(c.App.Writer).Encode(traitor.Catalogue())
	}
	w := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
	var group traitor.Group
	for _, b := range traitor.Catalogue() {
		if b.Group != group {
			group = b.Group
			fmt.Fprintf(w, "%s\n", strings.ToUpper(string(group))) //nolint:errcheck // Flush tells
		}
		fmt.Fprintf(w, "  %s\t%s\n", b.Name, b.Summary) //nolint:errcheck // Flush tells
	}
	return w.Flush()
}

func explainTraitor(c *cli.Context) error {
	args, err := arguments(c, 1, 1, "NAME")
	if err != nil {
		return err
	}
	b, err := traitor.Explain(args[0])
	if err != nil {
		return usageError(err)
	}
	if c.Bool(flagJSON) {
		return json.NewEncoder(c.App.Writer).Encode(b)
	}
	return describe(c.App.Writer, b)
}

// describe writes a behaviour for people.
func describe(out io.Writer, b traitor.Behaviour) error {
	proof := "none: it cannot be proved, and nobody is accused"
	if len(b.Evidence) > 0 {
		proof = strings.Join(b.Evidence, ", ")
	}
	rises := "nothing on other nodes: only its clients can notice"
	if len(b.Rises) > 0 {
		rises = strings.Join(b.Rises, ", ")
	}
	when := "at once"
	switch {
	case b.NeedsPrimary && b.NeedsViewChange:
		when = "when a view change makes its node the primary; until then it is armed, not fired"
	case b.NeedsPrimary:
		when = "while its node is the primary; until then it is armed, not fired"
	case b.NeedsTransfer:
		when = "while a node fetches the state; until then it is armed, not fired"
	case b.NeedsViewChange:
		when = "at a view change; until then it is armed, not fired"
	}
	_, err := fmt.Fprintf(out, "%s: %s\n\n%s\n\nfires     %s\ndefence   %s\nrises     %s\n"+
		"proof     %s\nkeys      %s\nuse       byzd testnet up --traitor 0=%s\n",
		b.Name, b.Summary, wrap(b.Detail), when, b.Defence, rises, proof,
		strings.Join(b.Keys, ", "), b.Name)
	return err
}

// wrap breaks a text into lines that fit a terminal.
func wrap(text string) string {
	const width = 78
	var out strings.Builder
	column := 0
	for word := range strings.FieldsSeq(text) {
		switch {
		case column == 0:
		case column+1+len(word) > width:
			out.WriteByte('\n')
			column = 0
		default:
			out.WriteByte(' ')
			column++
		}
		out.WriteString(word)
		column += len(word)
	}
	return out.String()
}
