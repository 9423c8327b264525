package daemon

import (
	"errors"
	"fmt"

	"github.com/sirupsen/logrus"

	"byzd/crypto"
	"byzd/daemon/loop"
	"byzd/membership"
	"byzd/pbft/message"
)

// Options is what a node is made of. Addresses are host:port; port 0 is the kernel's choice.
type Options struct {
	Home    string          // the directory of the node's files, locked while the node runs
	Data    string          // where the journal is
	Proofs  string          // where proofs of lies are written
	Archive string          // where what outlives the journal is kept; empty for nowhere
	Cluster *message.Config // from the genesis
	Genesis []byte          // the genesis itself, for clients

	NetworkKey  crypto.NetworkKey
	SigningSeed [crypto.SeedSize]byte
	// NextSeed, if not nil, is of the key that is to take its place: which of the two signs is what
	// the members have agreed on.
	NextSeed *[crypto.SeedSize]byte
	// Rekeyed, if not nil, makes the next key the first, and removes that one. It is called once,
	// when the members know this node by the next key and that is durable here.
	Rekeyed func() error

	Listen    string // for members
	Gossip    string // for members, UDP and TCP
	Advertise string // the host that others are told; empty for where the node listens
	Client    string // the client endpoint
	Operator  string // the operator's endpoint, on loopback
	Join      []string
	// Peers are addresses at which members of any epoch listen, for a node that does not hear of
	// them by gossip yet.
	Peers map[crypto.NodeID][]string
	// Ends are proofs that epochs ended, from the first on, for a node that may find none of those
	// who were members then.
	Ends []*message.EpochProof
	// SavePeers, if not nil, keeps where the members are heard to listen, for the next start.
	SavePeers func(known []KnownPeer) error

	DiskQuota int64 // bytes that the node's data may take; 0 for no limit
	Keep      loop.Retention
	Traitors  []string // behaviours, on a testnet only
	// Nodes are whom numbers mean in Traitors and Cut, those of a testnet's homes; none means that
	// they are the members' of the epoch.
	Nodes []crypto.NodeID
	Cut   []int // members that nothing from this node reaches at first, on a testnet only

	Timing  membership.Timing // of gossip; zero for the defaults
	Log     logrus.FieldLogger
	Started func(Addresses) error // called once when everything listens
}

// KnownPeer is where a member was last heard to listen.
type KnownPeer struct {
	ID                      crypto.NodeID
	Name, Transport, Gossip string
}

// Addresses is where a node really listens.
type Addresses struct {
	Listen, Gossip, Client string
	Operator               string // a URL
}

// Error is a reason why a node cannot run, with advice.
type Error struct {
	Err    error
	Advice string
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Hint says what to do about it.
func (e *Error) Hint() string { return e.Advice }

func advise(advice, format string, args ...any) error {
	return &Error{Err: fmt.Errorf(format, args...), Advice: advice}
}

var errStranger = errors.New("the node's network key is not a member's")

// identify finds the node's place in the genesis and makes its signer.
func (o *Options) identify() (int, crypto.Signer, error) {
	self := o.Cluster.Member(o.NetworkKey.ID())
	signer, err := o.Cluster.Scheme.NewSigner(o.SigningSeed)
	if err != nil {
		return 0, nil, fmt.Errorf("signing key: %w", err)
	}
	if self < 0 && len(o.Cluster.Admins.Keys) == 0 {
		return 0, nil, advise(
			"add this node with byzd genesis add, or use the genesis it stands in",
			"%w: %s does not stand in the genesis of cluster %s, and nobody can add it later",
			errStranger, o.NetworkKey.ID(), o.Cluster.Cluster.Short())
	}
	if self >= 0 && len(o.Cluster.Admins.Keys) == 0 &&
		!signer.Public().Equal(o.Cluster.Members[self].Key) {
		return 0, nil, advise("use the signing key that byzd init made for this node",
			"the signing key is not the one that the genesis has for member %q",
			o.Cluster.Members[self].Name)
	}
	if len(o.Traitors) > 0 && !o.Cluster.Params.Testnet {
		return 0, nil, advise("make a testnet with byzd testnet up",
			"traitors are for testnets, and this genesis is not a testnet's")
	}
	if len(o.Cut) > 0 && !o.Cluster.Params.Testnet {
		return 0, nil, advise("make a testnet with byzd testnet up",
			"cut links are for testnets, and this genesis is not a testnet's")
	}
	return self, signer, nil
}
