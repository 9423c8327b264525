package testnet

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"byzd/crypto"
	"byzd/daemon/config"
	"byzd/pbft/message"
	"byzd/pbft/quorum"
)

// DefaultNodes is the size of a testnet that is given none: the smallest that survives a traitor.
const DefaultNodes = 4

// DefaultWait is how long Up waits for the nodes to be ready if not told otherwise.
const DefaultWait = 30 * time.Second

// portsPerNode are the ports of one node, in this order: transport, gossip, client, operator.
const portsPerNode = 4

// Options say what network [Up] makes. The zero value is a network of four honest nodes in a new
// temporary directory.
type Options struct {
	// Home is the directory of the testnet; empty makes a temporary one. If it holds a stopped
	// testnet, that one is started again from its disks, and Nodes, Scheme and Params must be unset
	// or what they were.
	Home string
	// Binary is the byzd to run; empty means this very program, which is then expected to be byzd.
	Binary string
	// Nodes is the size of the network, 1 to 128; 0 means DefaultNodes.
	Nodes int
	// Scheme is the signature scheme; empty means ed25519.
	Scheme string
	// Params are parameters of the protocol other than the defaults, named as in the genesis.
	Params map[string]string
	// Settings are settings of every node, named as in byzd.toml, other than those of a testnet.
	// Who starts a stopped testnet again changes them in the nodes' files.
	Settings map[string]string
	// Traitors are the lies that nodes tell from the start.
	Traitors []Lie
	// BeyondF allows more traitors than the network can bear.
	BeyondF bool
	// Force wipes a stopped testnet that is in Home, and makes a new one.
	Force bool
	// Wait is how long the nodes may take to be ready; 0 means DefaultWait.
	Wait time.Duration
	// PortBase gives node i the ports PortBase+4i to PortBase+4i+3 (transport, gossip, client,
	// operator); 0 lets the kernel choose.
	PortBase int
	// Groups, if not 0, is the number of the group that the process of node 0 runs in, node 1 in
	// the next, and so on, so that the system can tell what each of them sends. It needs root, and
	// does not go with Detach.
	Groups uint32
	// LogLevel and LogFormat go to every node; empty leaves them alone.
	LogLevel, LogFormat string
	// Detach leaves the supervisor behind as a process of its own.
	Detach bool
}

// Lie is a behaviour of one node.
type Lie struct {
	Node int
	Spec string // as in DESIGN §9: BEHAVIOUR[:key=value[,key=value]...]
}

// ParseLie reads NODE=SPEC. Whether the node exists and the specification makes sense is checked
// later, when the size of the network is known.
func ParseLie(text string) (Lie, error) {
	number, spec, ok := strings.Cut(text, "=")
	// A specification holds equals signs too; what stands before the first must be a number.
	node, err := ParseNode(quorum.MaxReplicas, number)
	if !ok || err != nil || spec == "" {
		return Lie{}, usagef("write it as in 0=mute or 0=equivocate-preprepare:to=half",
			"%q is not NODE=BEHAVIOUR", text)
	}
	return Lie{Node: node, Spec: spec}, nil
}

// check refuses what can be refused without looking at the home.
func (o *Options) check() error {
	if o.Nodes < 0 || o.Nodes > quorum.MaxReplicas {
		return usagef("", "a testnet has 1 to %d nodes, not %d", quorum.MaxReplicas, o.Nodes)
	}
	if o.Wait < 0 {
		return usagef("", "--wait must not be negative, and is %v", o.Wait)
	}
	if o.Groups != 0 && (os.Geteuid() != 0 || o.Detach) {
		return usagef("",
			"nodes in groups of their own need root, and a supervisor in this process")
	}
	if !slices.Contains(schemes(), o.Scheme) && o.Scheme != "" {
		return usagef("choose one of "+strings.Join(schemes(), ", "),
			"there is no signature scheme %q", o.Scheme)
	}
	for _, name := range slices.Sorted(maps.Keys(o.Settings)) {
		if !slices.Contains(config.Keys(), name) {
			return usagef("known are "+strings.Join(config.Keys(), ", "),
				"there is no setting %q", name)
		}
		if supervised(name) {
			return usagef("", "the testnet itself chooses %s for each node", name)
		}
	}
	if _, err := o.params(message.DefaultParams()); err != nil {
		return err
	}
	return nil
}

// checkFor refuses what does not fit a network of n nodes of which some were traitors before.
func (o *Options) checkFor(n int, before []int) error {
	if o.PortBase != 0 {
		if last := o.PortBase + n*portsPerNode - 1; o.PortBase < 1024 || last > 65535 {
			return usagef("", "--port-base %d gives %d nodes the ports up to %d; "+
				"ports from 1024 to 65535 can be used", o.PortBase, n, last)
		}
	}
	liars := slices.Clone(before)
	for node, specs := range byNode(o.Traitors) {
		if node >= n {
			return usagef(fmt.Sprintf("the nodes are 0 to %d", n-1),
				"node %d is to be a traitor, but does not exist", node)
		}
		if err := checkSpecs(node, n, specs); err != nil {
			return err
		}
		liars = append(liars, node)
	}
	return checkTraitors(n, liars, o.BeyondF)
}

// checkTraitors refuses more traitors than n nodes can bear, unless somebody wants to see it.
func checkTraitors(n int, liars []int, beyondF bool) error {
	slices.Sort(liars)
	liars = slices.Compact(liars)
	sizes, err := quorum.Of(n)
	if err != nil {
		return usagef("", "%w", err)
	}
	if len(liars) <= sizes.F || beyondF {
		return nil
	}
	return usagef("with --beyond-f it is done all the same, and agreement will break or stop",
		"%d traitors (%s) are more than %d nodes can bear, which is %d",
		len(liars), joinNodes(liars), n, sizes.F)
}

func schemes() []string {
	return []string{crypto.SchemeEd25519, crypto.SchemeBLS12381, crypto.SchemeHybrid}
}

// byNode sorts lies by their node, and keeps the order of each node's.
func byNode(lies []Lie) map[int][]string {
	m := make(map[int][]string)
	for _, l := range lies {
		m[l.Node] = append(m[l.Node], l.Spec)
	}
	return m
}

// params returns base with what the options change.
func (o *Options) params(base message.Params) (message.Params, error) {
	for _, name := range slices.Sorted(maps.Keys(o.Params)) {
		if err := setParam(&base, name, o.Params[name]); err != nil {
			return base, err
		}
	}
	if err := base.Validate(); err != nil {
		return base, usagef("", "%w", err)
	}
	return base, nil
}

func joinNodes(nodes []int) string {
	words := make([]string, len(nodes))
	for i, n := range nodes {
		words[i] = strconv.Itoa(n)
	}
	return strings.Join(words, ", ")
}
