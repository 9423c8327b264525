package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"byzd/crypto"
	"byzd/daemon/config"
	"byzd/daemon/genesis"
)

const flagScheme = "scheme"

func schemeFlag() cli.Flag {
	return &cli.StringFlag{
		Name: flagScheme, Value: crypto.SchemeNames()[0],
		Usage: "signature `SCHEME` of the cluster: " + strings.Join(crypto.SchemeNames(), ", "),
	}
}

func initCommand() *cli.Command {
	return &cli.Command{
		Name: "init", Usage: "make the home of a new node: keys and settings",
		Flags: append([]cli.Flag{
			&cli.StringFlag{
				Name:  "name",
				Usage: "`NAME` of the member (default: that of the home)",
			},
			schemeFlag(),
			&cli.BoolFlag{
				Name:  "loopback",
				Usage: "listen on 127.0.0.1 and free ports: for many nodes on one machine",
			},
		}, nodeFlags()...),
		Action: initNode,
	}
}

func initNode(c *cli.Context) error {
	if _, err := arguments(c, 0, 0, "--home DIR [--name NAME]"); err != nil {
		return err
	}
	home := config.Home(c.String(flagHome))
	if home == "" {
		return usagef("byzd init --home DIR", "no home is named")
	}
	settings := nodeSettings(c)
	if c.Bool("loopback") {
		for _, key := range []string{"listen", "gossip", "client", "operator"} {
			if _, given := settings[key]; !given {
				settings[key] = []string{"127.0.0.1:0"}
			}
		}
	}
	name, err := memberName(c, home)
	if err != nil {
		return err
	}
	scheme := c.String(flagScheme)
	err = checkInit(scheme, settings)
	if err != nil {
		return err
	}
	m, err := config.Create(home, name, scheme, settings)
	if err != nil {
		return err
	}
	return tellIdentity(c, home, scheme, m)
}

// checkInit refuses what is wrong on the command line, before anything is made.
func checkInit(scheme string, settings map[string][]string) error {
	if _, err := crypto.SchemeByName(scheme); err != nil {
		return usageError(err)
	}
	if _, err := config.Load("", nil, settings); err != nil {
		return usageError(err)
	}
	return nil
}

// memberName is what the flag says, or the name of the home's directory.
func memberName(c *cli.Context, home config.Home) (string, error) {
	name := c.String("name")
	if !c.IsSet("name") {
		path, err := filepath.Abs(string(home))
		if err != nil {
			return "", err
		}
		name = filepath.Base(path)
		if err = genesis.CheckName(name); err != nil {
			return "", usagef("name the member: --name NAME", "the home's name does not fit: %w",
				err)
		}
	}
	if err := genesis.CheckName(name); err != nil {
		return "", usageError(err)
	}
	return name, nil
}

// identity is the public half of a node, for programs.
type identity struct {
	Home   string `json:"home,omitempty"`
	File   string `json:"file,omitempty"` // of a seed
	Name   string `json:"name,omitempty"`
	Scheme string `json:"scheme"`
	Peer   string `json:"peer"`
	Key    string `json:"key"`
	Proof  string `json:"proof,omitempty"`
	Member string `json:"member,omitempty"` // the file to hand in
}

func tellIdentity(c *cli.Context, home config.Home, scheme string, m genesis.Member) error {
	if c.Bool(flagJSON) {
		path, err := filepath.Abs(string(home))
		if err != nil {
			return err
		}
		return json.NewEncoder(c.App.Writer).Encode(identity{
			Home: path, Name: m.Name, Scheme: scheme, Peer: m.ID.String(),
			Key: genesis.EncodeKey(m.Key), Proof: genesis.EncodeKey(m.Proof),
			Member: filepath.Join(path, filepath.Base(home.Member())),
		})
	}
	if _, err := fmt.Fprintf(c.App.Writer, "%s is %s\n", m.Name, m.ID); err != nil {
		return err
	}
	_, err := fmt.Fprintf(c.App.ErrWriter,
		"\n%s holds secrets: keep it to yourself. Its public half is %s.\n"+
			"Who makes the genesis enters it:\n"+
			"  byzd genesis add genesis.toml %s\n"+
			"With the finished genesis.toml in %s the node is ready:\n"+
			"  byzd run --home %s --join HOST:PORT\n",
		home, home.Member(), home.Member(), home, home)
	return err
}

// nodeSettings returns the settings that stand on the command line. The library cannot tell a
// global flag from its variable; where both say the same, it was the variable.
func nodeSettings(c *cli.Context) map[string][]string {
	settings := givenFlags(c)
	for key, variable := range map[string]string{
		flagLogLevel: "BYZD_LOG_LEVEL", flagLogFormat: "BYZD_LOG_FORMAT",
	} {
		value, set := os.LookupEnv(variable)
		if given, ok := settings[key]; ok && set && given[0] == value {
			delete(settings, key)
		}
	}
	for key := range settings {
		if !slices.Contains(config.Keys(), key) {
			delete(settings, key)
		}
	}
	return settings
}
