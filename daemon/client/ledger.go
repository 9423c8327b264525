package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"byzd/pbft"
)

// book is what a key's processes must remember together. It is the content of the session file.
type book struct {
	Cluster string `json:"cluster"`
	Key     string `json:"key"` // the public one
	// Place is the file's path and host when it was written. A copy elsewhere is no continuation:
	// two that use the same places would take one another's results for their own.
	Place   string  `json:"place"`
	Session uint64  `json:"session"` // 0: there is none
	Nonce   uint64  `json:"nonce"`   // of the last REGISTER
	Next    uint64  `json:"next"`    // the first place that was never used
	Used    int64   `json:"used"`    // when a place was last taken, Unix seconds
	Waiting []place `json:"waiting"` // ascending
}

// place is one whose result somebody waits for.
type place struct {
	Seq    uint64 `json:"seq"`
	Holder string `json:"holder"`
}

// low is the acknowledgement: everything below it has been answered or given up.
func (b *book) low() uint64 {
	if len(b.Waiting) > 0 {
		return b.Waiting[0].Seq
	}
	return b.Next
}

// shelf keeps the book. update runs f alone among all who use the book, with what is in it, and
// keeps what f made of it; when it returns nil that is durable.
type shelf interface {
	update(ctx context.Context, f func(*book) error) error
	// registering excludes all others who want to make a session until the func is called.
	registering(ctx context.Context) (func(), error)
	// self names this client as a holder of places, alive tells whether another one still lives.
	self() string
	alive(holder string) bool
	close() error
}

// idleLimit is how long a session may rest before a new one is made to be safe: members may evict
// sessions that were not used for 2^20 batches.
const idleLimit = 5 * time.Minute

// releaseAfter is how long places that were answered may stand in the book for the next update.
const releaseAfter = 50 * time.Millisecond

// ledger hands out places of the key's session.
type ledger struct {
	shelf shelf

	flushing sync.Mutex // held while released places are written down, and not inside mu

	mu       sync.Mutex
	released []taken
	timer    *time.Timer
	closed   bool // no timer is started any more
	left     bool // the book is no longer this client's
}

// taken is a place in a session with the acknowledgement that its request carries.
type taken struct{ session, seq, ack uint64 }

// errNoSession says that a session must be made first; errWindow that too many places are waited
// for.
var (
	errNoSession = errors.New("no session")
	errWindow    = errors.New("window is full")
)

// windowPause is how often a full window is looked at again.
const windowPause = 10 * time.Millisecond

// take reserves a place durably. It waits while the window is full.
func (l *ledger) take(ctx context.Context) (taken, error) {
	for {
		t, err := l.tryTake(ctx)
		if !errors.Is(err, errWindow) {
			return t, err
		}
		if err := sleep(ctx, windowPause); err != nil {
			return taken{}, fmt.Errorf("%d operations of this key are under way, others wait: %w",
				pbft.ClientWindow, err)
		}
	}
}

func (l *ledger) tryTake(ctx context.Context) (t taken, err error) {
	now := time.Now()
	rested := func(b *book) bool { return now.Sub(time.Unix(b.Used, 0)).Abs() > idleLimit }
	err = l.shelf.update(ctx, func(b *book) error {
		l.giveUpDead(b)
		l.settle(b)
		if b.Session != 0 && len(b.Waiting) == 0 && rested(b) {
			b.Session = 0
		}
		if b.Session == 0 {
			return errNoSession
		}
		if b.Next >= b.low()+pbft.ClientWindow {
			return errWindow
		}
		t = taken{session: b.Session, seq: b.Next}
		b.Waiting = append(b.Waiting, place{b.Next, l.shelf.self()})
		b.Next++
		t.ack, b.Used = b.low(), now.Unix()
		return nil
	})
	return t, err
}

// giveUpDead drops the places of processes that have ended.
func (l *ledger) giveUpDead(b *book) {
	lives := map[string]bool{l.shelf.self(): true}
	b.Waiting = slices.DeleteFunc(b.Waiting, func(p place) bool {
		alive, asked := lives[p.Holder]
		if !asked {
			alive = l.shelf.alive(p.Holder)
			lives[p.Holder] = alive
		}
		return !alive
	})
}

// settle drops this client's places that were answered.
func (l *ledger) settle(b *book) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.released {
		if t.session == b.Session {
			b.Waiting = slices.DeleteFunc(b.Waiting, func(p place) bool { return p.Seq == t.seq })
		}
	}
	l.released = l.released[:0]
}

// release gives a place back whose result nobody waits for any more. It becomes known to other
// processes with the next place that is taken, or soon.
func (l *ledger) release(t taken) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.released = append(l.released, t)
	if l.timer == nil && !l.closed {
		l.timer = time.AfterFunc(releaseAfter, l.flush)
	}
}

// flush writes down what was released. An error is not the client's concern: a place that stays in
// the book is given up when this process ends.
func (l *ledger) flush() {
	l.flushing.Lock()
	defer l.flushing.Unlock()
	l.mu.Lock()
	l.timer = nil
	idle := len(l.released) == 0 || l.left
	l.mu.Unlock()
	if idle {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = l.shelf.update(ctx, func(b *book) error { l.settle(b); return nil })
}

// close writes down what was released and lets go of the book. A timer that has fired already finds
// that it is too late.
func (l *ledger) close() error {
	l.mu.Lock()
	l.closed = true
	if l.timer != nil {
		l.timer.Stop()
	}
	l.mu.Unlock()
	l.flush()
	l.flushing.Lock()
	defer l.flushing.Unlock()
	l.mu.Lock()
	l.left = true
	l.mu.Unlock()
	return l.shelf.close()
}

// drop records that a session is dead.
func (l *ledger) drop(ctx context.Context, session uint64) error {
	return l.shelf.update(ctx, func(b *book) error {
		if b.Session == session {
			b.Session = 0
		}
		return nil
	})
}

// establish makes a session with register, which sends a REGISTER with the nonce that it is given,
// unless somebody else makes one meanwhile.
func (l *ledger) establish(
	ctx context.Context,
	register func(ctx context.Context, nonce uint64) (session uint64, err error),
) error {
	unlock, err := l.shelf.registering(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	var nonce uint64
	err = l.shelf.update(ctx, func(b *book) error {
		if b.Session == 0 {
			now := uint64(time.Now().UnixNano())
			b.Nonce = max(b.Nonce+1, now)
			nonce = b.Nonce
		}
		return nil
	})
	if err != nil || nonce == 0 {
		return err
	}
	session, err := register(ctx, nonce)
	if err != nil {
		return err
	}
	return l.shelf.update(ctx, func(b *book) error {
		b.Session, b.Next, b.Waiting, b.Used = session, 0, nil, time.Now().Unix()
		return nil
	})
}

// memory is the book of a key that lives as long as its client.
type memory struct {
	mu       sync.Mutex
	book     book
	register mutex
}

func newMemory() *memory { return &memory{register: newMutex()} }

func (m *memory) update(_ context.Context, f func(*book) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return f(&m.book)
}

func (m *memory) registering(ctx context.Context) (func(), error) { return m.register.lock(ctx) }

func (*memory) self() string      { return "self" }
func (*memory) alive(string) bool { return true }
func (*memory) close() error      { return nil }

// mutex is a lock for which one waits no longer than a context.
type mutex chan struct{}

func newMutex() mutex { return make(mutex, 1) }

func (m mutex) lock(ctx context.Context) (unlock func(), err error) {
	select {
	case m <- struct{}{}:
		return func() { <-m }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// sleep waits, or returns the context's error.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
