package testnet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
)

// Status is a testnet at one moment: what testnet.json says, what the system says of the
// processes, and what each node says of itself.
type Status struct {
	Home       string           `json:"home"`
	Scheme     string           `json:"scheme"`
	Supervisor SupervisorStatus `json:"supervisor"`
	Nodes      []NodeStatus     `json:"nodes"`
}

// SupervisorStatus says whether the supervisor runs.
type SupervisorStatus struct {
	PID     int    `json:"pid"`
	URL     string `json:"url"`
	Running bool   `json:"running"`
}

// NodeStatus is one node. What the node says of itself may be a lie.
type NodeStatus struct {
	NodeState

	// Answers reports whether the node answered. A process that runs and does not is silent.
	Answers bool   `json:"answers"`
	Ready   bool   `json:"ready"`
	Reason  string `json:"reason"` // why it is not ready

	Epoch    uint64 `json:"epoch"`
	View     uint64 `json:"view"`
	Primary  int    `json:"primary"`
	Active   bool   `json:"active"`
	Sequence uint64 `json:"sequence"`
	Stable   uint64 `json:"stable"`
	Evidence int    `json:"evidence"` // proofs that the node holds
	// Lies are those that the node tells now, and how often each was told.
	Lies []LieStatus `json:"lies"`
}

// LieStatus is one behaviour of a node.
type LieStatus struct {
	Spec  string `json:"spec"`
	Fired uint64 `json:"fired"` // 0: armed, not fired
}

// Status looks at the testnet, running or stopped.
func (n *Network) Status(ctx context.Context) (*Status, error) {
	st, err := n.State()
	if err != nil {
		return nil, err
	}
	out := &Status{
		Home: n.home, Scheme: st.Scheme, Nodes: make([]NodeStatus, len(st.Nodes)),
		Supervisor: SupervisorStatus{
			PID: st.Supervisor.PID, URL: st.Supervisor.URL, Running: runs(st),
		},
	}
	var wg sync.WaitGroup
	for i := range st.Nodes {
		wg.Go(func() { out.Nodes[i] = look(ctx, &st.Nodes[i]) })
	}
	wg.Wait()
	return out, ctx.Err()
}

// look asks the system about the process, and a process that runs about the node.
func look(ctx context.Context, n *NodeState) NodeStatus {
	s := NodeStatus{NodeState: *n, Primary: -1, Lies: []LieStatus{}}
	for _, spec := range n.Lying {
		s.Lies = append(s.Lies, LieStatus{Spec: spec})
	}
	if n.Process.Alive() {
		started, still, alive := inspect(n.PID)
		switch {
		case !alive || started != n.Started:
			s.Process, s.PID, s.Started = Lost, 0, ""
		case still:
			s.Process = Paused // by us, or by hand
		default:
			s.Process = Running
		}
	}
	if s.Process != Running {
		s.Reason = s.Describe()
		return s
	}
	if err := s.ask(ctx); err != nil {
		s.Reason = "it runs and does not answer: " + err.Error()
	}
	return s
}

// ask fills in what the node says of itself.
func (s *NodeStatus) ask(ctx context.Context) error {
	if s.Operator == "" {
		return errors.New("it does not listen yet")
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	text, code, err := get(ctx, s.Operator+"/status")
	if err != nil {
		return err
	}
	if code != http.StatusOK {
		return fmt.Errorf("%d %s", code, strings.TrimSpace(string(text)))
	}
	var said struct {
		Epoch    uint64            `json:"epoch"`
		View     uint64            `json:"view"`
		Primary  int               `json:"primary"`
		Active   bool              `json:"active"`
		Sequence uint64            `json:"sequence"`
		Stable   uint64            `json:"stable"`
		Ready    bool              `json:"ready"`
		Reason   string            `json:"reason"`
		Evidence []json.RawMessage `json:"evidence"`
		Traitors []struct {
			Spec  string            `json:"spec"`
			Fired map[string]uint64 `json:"fired"`
		} `json:"traitors"`
	}
	if err := json.Unmarshal(text, &said); err != nil {
		return err
	}
	s.Answers, s.Ready, s.Reason = true, said.Ready, said.Reason
	s.Epoch, s.View, s.Primary, s.Active = said.Epoch, said.View, said.Primary, said.Active
	s.Sequence, s.Stable, s.Evidence = said.Sequence, said.Stable, len(said.Evidence)
	s.Lies = []LieStatus{}
	for _, t := range said.Traitors {
		lie := LieStatus{Spec: t.Spec}
		for _, count := range t.Fired {
			lie.Fired += count
		}
		s.Lies = append(s.Lies, lie)
	}
	return nil
}
