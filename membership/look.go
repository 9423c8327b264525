package membership

import (
	"net"
	"sync"
	"time"
)

const (
	// lookPings is how many pings a member may leave unanswered before hearsay is believed.
	lookPings = 2
	// lookPause is the least time between two looks at one member, so that liars can make us send
	// no more than that.
	lookPause = time.Second
)

// lookout checks hearsay: when somebody calls a member dead that we believe alive, we ping it
// ourselves, and only its own silence makes us suspect it.
type lookout struct {
	mu    sync.Mutex
	looks []looking // by subject
	tasks sync.WaitGroup
	ended bool
}

type looking struct {
	underWay  bool
	next      time.Time // no look before
	witnesses map[uint16]bool
}

func newLookout(n int) *lookout { return &lookout{looks: make([]looking, n)} }

// begin reports whether a look at the subject shall start now, and remembers the witness.
func (o *lookout) begin(l look, now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := &o.looks[l.subject]
	if o.ended {
		return false
	}
	if s.underWay {
		s.witnesses[l.by] = true
		return false
	}
	if now.Before(s.next) {
		return false
	}
	*s = looking{
		underWay: true, next: now.Add(lookPause), witnesses: map[uint16]bool{l.by: true},
	}
	o.tasks.Add(1)
	return true
}

// end closes a look and returns its witnesses.
func (o *lookout) end(subject uint16) map[uint16]bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := &o.looks[subject]
	s.underWay = false
	return s.witnesses
}

func (o *lookout) wait() {
	o.mu.Lock()
	o.ended = true
	o.mu.Unlock()
	o.tasks.Wait()
}

// look follows up hearsay. It must not block: the goroutine that reads packets calls it.
func (g *Gossip) look(l look) {
	if g.lookout.begin(l, time.Now()) {
		go g.see(l.subject)
	}
}

// see pings the subject. If it is silent, memberlist hears of it, first from us and then from the
// witnesses, whose word shortens the time that the subject has to object.
func (g *Gossip) see(subject uint16) {
	defer g.lookout.tasks.Done()
	accused, version := g.transport.newest(subject)
	alive := g.answers(subject)
	witnesses := g.lookout.end(subject)
	if alive || g.closed() {
		return
	}
	newest, _ := g.transport.newest(subject)
	if newest != accused {
		// It has spoken meanwhile.
		return
	}
	self := g.transport.self
	g.transport.inject(self, g.transport.suspicion(subject, version, self))
	for by := range witnesses {
		g.transport.inject(by, g.transport.suspicion(subject, version, by))
	}
}

// answers reports whether a member answers one of a few pings.
func (g *Gossip) answers(member uint16) bool {
	addr := &net.UDPAddr{IP: fiction(member), Port: fictionPort}
	for range lookPings {
		if g.closed() {
			return true
		}
		if _, err := g.list.Ping(g.transport.names[member], addr); err == nil {
			return true
		}
	}
	return false
}
