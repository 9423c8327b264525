package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"byzd/daemon/genesis"
	"byzd/pbft/message"
)

// memberParams writes a change of the parameters, or lists them.
func memberParams(c *cli.Context) error {
	if _, err := arguments(c, 0, 0, "--set KEY=VALUE... [--change FILE]"); err != nil {
		return err
	}
	if !c.IsSet("set") {
		cfg, err := today(c)
		if err != nil {
			return err
		}
		return showParams(c, cfg)
	}
	cfg, rc, err := openChange(c)
	if err != nil {
		return err
	}
	for _, assignment := range c.StringSlice("set") {
		name, value, ok := strings.Cut(assignment, "=")
		if !ok {
			return usagef(
				"--set KEY=VALUE, such as view-timeout=2000", "%q sets no parameter", assignment)
		}
		if err := genesis.SetParam(&rc.Change.Params, name, value); err != nil {
			return usageError(err)
		}
	}
	return keepChange(c, cfg, rc)
}

func showParams(c *cli.Context, cfg *message.Config) error {
	list := genesis.ParamsOf(&cfg.Params)
	if c.Bool(flagJSON) {
		values := map[string]int64{}
		for _, p := range list {
			values[p.Name] = p.Value
		}
		return json.NewEncoder(c.App.Writer).Encode(values)
	}
	_, _ = fmt.Fprintf(c.App.Writer, "epoch %d\n\n", cfg.Epoch)
	w := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
	for _, p := range list {
		_, _ = fmt.Fprintf(w, "%s\t%d\t%s\n", p.Name, p.Value, p.About)
	}
	return w.Flush()
}

// paramChange is one parameter that a change alters.
type paramChange struct {
	Name string `json:"name"`
	From int64  `json:"from"`
	To   int64  `json:"to"`
}

func paramChanges(from, to *message.Params) []paramChange {
	list := []paramChange{}
	after := genesis.ParamsOf(to)
	for i, p := range genesis.ParamsOf(from) {
		if p.Value != after[i].Value {
			list = append(list, paramChange{p.Name, p.Value, after[i].Value})
		}
	}
	return list
}
