// Package conditions is the network that a testnet wants to have: which links are cut. It is asked
// by the side that sends, for frames, dials and gossip alike, so a partition looks like a real one
// and needs no root. Clients are not affected. It holds no goroutine and is safe for concurrent
// use.
package conditions

import (
	"slices"
	"sync/atomic"

	"byzd/crypto"
)

// Table says which links of one node are cut. The zero value cuts none.
type Table struct {
	rules atomic.Pointer[Rules]
}

// Rules are the conditions of one node. They replace each other as a whole.
type Rules struct {
	// Cut lists the members that nothing from this node reaches.
	Cut []crypto.NodeID
}

// Set replaces the rules.
func (t *Table) Set(r Rules) {
	t.rules.Store(&Rules{Cut: slices.Clone(r.Cut)})
}

// Sends reports whether what this node sends reaches a member.
func (t *Table) Sends(to crypto.NodeID) bool {
	r := t.rules.Load()
	return r == nil || !slices.Contains(r.Cut, to)
}

// Cut returns the members that are cut off now.
func (t *Table) Cut() []crypto.NodeID {
	if r := t.rules.Load(); r != nil {
		return slices.Clone(r.Cut)
	}
	return nil
}
