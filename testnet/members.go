package testnet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"byzd/crypto"
	"byzd/daemon/config"
	"byzd/daemon/genesis"
	"byzd/pbft/message"
	"byzd/pbft/quorum"
)

// maxNodes bounds the nodes of a testnet, those that were removed among them.
const maxNodes = quorum.MaxReplicas

// adminName is the file of the key that may change the members, in the testnet's home.
const adminName = "admin.key"

func adminKey(home string) string { return filepath.Join(home, adminName) }

// changeTime bounds how long a change of the members may take.
const changeTime = 60 * time.Second

// Add makes so many nodes more, starts them, and has the members agree that they are members too.
// It returns their numbers when all that run are in the next epoch.
func (n *Network) Add(ctx context.Context, count int) ([]int, error) {
	st, err := n.State()
	if err != nil {
		return nil, err
	}
	first := len(st.Nodes)
	if count < 1 || first+count > maxNodes {
		return nil, usagef("", "%d more nodes: a testnet has 1 to %d", count, maxNodes)
	}
	c, err := n.beginChange(ctx, st)
	if err != nil {
		return nil, err
	}
	limit := orderTime + time.Duration(count)*listenTime
	if err := n.order(ctx, pathAdd, order{Count: count}, limit); err != nil {
		return nil, err
	}
	if st, err = n.State(); err != nil {
		return nil, err
	}
	var nodes []int
	for i := first; i < first+count; i++ {
		m, err := memberOf(c.cfg.Scheme, &st.Nodes[i])
		if err != nil {
			return nil, err
		}
		c.rc.Change.Members = append(c.rc.Change.Members, m)
		nodes = append(nodes, i)
	}
	return nodes, c.make(ctx, n.home, st)
}

// Remove has the members agree that nodes are none of them any more. It returns when all that
// remain and run are in the next epoch; the others end by themselves when nobody needs them any
// more.
func (n *Network) Remove(ctx context.Context, nodes ...int) error {
	st, err := n.State()
	if err != nil {
		return err
	}
	c, err := n.beginChange(ctx, st)
	if err != nil {
		return err
	}
	for _, i := range nodes {
		if i < 0 || i >= len(st.Nodes) {
			return usagef("", "there is no node %d", i)
		}
		m, err := memberOf(c.cfg.Scheme, &st.Nodes[i])
		if err != nil {
			return err
		}
		at := slices.IndexFunc(c.rc.Change.Members, func(o message.ChangeMember) bool {
			return o.Node == m.Node
		})
		if at < 0 {
			return failf("byzd member list shows who they are", "node %d is no member", i)
		}
		c.rc.Change.Members = slices.Delete(c.rc.Change.Members, at, at+1)
		st.Nodes[i].Removed = true // nobody waits for it
	}
	if err := c.make(ctx, n.home, st); err != nil {
		return err
	}
	return n.order(ctx, pathRemoved, order{Nodes: nodes}, orderTime)
}

// change is a change of a testnet's members that is being made.
type change struct {
	cfg *message.Config // the epoch that it ends
	rc  *message.Reconfiguration
}

// beginChange asks a node who the members are, and believes what it proves.
func (n *Network) beginChange(ctx context.Context, st *State) (*change, error) {
	g, err := genesis.Load(config.Home(n.home).Genesis())
	if err != nil {
		return nil, err
	}
	cfg, err := g.Config()
	if err != nil {
		return nil, err
	}
	if len(cfg.Admins.Keys) == 0 {
		return nil, failf("make a new one with --force", "this testnet was made by an older byzd: "+
			"nobody can change its members")
	}
	var newest *message.Config
	for i := range st.Nodes {
		node := &st.Nodes[i]
		if node.Process != Running || node.Removed {
			continue
		}
		data, code, err := get(ctx, node.Operator+"/epochs")
		if err != nil || code != http.StatusOK {
			continue
		}
		chain, err := message.DecodeEpochs(cfg, data)
		if err != nil {
			continue
		}
		if now, err := message.FollowEpochs(cfg, chain); err == nil &&
			(newest == nil || newest.Epoch < now.Epoch) {
			newest = now
		}
	}
	if newest == nil {
		return nil, failf("byzd testnet status shows how they are",
			"no node tells who the members are")
	}
	return &change{newest, &message.Reconfiguration{Change: message.ChangeOf(newest)}}, nil
}

// memberOf is the public half of a node, from the keys in its home.
func memberOf(scheme crypto.Scheme, n *NodeState) (message.ChangeMember, error) {
	network, seed, err := config.ReadKeys(config.Home(n.Home))
	if err != nil {
		return message.ChangeMember{}, fmt.Errorf("keys of node %d: %w", n.Node, err)
	}
	signer, err := scheme.NewSigner(seed)
	if err != nil {
		return message.ChangeMember{}, fmt.Errorf("keys of node %d: %w", n.Node, err)
	}
	return message.ChangeMember{
		Name: n.Name, Node: network.ID(), Key: signer.Public().Bytes(), Proof: signer.Proof(),
	}, nil
}

// make approves the change, hands it to a node, and waits until it is made.
func (c *change) make(ctx context.Context, home string, st *State) error {
	if _, err := c.cfg.Next(c.rc.Change, message.Ref{}); err != nil {
		return failf("", "%w", err)
	}
	seed, err := crypto.ReadSeed(adminKey(home))
	if err != nil {
		return fmt.Errorf("the key of the testnet's administrator: %w", err)
	}
	signer, err := c.cfg.Scheme.NewSigner(seed)
	if err != nil {
		return err
	}
	if !c.rc.Approve(c.cfg, signer) {
		return failf("", "%s is not the administrator's key in the genesis", adminKey(home))
	}
	ctx, cancel := context.WithTimeoutCause(ctx, changeTime,
		fmt.Errorf("the change of the members is not made within %v", changeTime))
	defer cancel()
	if err := c.submit(ctx, st); err != nil {
		return err
	}
	return c.await(ctx, st)
}

// submit hands the change to one running member after another, until one has it ordered.
func (c *change) submit(ctx context.Context, st *State) error {
	body := message.EncodeReconfiguration(c.rc)
	var errs []error
	for i := range st.Nodes {
		n := &st.Nodes[i]
		if n.Process != Running || n.Traitor() {
			continue
		}
		req, err := http.NewRequestWithContext(
			ctx, http.MethodPost, n.Operator+"/change", bytes.NewReader(body))
		if err != nil {
			return err
		}
		answer, code, err := fetch(req)
		if err == nil && code == http.StatusOK {
			return nil
		}
		if err == nil {
			err = errors.New(strings.TrimSpace(string(answer)))
		}
		errs = append(errs, fmt.Errorf("node %d: %w", i, err))
	}
	return joined(errs)
}

// await waits until every node that is a member of the next epoch, runs, and is no traitor, is in
// it.
func (c *change) await(ctx context.Context, st *State) error {
	poll := time.NewTicker(readyTime)
	defer poll.Stop()
	for i := range st.Nodes {
		n := &st.Nodes[i]
		if n.Process != Running || n.Removed || n.Traitor() {
			continue
		}
		for {
			text, code, err := get(ctx, n.Operator+"/readyz")
			in := err == nil && code == http.StatusOK && c.made(ctx, n)
			if in {
				break
			}
			select {
			case <-ctx.Done():
				return &Error{
					Kind: NotReady,
					Err: fmt.Errorf("%w: node %d: %s", context.Cause(ctx), i,
						strings.TrimSpace(string(text))),
					Advice: "byzd member list shows who is not ready",
				}
			case <-poll.C:
			}
		}
	}
	return nil
}

// made reports whether a node is beyond the epoch that the change ends.
func (c *change) made(ctx context.Context, n *NodeState) bool {
	data, code, err := get(ctx, n.Operator+"/epochs")
	if err != nil || code != http.StatusOK {
		return false
	}
	chain, err := message.DecodeEpochs(c.cfg, data)
	if err != nil {
		return false
	}
	now, err := message.FollowEpochs(c.cfg, chain)
	return err == nil && now.Epoch > c.cfg.Epoch
}

// addNodes makes the homes of new nodes and starts them: learners, until a change names them.
func (s *supervisor) addNodes(ctx context.Context, count int) error {
	g, err := genesis.Load(config.Home(s.home).Genesis())
	if err != nil {
		return err
	}
	for range count {
		i := s.size()
		if i >= maxNodes {
			return usagef("", "a testnet has at most %d nodes", maxNodes)
		}
		if err := s.take(ctx, s.turn[i]); err != nil {
			return err
		}
		err := s.addNode(ctx, g, i)
		s.turn[i].give()
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *supervisor) addNode(ctx context.Context, g *genesis.Genesis, i int) error {
	node := NodeState{
		Node: i, Name: nodeName(i), Home: nodeHome(s.home, i), Process: New,
		Traitors: []string{}, Lying: []string{}, Cut: []int{}, Fired: map[string]uint64{},
	}
	throwaway := &genesis.Genesis{Scheme: g.Scheme, Params: g.Params}
	if err := addMember(throwaway, &node); err != nil {
		return fmt.Errorf("prepare node %d: %w", i, err)
	}
	home := config.Home(node.Home)
	if err := g.Save(home.Genesis()); err != nil {
		return err
	}
	if err := copyFile(config.Home(nodeHome(s.home, 0)).Config(), home.Config()); err != nil {
		return err
	}
	cfg, err := g.Config()
	if err != nil {
		return err
	}
	if err := s.invitation(ctx, cfg).Save(home.Invitation()); err != nil {
		return err
	}
	if err := s.change(func(st *State) { st.Nodes = append(st.Nodes, node) }); err != nil {
		return err
	}
	s.log.printf("node %d is added", i)
	ctx, cancel := context.WithTimeout(ctx, listenTime)
	defer cancel()
	return s.startNode(ctx, i)
}

// invitation tells a new node where the others are, and proves who they are.
func (s *supervisor) invitation(ctx context.Context, cfg *message.Config) *config.Invitation {
	inv := s.addresses()
	for _, node := range s.running() {
		data, code, err := get(ctx, node.Operator+"/epochs")
		if err != nil || code != http.StatusOK {
			continue
		}
		chain, err := message.DecodeEpochs(cfg, data)
		if err == nil {
			_, err = message.FollowEpochs(cfg, chain)
		}
		if err == nil && len(chain) > 0 && len(data) > len(inv.Epochs) {
			inv.Epochs = data // the longest
		}
	}
	return inv
}

// running are copies of the nodes that run.
func (s *supervisor) running() []NodeState {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []NodeState
	for i := range s.state.Nodes {
		if n := &s.state.Nodes[i]; n.Process == Running && n.Operator != "" {
			list = append(list, *n)
		}
	}
	return list
}

// addresses tells where the nodes are.
func (s *supervisor) addresses() *config.Invitation {
	s.mu.Lock()
	defer s.mu.Unlock()
	inv := &config.Invitation{}
	for i := range s.state.Nodes {
		n := &s.state.Nodes[i]
		network, _, err := config.ReadKeys(config.Home(n.Home))
		if err != nil || n.Listen == "" {
			continue
		}
		inv.Peers = append(inv.Peers, config.Peer{
			ID: network.ID().String(), Name: n.Name, Transport: n.Listen, Gossip: n.Gossip,
		})
	}
	return inv
}

// removed notes which nodes are to be no members any more.
func (s *supervisor) removed(nodes []int) error {
	return s.change(func(st *State) {
		for _, i := range nodes {
			if i >= 0 && i < len(st.Nodes) {
				st.Nodes[i].Removed = true
			}
		}
	})
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from) //nolint:gosec // in the testnet's home
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o600) //nolint:gosec // in the testnet's home
}
