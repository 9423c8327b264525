package nemesis

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"
)

// Fault is an entry of the catalogue.
type Fault struct {
	Name string `json:"name"`
	Text string `json:"text"` // what it does, in one line
	// Charges says that whoever it hits counts among the f for the rest of the run.
	Charges bool `json:"charges"`
	// Halts says that no quorum is left while it lasts, so that no progress is demanded then.
	Halts bool `json:"halts"`
	// Slows says that progress is demanded while it lasts, and no rate.
	Slows bool `json:"slows,omitempty"`
	// Returns says that a charged node is expected to come back by itself. It is turned on where
	// the product can do that.
	Returns bool `json:"returns"`
	// Needs is what the machine must have, in words; empty for nothing.
	Needs string `json:"needs,omitempty"`

	byPacket bool // the kernel has to tell the packets of one node from those of others

	missing func() string // why it cannot run here; nil if it always can
	hits    target
	// do makes it happen and says in the event how that was verified.
	do func(ctx context.Context, s *strike) error
	// hold keeps it up for a while; nil just lets the time pass.
	hold func(ctx context.Context, s *strike, d time.Duration) error
	// undo heals it; nil if there is nothing to heal.
	undo func(ctx context.Context, s *strike) error
}

// target says whom a fault hits.
type target int

const (
	nobody  target = iota // it chooses itself, or hits links
	one                   // a node that is not charged
	primary               // whoever leads when it happens
	few                   // f nodes that are not charged
	many                  // f+1 nodes
	all
	guilty // one of the nodes that may be charged
)

// strike is one planned fault of a run.
type strike struct {
	*Fault

	event  *Event
	nodes  []int // victims; known when it happens, for a primary
	random *rand.Rand
	world  *world
	lasts  time.Duration

	before uint64 // a count from before it, for the proof that it happened
	clean  func() // what has to be undone even if the run is interrupted; may be nil
}

// Catalogue lists all faults.
func Catalogue() []*Fault {
	return slices.Concat(processFaults(), networkFaults(), weatherFaults(), diskFaults(),
		lieFaults(), rootFaults(), packetFaults(), shapingFaults())
}

// Unable says why a fault cannot be made on this machine; empty if it can.
func (f *Fault) Unable() string {
	if f.missing == nil {
		return ""
	}
	return f.missing()
}

func find(name string) *Fault {
	for _, f := range Catalogue() {
		if f.Name == name {
			return f
		}
	}
	return nil
}

func names() []string {
	all := Catalogue()
	list := make([]string, len(all))
	for i, f := range all {
		list[i] = f.Name
	}
	return list
}
