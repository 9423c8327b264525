package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"byzd/daemon/config"
	"byzd/daemon/genesis"
	"byzd/pbft/message"
	"byzd/testnet"
	"byzd/testnet/judge"
)

// scope is what is judged: whose journals, and under which genesis.
type scope struct {
	title    string
	cluster  *message.Config       // of the first epoch
	epochs   []*message.EpochProof // what leads to later ones, if it was named
	numbered bool                  // nodes go by their numbers
	nodes    []judge.Node
	proofs   string // the directory for those that are found
}

const scopeHint = "name a testnet's or a node's directory with --home DIR, or running nodes with " +
	"--endpoints URL,... --genesis FILE"

// findScope reads from the command line what is to be judged.
func findScope(c *cli.Context) (*scope, error) {
	home := c.String(flagHome)
	var s *scope
	var err error
	switch {
	case c.String("endpoints") != "":
		s, err = remoteScope(c, home)
	case home == "":
		return nil, usagef(scopeHint, "nothing is named to be judged")
	default:
		s, err = homeScope(c, home, scopeHint)
	}
	if err != nil {
		return nil, err
	}
	if dir := c.String("evidence"); dir != "" {
		s.proofs = dir
	}
	return s, nil
}

// remoteScope is nodes that only their operator endpoints are known of.
func remoteScope(c *cli.Context, home string) (*scope, error) {
	if home == "" && c.String("genesis") == "" {
		return nil, usagef("add --genesis FILE",
			"remote nodes cannot be judged without their genesis")
	}
	s, err := newScope(c, home)
	if err != nil {
		return nil, err
	}
	for endpoint := range strings.SplitSeq(c.String("endpoints"), ",") {
		if endpoint = strings.TrimSpace(endpoint); endpoint == "" {
			return nil, usagef("", "there is an empty name among the endpoints")
		}
		s.nodes = append(s.nodes, judge.Node{Number: -1, Operator: endpoint})
	}
	return s, nil
}

// dropSurplus leaves out, of the nodes that are known by their endpoints alone, those that were
// named twice, and addresses at which nobody answers although every member was found elsewhere.
// Then it says how many are judged.
func (s *scope) dropSurplus() {
	if s.title != "" {
		return
	}
	found := map[int]bool{}
	s.nodes = slices.DeleteFunc(s.nodes, func(n judge.Node) bool {
		twice := n.Number >= 0 && found[n.Number]
		if n.Number >= 0 {
			found[n.Number] = true
		}
		return twice
	})
	if len(found) == len(s.cluster.Members) {
		s.nodes = slices.DeleteFunc(s.nodes, func(n judge.Node) bool { return n.Number < 0 })
	}
	s.title = fmt.Sprintf("%d of %d nodes, by their operator endpoints",
		len(found), max(len(found), len(s.cluster.Members)))
}

// homeScope is a testnet, or one node. hint is for a directory that is neither.
func homeScope(c *cli.Context, home, hint string) (*scope, error) {
	state, err := testnet.ReadState(home)
	switch {
	case err == nil:
		return testnetScope(c, home, state)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, testnetError(err)
	}
	if _, err := os.Stat(config.Home(home).Genesis()); c.String("genesis") == "" && err != nil {
		return nil, failf(exitFailed, hint, "%s is no home of a testnet or of a node: it has "+
			"neither testnet.json nor genesis.toml", home)
	}
	s, err := newScope(c, home)
	if err != nil {
		return nil, err
	}
	n := judge.Node{Number: -1, Home: home}
	if a, err := config.Home(home).ReadAddresses(); err == nil {
		n.Operator = a.Operator
	}
	s.nodes = []judge.Node{n}
	s.title = fmt.Sprintf("the log of one node of %d, %s", len(s.cluster.Members), home)
	return s, nil
}

func testnetScope(c *cli.Context, home string, state *testnet.State) (*scope, error) {
	s, err := newScope(c, home)
	if err != nil {
		return nil, err
	}
	s.numbered = true
	traitors := 0
	for i := range max(len(s.cluster.Members), len(state.Nodes)) {
		if i >= len(state.Nodes) {
			s.nodes = append(s.nodes, judge.Node{
				Number: i, Home: filepath.Join(home, fmt.Sprintf("node-%d", i)),
			})
			continue
		}
		n := &state.Nodes[i]
		node := judge.Node{
			Number: i, Name: n.Name, Traitor: n.Traitor(), Home: n.Home,
			Unused: n.Process == testnet.New, Fired: map[string]int{},
		}
		for name, count := range n.Fired {
			node.Fired[name] = int(min(count, math.MaxInt32))
		}
		if n.Last != nil {
			node.Last = &judge.Last{
				Sequence: n.Last.Sequence, Pending: n.Last.Pending, OldestMS: n.Last.OldestMS,
			}
		}
		if n.PID > 0 {
			node.Operator = n.Operator
		}
		if node.Traitor {
			traitors++
		}
		s.nodes = append(s.nodes, node)
	}
	s.title = fmt.Sprintf("the testnet of %d nodes, %d of them traitors, in %s",
		len(s.nodes), traitors, home)
	return s, nil
}

// sameCluster refuses a genesis that is not that of the home. A home without one, or with one that
// cannot be read, is what --genesis is for.
func sameCluster(file, home string, cluster *message.Config) error {
	if home == "" {
		return nil
	}
	own, err := genesis.Load(config.Home(home).Genesis())
	if err != nil {
		return nil //nolint:nilerr // see above
	}
	if theirs := own.ClusterID(); theirs != cluster.Cluster {
		return failf(exitFailed, "leave --genesis out, or name the right home",
			"%s is of cluster %s, and %s of cluster %s", file, cluster.Cluster.Short(), home,
			theirs.Short())
	}
	return nil
}

// newScope reads the genesis.
func newScope(c *cli.Context, home string) (*scope, error) {
	file := c.String("genesis")
	if file == "" {
		file = config.Home(home).Genesis()
	}
	g, err := genesis.Load(file)
	if err != nil {
		return nil, err
	}
	cluster, err := g.Config()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if err := sameCluster(file, home, cluster); err != nil {
		return nil, err
	}
	s := &scope{cluster: cluster, numbered: g.Testnet, proofs: judge.EvidenceDir(home)}
	if file := c.String("epochs"); file != "" {
		data, err := os.ReadFile(filepath.Clean(file))
		if err != nil {
			return nil, err
		}
		if s.epochs, err = message.DecodeEpochs(cluster, data); err != nil {
			return nil, failf(exitFailed, "byzd member proof writes such a file",
				"%s: %w", file, err)
		}
	}
	return s, nil
}

func epochsFlag() cli.Flag {
	return &cli.StringFlag{
		Name: "epochs",
		Usage: "`FILE` that leads from the genesis to later epochs, as byzd member proof writes " +
			"it, for proofs that carry nothing",
	}
}
