package testnet

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"byzd/daemon/disk"
)

// Names in the home of a testnet.
const (
	stateName   = "testnet.json"
	logName     = "supervisor.log" // what the supervisor did, and what it has to say when it dies
	nodeLogName = "byzd.log"       // in the home of a node
)

// maxStateBytes bounds what is read as testnet.json: 128 nodes with all the lies they could tell
// are far below it.
const maxStateBytes = 4 << 20

// State is testnet.json: what a testnet's supervisor knows of it. It is rewritten atomically at
// each change.
type State struct {
	Supervisor Supervisor  `json:"supervisor"`
	Scheme     string      `json:"scheme"`
	PortBase   int         `json:"port_base,omitempty"`
	Nodes      []NodeState `json:"nodes"`
}

// Supervisor says where the supervisor is reached. PID 0 says that none runs.
type Supervisor struct {
	PID     int    `json:"pid"`
	URL     string `json:"url"`
	Started string `json:"started,omitempty"` // see NodeState.Started
}

// NodeState is what the supervisor knows of one node.
type NodeState struct {
	Node     int    `json:"node"`
	Name     string `json:"name"`
	PID      int    `json:"pid"`  // 0 while no process runs
	Home     string `json:"home"` // absolute
	Client   string `json:"client"`
	Operator string `json:"operator"`
	Gossip   string `json:"gossip"`
	Listen   string `json:"listen"`
	// Traitors lists every lie that the node was ever told to tell. It never shrinks: a node with
	// one is not a correct node any more.
	Traitors []string `json:"traitors"`
	// Fired counts the lies that the node told, by behaviour, as it said itself; the sum over all
	// its processes. What is armed and has not fired is there with 0.
	Fired map[string]uint64 `json:"fired"`
	// Last is what the node said of itself just before it was stopped, killed or paused: what was
	// pending then is in no file of its own. It is nil while the node runs, and if it ended
	// without having been told to.
	Last *Last `json:"last,omitempty"`
	// Lying lists those that it is told to tell now.
	Lying []string `json:"lying"`
	// Cut lists, ascending, the nodes that this one's frames, gossip and dials do not reach.
	Cut []int `json:"cut"`

	// Weather is what the ways from this node to some others are like, in their order; the rest is
	// good.
	Weather []Weather `json:"weather,omitempty"`

	// Removed says that the node is no member any more: its process ends by itself.
	Removed bool `json:"removed,omitempty"`

	Process  Process `json:"process"`
	ExitCode *int    `json:"exit_code,omitempty"` // of an exited process
	Signal   int     `json:"signal,omitempty"`    // of a killed process
	// Started tells this process from a later one with the same number; it is empty while no
	// process runs and means nothing else.
	Started string `json:"started,omitempty"`
}

// Last is what a node said of itself before it stopped.
type Last struct {
	Sequence uint64 `json:"sequence"` // executed
	Pending  int    `json:"pending"`  // operations
	OldestMS int64  `json:"oldest_ms"`
}

// Process is the state of a node's process.
type Process string

// The states of a node's process.
const (
	New     Process = "new"     // it was never started
	Running Process = "running" // it runs, whether or not it listens yet
	Paused  Process = "paused"  // it was sent SIGSTOP
	Exited  Process = "exited"  // it ended by itself, or was asked to; see ExitCode
	Killed  Process = "killed"  // it was ended by a signal; see Signal
	Lost    Process = "lost"    // it vanished together with its supervisor
)

// Alive reports whether there is a process.
func (p Process) Alive() bool { return p == Running || p == Paused }

// Describe says in words what became of the node's process.
func (n *NodeState) Describe() string {
	switch n.Process {
	case New:
		return "not started"
	case Exited:
		if n.ExitCode != nil {
			return fmt.Sprintf("exited, code %d", *n.ExitCode)
		}
		return "exited"
	case Killed:
		return fmt.Sprintf("killed by signal %d", n.Signal)
	case Lost:
		return "gone with its supervisor"
	case Running, Paused:
		return string(n.Process)
	}
	return fmt.Sprintf("in an unknown state (%s)", n.Process)
}

// Traitor reports whether the node was ever told to lie.
func (n *NodeState) Traitor() bool { return len(n.Traitors) > 0 }

// ReadState reads testnet.json from the home of a testnet. If there is none, the error matches
// [fs.ErrNotExist].
func ReadState(home string) (*State, error) {
	path := filepath.Join(home, stateName)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &Error{
			Kind: Failed, Err: fmt.Errorf("there is no testnet in %s: %w", home, err),
			Advice: "name its directory with --home, or make one with: byzd testnet up",
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read the testnet's state: %w", err)
	}
	if info.Size() > maxStateBytes {
		return nil, damaged(path, fmt.Errorf("%d bytes are too many", info.Size()))
	}
	data, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return nil, fmt.Errorf("read the testnet's state: %w", err)
	}
	st := new(State)
	if err := json.Unmarshal(data, st); err != nil {
		return nil, damaged(path, err)
	}
	if err := st.check(home); err != nil {
		return nil, damaged(path, err)
	}
	return st, nil
}

func damaged(path string, err error) error {
	return failf("byzd writes this file, nobody else should; make the testnet anew with "+
		"byzd testnet up --force", "read %s: %w", path, err)
}

// check refuses what no supervisor writes, above all homes that lie elsewhere: they would be wiped
// with the testnet.
func (s *State) check(home string) error {
	if len(s.Nodes) == 0 {
		return errors.New("it names no nodes")
	}
	for i := range s.Nodes {
		n := &s.Nodes[i]
		if n.Node != i {
			return fmt.Errorf("node %d stands in place %d", n.Node, i)
		}
		for _, j := range n.Cut {
			if j < 0 || j >= len(s.Nodes) {
				return fmt.Errorf("node %d is cut from node %d, which does not exist", i, j)
			}
		}
		for _, w := range n.Weather {
			if err := w.check(len(s.Nodes)); err != nil {
				return fmt.Errorf("the weather from node %d: %w", i, err)
			}
		}
		// The directory may have been moved since; its nodes moved with it.
		n.Home = nodeHome(home, i)
	}
	return nil
}

// save writes testnet.json.
func (s *State) save(d disk.Disk) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the testnet's state: %w", err)
	}
	return d.WriteAtomic(stateName, append(data, '\n'))
}

// traitors returns the numbers of the nodes that were ever told to lie.
func (s *State) traitors() []int {
	var list []int
	for i := range s.Nodes {
		if s.Nodes[i].Traitor() {
			list = append(list, i)
		}
	}
	return list
}

// cut reports whether what node i sends does not reach node j.
func (s *State) cut(i, j int) bool { return slices.Contains(s.Nodes[i].Cut, j) }

// namePrefix begins the name of a node, and of its home; its number follows.
const namePrefix = "node-"

func nodeName(i int) string { return fmt.Sprintf("%s%d", namePrefix, i) }

func nodeHome(home string, i int) string { return filepath.Join(home, nodeName(i)) }
