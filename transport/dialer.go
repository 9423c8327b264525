package transport

import (
	"context"
	"math"
	"slices"
	"time"
)

// dialTimeout bounds one attempt to connect, at all of a peer's addresses.
const dialTimeout = 3 * time.Second

// A member with the lower ID dials at once; the other waits for grace redials without a connection.
// By then the first has tried at least twice with whatever addresses it knows, so it knows none
// that works, and the second is needed. That keeps double connections rare, and still brings a
// cluster up whichever side knows an address.
const graceRedials = 2

// heardAt notes where the peer listens now.
func (r *remote) heardAt(addrs []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fresh = true
	if slices.Equal(r.addrs, addrs) {
		// It may be back where it was. Gossip repeats itself, too, so this neither breaks off an
		// attempt nor undoes the back-off.
		wake(r.wakeDial)
		return
	}
	r.addrs = addrs
	r.tried = time.Time{}
	r.attempts = 0
	if r.cancel != nil {
		r.cancel() // The attempt under way goes to where the peer no longer is.
	}
	wake(r.wakeDial)
}

// dial keeps the peer connected, as far as that is this side's part, until the mesh closes.
func (r *remote) dial(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	next := time.Now() // no attempt before
	for {
		wait := r.untilDial(next)
		if wait <= 0 {
			r.attempt(ctx)
			next = time.Now().Add(r.backoff())
			continue
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-r.wakeDial:
			if at, ok := r.sooner(); ok && at.Before(next) {
				next = at
			}
		case <-ctx.Done():
			return
		}
	}
}

// sooner returns when an attempt is due because the peer was heard of since the last one: at once,
// but not within the smallest delay of an attempt at the same addresses.
func (r *remote) sooner() (at time.Time, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.fresh {
		return time.Time{}, false
	}
	r.fresh = false
	return r.tried.Add(r.mesh.cfg.RedialMin), true
}

// untilDial returns how long to wait before dialling; not positive means now.
func (r *remote) untilDial(next time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.session.Load() != nil || r.pending > 0 || len(r.addrs) == 0 {
		return math.MaxInt64 // until woken
	}
	if !r.first {
		grace := r.since.Add(graceRedials * r.mesh.cfg.RedialMax)
		if grace.After(next) {
			next = grace
		}
	}
	return time.Until(next)
}

// backoff returns the delay before the next attempt: full jitter below a bound that doubles.
func (r *remote) backoff() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	bound := r.mesh.cfg.RedialMax
	if r.attempts < 32 {
		bound = min(bound, r.mesh.cfg.RedialMin<<r.attempts)
	}
	if bound <= 0 { // The shift overflowed.
		bound = r.mesh.cfg.RedialMax
	}
	r.attempts++
	return time.Duration(r.mesh.jitter() * float64(bound))
}

// attempt dials once.
func (r *remote) attempt(ctx context.Context) {
	m := r.mesh
	if m.cfg.Conditions != nil && !m.cfg.Conditions.DialAllowed(r.id) {
		m.counters.add(cConditionsDial)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	r.mu.Lock()
	addrs := r.addrs
	r.tried, r.fresh = time.Now(), false
	r.cancel = cancel
	r.mu.Unlock()
	m.counters.add(cDials)
	err := m.carrier.Dial(ctx, r.id, addrs)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cancel = nil
	if err != nil {
		m.counters.add(cDialFailed)
		r.failed(err)
	}
}
