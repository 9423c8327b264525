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

	tag    uint64
	orders map[uint64]order // by tag: operations whose results are awaited

	mu        sync.Mutex
	stopped   bool
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

func newService() *service {
	s := &service{orders: map[uint64]order{}, listeners: map[crypto.NodeID][]listener{}}
	s.setReady(fmt.Errorf("%w: it is starting", api.ErrNotReady))
	return s
}

// Order implements [api.Node].
func (s *service) Order(o *api.Orders) {
	err := s.hand(func(l *loop.Loop) { s.submit(l, o) })
	for i := range o.Ops {
		if err != nil {
			o.Done(i, nil, err)
		}
	}
}

// hand gives the owner of the loop something to do for a client, unless too much waits already or
// the node stops. What it has taken is done, or answered by stop.
func (s *service) hand(do func(*loop.Loop)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return fmt.Errorf("%w: it is stopping", api.ErrNotReady)
	}
	select {
	case s.owner.submits <- do:
		return nil
	default:
		return api.ErrBusy
	}
}

// submit runs on the loop; without one the node has stopped.
func (s *service) submit(l *loop.Loop, o *api.Orders) {
	for i, op := range o.Ops {
		if l == nil {
			o.Done(i, nil, api.ErrNotReady)
			continue
		}
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
	return s.hand(func(l *loop.Loop) {
		if l == nil {
			return // the client asks another member
		}
		if p := l.Reply(req.Session, req.Seq); p != nil && p.Client == req.Client {
			s.reply(p)
			return
		}
		// A gateway that is too busy stays silent; the client asks again.
		l.Submit(message.Item{Signed: req}, req.Client.String(), 0)
	})
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
func (s *service) reply(p *message.Reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.listeners[p.Client] {
		l.sink(p)
	}
}

// stop tells everybody who still waits that nothing was done, or that the outcome is unknown. The
// loop has ended.
func (s *service) stop() {
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	for len(s.owner.submits) > 0 {
		do := <-s.owner.submits
		do(nil)
	}
	for _, o := range s.orders {
		o.orders.Done(o.i, nil, api.ErrUnknown)
	}
	clear(s.orders)
}
