package memory

import (
	"bytes"
	"os"
	"sync"
	"time"
)

// window is how many bytes a stream's writer may be ahead of its reader, as in yamux.
const window = 256 << 10

// pipe is one direction of a stream. What the writer does reaches the reader only while the pipe is
// not frozen; what either does to its own end holds for that end at once.
type pipe struct {
	mu       sync.Mutex
	changed  chan struct{} // closed and replaced at each change
	buffer   bytes.Buffer  // written and not read; at most window
	frozen   bool
	broken   bool // by the writer's side; the reader sees it when not frozen
	released bool // by the reader's side; the writer sees it when not frozen
}

func newPipe(frozen bool) *pipe {
	return &pipe{changed: make(chan struct{}), frozen: frozen}
}

// change applies f and wakes everyone who waits.
func (p *pipe) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	p.wake()
}

// wake is called with mu held.
func (p *pipe) wake() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// wait returns when the pipe changes, or with an error at the deadline; a zero deadline is none.
func wait(changed <-chan struct{}, deadline time.Time) error {
	var late <-chan time.Time
	if !deadline.IsZero() {
		timer := time.NewTimer(time.Until(deadline))
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-changed:
		return nil
	case <-late:
		return os.ErrDeadlineExceeded
	}
}

func (p *pipe) read(b []byte, deadline time.Time) (int, error) {
	for {
		p.mu.Lock()
		switch {
		case p.released:
			p.mu.Unlock()
			return 0, ErrReset
		case p.buffer.Len() > 0 && !p.frozen:
			n, err := p.buffer.Read(b)
			p.wake()
			p.mu.Unlock()
			return n, err
		case p.broken && !p.frozen:
			p.mu.Unlock()
			return 0, ErrReset
		}
		changed := p.changed
		p.mu.Unlock()
		if err := wait(changed, deadline); err != nil {
			return 0, err
		}
	}
}

func (p *pipe) write(b []byte, deadline time.Time) (int, error) {
	written := 0
	for {
		p.mu.Lock()
		if p.broken || (p.released && !p.frozen) {
			p.mu.Unlock()
			return written, ErrReset
		}
		if room := min(window-p.buffer.Len(), len(b)-written); room > 0 {
			n, err := p.buffer.Write(b[written : written+room])
			written += n
			p.wake()
			if err != nil {
				p.mu.Unlock()
				return written, err
			}
		}
		changed := p.changed
		p.mu.Unlock()
		if written == len(b) {
			return written, nil
		}
		if err := wait(changed, deadline); err != nil {
			return written, err
		}
	}
}

// stream is one end of a pair of pipes.
type stream struct {
	in, out *pipe

	mu                          sync.Mutex
	readDeadline, writeDeadline time.Time
}

func (s *stream) Read(b []byte) (int, error) {
	s.mu.Lock()
	deadline := s.readDeadline
	s.mu.Unlock()
	return s.in.read(b, deadline)
}

func (s *stream) Write(b []byte) (int, error) {
	s.mu.Lock()
	deadline := s.writeDeadline
	s.mu.Unlock()
	return s.out.write(b, deadline)
}

func (s *stream) SetReadDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readDeadline = t
	return nil
}

func (s *stream) SetWriteDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writeDeadline = t
	return nil
}

// Reset breaks both directions.
func (s *stream) Reset() error {
	s.in.change(func() { s.in.released = true })
	s.out.change(func() { s.out.broken = true })
	return nil
}
