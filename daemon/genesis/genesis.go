package genesis

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"byzd/crypto"
	"byzd/pbft/message"
	"byzd/pbft/quorum"
)

// Format is the version of the file format, and of the digest, that this package knows.
const Format = 1

// MaxAdmins bounds the administrators, so that a genesis has a bounded size.
const MaxAdmins = 128

var (
	// ErrFormat says that a file has a format of another version of byzd.
	ErrFormat = errors.New("other format")
	// ErrDuplicate says that two members share what must be their own.
	ErrDuplicate = errors.New("duplicate")
	// ErrNoMembers says that a genesis has no members yet.
	ErrNoMembers = errors.New("the genesis has no members")
)

// Genesis is the content of genesis.toml.
type Genesis struct {
	// Scheme names the signature scheme of the members' signing keys.
	Scheme string
	// Testnet allows traitors, conditions and control over HTTP.
	Testnet bool
	// Members are the replicas in their order; at most [quorum.MaxReplicas].
	Members []Member
	// Params are the protocol's parameters. Params.Testnet is not used: Testnet is.
	Params message.Params
	// Admins are who may change the members later on.
	Admins Admins
}

// Admins are the administrators: Threshold of the owners of Keys act together. Without keys nobody
// can change the cluster, and Threshold is 0.
type Admins struct {
	Threshold int
	// Keys are public keys of the cluster's scheme, so that a hybrid cluster has no weaker door.
	// They come without proofs of possession, because their signatures are never aggregated.
	Keys [][]byte
}

// New returns a genesis without members and with the default parameters.
func New(scheme string, testnet bool) (*Genesis, error) {
	if _, err := crypto.SchemeByName(scheme); err != nil {
		return nil, err
	}
	return &Genesis{Scheme: scheme, Testnet: testnet, Params: message.DefaultParams()}, nil
}

// Add appends a member. It refuses one whose name or keys are malformed or taken, or whose proof of
// possession is bad (the error wraps [ErrDuplicate], [crypto.ErrPublicKey] or
// [crypto.ErrKeyProof]), and more members than a cluster can have.
func (g *Genesis) Add(m Member) error {
	scheme, err := crypto.SchemeByName(g.Scheme)
	if err != nil {
		return err
	}
	if len(g.Members) >= quorum.MaxReplicas {
		return fmt.Errorf("member %q is one too many: a cluster has at most %d", m.Name,
			quorum.MaxReplicas)
	}
	if err := m.check(scheme); err != nil {
		return err
	}
	for i, other := range g.Members {
		if what := m.shares(other); what != "" {
			return fmt.Errorf("%w: member %q has the %s of member %d, %q", ErrDuplicate, m.Name,
				what,
				i, other.Name)
		}
	}
	g.Members = append(g.Members, m)
	return nil
}

// check returns an error unless the keys are distinct keys of the scheme and the threshold fits.
func (a Admins) check(scheme crypto.Scheme) error {
	if len(a.Keys) > MaxAdmins {
		return fmt.Errorf("%d administrators; there may be at most %d", len(a.Keys), MaxAdmins)
	}
	if a.Threshold < min(1, len(a.Keys)) || a.Threshold > len(a.Keys) {
		return fmt.Errorf("threshold is %d; with %d keys it must be between %d and %d", a.Threshold,
			len(a.Keys), min(1, len(a.Keys)), len(a.Keys))
	}
	for i, key := range a.Keys {
		if _, err := scheme.ParsePublicKey(key); err != nil {
			return fmt.Errorf("key %d: %w", i, err)
		}
		same := func(other []byte) bool { return bytes.Equal(other, key) }
		if first := slices.IndexFunc(a.Keys, same); first < i {
			return fmt.Errorf("%w: key %d is the same as key %d", ErrDuplicate, i, first)
		}
	}
	return nil
}

// Check returns an error unless the genesis is one that [Parse] would accept. It may still lack
// members.
func (g *Genesis) Check() error {
	scheme, err := crypto.SchemeByName(g.Scheme)
	if err != nil {
		return err
	}
	if err := g.Params.Validate(); err != nil {
		return err
	}
	if err := g.Admins.check(scheme); err != nil {
		return fmt.Errorf("admins: %w", err)
	}
	empty := Genesis{Scheme: g.Scheme}
	for _, m := range g.Members {
		if err := empty.Add(m); err != nil {
			return err
		}
	}
	return nil
}

// Config returns the configuration of the first epoch. It checks everything, the keys together with
// their proofs of possession too; a genesis without members is refused with [ErrNoMembers].
func (g *Genesis) Config() (*message.Config, error) {
	scheme, err := crypto.SchemeByName(g.Scheme)
	if err != nil {
		return nil, err
	}
	if len(g.Members) == 0 {
		return nil, &adviceError{ErrNoMembers, "add them: byzd genesis add FILE MEMBER.toml..."}
	}
	err = g.Check()
	if err != nil {
		return nil, err
	}
	keys, proofs := make([][]byte, 0, len(g.Members)), make([][]byte, 0, len(g.Members))
	for _, m := range g.Members {
		keys, proofs = append(keys, m.Key), append(proofs, m.Proof)
	}
	loaded, err := crypto.LoadKeys(scheme, keys, proofs)
	if err != nil {
		return nil, err
	}
	members := make([]message.Member, len(loaded))
	for i, m := range g.Members {
		members[i] = message.Member{Name: m.Name, Node: m.ID, Key: loaded[i]}
	}
	params := g.Params
	params.Testnet = g.Testnet
	cfg, err := message.NewConfig(g.ClusterID(), scheme, members, params)
	if err != nil {
		return nil, err
	}
	cfg.Admins.Threshold = g.Admins.Threshold
	for _, raw := range g.Admins.Keys {
		key, err := scheme.ParsePublicKey(raw)
		if err != nil {
			return nil, err
		}
		cfg.Admins.Keys = append(cfg.Admins.Keys, key)
	}
	return cfg, nil
}

// adviceError is an error that knows what to do about it.
type adviceError struct {
	error

	hint string
}

// Hint says what to do.
func (e *adviceError) Hint() string  { return e.hint }
func (e *adviceError) Unwrap() error { return e.error }
