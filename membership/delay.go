package membership

import (
	"sync"
	"time"
)

// delayMax bounds how many packets may be held back at once.
const delayMax = 4096

// delayLine performs actions later, and none once it is closed. It serves a testnet's slow network.
type delayLine struct {
	mu      sync.Mutex
	closed  bool
	next    uint64
	pending map[uint64]*time.Timer
	running sync.WaitGroup
}

// after lets action run after delay. It reports false if too many are waiting.
func (d *delayLine) after(delay time.Duration, action func()) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || len(d.pending) >= delayMax {
		return false
	}
	if d.pending == nil {
		d.pending = make(map[uint64]*time.Timer)
	}
	id := d.next
	d.next++
	d.pending[id] = time.AfterFunc(delay, func() {
		if d.begin(id) {
			defer d.running.Done()
			action()
		}
	})
	return true
}

// begin takes an action off the line. It waits for after, so the timer is in the map by then.
func (d *delayLine) begin(id uint64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return false
	}
	delete(d.pending, id)
	d.running.Add(1)
	return true
}

// close forgets what is waiting and returns when nothing runs any more.
func (d *delayLine) close() {
	d.mu.Lock()
	d.closed = true
	for _, timer := range d.pending {
		timer.Stop()
	}
	clear(d.pending)
	d.mu.Unlock()
	d.running.Wait()
}
