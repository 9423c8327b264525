package api

import (
	"fmt"
	"net"
	"sync"
	"sync/atomic"
)

// listener bounds the connections and gives each a name, so that clients are told apart without a
// text being made for every call.
type listener struct {
	net.Listener

	slots chan struct{}
	count atomic.Uint64
}

// Accept returns the next connection for which there is room; others are closed at once.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case l.slots <- struct{}{}:
			return l.named(c), nil
		default:
			_ = c.Close() // Nobody is at the other end yet who could be told.
		}
	}
}

func (l *listener) named(c net.Conn) net.Conn {
	name := c.RemoteAddr().String()
	if c.RemoteAddr().Network() == "unix" {
		name = fmt.Sprintf("unix#%d", l.count.Add(1))
	}
	return &connection{Conn: c, remote: address{c.RemoteAddr(), name}, slots: l.slots}
}

// connection gives its slot back when it closes.
type connection struct {
	net.Conn

	remote address
	slots  chan struct{}
	once   sync.Once
}

// RemoteAddr returns the client's name as an address.
func (c *connection) RemoteAddr() net.Addr { return c.remote }

// Close closes the connection.
func (c *connection) Close() error {
	c.once.Do(func() { <-c.slots })
	return c.Conn.Close()
}

// address is an address whose text is there already.
type address struct {
	net.Addr

	name string
}

// String returns the name.
func (a address) String() string { return a.name }
