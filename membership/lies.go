package membership

import (
	"slices"
	"sync/atomic"

	"byzd/crypto"
)

// Lies makes a traitor of this node, in a testnet. It is asked from several goroutines and must
// answer at once.
type Lies interface {
	// CallDead reports whether this node tells listener that about is dead, whatever it believes.
	// listener may be about itself.
	CallDead(about, listener crypto.NodeID) bool
	// Told is called once for each lie that goes out.
	Told()
	// Count returns how many lies were told.
	Count() uint64
}

// FalseDead is the lie swim-false-dead: some members are called dead although they live.
type FalseDead struct {
	victims, listeners []crypto.NodeID
	told               atomic.Uint64
}

// NewFalseDead calls victims dead when it speaks to listeners. No victims means everybody, and no
// listeners too.
func NewFalseDead(victims, listeners []crypto.NodeID) *FalseDead {
	return &FalseDead{victims: slices.Clone(victims), listeners: slices.Clone(listeners)}
}

// CallDead implements [Lies].
func (l *FalseDead) CallDead(about, listener crypto.NodeID) bool {
	return (len(l.victims) == 0 || slices.Contains(l.victims, about)) &&
		(len(l.listeners) == 0 || slices.Contains(l.listeners, listener))
}

// Told implements [Lies].
func (l *FalseDead) Told() { l.told.Add(1) }

// Count implements [Lies].
func (l *FalseDead) Count() uint64 { return l.told.Load() }
