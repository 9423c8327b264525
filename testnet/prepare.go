package testnet

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"byzd/crypto"
	"byzd/daemon/config"
	"byzd/daemon/disk"
	"byzd/daemon/genesis"
	"byzd/daemon/promises"
	"byzd/pbft/message"
	"byzd/pbft/traitor"
)

// create makes the homes of a new testnet: keys for every node, and one genesis for all. The state
// file comes first, so that what an interrupted create leaves can be recognised and wiped.
func (o *Options) create(d disk.Disk) (*State, error) {
	n, scheme := o.Nodes, o.Scheme
	if n == 0 {
		n = DefaultNodes
	}
	if scheme == "" {
		scheme = crypto.SchemeEd25519
	}
	state := &State{Scheme: scheme}
	for i := range n {
		state.Nodes = append(state.Nodes, NodeState{
			Node: i, Name: nodeName(i), Home: nodeHome(o.Home, i), Process: New,
			Traitors: []string{}, Lying: []string{}, Cut: []int{},
			Fired: map[string]uint64{},
		})
	}
	if err := state.save(d); err != nil {
		return nil, err
	}
	g, err := genesis.New(scheme, true)
	if err != nil {
		return nil, err
	}
	if g.Params, err = o.params(g.Params); err != nil {
		return nil, err
	}
	if err := o.addAdmin(g); err != nil {
		return nil, err
	}
	for i := range state.Nodes {
		if err := addMember(g, &state.Nodes[i]); err != nil {
			return nil, fmt.Errorf("prepare node %d: %w", i, err)
		}
		if err := o.writeSettings(state.Nodes[i].Home); err != nil {
			return nil, err
		}
	}
	for _, dir := range append(homes(state), o.Home) {
		if err := g.Save(config.Home(dir).Genesis()); err != nil {
			return nil, err
		}
	}
	return state, nil
}

// addAdmin makes the key that may change the members later on. It stays in the testnet's home.
func (o *Options) addAdmin(g *genesis.Genesis) error {
	scheme, err := crypto.SchemeByName(g.Scheme)
	if err != nil {
		return err
	}
	seed, err := newSeed(adminKey(o.Home))
	if err != nil {
		return err
	}
	signer, err := scheme.NewSigner(seed)
	if err != nil {
		return err
	}
	g.Admins = genesis.Admins{Threshold: 1, Keys: [][]byte{signer.Public().Bytes()}}
	return nil
}

func homes(s *State) []string {
	var dirs []string
	for i := range s.Nodes {
		dirs = append(dirs, s.Nodes[i].Home)
	}
	return dirs
}

// addMember makes the home and the keys of a node, and enters it into the genesis.
func addMember(g *genesis.Genesis, n *NodeState) error {
	if err := os.Mkdir(n.Home, 0o700); err != nil {
		return err
	}
	data, err := disk.OS(config.Home(n.Home).Data())
	if err != nil {
		return err
	}
	if err := promises.MarkNew(data); err != nil {
		return err
	}
	scheme, err := crypto.SchemeByName(g.Scheme)
	if err != nil {
		return err
	}
	network, err := newSeed(config.Home(n.Home).NetworkKey())
	if err != nil {
		return err
	}
	signing, err := newSeed(config.Home(n.Home).SigningKey())
	if err != nil {
		return err
	}
	signer, err := scheme.NewSigner(signing)
	if err != nil {
		return err
	}
	return g.Add(genesis.NewMember(n.Name, crypto.NewNetworkKey(network), signer))
}

func newSeed(path string) (seed [crypto.SeedSize]byte, err error) {
	if seed, err = crypto.NewSeed(); err == nil {
		err = crypto.WriteSeed(path, seed)
	}
	return seed, err
}

// fitsParams refuses parameters that are not those of the stopped testnet.
func (o *Options) fitsParams(advice string) error {
	g, err := genesis.Load(config.Home(o.Home).Genesis())
	if err != nil {
		return err
	}
	wanted, err := o.params(g.Params)
	if err != nil {
		return err
	}
	if wanted != g.Params {
		return usagef(advice,
			"the stopped testnet in %s has other parameters of the protocol", o.Home)
	}
	return nil
}

// setParam sets the parameter of the protocol that the genesis calls name.
func setParam(p *message.Params, name, value string) error {
	err := genesis.SetParam(p, name, value)
	if err == nil {
		return nil
	}
	return usage("parameter", err)
}

// checkSpecs refuses lies that node i of n could not tell.
func checkSpecs(i, n int, texts []string) error {
	specs := make([]traitor.Spec, len(texts))
	for k, text := range texts {
		spec, err := traitor.Parse(text)
		if err != nil {
			return usage(fmt.Sprintf("node %d", i), err)
		}
		named := slices.Concat(spec.To.Nodes, spec.Victims.Nodes, spec.With)
		if len(named) > 0 && slices.Max(named) >= n {
			return usagef(fmt.Sprintf("the nodes are 0 to %d", n-1),
				"node %d: traitor %q: there is no node %d", i, text, slices.Max(named))
		}
		specs[k] = spec
	}
	if err := traitor.Check(specs); err != nil {
		return usage(fmt.Sprintf("node %d", i), err)
	}
	return nil
}

// usage is an error of another room that the user's words brought about. It keeps its advice.
func usage(what string, err error) error {
	advice := ""
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		advice = h.Hint()
	}
	return &Error{Kind: Usage, Err: fmt.Errorf("%s: %w", what, err), Advice: advice}
}
