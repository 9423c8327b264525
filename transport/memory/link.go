package memory

import (
	"context"
	"errors"

	"byzd/crypto"
	"byzd/transport"
)

// wire is what the two ends of a link share. Network.mu guards it and its ends.
type wire struct {
	frozen bool
	ends   [2]*link // the first has dialled
}

// link is one end of a wire.
type link struct {
	wire   *wire
	node   *node // whose end it is
	far    *link
	linked chan struct{}                                  // closed when accept is settled
	accept func(protocol string, stream transport.Stream) // nil: the link was not wanted

	closed  bool // by this end
	streams []*stream
}

func newWire(from, to *node) *wire {
	w := new(wire)
	a := &link{wire: w, node: from, linked: make(chan struct{})}
	b := &link{wire: w, node: to, linked: make(chan struct{}), far: a}
	a.far = b
	w.ends = [2]*link{a, b}
	return w
}

// settle notes what the door said of this end.
func (l *link) settle(accept func(protocol string, stream transport.Stream)) error {
	l.accept = accept
	close(l.linked)
	if accept == nil {
		return l.Close()
	}
	return nil
}

// Peer implements [transport.Link].
func (l *link) Peer() crypto.NodeID { return l.far.node.id }

// Dialed implements [transport.Link].
func (l *link) Dialed() bool { return l.wire.ends[0] == l }

// Open implements [transport.Link]. On a frozen wire the far end has the stream but none of its
// bytes.
func (l *link) Open(_ context.Context, protocol string) (transport.Stream, error) {
	n := l.node.network
	n.mu.Lock()
	defer n.mu.Unlock()
	far := l.far
	if l.closed || far.closed || far.node.dead {
		return nil, ErrReset
	}
	there, back := newPipe(l.wire.frozen), newPipe(l.wire.frozen)
	mine, theirs := &stream{in: back, out: there}, &stream{in: there, out: back}
	l.streams = append(l.streams, mine)
	far.streams = append(far.streams, theirs)
	far.node.wg.Go(func() {
		<-far.linked
		if far.accept != nil { // Else the link is closed, and the stream with it.
			far.accept(protocol, theirs)
		}
	})
	return mine, nil
}

// Close implements [transport.Link]. On a frozen wire the far end notices when it thaws.
func (l *link) Close() error {
	n := l.node.network
	n.mu.Lock()
	defer n.mu.Unlock()
	return l.close()
}

// close is called with Network.mu held.
func (l *link) close() error {
	if l.closed {
		return nil
	}
	l.closed = true
	if l.far.closed {
		delete(l.node.network.wires, l.wire)
	}
	var err error
	for _, s := range l.streams {
		err = errors.Join(err, s.Reset())
	}
	return err
}

// freeze stops or restarts both directions. It is called with Network.mu held.
func (w *wire) freeze(frozen bool) {
	w.frozen = frozen
	for _, end := range w.ends {
		for _, s := range end.streams {
			s.in.change(func() { s.in.frozen = frozen })
		}
	}
}
