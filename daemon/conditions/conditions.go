package conditions

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"byzd/crypto"
)

// Table says what the links of one node are like. The zero value has nothing but good ones.
type Table struct {
	rules atomic.Pointer[Rules]
}

// Rules are the conditions of one node. They replace each other as a whole.
type Rules struct {
	// Cut lists the members that nothing from this node reaches.
	Cut []crypto.NodeID
	// Weather is what the links to some members are like; the others are good.
	Weather map[crypto.NodeID]Weather
}

// Weather is what one direction of a link does to each frame and each packet, by chance.
type Weather struct {
	Loss      float64       // the part that does not arrive, 0 to 1
	Duplicate float64       // the part of the frames that arrives twice, 0 to 1
	Delay     time.Duration // how long everything takes
	Jitter    time.Duration // up to so much more or less, so that one overtakes another
}

// DelayMost bounds how long something may be held back.
const DelayMost = 10 * time.Second

// Check refuses what no network does.
func (w Weather) Check() error {
	switch {
	case !part(w.Loss) || !part(w.Duplicate):
		return fmt.Errorf("%v of it lost, %v twice: each must be a part, 0 to 1",
			w.Loss, w.Duplicate)
	case w.Delay < 0 || w.Jitter < 0 || w.Delay > DelayMost || w.Jitter > w.Delay:
		return fmt.Errorf("a delay of %v ± %v; it is %v at most, and never less than nothing",
			w.Delay, w.Jitter, DelayMost)
	}
	return nil
}

// part refuses NaN as well.
func part(p float64) bool { return p >= 0 && p <= 1 }

// Set replaces the rules.
func (t *Table) Set(r Rules) {
	t.rules.Store(&Rules{Cut: slices.Clone(r.Cut), Weather: maps.Clone(r.Weather)})
}

// Sends reports whether there is any way from this node to a member.
func (t *Table) Sends(to crypto.NodeID) bool {
	r := t.rules.Load()
	return r == nil || !slices.Contains(r.Cut, to)
}

// Passes reports whether one thing that this node sends reaches a member. It may be asked for each
// once only: the answer is drawn.
func (t *Table) Passes(to crypto.NodeID) bool {
	w := t.to(to)
	return t.Sends(to) && (w.Loss == 0 || rand.Float64() >= w.Loss) //nolint:gosec // no secret
}

// Twice reports whether one frame to a member arrives twice.
func (t *Table) Twice(to crypto.NodeID) bool {
	w := t.to(to)
	return w.Duplicate > 0 && rand.Float64() < w.Duplicate //nolint:gosec // no secret
}

// Delay is how long one thing takes on its way to a member.
func (t *Table) Delay(to crypto.NodeID) time.Duration {
	w := t.to(to)
	if w.Jitter == 0 {
		return w.Delay
	}
	return w.Delay - w.Jitter + rand.N(2*w.Jitter+1) //nolint:gosec // no secret
}

func (t *Table) to(member crypto.NodeID) Weather {
	if r := t.rules.Load(); r != nil {
		return r.Weather[member]
	}
	return Weather{}
}

// Cut returns the members that are cut off now.
func (t *Table) Cut() []crypto.NodeID {
	if r := t.rules.Load(); r != nil {
		return slices.Clone(r.Cut)
	}
	return nil
}
