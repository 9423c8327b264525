package daemon

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"byzd/crypto"
	"byzd/daemon/api"
	"byzd/daemon/loop"
	"byzd/pbft"
	"byzd/pbft/message"
)

// service is what the client endpoint sees of the node. It implements [api.Node]. Its orders table
// belongs to the goroutine that owns the loop; the listeners are everybody's.
type service struct {
	owner   *owner
	view    atomic.Uint64
	ready   atomic.Pointer[error]
	members func() []api.Member
	closing <-chan struct{}

	tag    uint64
	orders map[uint64]order // by tag: operations whose results are awaited

	mu        sync.Mutex
	next      int
	listeners map[crypto.NodeID][]listener
}

// order is operation i of a client's frame.
type order struct {
	orders *api.Orders
	i      int
}

type listener struct {
	number int
	sink   func(*message.Reply)
}

func newService(closing <-chan struct{}) *service {
	s := &service{
		closing: closing, orders: map[uint64]order{}, listeners: map[crypto.NodeID][]listener{},
	}
	s.setReady(fmt.Errorf("%w: it is starting", api.ErrNotReady))
	return s
}

// Order implements [api.Node].
func (s *service) Order(o *api.Orders) {
	fail := func(err error) {
		for i := range o.Ops {
			o.Done(i, nil, err)
		}
	}
	select {
	case s.owner.submits <- func(l *loop.Loop) { s.submit(l, o) }:
	case <-s.closing:
		fail(api.ErrNotReady)
	default:
		fail(api.ErrBusy)
	}
}

// submit runs on the loop.
func (s *service) submit(l *loop.Loop, o *api.Orders) {
	for i, op := range o.Ops {
		s.tag++
		s.orders[s.tag] = order{o, i}
		if !l.Submit(message.Item{Op: op}, o.Client, s.tag) {
			delete(s.orders, s.tag)
			o.Done(i, nil, api.ErrBusy)
		}
	}
}

// Deliver implements [api.Node].
func (s *service) Deliver(req *message.ClientRequest) error {
	if err := s.Ready(); err != nil {
		return err
	}
	deliver := func(l *loop.Loop) {
		if p := l.Reply(req.Session, req.Seq); p != nil {
			s.reply(loop.Replied{Client: req.Client, Reply: p})
			return
		}
		// A gateway that is too busy stays silent; the client asks again.
		l.Submit(message.Item{Signed: req}, req.Client.String(), 0)
	}
	select {
	case s.owner.submits <- deliver:
		return nil
	case <-s.closing:
		return api.ErrNotReady
	default:
		return api.ErrBusy
	}
}

// Listen implements [api.Node].
func (s *service) Listen(client crypto.NodeID, sink func(*message.Reply)) (stop func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	number := s.next
	s.listeners[client] = append(s.listeners[client], listener{number, sink})
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		rest := slices.DeleteFunc(s.listeners[client], func(l listener) bool {
			return l.number == number
		})
		s.listeners[client] = rest
		if len(rest) == 0 {
			delete(s.listeners, client)
		}
	}
}

// Members implements [api.Node].
func (s *service) Members() []api.Member { return s.members() }

// View implements [api.Node].
func (s *service) View() uint64 { return s.view.Load() }

// Ready implements [api.Node].
func (s *service) Ready() error { return *s.ready.Load() }

func (s *service) setReady(err error) { s.ready.Store(&err) }

// applied hands out what executed. It runs on the loop.
func (s *service) applied(a *loop.Applied) {
	for i := range a.Own {
		r := &a.Own[i]
		o, awaited := s.orders[r.Tag]
		if !awaited {
			continue
		}
		delete(s.orders, r.Tag)
		if r.Outcome != pbft.Run {
			o.orders.Done(o.i, nil, api.ErrUnknown)
			continue
		}
		o.orders.Done(o.i, r.Value, nil)
	}
	for _, p := range a.Replies {
		s.reply(p)
	}
}

// reply hands a signed reply to those who listen for its client.
func (s *service) reply(p loop.Replied) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.listeners[p.Client] {
		l.sink(p.Reply)
	}
}

// stop tells everybody who still waits that the outcome is unknown. The loop has ended.
func (s *service) stop() {
	for _, o := range s.orders {
		o.orders.Done(o.i, nil, api.ErrUnknown)
	}
	clear(s.orders)
}
