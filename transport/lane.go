package transport

import (
	"container/heap"
	"sync"
	"time"
)

// item is a frame on its way out.
type item struct {
	frame   []byte
	lamport uint64
	due     time.Time // zero: at once
	order   uint64    // of its push; keeps equal delays in order
}

func (i item) size() int { return headerSize + len(i.frame) }

// lane is the bounded queue of one class towards one peer, for as long as one session lasts.
// Delayed frames count towards its bounds like all others.
type lane struct {
	maxBytes, maxFrames int
	dropOldest          bool
	wake                chan struct{} // holds one token when there may be work; one writer waits

	mu     sync.Mutex
	ready  ring
	later  dueHeap
	bytes  int
	order  uint64
	closed bool
}

func newLane(maxBytes, maxFrames int, dropOldest bool) *lane {
	return &lane{
		maxBytes: maxBytes, maxFrames: maxFrames, dropOldest: dropOldest,
		wake: make(chan struct{}, 1),
	}
}

// push queues a frame and returns how many frames, it or older ones, the bounds made it drop.
// A closed lane takes nothing and reports so.
func (l *lane) push(it item) (dropped int, open bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return 0, false
	}
	for l.bytes+it.size() > l.maxBytes || l.ready.len()+len(l.later) >= l.maxFrames {
		if !l.dropOldest || l.ready.len()+len(l.later) == 0 {
			return dropped + 1, true
		}
		l.bytes -= l.popOldest().size()
		dropped++
	}
	l.bytes += it.size()
	if it.due.IsZero() {
		l.ready.push(it)
	} else {
		l.order++
		it.order = l.order
		heap.Push(&l.later, it)
	}
	select {
	case l.wake <- struct{}{}:
	default: // A token is there already.
	}
	return dropped, true
}

func (l *lane) popOldest() item {
	if l.ready.len() > 0 {
		return l.ready.pop()
	}
	return heap.Pop(&l.later).(item) //nolint:forcetypeassert,errcheck // dueHeap holds items only
}

// take appends to batch the frames that are due, until they hold limit bytes or more. If there are
// none, wait tells when the next is due; 0 means that none is known.
func (l *lane) take(batch []item, limit int) (taken []item, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.later) > 0 {
		now := time.Now()
		for len(l.later) > 0 && !l.later[0].due.After(now) {
			l.ready.push(heap.Pop(&l.later).(item)) //nolint:forcetypeassert,errcheck // as above
		}
		if len(l.later) > 0 {
			wait = max(l.later[0].due.Sub(now), 1)
		}
	}
	for size := 0; l.ready.len() > 0 && size < limit; {
		it := l.ready.pop()
		size += it.size()
		l.bytes -= it.size()
		batch = append(batch, it)
	}
	return batch, wait
}

// close drops what waits and returns how many frames that were.
func (l *lane) close() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	lost := l.ready.len() + len(l.later)
	l.closed, l.bytes = true, 0
	l.ready, l.later = ring{}, nil
	return lost
}

// waiting returns the bytes that wait.
func (l *lane) waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bytes
}

// ring is a FIFO queue whose memory is reused.
type ring struct {
	items []item // its length is 0 or a power of two
	head  int
	count int
}

func (r *ring) len() int { return r.count }

func (r *ring) push(it item) {
	if r.count == len(r.items) {
		larger := make([]item, max(16, 2*len(r.items)))
		n := copy(larger, r.items[r.head:])
		copy(larger[n:], r.items[:r.head])
		r.items, r.head = larger, 0
	}
	r.items[(r.head+r.count)&(len(r.items)-1)] = it
	r.count++
}

// pop removes the oldest item. The ring must not be empty.
func (r *ring) pop() item {
	it := r.items[r.head]
	r.items[r.head] = item{} // The frame must not be kept alive by the ring.
	r.head = (r.head + 1) & (len(r.items) - 1)
	r.count--
	return it
}

// dueHeap orders delayed items by when they are due (container/heap).
//
//nolint:recvcheck // container/heap wants Push and Pop to change the slice.
type dueHeap []item

func (h dueHeap) Len() int { return len(h) }

func (h dueHeap) Less(i, j int) bool {
	if c := h[i].due.Compare(h[j].due); c != 0 {
		return c < 0
	}
	return h[i].order < h[j].order
}

func (h dueHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push is called by container/heap only.
func (h *dueHeap) Push(x any) {
	*h = append(*h, x.(item)) //nolint:forcetypeassert,errcheck // as above
}

// Pop is called by container/heap only.
func (h *dueHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = item{}
	*h = old[:len(old)-1]
	return last
}
