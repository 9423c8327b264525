package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"byzd/crypto"
	"byzd/daemon/config"
	"byzd/daemon/genesis"
	"byzd/pbft/quorum"
)

func genesisCommand() *cli.Command {
	return &cli.Command{
		Name: "genesis", Usage: "make and read the file that all members share",
		Subcommands: []*cli.Command{
			{
				Name: "new", Usage: "make a genesis without members (default: ./genesis.toml)",
				Flags: []cli.Flag{
					schemeFlag(),
					&cli.BoolFlag{Name: "testnet", Usage: "allow traitors, cut links and control"},
					&cli.StringFlag{
						Name:  "out",
						Usage: "write `FILE` (default: genesis.toml, in --home if given)",
					},
					&cli.StringSliceFlag{
						Name: "param", Usage: "set a parameter, `KEY=VALUE`; may be repeated",
					},
					&cli.StringSliceFlag{
						Name: "admin", Usage: "public `KEY` of an administrator; may be repeated",
					},
					&cli.IntFlag{
						Name:  "admin-threshold",
						Usage: "how many of them act together (default: more than half)",
					},
				},
				Action: genesisNew,
			},
			{
				Name: "add", Usage: "add members to a genesis, in this order",
				ArgsUsage: "FILE MEMBER.toml...",
				Flags: []cli.Flag{
					&cli.StringFlag{Name: "name", Usage: "`NAME` of a member without a file"},
					&cli.StringFlag{Name: "peer", Usage: "its `PEER` ID"},
					&cli.StringFlag{Name: "key", Usage: "its public signing `KEY`"},
					&cli.StringFlag{
						Name:  "proof",
						Usage: "`PROOF` of possession, if the scheme needs one",
					},
				},
				Action: genesisAdd,
			},
			{
				Name: "show", Usage: "show the cluster ID, the members and the parameters",
				ArgsUsage: "[FILE]", Action: genesisShow,
			},
		},
	}
}

func genesisNew(c *cli.Context) error {
	if _, err := arguments(c, 0, 0, "[--out FILE | --home DIR]"); err != nil {
		return err
	}
	path, home := c.String("out"), c.String(flagHome)
	switch {
	case path != "" && home != "" && home != os.Getenv("BYZD_HOME"):
		return usagef("give only one", "--out and --home both say where the genesis goes")
	case path == "" && home != "":
		path = config.Home(home).Genesis()
	case path == "":
		path = "genesis.toml"
	}
	g, err := genesis.New(c.String(flagScheme), c.Bool("testnet"))
	if err != nil {
		return usageError(err)
	}
	for _, assignment := range c.StringSlice("param") {
		name, value, ok := strings.Cut(assignment, "=")
		if !ok {
			return usagef("--param KEY=VALUE, such as rotate-every=100", "%q sets no parameter",
				assignment)
		}
		if err = genesis.SetParam(&g.Params, name, value); err != nil {
			return usageError(err)
		}
	}
	if g.Admins, err = adminsOf(c); err != nil {
		return err
	}
	if err := g.Check(); err != nil {
		return usageError(err)
	}
	if _, err := os.Lstat(path); err == nil {
		return failf(exitFailed, "remove it, or choose another file with --out",
			"%s exists already, and a genesis is never overwritten", path)
	}
	if err := g.Save(path); err != nil {
		return err
	}
	return tellGenesis(c, path, g)
}

func adminsOf(c *cli.Context) (genesis.Admins, error) {
	var a genesis.Admins
	for _, text := range c.StringSlice("admin") {
		key, err := genesis.DecodeKey(text)
		if err != nil {
			return a, usagef("byzd keygen --show FILE prints the key", "administrator %.60q: %w",
				text, err)
		}
		a.Keys = append(a.Keys, key)
	}
	switch {
	case c.IsSet("admin-threshold"):
		a.Threshold = c.Int("admin-threshold")
	case len(a.Keys) > 0:
		a.Threshold = len(a.Keys)/2 + 1
	}
	return a, nil
}

func genesisAdd(c *cli.Context) error {
	args, err := arguments(c, 1, -1, "FILE MEMBER.toml...")
	if err != nil {
		return err
	}
	byFlags := c.IsSet("name") || c.IsSet("peer") || c.IsSet("key") || c.IsSet("proof")
	if byFlags == (len(args) > 1) {
		return usagef("byzd genesis add FILE MEMBER.toml..., with the member.toml that byzd init "+
			"wrote; or byzd genesis add FILE --name NAME --peer PEER --key KEY",
			"name the member, either by a file or by flags")
	}
	g, err := genesis.Load(args[0])
	if err != nil {
		return err
	}
	if byFlags {
		m, err := memberByFlags(c)
		if err != nil {
			return err
		}
		if err := g.Add(m); err != nil {
			return usageError(err)
		}
	}
	for _, path := range args[1:] {
		if err := addFile(g, path); err != nil {
			return err
		}
	}
	if err := g.Save(args[0]); err != nil {
		return err
	}
	return tellGenesis(c, args[0], g)
}

func addFile(g *genesis.Genesis, path string) error {
	m, scheme, err := genesis.LoadMember(path)
	if err != nil {
		return err
	}
	if scheme != g.Scheme {
		return failf(exitFailed, "all members need one scheme: byzd init --scheme "+g.Scheme,
			"%s: the key is of scheme %s, but the genesis says %s", path, scheme, g.Scheme)
	}
	if err := g.Add(m); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func memberByFlags(c *cli.Context) (genesis.Member, error) {
	m := genesis.Member{Name: c.String("name")}
	var err error
	if m.ID, err = crypto.ParseNodeID(c.String("peer")); err != nil {
		return m, usagef("it is what byzd init printed: 12D3KooW...", "--peer: %w", err)
	}
	if m.Key, err = genesis.DecodeKey(c.String("key")); err != nil {
		return m, usagef("it stands in the node's member.toml", "--key: %w", err)
	}
	if m.Proof, err = genesis.DecodeKey(c.String("proof")); err != nil {
		return m, usagef("it stands in the node's member.toml", "--proof: %w", err)
	}
	return m, nil
}

func genesisShow(c *cli.Context) error {
	args, err := arguments(c, 0, 1, "[FILE]")
	if err != nil {
		return err
	}
	path := config.Home(c.String(flagHome)).Genesis()
	if len(args) == 1 {
		path = args[0]
	}
	g, err := genesis.Load(path)
	if err != nil {
		return err
	}
	if c.Bool(flagJSON) {
		return json.NewEncoder(c.App.Writer).Encode(genesisView(path, g))
	}
	return showGenesis(c.App.Writer, g)
}

// tellGenesis says what a genesis has become: to people in one line, to programs in full.
func tellGenesis(c *cli.Context, path string, g *genesis.Genesis) error {
	if c.Bool(flagJSON) {
		return json.NewEncoder(c.App.Writer).Encode(genesisView(path, g))
	}
	_, err := fmt.Fprintf(c.App.Writer, "%s: %s, cluster ID %s\n", path, strength(g), g.ClusterID())
	return err
}

// strength says in words how many liars the members withstand.
func strength(g *genesis.Genesis) string {
	n := len(g.Members)
	sizes, err := quorum.Of(n)
	if err != nil {
		return "no members yet"
	}
	members, liars := "members withstand", "liars"
	if n == 1 {
		members = "member withstands"
	}
	if sizes.F == 1 {
		liars = "liar"
	}
	return fmt.Sprintf("%d %s %d %s", n, members, sizes.F, liars)
}

func showGenesis(out io.Writer, g *genesis.Genesis) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	view := genesisView("", g)
	_, _ = fmt.Fprintf(w, "cluster\t%s\nscheme\t%s\ntestnet\t%s\n", view.Cluster, view.Scheme,
		yesNo(g.Testnet))
	_, _ = fmt.Fprintf(w, "members\t%d\nliars\t%d at most\nquorum\t%d\n", view.N, view.F, view.Q)
	if len(g.Admins.Keys) > 0 {
		_, _ = fmt.Fprintf(w, "admins\t%d of %d\n", g.Admins.Threshold, len(g.Admins.Keys))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(view.Members) > 0 {
		_, _ = fmt.Fprintln(w, "\nNODE\tNAME\tPEER")
	}
	for _, m := range view.Members {
		_, _ = fmt.Fprintf(w, "%d\t%s\t%s\n", m.Node, m.Name, m.Peer)
	}
	_, _ = fmt.Fprintln(w, "\nPARAMETER\tVALUE\tMEANING")
	for _, p := range g.ParamList() {
		_, _ = fmt.Fprintf(w, "%s\t%d\t%s\n", p.Name, p.Value, p.About)
	}
	return w.Flush()
}

// genesisJSON is a genesis for programs.
type genesisJSON struct {
	File    string            `json:"file,omitempty"`
	Cluster string            `json:"cluster"`
	Format  int               `json:"format"`
	Scheme  string            `json:"scheme"`
	Testnet bool              `json:"testnet"`
	N       int               `json:"n"`
	F       int               `json:"f"`
	Q       int               `json:"q"`
	Members []genesisMember   `json:"members"`
	Params  map[string]int64  `json:"params"`
	Admins  genesisAdminsView `json:"admins"`
}

type genesisMember struct {
	Node  int    `json:"node"`
	Name  string `json:"name"`
	Peer  string `json:"peer"`
	Key   string `json:"key"`
	Proof string `json:"proof,omitempty"`
}

type genesisAdminsView struct {
	Threshold int      `json:"threshold"`
	Keys      []string `json:"keys"`
}

func genesisView(path string, g *genesis.Genesis) genesisJSON {
	view := genesisJSON{
		File: path, Cluster: g.ClusterID().String(), Format: genesis.Format, Scheme: g.Scheme,
		Testnet: g.Testnet, N: len(g.Members), Members: []genesisMember{},
		Params: map[string]int64{},
		Admins: genesisAdminsView{Threshold: g.Admins.Threshold, Keys: []string{}},
	}
	if sizes, err := quorum.Of(view.N); err == nil {
		view.F, view.Q = sizes.F, sizes.Quorum
	}
	for i, m := range g.Members {
		view.Members = append(view.Members, genesisMember{
			Node: i, Name: m.Name, Peer: m.ID.String(), Key: genesis.EncodeKey(m.Key),
			Proof: genesis.EncodeKey(m.Proof),
		})
	}
	for _, p := range g.ParamList() {
		view.Params[p.Name] = p.Value
	}
	for _, key := range g.Admins.Keys {
		view.Admins.Keys = append(view.Admins.Keys, genesis.EncodeKey(key))
	}
	return view
}
