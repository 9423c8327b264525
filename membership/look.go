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
	silent    *announcement // what the subject had said last when a look found it silent, or nil
}

func newLookout(n int) *lookout { return &lookout{looks: make([]looking, n)} }

// begin reports whether a look at the subject shall start now, and remembers the witness. If one
// has just found the subject silent since it said newest, the witness confirms that: our opinion,
// which made the firewall ask for a look, is up to a gossip interval old.
func (o *lookout) begin(l look, newest *announcement, now time.Time) (start, confirms bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := &o.looks[l.subject]
	if o.ended {
		return false, false
	}
	if s.underWay {
		s.witnesses[l.by] = true
		return false, false
	}
	if now.Before(s.next) {
		return false, s.silent != nil && s.silent == newest
	}
	*s = looking{
		underWay: true, next: now.Add(lookPause), witnesses: map[uint16]bool{l.by: true},
	}
	o.tasks.Add(1)
	return true, false
}

// end closes a look and returns its witnesses. silent is what the subject said last, if it was.
func (o *lookout) end(subject uint16, silent *announcement) map[uint16]bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := &o.looks[subject]
	s.underWay, s.silent = false, silent
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
	newest, version := g.transport.newest(l.subject)
	start, confirms := g.lookout.begin(l, newest, time.Now())
	if start {
		go g.see(l.subject)
	}
	if confirms {
		g.transport.inject(l.by, g.transport.suspicion(l.subject, version, l.by))
	}
}

// see pings the subject. If it is silent, memberlist hears of it, first from us and then from the
// witnesses, whose word shortens the time that the subject has to object.
func (g *Gossip) see(subject uint16) {
	defer g.lookout.tasks.Done()
	accused, version := g.transport.newest(subject)
	alive := g.answers(subject)
	newest, _ := g.transport.newest(subject)
	if alive || newest != accused { // It has spoken meanwhile.
		g.lookout.end(subject, nil)
		return
	}
	witnesses := g.lookout.end(subject, accused)
	if g.closed() {
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
