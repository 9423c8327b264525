package transport

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// incoming is one stream that the peer opened, and the goroutine that reads it.
type incoming struct {
	stream Stream
	ended  chan struct{} // closed when no frame of it is delivered any more
}

// accept takes a stream that the peer opened; see [Door.Linked].
func (s *session) accept(protocol string, stream Stream) {
	if !s.enter() {
		s.reset(stream)
		return
	}
	defer s.streams.Done()
	if protocol == controlProtocol {
		s.acceptControl(stream)
		return
	}
	class, known := s.mesh.classOf(protocol)
	if !known {
		s.mesh.counters.add(cStreamUnknown)
		s.reset(stream)
		return
	}
	// The peer may open streams as soon as it has our answer, which can be before we are ready.
	if !s.await(s.greeted) {
		s.mesh.counters.add(cStreamEarly)
		s.reset(stream)
		return
	}
	if err := s.read(class, stream); err != nil {
		s.fail(err)
	}
}

// enter makes run wait for the caller, unless it has stopped to.
func (s *session) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.streams.Add(1)
	return true
}

func (s *session) acceptControl(stream Stream) {
	if !s.link.Dialed() {
		select {
		case s.control <- stream:
			return
		default: // The dialling side opens one control stream; this is another.
		}
	}
	s.mesh.counters.add(cSupersededStream)
	s.reset(stream)
}

// await reports whether the condition came before the session's end.
func (s *session) await(condition <-chan struct{}) bool {
	select {
	case <-condition:
		return true
	case <-s.done:
		return false
	}
}

// read delivers the frames of a class until its stream fails, which ends the session, or a newer
// stream of the same class takes its place, which does not; then it returns nil.
func (s *session) read(class Class, stream Stream) error {
	self := &incoming{stream: stream, ended: make(chan struct{})}
	defer close(self.ended)
	s.mu.Lock()
	older := s.inbound[class]
	s.inbound[class] = self
	s.mu.Unlock()
	if older != nil {
		s.mesh.counters.add(cSupersededStream)
		s.reset(older.stream)
		if !s.await(older.ended) { // Frames of one class are delivered by one goroutine at a time.
			return ErrClosed
		}
	}
	if !s.await(s.up) {
		return ErrClosed
	}
	err := s.deliver(class, stream)
	s.mu.Lock()
	newest := s.inbound[class] == self
	s.mu.Unlock()
	if !newest {
		return nil
	}
	return err
}

// deliver hands the stream's frames to the handler.
func (s *session) deliver(class Class, stream Stream) error {
	m, id := s.mesh, s.remote.id
	count := &m.counters.classes[class]
	frames := s.frames(stream, bufferSize, m.cfg.Limits.MaxFrame[class])
	for {
		lamport, frame, err := frames.next()
		if err != nil {
			return s.readFailed(class, stream, err)
		}
		count.framesIn.Add(1)
		count.bytesIn.Add(uint64(headerSize + len(frame)))
		if !m.vouching.observe(id, lamport) {
			m.refuse(cLamportJump, id, "sent a Lamport time that is too far ahead")
			continue
		}
		m.cfg.Handler.Receive(id, class, lamport, frame)
	}
}

// frames reads a stream of the peer's. Its patience is twice a writer's, so that a writer that is
// slow gives up first and knows why.
func (s *session) frames(stream Stream, size, limit int) *frameReader {
	f := newFrameReader(&pulseReader{stream, s}, size, limit)
	f.deadline, f.patience = stream.SetReadDeadline, 2*s.mesh.cfg.WriteTimeout
	return f
}

func (s *session) readFailed(class Class, stream Stream, err error) error {
	switch {
	case errors.Is(err, errFrameTooLarge):
		s.mesh.refuse(cFrameTooLarge, s.remote.id, fmt.Sprintf("%s: %v", class, err))
	case errors.Is(err, errFrameEmpty), errors.Is(err, io.ErrUnexpectedEOF):
		s.mesh.refuse(cFrameMalformed, s.remote.id, fmt.Sprintf("%s: %v", class, err))
	case timedOut(err):
		s.mesh.refuse(cReadTimeout, s.remote.id, fmt.Sprintf("%s: left a frame unfinished", class))
	case errors.Is(err, io.EOF):
		err = errStreamEnded
	}
	s.reset(stream)
	return fmt.Errorf("read %s: %w", class, err)
}

func (s *session) reset(stream Stream) {
	if err := stream.Reset(); err != nil {
		s.mesh.cfg.Log.WithError(err).WithField("peer", s.remote.name).Debug("reset stream")
	}
}

// pulseReader notes every sign of life, also the pieces of a large frame.
type pulseReader struct {
	stream  Stream
	session *session
}

func (r *pulseReader) Read(b []byte) (int, error) {
	n, err := r.stream.Read(b)
	if n > 0 {
		r.session.pulse()
	}
	return n, err
}

// heardAgo returns how long nothing has come from the peer.
func (s *session) heardAgo() time.Duration {
	return time.Duration(s.mesh.clock() - s.heard.Load())
}
