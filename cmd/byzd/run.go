package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/sirupsen/logrus"
	"github.com/urfave/cli/v2"

	"byzd/crypto"
	"byzd/daemon"
	"byzd/daemon/config"
	"byzd/daemon/genesis"
	"byzd/daemon/loop"
	"byzd/pbft/message"
)

// nodeFlags are the keys of the configuration that run takes as flags as well.
func nodeFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "listen", Usage: "`ADDR` for members (TCP)"},
		&cli.StringFlag{Name: "gossip", Usage: "`ADDR` for members' gossip (UDP and TCP)"},
		&cli.StringFlag{Name: "advertise", Usage: "`HOST` that other members are told"},
		&cli.StringFlag{Name: "client", Usage: "`ADDR` of the client endpoint"},
		&cli.StringFlag{Name: "operator", Usage: "loopback `ADDR` of the operator's endpoint"},
		&cli.StringSliceFlag{Name: "join", Usage: "gossip `ADDR` of any member; may be repeated"},
		&cli.StringFlag{Name: "disk-quota", Usage: "`BYTES` that the journal may take"},
	}
}

func runCommand() *cli.Command {
	return &cli.Command{
		Name: "run", Usage: "run a node",
		Flags: append(nodeFlags(), &cli.StringSliceFlag{
			Name: "traitor", Usage: "lie as `SPEC` says (testnets only); may be repeated",
		}, &cli.StringFlag{
			// For the supervisor of a testnet: a restarted node must not reach anybody before it
			// can be told whom it does not reach.
			Name: "cut", Hidden: true, Usage: "reach none of these nodes: `NODE[+NODE]...`",
		}, &cli.StringFlag{
			// Likewise: which nodes the numbers in --cut and --traitor mean, whoever is a member.
			Name: "nodes", Hidden: true, Usage: "the testnet's nodes in their order: `ID[+ID]...`",
		}),
		Action: run,
	}
}

func run(c *cli.Context) error {
	if _, err := arguments(c, 0, 0, "--home DIR"); err != nil {
		return err
	}
	home := config.Home(c.String(flagHome))
	if home == "" {
		return usagef("byzd run --home DIR", "no home is named")
	}
	cut, nodes, err := cutNodes(c.String("cut"), c.String("nodes"))
	if err != nil {
		return err
	}
	cfg, err := config.Load(home, os.Environ(), givenFlags(c))
	if err != nil {
		return err
	}
	log, err := newLogger(c.App.ErrWriter, cfg.LogLevel, cfg.LogFormat)
	if err != nil {
		return err
	}
	captureLibraries(log)
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
	next, err := nextSeed(home)
	if err != nil {
		return err
	}
	peers, join, err := invited(home)
	if err != nil {
		return err
	}
	ends, err := proofs(home.Invitation(), cluster)
	if err != nil {
		return err
	}
	cfg.Join = append(cfg.Join, join...)
	err = daemon.Run(c.Context, daemon.Options{
		Home: string(home), Data: home.Data(), Proofs: home.Evidence(),
		Archive: home.Archive(), Cluster: cluster,
		Genesis: g.Encode(), NetworkKey: network, SigningSeed: seed, NextSeed: next,
		Listen: cfg.Listen,
		Gossip: cfg.Gossip, Advertise: cfg.Advertise, Client: cfg.Client, Operator: cfg.Operator,
		Join: cfg.Join, Peers: peers, Ends: ends, DiskQuota: cfg.DiskQuota, Keep: loop.Retention{
			SnapshotEvery: cfg.SnapshotEvery.Milliseconds(), Batches: cfg.KeepBatches,
			Bytes: cfg.KeepBytes,
		}, Traitors: c.StringSlice("traitor"), Cut: cut, Nodes: nodes,
		SavePeers: savePeers(home), Rekeyed: func() error { return config.Rekey(home) },
		Log: log,
		Started: func(a daemon.Addresses) error {
			return home.WriteAddresses(config.Addresses{
				PID: os.Getpid(), Listen: a.Listen, Gossip: a.Gossip, Client: a.Client,
				Operator: a.Operator,
			})
		},
	})
	return ended(home, log, err)
}

// ended ends the command when the node has ended.
func ended(home config.Home, log logrus.FieldLogger, err error) error {
	if errors.Is(err, daemon.ErrAgain) {
		return goOn(home)
	}
	if errors.Is(err, daemon.ErrRetired) {
		log.Warn(err)
	} else if err != nil {
		return err
	}
	log.Info("stopped; the journal is in " + filepath.Clean(home.Data()))
	return home.RemoveAddresses()
}

// savePeers keeps where members listen in a home.
func savePeers(home config.Home) func(known []daemon.KnownPeer) error {
	return func(known []daemon.KnownPeer) error {
		inv := config.Invitation{}
		for _, p := range known {
			inv.Peers = append(inv.Peers, config.Peer{
				ID: p.ID.String(), Name: p.Name, Transport: p.Transport, Gossip: p.Gossip,
			})
		}
		return inv.Save(home.Peers())
	}
}

// nextSeed reads the seed of the next signing key, or returns nil if there is none.
func nextSeed(home config.Home) (*[crypto.SeedSize]byte, error) {
	seed, err := crypto.ReadSeed(home.NextKey())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // most homes have none
	}
	if err != nil {
		return nil, fmt.Errorf("the next signing key: %w", err)
	}
	return &seed, nil
}

// invited returns where members listen, of whom this node may not hear by gossip: those who were
// known when it last ran, and those of the invitation in its home, if there is one.
func invited(home config.Home) (map[crypto.NodeID][]string, []string, error) {
	peers, join := map[crypto.NodeID][]string{}, []string{}
	for _, path := range []string{home.Peers(), home.Invitation()} {
		inv, err := config.ReadInvitation(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		for _, p := range inv.Peers {
			id, err := crypto.ParseNodeID(p.ID)
			if err != nil {
				return nil, nil, fmt.Errorf("%s: %w", path, err)
			}
			if !slices.Contains(peers[id], p.Transport) {
				peers[id] = append(peers[id], p.Transport)
			}
			if _, port, err := net.SplitHostPort(p.Gossip); err != nil || port == "0" {
				continue // it does not gossip yet
			}
			if !slices.Contains(join, p.Gossip) {
				join = append(join, p.Gossip)
			}
		}
	}
	return peers, join, nil
}

// proofs returns those that an invitation has, followed from the genesis, if there is one.
func proofs(path string, cluster *message.Config) ([]*message.EpochProof, error) {
	inv, err := config.ReadInvitation(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(inv.Epochs) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	chain, err := message.DecodeEpochs(cluster, inv.Epochs)
	if err == nil {
		_, err = message.FollowEpochs(cluster, chain)
	}
	if err != nil {
		return nil, failf(exitBroken, "ask a member for another one: byzd member invite",
			"%s does not prove who the members are: %w", path, err)
	}
	return chain, nil
}

// cutNodes reads the values of --cut and of --nodes.
func cutNodes(text, ids string) (cut []int, nodes []crypto.NodeID, err error) {
	split := func(r rune) bool { return r == '+' }
	for _, word := range strings.FieldsFunc(text, split) {
		node, err := strconv.Atoi(word)
		if err != nil || node < 0 {
			return nil, nil, usagef("for instance --cut 1+3",
				"%q in --cut is not the number of a node", word)
		}
		cut = append(cut, node)
	}
	for _, word := range strings.FieldsFunc(ids, split) {
		id, err := crypto.ParseNodeID(word)
		if err != nil {
			return nil, nil, usagef("", "--nodes: %w", err)
		}
		nodes = append(nodes, id)
	}
	return cut, nodes, nil
}

// givenFlags returns the values of the flags that stand on the command line, by name.
func givenFlags(c *cli.Context) map[string][]string {
	given := map[string][]string{}
	for _, name := range c.FlagNames() {
		switch name {
		case flagHome, flagJSON, "traitor", "cut", "nodes":
			continue
		}
		if !c.IsSet(name) {
			continue
		}
		if values := c.StringSlice(name); len(values) > 0 {
			given[name] = values
		} else {
			given[name] = []string{c.String(name)}
		}
	}
	return given
}
