package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/urfave/cli/v2"

	"byzd/daemon/client"
	"byzd/daemon/config"
	"byzd/daemon/genesis"
	"byzd/daemon/kv"
	"byzd/testnet"
)

// The names of the flags that the client commands share.
const (
	flagEndpoints = "endpoints"
	flagKey       = "key"
	flagGenesis   = "genesis"
	flagTimeout   = "timeout"
)

// answerTime is how long a client command waits unless it is told otherwise.
const answerTime = 10 * time.Second

// clientFlags returns the flags of a client command, with its own in front.
func clientFlags(own ...cli.Flag) []cli.Flag {
	return append(own,
		&cli.StringFlag{
			Name: flagEndpoints, EnvVars: []string{"BYZD_ENDPOINTS"},
			Usage: "`HOST:PORT,...` of nodes' client endpoints; without it --home says where",
		},
		&cli.PathFlag{
			Name: flagKey,
			Usage: "`FILE` of the key to sign with, made on first use; without it client.key in " +
				"--home, or without a home byzd/client.key in the user's configuration directory " +
				"(on Linux ~/.config)",
		},
		&cli.PathFlag{
			Name: flagGenesis,
			Usage: "`FILE` that says who the members are; without it genesis.toml in --home, or " +
				"what the endpoints agree on at first",
		},
		&cli.DurationFlag{
			Name: flagTimeout, Usage: "how long to wait for f+1 equal answers", Value: answerTime,
		},
	)
}

// withClient runs f with the client that the flags describe, within the time that they allow.
func withClient(c *cli.Context, f func(context.Context, *client.Client) error) error {
	if c.Duration(flagTimeout) <= 0 {
		return usagef("try --timeout 10s", "--timeout %v leaves no time", c.Duration(flagTimeout))
	}
	o, err := clientOptions(c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Context, c.Duration(flagTimeout))
	defer cancel()
	opened, err := client.Open(ctx, o)
	if err != nil {
		return clientError(c, err)
	}
	err = clientError(c, f(ctx, opened))
	return errors.Join(err, opened.Close())
}

// clientError gives an error of the client its exit code, and a hint that fits the command line.
func clientError(c *cli.Context, err error) error {
	if errors.Is(err, client.ErrNoAnswer) || errors.Is(err, client.ErrUnreachable) ||
		errors.Is(err, context.DeadlineExceeded) {
		return failf(exitNoProgress, noAnswerHint(c, err), "%w", err)
	}
	if errors.Is(err, kv.ErrTooLarge) {
		return failf(exitFailed, sizeHint(), "%w", err)
	}
	if errors.Is(err, client.ErrEndpoint) {
		return failf(exitUsage, "a node's client endpoint looks like 127.0.0.1:4001", "%w", err)
	}
	return err
}

// noAnswerHint says what to look at when too few nodes answered. Where the home has named the
// nodes, the client's own words about --endpoints do not fit.
func noAnswerHint(c *cli.Context, err error) string {
	home := c.String(flagHome)
	var below hinter
	switch {
	case errors.Is(err, context.Canceled), home == "", c.IsSet(flagEndpoints):
		if errors.As(err, &below) {
			return below.Hint()
		}
		return "see byzd status"
	}
	see := "byzd status --home " + home
	if _, err := testnet.ReadState(home); err == nil {
		see = "byzd testnet status --home " + home
	}
	return "see how the nodes are: " + see + "; if they need longer, give more time with --timeout"
}

// clientOptions finds out whom to talk to, whom to trust, and as whom.
func clientOptions(c *cli.Context) (client.Options, error) {
	var o client.Options
	home := c.String(flagHome)
	if c.IsSet(flagEndpoints) {
		for endpoint := range strings.SplitSeq(c.String(flagEndpoints), ",") {
			o.Endpoints = append(o.Endpoints, strings.TrimSpace(endpoint))
		}
	}
	if len(o.Endpoints) == 0 {
		var err error
		if o.Endpoints, err = endpointsOf(home); err != nil {
			return o, err
		}
		// Nodes may be started again, elsewhere, while a command waits for them.
		o.Refresh = func() []string {
			endpoints, err := endpointsOf(home)
			if err != nil {
				return nil // not yet
			}
			return endpoints
		}
	}
	var err error
	if o.Genesis, err = genesisFor(home, c.Path(flagGenesis)); err != nil {
		return o, err
	}
	if o.KeyPath = c.Path(flagKey); o.KeyPath == "" {
		o.KeyPath, err = defaultKey(home)
	}
	return o, err
}

// endpointsOf reads the endpoints from the home of a testnet or of a node.
func endpointsOf(home string) ([]string, error) {
	if home == "" {
		return nil, usagef("name nodes with --endpoints HOST:PORT,... or a testnet with --home DIR",
			"no nodes are named")
	}
	state, err := testnet.ReadState(home)
	switch {
	case err == nil:
		return testnetEndpoints(home, state)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, testnetError(err)
	}
	addresses, err := config.Home(home).ReadAddresses()
	if err != nil {
		const hint = "start one with byzd run or byzd testnet up, or name nodes with " +
			"--endpoints HOST:PORT,..."
		return nil, failf(exitNoProgress, hint,
			"neither a testnet nor a node runs in %s: %w", home, err)
	}
	return []string{addresses.Client}, nil
}

// testnetEndpoints lists the running nodes' endpoints, those of nodes that were not told to lie
// first: there is no reason to ask a liar first, and no need to keep it out.
func testnetEndpoints(home string, state *testnet.State) ([]string, error) {
	honest, others := sortNodes(state)
	var endpoints []string
	for _, node := range append(honest, others...) {
		endpoints = append(endpoints, node.Client)
	}
	if len(endpoints) == 0 {
		return nil, failf(exitNoProgress, "see byzd testnet status --home "+home,
			"no node of the testnet in %s runs", home)
	}
	return endpoints, nil
}

// sortNodes returns the nodes that can be expected to serve, and the others that run.
func sortNodes(state *testnet.State) (honest, others []*testnet.NodeState) {
	for i := range state.Nodes {
		node := &state.Nodes[i]
		switch {
		case node.Client == "" || !node.Process.Alive():
		case node.Traitor() || node.Process == testnet.Paused:
			others = append(others, node)
		default:
			honest = append(honest, node)
		}
	}
	return honest, others
}

// genesisFor loads the genesis that is trusted, or returns nil where none is known yet.
func genesisFor(home, path string) (*genesis.Genesis, error) {
	if path != "" {
		return genesis.Load(path)
	}
	if home == "" {
		return nil, nil //nolint:nilnil // there is none, and that is no error
	}
	g, err := genesis.Load(config.Home(home).Genesis())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // as above
	}
	return g, err
}

// defaultKey is where the key stands if nobody says: in the home, or with the user's settings.
func defaultKey(home string) (string, error) {
	if home != "" {
		return config.Home(home).ClientKey(), nil
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", failf(exitUsage, "name the key's file with --key FILE",
			"there is no place for a key: %w", err)
	}
	return filepath.Join(dir, "byzd", "client.key"), nil
}

// valueArgument returns an argument's bytes; "-" stands for standard input.
func valueArgument(c *cli.Context, argument string) ([]byte, error) {
	value := []byte(argument)
	if argument == "-" {
		var err error
		value, err = io.ReadAll(io.LimitReader(c.App.Reader, kv.ValueBytesMax+1))
		if err != nil {
			return nil, fmt.Errorf("read the value from standard input: %w", err)
		}
	}
	if len(value) > kv.ValueBytesMax {
		return nil, failf(exitFailed, sizeHint(), "the value has more than %d bytes",
			kv.ValueBytesMax)
	}
	return value, nil
}

// sizeHint names the limits.
func sizeHint() string {
	return fmt.Sprintf("a key has at most %d bytes and a value at most %d (1 MiB): keep large "+
		"things elsewhere and their digest here", kv.KeyBytesMax, kv.ValueBytesMax)
}

// entryJSON is an entry of the store. JSON holds text only: of key and key_base64 exactly one is
// there, the second where the bytes are no UTF-8; so it is with value and value_base64.
type entryJSON struct {
	Key         *string `json:"key,omitempty"`
	KeyBase64   []byte  `json:"key_base64,omitempty"`
	Value       *string `json:"value,omitempty"`
	ValueBase64 []byte  `json:"value_base64,omitempty"`
	Create      int64   `json:"create_revision"`
	Mod         int64   `json:"mod_revision"`
	Version     int64   `json:"version"`
}

func entryOf(e *kv.KV) *entryJSON {
	out := &entryJSON{Create: e.Create, Mod: e.Mod, Version: e.Version}
	out.Key, out.KeyBase64 = textOrBytes(e.Key)
	out.Value, out.ValueBase64 = textOrBytes(e.Value)
	return out
}

func textOrBytes(b []byte) (text *string, raw []byte) {
	if utf8.Valid(b) {
		return new(string(b)), nil
	}
	return nil, b
}

// show prints text, or a value as JSON where that was asked for.
func show(c *cli.Context, value any, text string) error {
	if c.Bool(flagJSON) {
		return json.NewEncoder(c.App.Writer).Encode(value)
	}
	_, err := io.WriteString(c.App.Writer, text+"\n")
	return err
}
