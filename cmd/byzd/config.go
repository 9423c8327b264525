package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"byzd/daemon/config"
	"byzd/daemon/genesis"
)

func configCommand() *cli.Command {
	return &cli.Command{
		Name: "config", Usage: "look at a node's settings",
		Subcommands: []*cli.Command{
			{
				Name: "print", Usage: "print the settings that byzd run would take",
				Flags: append([]cli.Flag{
					&cli.BoolFlag{Name: "origin", Usage: "say where each value came from"},
				}, nodeFlags()...),
				Action: configPrint,
			},
			{
				Name:  "check",
				Usage: "check settings, genesis and keys of a node, without running it",
				Flags: nodeFlags(), Action: configCheck,
			},
		},
	}
}

// loadConfig reads the settings of the home that the command line names, flags included.
func loadConfig(c *cli.Context) (config.Home, *config.Config, error) {
	if _, err := arguments(c, 0, 0, "--home DIR"); err != nil {
		return "", nil, err
	}
	home := config.Home(c.String(flagHome))
	if home == "" {
		return "", nil, usagef("name it with --home DIR", "no home is named")
	}
	info, err := os.Stat(string(home))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil, failf(exitFailed, "make it: byzd init --home "+string(home), "no home: %w",
			err)
	case err != nil:
		return "", nil, err
	case !info.IsDir():
		return "", nil, failf(exitFailed, "", "home %s is not a directory", home)
	}
	cfg, err := config.Load(home, os.Environ(), nodeSettings(c))
	return home, cfg, err
}

func configPrint(c *cli.Context) error {
	_, cfg, err := loadConfig(c)
	if err != nil {
		return err
	}
	if c.Bool(flagJSON) {
		type entry struct {
			Name   string `json:"name"`
			Value  string `json:"value"`
			Origin string `json:"origin"`
		}
		entries := []entry{}
		for _, e := range cfg.Origins() {
			entries = append(entries, entry{Name: e.Key, Value: e.Value, Origin: e.Origin})
		}
		return json.NewEncoder(c.App.Writer).Encode(entries)
	}
	w := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
	for _, e := range cfg.Origins() {
		_, _ = fmt.Fprintf(w, "%s\t%s", e.Key, dash(e.Value))
		if c.Bool("origin") {
			_, _ = fmt.Fprintf(w, "\t%s", e.Origin)
		}
		_, _ = fmt.Fprintln(w)
	}
	return w.Flush()
}

func configCheck(c *cli.Context) error {
	home, _, err := loadConfig(c)
	if err != nil {
		return err
	}
	g, err := genesis.Load(home.Genesis())
	if err != nil {
		return err
	}
	cluster, err := g.Config()
	if err != nil {
		return err
	}
	network, seed, err := config.ReadKeys(home)
	if err != nil {
		return err
	}
	signer, err := cluster.Scheme.NewSigner(seed)
	if err != nil {
		return fmt.Errorf("signing key: %w", err)
	}
	node := cluster.Member(network.ID())
	if node < 0 {
		return failf(exitFailed, "enter it: byzd genesis add GENESIS "+home.Member()+
			", and give all members the new genesis",
			"node %s is not a member of cluster %s", network.ID(), cluster.Cluster.Short())
	}
	if !signer.Public().Equal(cluster.Members[node].Key) {
		return failf(exitFailed, "the genesis was made for another "+home.SigningKey(),
			"the signing key is not the one that the genesis has for %q",
			cluster.Members[node].Name)
	}
	if c.Bool(flagJSON) {
		return json.NewEncoder(c.App.Writer).Encode(map[string]any{
			"node": node, "name": cluster.Members[node].Name, "cluster": cluster.Cluster.String(),
		})
	}
	_, err = fmt.Fprintf(c.App.Writer, "good: %s is node %d of cluster %s\n",
		cluster.Members[node].Name, node, cluster.Cluster)
	return err
}
