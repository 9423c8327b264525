package transport

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// controlLane is the place of the control stream beside those of the classes.
const (
	controlLane = classCount
	laneCount   = classCount + 1
)

// session is one link, from its hello to its end. Its goroutines are: run, which says hello and
// then reads the control stream; one writer per lane; the heartbeat; the one that closes the link;
// and the carrier's, one per stream that the peer opened. run ends last.
type session struct {
	mesh   *mesh
	remote *remote
	link   Link
	lanes  [laneCount]*lane

	control  chan Stream   // from accept to greet, for the side that was dialled
	greeted  chan struct{} // closed when the hellos fit
	up       chan struct{} // closed when PeerUp has returned
	done     chan struct{} // closed when the session is over
	since    time.Time     // when it became the remote's session; guarded by remote.mu
	over     bool          // deactivated: it must not become the remote's any more; as since
	heard    atomic.Int64  // when bytes last came, by mesh.clock
	pings    pings
	failOnce sync.Once

	mu      sync.Mutex
	closed  bool                 // no stream may be taken any more
	inbound [laneCount]*incoming // the newest stream of each class
	streams sync.WaitGroup       // the carrier's goroutines in accept
}

func newSession(m *mesh, r *remote, link Link) *session {
	s := &session{
		mesh: m, remote: r, link: link,
		control: make(chan Stream, 1),
		greeted: make(chan struct{}), up: make(chan struct{}), done: make(chan struct{}),
	}
	limits := &m.cfg.Limits
	for class := range classCount {
		s.lanes[class] = newLane(
			limits.QueueBytes[class], limits.QueueFrames[class], class == Votes,
		)
	}
	s.lanes[controlLane] = newLane(controlQueue*(headerSize+controlSize), controlQueue, true)
	return s
}

// run lives as long as the link.
func (s *session) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	var children sync.WaitGroup
	children.Go(func() {
		<-s.done
		cancel()
		if err := s.link.Close(); err != nil {
			s.mesh.cfg.Log.WithError(err).WithField("peer", s.remote.name).Debug("close link")
		}
	})
	control, err := s.greet(ctx)
	s.remote.greeted()
	if err == nil {
		s.pulse()
		close(s.greeted)
		for class := range classCount {
			children.Go(func() { s.fail(s.write(ctx, class)) })
		}
		children.Go(func() { s.fail(s.drain(s.lanes[controlLane], control, nil)) })
		children.Go(func() { s.fail(s.beat()) })
		err = s.readControl(control)
	}
	s.fail(err)
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.streams.Wait()
	children.Wait()
}

// fail ends the session; the first reason counts. It does not wait.
func (s *session) fail(reason error) {
	s.failOnce.Do(func() {
		select {
		case <-s.mesh.done:
			reason = ErrClosed // Else the reason would be a race between Close and its effects.
		default:
		}
		s.remote.deactivate(s, reason)
		for _, l := range s.lanes {
			s.mesh.counters.events[cFramesLost].Add(uint64(l.close())) //nolint:gosec // >= 0
		}
		close(s.done)
	})
}

// pulse notes that the peer was heard.
func (s *session) pulse() {
	now := s.mesh.clock()
	s.heard.Store(now)
	s.remote.heard.Store(now)
}

// greet exchanges hellos, and makes this the remote's session if they fit.
func (s *session) greet(ctx context.Context) (Stream, error) {
	control, err := s.exchange(ctx)
	if err == nil {
		return control, nil
	}
	switch {
	case errors.Is(err, errHello):
		s.mesh.refuse(cHelloMalformed, s.remote.id, "sent a malformed hello")
	case timedOut(err), errors.Is(err, errHelloTimeout):
		s.mesh.counters.add(cHelloTimeout)
	case errors.Is(err, errDuplicate):
		s.mesh.counters.add(cLinkDuplicate)
	case errors.Is(err, errHelloRefused):
		s.mesh.refuse(cHelloRefused, s.remote.id, "refused this node's hello without a reason")
	}
	return nil, err
}

func (s *session) exchange(ctx context.Context) (Stream, error) {
	ctx, cancel := context.WithTimeout(ctx, helloTimeout)
	defer cancel()
	ours := s.mesh.hello
	if s.link.Dialed() {
		control, err := s.link.Open(ctx, controlProtocol)
		if err != nil {
			return nil, fmt.Errorf("open control stream: %w", err)
		}
		if err := writeHello(control, ours); err != nil {
			return nil, err
		}
		theirs, err := readHello(control)
		if err != nil {
			return nil, err
		}
		if err := s.judge(theirs); err != nil {
			return nil, err
		}
		switch theirs.verdict {
		case verdictAccepted:
		case verdictDuplicate:
			return nil, errDuplicate
		case verdictNone, verdictMismatch:
			return nil, errHelloRefused
		}
		if err := s.remote.activate(s); err != nil {
			return nil, err
		}
		return control, control.SetReadDeadline(time.Time{})
	}
	var control Stream
	select {
	case control = <-s.control:
	case <-s.done:
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, errHelloTimeout
	}
	return control, s.answer(control, ours)
}

// answer reads the dialling side's hello and answers it, before anything else is sent.
func (s *session) answer(control Stream, ours hello) error {
	theirs, err := readHello(control)
	if err != nil {
		return err
	}
	reason := s.judge(theirs)
	ours.verdict = verdictMismatch
	if reason == nil {
		ours.verdict = verdictAccepted
		if reason = s.remote.activate(s); reason != nil {
			ours.verdict = verdictDuplicate
		}
	}
	if err := writeHello(control, ours); err != nil {
		return err
	}
	if reason == nil {
		return control.SetReadDeadline(time.Time{})
	}
	// The dialling side closes the link when it has read the answer. Closing it here could overtake
	// the answer, and then only one side would know the reason.
	if _, err := control.Read(make([]byte, 1)); err == nil {
		return errHello
	}
	return reason
}

// judge names and counts what does not fit in the peer's hello.
func (s *session) judge(theirs hello) error {
	if m := s.mesh.hello.judge(theirs, s.remote.id); m != nil {
		s.mesh.refuse(m.counter, s.remote.id, m.text)
		return fmt.Errorf("%w: it %s", m.reason, m.text)
	}
	return nil
}

// write opens the class's stream and writes what comes through its lane.
func (s *session) write(ctx context.Context, class Class) error {
	opening, cancel := context.WithTimeout(ctx, helloTimeout)
	stream, err := s.link.Open(opening, s.mesh.protocols[class])
	cancel()
	if err != nil {
		return fmt.Errorf("open stream of %s: %w", class, err)
	}
	return s.drain(s.lanes[class], stream, &s.mesh.counters.classes[class])
}

// drain writes the lane's frames to the stream, those that wait together in one write, and counts
// them. It returns when a write fails or the session ends.
func (s *session) drain(l *lane, stream Stream, count *traffic) error {
	w := bufio.NewWriterSize(&timedWriter{stream, s.mesh.cfg.WriteTimeout}, bufferSize)
	var batch []item
	var header [headerSize]byte
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		var wait time.Duration
		batch, wait = l.take(batch[:0], pieceMax)
		if len(batch) == 0 {
			var due <-chan time.Time
			if wait > 0 {
				timer.Reset(wait)
				due = timer.C
			}
			select {
			case <-l.wake:
			case <-due:
			case <-s.done:
				return ErrClosed
			}
			continue
		}
		bytes := 0
		for _, it := range batch {
			_, headErr := w.Write(appendHeader(header[:0], len(it.frame), it.lamport))
			_, bodyErr := w.Write(it.frame)
			if err := cmp.Or(headErr, bodyErr); err != nil {
				return s.writeFailed(err)
			}
			bytes += it.size()
		}
		if err := w.Flush(); err != nil {
			return s.writeFailed(err)
		}
		if count != nil {
			count.framesOut.Add(uint64(len(batch)))
			count.bytesOut.Add(uint64(bytes))
		}
		clear(batch) // What was written must not be kept alive until the next batch.
	}
}

func (s *session) writeFailed(err error) error {
	if !timedOut(err) {
		return fmt.Errorf("write: %w", err)
	}
	s.mesh.counters.add(cWriteTimeout)
	return fmt.Errorf("%w (%s)", errWriteTimeout, s.mesh.cfg.WriteTimeout)
}

// timedOut reports whether a deadline passed. Each carrier has its own error for that.
func timedOut(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

// timedWriter gives every piece of at most pieceMax bytes a deadline of its own.
type timedWriter struct {
	stream  Stream
	timeout time.Duration
}

func (w *timedWriter) Write(b []byte) (int, error) {
	written := 0
	for written < len(b) {
		if err := w.stream.SetWriteDeadline(time.Now().Add(w.timeout)); err != nil {
			return written, err
		}
		n, err := w.stream.Write(b[written:min(len(b), written+pieceMax)])
		written += n
		if err != nil {
			return written, err
		}
	}
	return written, nil
}
