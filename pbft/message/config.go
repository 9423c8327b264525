package message

import (
	"fmt"
	"slices"

	"byzd/crypto"
	"byzd/pbft/quorum"
)

// Member is one replica of an epoch. Its number is its place in Config.Members.
type Member struct {
	Name string
	Node crypto.NodeID
	Key  crypto.PublicKey // of the cluster's scheme
	// Session is the number of its gateway's session. It stays the member's for as long as the
	// member does, wherever in the list it stands, and is never given to another (rule R3).
	Session uint64
}

// Admins are who may change the members: Threshold of the owners of Keys together. Without keys
// nobody can. They stand in the genesis and are the same in every epoch.
type Admins struct {
	Threshold int
	Keys      []crypto.PublicKey
}

// Params are the numbers that all replicas of a cluster share. Times are in milliseconds.
type Params struct {
	MaxBatchRequests int    // operations in one batch
	MaxBatchBytes    int    // bytes of bundles in one batch; one bundle may exceed it alone
	MaxBundleBytes   int    // bytes of one bundle
	InFlight         int    // batches proposed and not yet committed (W)
	CheckpointEvery  uint64 // batches between checkpoints (K)
	Window           uint64 // batches between the watermarks (L)
	RotateEvery      uint64 // batches after which the primary changes as planned; 0 = never
	ViewTimeout      int64  // τ0
	MaxViewTimeout   int64  // τmax
	MaxClientRows    int    // sessions of clients, over all members
	Testnet          bool   // traitors, conditions and control are allowed
}

// DefaultParams are the parameters of PROTOCOL §4.8 and §4.15.
func DefaultParams() Params {
	return Params{
		MaxBatchRequests: 512, MaxBatchBytes: 512 << 10, MaxBundleBytes: 2 << 20, InFlight: 8,
		CheckpointEvery: 128, Window: 512, ViewTimeout: 1000, MaxViewTimeout: 30000,
		MaxClientRows: 8192,
	}
}

// MaxInFlight bounds Params.InFlight and with it what a replica buffers ahead (W_max).
const MaxInFlight = 32

// MaxBundles bounds the bundles that one batch names.
const MaxBundles = 4096

// Bounds of the parameters that decide how large messages are.
const (
	maxBatchBytes  = 8 << 20
	maxBundleBytes = 8 << 20
)

// Largest returns these parameters with the largest messages that a later epoch may have.
func (p Params) Largest() Params {
	p.MaxBatchRequests = MaxBundles
	p.MaxBatchBytes, p.MaxBundleBytes = maxBatchBytes, maxBundleBytes
	return p
}

// Validate returns an error that names the parameter that is out of range.
func (p Params) Validate() error {
	//nolint:gosec // what wraps is negative, and refused
	every, window, rotate := int64(p.CheckpointEvery), int64(p.Window), int64(p.RotateEvery)
	for _, c := range []struct {
		name     string
		value    int64
		low, top int64
	}{
		{"max-batch-requests", int64(p.MaxBatchRequests), 1, MaxBundles},
		{"max-batch-bytes", int64(p.MaxBatchBytes), 1 << 10, maxBatchBytes},
		{"max-bundle-bytes", int64(p.MaxBundleBytes), 1 << 10, maxBundleBytes},
		{"in-flight", int64(p.InFlight), 1, MaxInFlight},
		{"checkpoint-every", every, 1, MaxDecided / 2},
		{"window", window, 2 * every, MaxDecided}, // see MaxDecided
		{"rotate-every", rotate, 0, 1 << 40},
		{"view-timeout", p.ViewTimeout, 10, 1 << 20},
		{"max-view-timeout", p.MaxViewTimeout, p.ViewTimeout, 1 << 24},
		{"max-client-rows", int64(p.MaxClientRows), quorum.MaxReplicas, 1 << 20},
	} {
		if c.value < c.low || c.value > c.top {
			return fmt.Errorf("%s is %d; it must be between %d and %d",
				c.name, c.value, c.low, c.top)
		}
	}
	return nil
}

// check is Validate, also against the scheme: a bundle must hold an operation beside its signature.
func (p Params) check(scheme crypto.Scheme) error {
	if err := p.Validate(); err != nil {
		return err
	}
	if least := leastBundle(scheme); p.MaxBundleBytes < least {
		return fmt.Errorf("max-bundle-bytes is %d; with the signatures of %s it must be at "+
			"least %d", p.MaxBundleBytes, scheme.Name(), least)
	}
	return nil
}

// Config is one epoch: who the replicas are and what they agreed on. It is immutable.
type Config struct {
	Cluster crypto.Digest
	Epoch   uint64
	Base    Ref // the epoch's base batch: every replica has executed it
	Scheme  crypto.Scheme
	Members []Member
	Params  Params
	Sizes   quorum.Sizes
	Admins  Admins
	// NextSession is the number that the next new member's gateway session gets.
	NextSession uint64
}

// NewConfig returns the configuration of the first epoch. It checks the number of members and the
// parameters, also against the scheme: a bundle must hold an operation beside its signature. The
// keys were checked when they were loaded.
func NewConfig(
	cluster crypto.Digest, scheme crypto.Scheme, members []Member, params Params,
) (*Config, error) {
	sizes, err := quorum.Of(len(members))
	if err != nil {
		return nil, err
	}
	if err := params.check(scheme); err != nil {
		return nil, err
	}
	members = slices.Clone(members)
	for i := range members {
		members[i].Session = uint64(i)
	}
	return &Config{
		Cluster: cluster, Scheme: scheme, Members: members, Params: params, Sizes: sizes,
		Base:        Ref{Digest: crypto.Hash("byzd/base/1", cluster[:])},
		NextSession: uint64(len(members)),
	}, nil
}

// Primary returns the replica that proposes in a view (DESIGN §5 point 10).
func (c *Config) Primary(view uint64) int {
	n := uint64(len(c.Members))
	return int((view%n + c.Epoch%n) % n) //nolint:gosec // below n
}

// Domain is what this epoch's signatures are bound to.
func (c *Config) Domain() crypto.Domain {
	return crypto.Domain{Cluster: c.Cluster, Epoch: c.Epoch}
}

// RequestDomain is what requests are bound to: they survive epochs.
func (c *Config) RequestDomain() crypto.Domain {
	return crypto.Domain{Cluster: c.Cluster}
}

// Member returns the number of the member with the given network key, or -1.
func (c *Config) Member(node crypto.NodeID) int {
	for i := range c.Members {
		if c.Members[i].Node == node {
			return i
		}
	}
	return -1
}

// Keys returns the signing keys of a set of replicas in ascending order.
func (c *Config) Keys(signers quorum.Set) []crypto.PublicKey {
	members := signers.Members()
	keys := make([]crypto.PublicKey, len(members))
	for k, i := range members {
		keys[k] = c.Members[i].Key
	}
	return keys
}

// Ref names a batch.
type Ref struct {
	Seq    uint64
	Digest crypto.Digest
}

// Rank orders certificates: by view first, then by sequence number (DESIGN §5 point 2).
type Rank struct{ View, Seq uint64 }

// Less reports whether r ranks below other.
func (r Rank) Less(other Rank) bool {
	return r.View < other.View || r.View == other.View && r.Seq < other.Seq
}
