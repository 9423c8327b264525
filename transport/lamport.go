package transport

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"byzd/crypto"
)

// MaxLamportJump is the farthest that one message may move a Lamport clock. A clock that a liar
// could move to the end of its range would order nothing any more.
const MaxLamportJump = 1 << 32

// Lamport is a logical clock (Lamport 1978): if one event can have caused another, its time is
// smaller. The zero value is ready. At the end of its range the clock stands still instead of
// starting anew, so that it never makes a node refuse its peers.
type Lamport struct {
	now atomic.Uint64
}

// Now returns the time of the last event.
func (l *Lamport) Now() uint64 { return l.now.Load() }

// Tick counts an event of this node, such as a send, and returns its time.
func (l *Lamport) Tick() uint64 {
	for {
		old := l.now.Load()
		if next := successor(old); l.now.CompareAndSwap(old, next) {
			return next
		}
	}
}

// Observe counts the receipt of a message that was sent at remote and returns the receipt's time.
// It refuses a remote time that is more than MaxLamportJump ahead, and then changes nothing.
func (l *Lamport) Observe(remote uint64) (now uint64, ok bool) {
	for {
		old := l.now.Load()
		if remote > old && remote-old > MaxLamportJump {
			return old, false
		}
		if next := successor(max(old, remote)); l.now.CompareAndSwap(old, next) {
			return next, true
		}
	}
}

// raise moves the clock to at least the given time.
func (l *Lamport) raise(to uint64) {
	for {
		old := l.now.Load()
		if old >= to || l.now.CompareAndSwap(old, to) {
			return
		}
	}
}

func successor(time uint64) uint64 {
	if time == math.MaxUint64 {
		return time
	}
	return time + 1
}

// vouching lets a node whose clock is far behind catch up. A new member, or one that was away for
// long, would refuse every frame of an old cluster for ever; yet one peer's word must not move the
// clock far. So a refused time is remembered as its sender's claim, and f+1 claims, of which one is
// a correct peer's, move the clock to the smallest of the f+1 highest.
type vouching struct {
	clock *Lamport

	mu     sync.Mutex
	faulty int                      // f, the most peers that may lie
	claims map[crypto.NodeID]uint64 // at most one per member
}

// among sets how many peers there are: f = (n-1)/3, and they leave this node out.
func (v *vouching) among(peers int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.faulty = peers / 3
}

// observe reports whether a frame with the given time may pass.
func (v *vouching) observe(from crypto.NodeID, remote uint64) bool {
	if _, ok := v.clock.Observe(remote); ok {
		return true
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.claims[from] = remote
	if len(v.claims) <= v.faulty {
		return false
	}
	highest := slices.SortedFunc(maps.Values(v.claims), func(a, b uint64) int {
		return cmp.Compare(b, a)
	})
	v.clock.raise(highest[v.faulty])
	clear(v.claims)
	return false
}
