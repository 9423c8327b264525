package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"google.golang.org/grpc"

	"byzd/daemon/api/byzdpb"
)

var (
	// ErrBusy says that the node did nothing because too much waits there. Come back later.
	ErrBusy = errors.New("the node is busy")
	// ErrNotReady says that the node did nothing because it takes no part in agreement now.
	ErrNotReady = errors.New("the node is not ready")
	// ErrRefused says that the node cannot have such an operation ordered.
	ErrRefused = errors.New("the node refuses the operation")
)

// Limits of the frames that [Orders] sends.
const (
	frameOpsMax   = 4096
	frameBytesMax = 1 << 20
)

// Orders is a pipeline of operations to one node, which is trusted with them: it signs them as its
// own and its answer is believed. What is handed over while a frame is on its way shares the next
// one, so that many callers cost few messages. Methods may be called from any goroutine.
type Orders struct {
	conn   *grpc.ClientConn
	cancel context.CancelFunc
	done   sync.WaitGroup
	wake   chan struct{} // has room for one

	mu     sync.Mutex
	closed bool
	tag    uint64
	queue  []*ordered
	sent   map[uint64]*ordered
}

// ordered is one operation under way.
type ordered struct {
	tag    uint64
	op     []byte
	answer chan answer // has room for one
}

type answer struct {
	result []byte
	err    error
}

// OpenOrders prepares a pipeline to one client endpoint. It connects, and connects again when it
// must, for as long as it is open.
func OpenOrders(endpoint string) (*Orders, error) {
	conn, err := Dial(endpoint)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	o := &Orders{
		conn: conn, cancel: cancel, wake: make(chan struct{}, 1), sent: map[uint64]*ordered{},
	}
	o.done.Go(func() { o.run(ctx) })
	return o, nil
}

// Close ends the pipeline. What was sent and not answered is [ErrUnknown], the rest [ErrClosed].
func (o *Orders) Close() error {
	o.cancel()
	err := o.conn.Close()
	o.done.Wait()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	for _, w := range o.queue {
		w.answer <- answer{err: ErrClosed}
	}
	o.queue = nil
	return err
}

// Do hands one operation, as kv encodes it, to the node and returns the result, encoded likewise.
// Errors: [ErrBusy], [ErrNotReady] and [ErrRefused] say that nothing was done, [ErrUnknown] that it
// is not known; it wraps the context's error if that is why.
func (o *Orders) Do(ctx context.Context, op []byte) ([]byte, error) {
	w := &ordered{op: op, answer: make(chan answer, 1)}
	o.mu.Lock()
	if o.closed {
		o.mu.Unlock()
		return nil, ErrClosed
	}
	o.tag++
	w.tag = o.tag
	o.queue = append(o.queue, w)
	o.mu.Unlock()
	select {
	case o.wake <- struct{}{}:
	default:
	}
	select {
	case a := <-w.answer:
		return a.result, a.err
	case <-ctx.Done():
		return nil, o.abandon(w, ctx.Err())
	}
}

// abandon takes back what nobody waits for any more, and tells whether it was sent.
func (o *Orders) abandon(w *ordered, cause error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i, other := range o.queue {
		if other == w {
			o.queue = append(o.queue[:i], o.queue[i+1:]...)
			return fmt.Errorf("%w: nothing was sent: %w", ErrNoAnswer, cause)
		}
	}
	delete(o.sent, w.tag)
	return fmt.Errorf("%w: %w", ErrUnknown, cause)
}

// run keeps a stream open.
func (o *Orders) run(ctx context.Context) {
	for pause := reconnectLeast; ctx.Err() == nil; pause = min(2*pause, reconnectMost) {
		started := time.Now()
		err := o.stream(ctx)
		o.lose(err)
		if time.Since(started) > reconnectMost {
			pause = reconnectLeast
		}
		if sleep(ctx, rand.N(pause)+1) != nil { //nolint:gosec // jitter is no secret
			return
		}
	}
}

// lose ends what was sent on a stream that is no more.
func (o *Orders) lose(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for tag, w := range o.sent {
		delete(o.sent, tag)
		w.answer <- answer{
			err: fmt.Errorf("%w: the connection is lost: %s", ErrUnknown, brief(err)),
		}
	}
}

func (o *Orders) stream(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := byzdpb.NewByzdClient(o.conn).Order(ctx)
	if err != nil {
		return err
	}
	if _, err := stream.Recv(); err != nil { // The node's first frame is empty.
		return err
	}
	var sender sync.WaitGroup
	defer sender.Wait()
	defer cancel()
	sender.Go(func() { o.send(ctx, stream) })
	for {
		frame, err := stream.Recv()
		if err != nil {
			return err
		}
		o.take(frame)
	}
}

func (o *Orders) send(
	ctx context.Context, stream grpc.BidiStreamingClient[byzdpb.OrderRequest, byzdpb.OrderResponse],
) {
	for {
		frame := o.frame()
		if frame != nil {
			if stream.Send(frame) != nil {
				return // Recv tells why.
			}
			continue
		}
		select {
		case <-o.wake:
		case <-ctx.Done():
			return
		}
	}
}

// frame takes what is queued, as far as it fits.
func (o *Orders) frame() *byzdpb.OrderRequest {
	o.mu.Lock()
	defer o.mu.Unlock()
	n, size := 0, 0
	for n < min(len(o.queue), frameOpsMax) &&
		(n == 0 || size+len(o.queue[n].op) <= frameBytesMax) {
		size += len(o.queue[n].op)
		n++
	}
	if n == 0 {
		return nil
	}
	frame := &byzdpb.OrderRequest{Tags: make([]uint64, n), Operations: make([][]byte, n)}
	for i, w := range o.queue[:n] {
		frame.Tags[i], frame.Operations[i] = w.tag, w.op
		o.sent[w.tag] = w
	}
	rest := copy(o.queue, o.queue[n:])
	clear(o.queue[rest:])
	o.queue = o.queue[:rest]
	return frame
}

// take gives results to those who wait for them. Tags that are not waited for are passed over.
func (o *Orders) take(frame *byzdpb.OrderResponse) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i, tag := range frame.GetTags() {
		if i < len(frame.GetResults()) {
			o.answerLocked(tag, answer{result: frame.GetResults()[i]})
		}
	}
	for _, f := range frame.GetFailures() {
		o.answerLocked(f.GetTag(), answer{err: failure(f)})
	}
}

func (o *Orders) answerLocked(tag uint64, a answer) {
	if w := o.sent[tag]; w != nil {
		delete(o.sent, tag)
		w.answer <- a
	}
}

func failure(f *byzdpb.Failure) error {
	kind := ErrUnknown
	switch f.GetReason() {
	case byzdpb.Reason_REASON_BUSY:
		kind = ErrBusy
	case byzdpb.Reason_REASON_NOT_READY:
		kind = ErrNotReady
	case byzdpb.Reason_REASON_BAD_REQUEST:
		kind = ErrRefused
	case byzdpb.Reason_REASON_UNKNOWN, byzdpb.Reason_REASON_UNSPECIFIED:
	}
	return fmt.Errorf("%w: %s", kind, clip(f.GetText()))
}
