package nemesis

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"byzd/pbft/quorum"
	"byzd/testnet"
	"byzd/testnet/load"
)

// Options say what run is made. Zero fields are filled in by [Options.Complete].
type Options struct {
	Home   string // a new or an empty directory; needed
	Binary string // the byzd to run; empty means this very program
	Nodes  int
	Seed   uint64
	// For is how long faults are carried out, roughly: each lasts as long as it must.
	For time.Duration
	// Hold is how long one fault lasts at least.
	Hold time.Duration
	// Faults are the names of those to draw from; none means all.
	Faults []string
	// Kills, if not 0, is the number of kills of a run whose only fault they are: one node at a
	// time, at any moment of its life. Whom they hit is [KillOne] unless said otherwise.
	Kills int
	Whom  string
	// Workloads are the names of those that run at the same time; none means all.
	Workloads []string
	// Clients is their number for each workload. Every second one is an etcd client that trusts
	// one gateway, the others believe f+1 members.
	Clients int
	// Traitors lets f nodes lie from the beginning. Lies says which and how; more than f nodes that
	// lie are refused unless BeyondF.
	Traitors bool
	Lies     []testnet.Lie
	BeyondF  bool
	// Settings are settings of every node, as those of a testnet: with little kept of the log, who
	// was away needs the others' state.
	Settings map[string]string
	// MinRate is how many operations must be answered per second while the network has a quorum.
	MinRate float64
	// MinHappened is the part of the planned faults that must really happen.
	MinHappened float64
	// Patience bounds each wait for the network to recover.
	Patience time.Duration
	// CheckLimit bounds the check of the history.
	CheckLimit time.Duration
	// Say is told what happens; nil for nobody.
	Say func(format string, args ...any)
}

// The defaults.
const (
	DefaultFor         = 30 * time.Second
	DefaultHold        = 3 * time.Second
	DefaultClients     = 3
	DefaultMinRate     = 20
	DefaultMinHappened = 0.8
	DefaultPatience    = 60 * time.Second
	DefaultCheckLimit  = 60 * time.Second
)

// clientsMost bounds the clients of a workload: more find nothing more, and take the nodes' time.
const clientsMost = 64

// Complete fills in what was left out and refuses what makes no sense.
func (o *Options) Complete() error {
	setDefault(&o.Nodes, 4)
	setDefault(&o.For, DefaultFor)
	setDefault(&o.Hold, DefaultHold)
	setDefault(&o.Clients, DefaultClients)
	setDefault(&o.MinRate, DefaultMinRate)
	setDefault(&o.MinHappened, DefaultMinHappened)
	setDefault(&o.Patience, DefaultPatience)
	setDefault(&o.CheckLimit, DefaultCheckLimit)
	if o.Kills > 0 {
		setDefault(&o.Whom, KillOne)
	}
	if len(o.Workloads) == 0 {
		o.Workloads = load.WorkloadNames()
	}
	if o.Say == nil {
		o.Say = func(string, ...any) {}
	}
	return o.check()
}

func setDefault[T comparable](at *T, value T) {
	var zero T
	if *at == zero {
		*at = value
	}
}

func (o *Options) check() error {
	switch {
	case o.Home == "":
		return errors.New("a run needs a home")
	case o.Nodes < 4 || o.Nodes > quorum.MaxReplicas:
		return fmt.Errorf("%d nodes: a network that withstands anything has 4 to %d", o.Nodes,
			quorum.MaxReplicas)
	case o.For < 0 || o.Hold < 0 || o.Patience < 0 || o.CheckLimit < 0:
		return errors.New("times cannot be negative")
	case o.Clients < 1 || o.Clients > clientsMost:
		return fmt.Errorf("%d clients for each workload; 1 to %d can be", o.Clients, clientsMost)
	case o.MinRate < 0 || o.MinHappened < 0 || o.MinHappened > 1:
		return errors.New("a rate cannot be negative, nor a part above 1")
	}
	if err := o.checkKills(); err != nil {
		return err
	}
	if o.Traitors && len(o.Lies) > 0 {
		return errors.New("either some lies are named, or they are drawn")
	}
	for _, name := range o.Workloads {
		if !slices.Contains(load.WorkloadNames(), name) {
			return fmt.Errorf("there is no workload %q; there are %s", name,
				strings.Join(load.WorkloadNames(), ", "))
		}
	}
	for _, name := range o.Faults {
		if find(name) == nil {
			return fmt.Errorf("there is no fault %q; there are %s", name,
				strings.Join(names(), ", "))
		}
	}
	return nil
}
