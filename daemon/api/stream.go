package api

import (
	"context"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Limits of what waits for a client that reads too slowly: beyond, its stream is ended. A frame
// holds about frameBytes at most, or one larger answer.
const (
	maxAnswersWaiting = 1 << 15
	maxBytesWaiting   = 96 << 20
	frameBytes        = 1 << 20
)

// serveStream runs a stream's two directions until one fails, both are finished, the client falls
// too far behind, or the server stops. Returning is what ends a goroutine that waits for the peer,
// so neither is waited for here; [Server.Stop] waits for all.
func (s *Server) serveStream(
	stream grpc.ServerStream, overflow <-chan struct{}, read, write func() error,
) error {
	readDone, writeDone := make(chan error, 1), make(chan error, 1)
	s.streams.Go(func() { readDone <- read() })
	s.streams.Go(func() { writeDone <- write() })
	for readDone != nil || writeDone != nil {
		select {
		case err := <-readDone:
			if err != nil {
				return err
			}
			readDone = nil
		case err := <-writeDone:
			if err != nil {
				return err
			}
			writeDone = nil
		case <-overflow:
			return status.Error(codes.ResourceExhausted,
				"byzd: this client reads its answers too slowly")
		case <-s.closing:
			return errStopped
		case <-stream.Context().Done():
			return status.FromContextError(stream.Context().Err()).Err()
		}
	}
	return nil
}

// sized is something that waits in an outbox.
type sized interface{ size() int }

// outbox holds what waits to be sent on one stream. Putting never blocks.
type outbox[T sized] struct {
	mu       sync.Mutex
	waiting  []T
	bytes    int
	closed   bool
	opened   chan struct{}
	ready    chan struct{} // has room for one
	overflow chan struct{} // closed when too much waits
}

func newOutbox[T sized]() *outbox[T] {
	return &outbox[T]{
		opened: make(chan struct{}), ready: make(chan struct{}, 1), overflow: make(chan struct{}),
	}
}

// put adds one, or gives the stream up.
func (o *outbox[T]) put(one T) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return
	}
	if len(o.waiting) >= maxAnswersWaiting || o.bytes+one.size() > maxBytesWaiting {
		o.closed, o.waiting = true, nil
		close(o.overflow)
		return
	}
	o.waiting = append(o.waiting, one)
	o.bytes += one.size()
	o.wake()
}

func (o *outbox[T]) wake() {
	select {
	case o.ready <- struct{}{}:
	default:
	}
}

// open lets drain send its first frame.
func (o *outbox[T]) open(ctx context.Context) error {
	close(o.opened)
	return ctx.Err()
}

// close says that nothing more will be put.
func (o *outbox[T]) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.wake()
}

// take returns what fits one frame, and whether this is the end.
func (o *outbox[T]) take() (frame []T, end bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n, size := 0, 0
	for n < len(o.waiting) && (n == 0 || size+o.waiting[n].size() <= frameBytes) {
		size += o.waiting[n].size()
		n++
	}
	frame, o.waiting = o.waiting[:n:n], o.waiting[n:]
	o.bytes -= size
	if len(o.waiting) == 0 {
		o.waiting = nil
	}
	return frame, o.closed && n == 0
}

// drain sends an empty frame and then what is put until the outbox is closed and empty.
func (o *outbox[T]) drain(ctx context.Context, send func([]T) error) error {
	select {
	case <-o.opened:
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := send(nil); err != nil {
		return err
	}
	for {
		frame, end := o.take()
		switch {
		case end:
			return nil
		case len(frame) > 0:
			if err := send(frame); err != nil {
				return err
			}
		default:
			select {
			case <-o.ready:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

// allowance bounds how much of one stream is under way.
type allowance struct {
	mu                 sync.Mutex
	count, bytes       int
	maxCount, maxBytes int
	changed            chan struct{} // has room for one: there is one who waits
}

func newAllowance(count, bytes int) *allowance {
	return &allowance{maxCount: count, maxBytes: bytes, changed: make(chan struct{}, 1)}
}

// take waits until there is room. What alone is too much for the bytes passes when nothing else is
// under way.
func (a *allowance) take(ctx context.Context, count, bytes int) error {
	return a.await(ctx, func() bool {
		if a.count > 0 && (a.count+count > a.maxCount || a.bytes+bytes > a.maxBytes) {
			return false
		}
		a.count += count
		a.bytes += bytes
		return true
	})
}

// wait waits until nothing is under way.
func (a *allowance) wait(ctx context.Context) error {
	return a.await(ctx, func() bool { return a.count == 0 })
}

func (a *allowance) await(ctx context.Context, done func() bool) error {
	for {
		a.mu.Lock()
		ok := done()
		a.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-a.changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// give says that as many were answered.
func (a *allowance) give(count int) { a.change(count, 0) }

// reduce says that the node holds as many bytes less.
func (a *allowance) reduce(bytes int) { a.change(0, bytes) }

func (a *allowance) change(count, bytes int) {
	a.mu.Lock()
	a.count -= count
	a.bytes -= bytes
	a.mu.Unlock()
	select {
	case a.changed <- struct{}{}:
	default:
	}
}
