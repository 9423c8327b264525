package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"byzd/daemon/disk"
	"byzd/daemon/journal"
	"byzd/daemon/loop"
	"byzd/pbft/message"
)

// owner is the goroutine that alone owns the loop. It takes what has arrived, ends the turn, and
// lets the journal sync beside the next turn: one write and one sync for everything that was
// staged.
type owner struct {
	loop    *loop.Loop
	journal *journal.Journal
	now     func() int64 // milliseconds

	messages <-chan message.Verified
	hints    <-chan hint
	outside  <-chan stranger
	submits  chan func(*loop.Loop) // operations of this node's clients
	calls    chan func(*loop.Loop)
	saved    <-chan saved
	start    chan durable // to the flusher
	flushed  chan flush   // from it

	synced   uint64
	flushing bool
	full     error // why the journal takes nothing more for now: then nothing is fed in
	onFull   func(error)
	onTick   func(*loop.Loop) // now and then, for who shows where the node stands
	onCut    func(error)
	archived func() error // makes durable what outlives the journal, before that is cut
	onSaved  func(saved)
	ticks    int
}

// durable tells the flusher which LSN to make durable, and where the journal may be cut after that.
type durable struct{ lsn, cut uint64 }

// flush is the outcome of that.
type flush struct {
	durable

	err    error
	cutErr error // the journal is longer than it need be; the next flush tries again
}

const (
	tickEvery = 20 * time.Millisecond
	// refreshTicks are between two looks at where the node stands.
	refreshTicks = 5
	// turnInputs is what one turn takes at most, so that timers are not late.
	turnInputs = 256
	// archiveEvery bounds what the archive has in memory alone, and in the journal.
	archiveEvery = time.Minute
	// retryFull is between two attempts to write to a full disk.
	retryFull = 500 * time.Millisecond
)

func newOwner(l *loop.Loop, j *journal.Journal, in *inbound, onFull func(error)) *owner {
	began := time.Now()
	base := began.UnixMilli()
	return &owner{
		loop: l, journal: j, onFull: onFull,
		// The process's monotonic clock, set to the wall clock once: steps of the wall clock move
		// no timer.
		now:      func() int64 { return base + time.Since(began).Milliseconds() },
		messages: in.queue, hints: in.reach.Load().hints, outside: in.outside,
		submits: make(chan func(*loop.Loop), queued), calls: make(chan func(*loop.Loop)),
		start: make(chan durable, 1), flushed: make(chan flush, 1),
		synced: l.Staged(),
	}
}

// run owns the loop until the context ends or the node cannot go on.
func (o *owner) run(ctx context.Context) error {
	flusher := make(chan struct{})
	go func() {
		defer close(flusher)
		o.flush()
	}()
	defer func() {
		close(o.start)
		<-flusher
	}()
	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	o.loop.Tick(o.now())
	for {
		if err := o.wait(ctx, ticker.C); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
		if o.full == nil {
			o.turn()
		}
		if err := o.loop.Trouble(); err != nil {
			return err
		}
		if _, done := o.loop.Retired(); done {
			return &retiredError{o.loop.Cluster().Epoch}
		}
	}
}

// wait takes the next input of any kind, and of those that come in crowds all that are there. While
// the disk is full a node that cannot remember does not listen either.
func (o *owner) wait(ctx context.Context, tick <-chan time.Time) error {
	messages, submits, hints, outside := o.messages, o.submits, o.hints, o.outside
	if o.full != nil {
		messages, submits, hints, outside, tick = nil, nil, nil, nil, nil
	}
	select {
	case v := <-messages:
		o.loop.Receive(v)
		o.crowd()
	case submit := <-submits:
		submit(o.loop)
		o.crowd()
	case s := <-outside:
		s.tell(o.loop)
		o.crowd()
	case h := <-hints:
		o.loop.Hint(h.peer, h.reachable)
	case call := <-o.calls:
		call(o.loop)
	case <-tick:
		o.loop.Tick(o.now())
		o.ticks++
		if o.ticks%refreshTicks == 0 {
			o.onTick(o.loop)
		}
	case s := <-o.saved:
		o.onSaved(s)
		o.loop.Saved(s.snapshot, s.err)
	case f := <-o.flushed:
		return o.settle(f)
	case <-ctx.Done():
	}
	return nil
}

// crowd takes what else has arrived.
func (o *owner) crowd() {
	for range turnInputs {
		select {
		case v := <-o.messages:
			o.loop.Receive(v)
		case submit := <-o.submits:
			submit(o.loop)
		default:
			return
		}
	}
}

// turn ends a turn: what rests on durable records leaves, the rest waits for the sync that starts
// now, if none is under way.
func (o *owner) turn() {
	o.loop.EndTurn()
	for o.loop.Release(o.synced) {
		o.loop.Resume()
	}
	if lsn := o.loop.Staged(); lsn > o.synced && !o.flushing {
		o.flushing = true
		o.start <- durable{lsn, o.loop.Cut()}
	}
}

// settle takes the outcome of a sync.
func (o *owner) settle(f flush) error {
	o.flushing = false
	if f.cutErr != nil {
		o.onCut(f.cutErr)
	}
	switch {
	case f.err == nil:
		o.synced = f.lsn
		if o.full != nil {
			o.full = nil
			o.onFull(nil)
		}
	case errors.Is(f.err, disk.ErrFull):
		if o.full == nil {
			o.full = f.err
			o.onFull(f.err)
		}
		o.flushing = true
		o.start <- f.durable
	default:
		return fmt.Errorf("the journal cannot be written any more: %w", f.err)
	}
	return nil
}

// flush makes staged records durable, one call at a time. After a full disk it waits a little.
func (o *owner) flush() {
	wait := time.Duration(0)
	cut, archived := uint64(0), time.Now()
	for d := range o.start {
		if wait > 0 {
			time.Sleep(wait) //nolint:forbidigo // a full disk has no event to wait for
		}
		err := o.journal.Flush()
		wait = 0
		if errors.Is(err, disk.ErrFull) {
			wait = retryFull
		}
		f := flush{durable: d, err: err}
		if err == nil && d.cut > cut {
			if f.cutErr = o.shorten(d.cut); f.cutErr == nil {
				cut = d.cut
			}
		}
		if o.archived != nil && err == nil && time.Since(archived) > archiveEvery {
			archived = time.Now()
			_ = o.archived() // it is tried again, and before the journal is cut it must succeed
		}
		o.flushed <- f
	}
}

// shorten cuts the journal, when what outlives it is durable elsewhere (rule R7.8).
func (o *owner) shorten(cut uint64) error {
	if o.archived != nil {
		if err := o.archived(); err != nil {
			return err
		}
	}
	return o.journal.TruncateBefore(cut)
}

// do runs a function on the loop, from another goroutine, and waits for it.
func (o *owner) do(ctx context.Context, fn func(*loop.Loop)) error {
	done := make(chan struct{})
	call := func(l *loop.Loop) {
		defer close(done)
		fn(l)
	}
	select {
	case o.calls <- call:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
