package transport

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/time/rate"

	"byzd/crypto"
)

const (
	// linkRate and linkBurst bound how many connections a member may open: a second's worth at the
	// fastest redialling, with room for both sides' races.
	linkRate  = 20
	linkBurst = 40

	// raceWindow is how long two connections that both sides opened at once can stay unaware of
	// each other. Beyond it a second connection means that the peer has lost the first.
	raceWindow = helloTimeout

	addrsMax     = 8   // kept per peer
	lastErrorMax = 256 // bytes, because parts of it can come from the peer
)

// remote is the place of one other member. Two goroutines belong to it: dial keeps it connected,
// notify tells the handler.
type remote struct {
	mesh    *mesh
	id      crypto.NodeID
	name    string
	first   bool // this node has the lower ID: it dials at once, the other side after a grace
	accepts *rate.Limiter
	news    *rate.Limiter // of lines about comings and goings

	session atomic.Pointer[session] // nil when not connected; changes under mu only
	heard   atomic.Int64            // by mesh.clock; 0 when never
	rtt     atomic.Int64            // nanoseconds

	ctx   context.Context //nolint:containedctx // ends when the member leaves, or the mesh closes
	leave context.CancelFunc

	wakeDial, wakeNotify chan struct{} // hold one token each

	mu        sync.Mutex
	addrs     []string
	fresh     bool               // the peer was heard of, and not dialled since
	cancel    context.CancelFunc // of the attempt under way; nil when there is none
	pending   int                // links whose hello is not done
	attempts  int                // that failed since a session was stable
	tried     time.Time          // when the last attempt began; zero when none did
	since     time.Time          // of the last change between connected and not
	lastError string
}

func newRemote(m *mesh, peer Peer, self crypto.NodeID) *remote {
	return &remote{
		mesh: m, id: peer.ID, name: peer.Name,
		first:    slices.Compare(self[:], peer.ID[:]) < 0,
		accepts:  rate.NewLimiter(linkRate, linkBurst),
		news:     rate.NewLimiter(newsRate, newsBurst),
		wakeDial: make(chan struct{}, 1), wakeNotify: make(chan struct{}, 1),
		since: time.Now(),
	}
}

// wake puts the token in place for a goroutine that waits, or is about to.
func wake(token chan<- struct{}) {
	select {
	case token <- struct{}{}:
	default: // It is there already.
	}
}

// linked notes a link whose hello is about to be exchanged.
func (r *remote) linked() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pending++
}

// greeted notes that the exchange is over, well or not.
func (r *remote) greeted() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pending--
	wake(r.wakeDial)
}

// activate makes s the remote's session. When both sides have dialled at once, both keep the link
// that the lower ID opened: while that is young, the other one is refused. In all other cases the
// newer link wins, because its opener would not have dialled with a live one.
func (r *remote) activate(s *session) error {
	older, err := r.install(s)
	if older != nil {
		r.mesh.counters.add(cSupersededLink)
		older.fail(errSuperseded)
	}
	return err
}

// install returns the session that s has replaced, which the caller has to end.
func (r *remote) install(s *session) (replaced *session, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.over {
		return nil, ErrClosed
	}
	older := r.session.Load()
	if older != nil {
		young := time.Since(older.since) < raceWindow
		if young && older.link.Dialed() == r.first && s.link.Dialed() != r.first {
			return nil, errDuplicate
		}
	}
	s.since = time.Now()
	if older == nil {
		r.since = s.since
	}
	r.rtt.Store(0)
	r.session.Store(s)
	r.mesh.counters.add(cSessionsUp)
	wake(r.wakeNotify)
	return older, nil
}

// deactivate notes the end of a session, or of a link that never became one.
func (r *remote) deactivate(s *session, reason error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.over = true
	log := r.mesh.cfg.Log.WithField("peer", r.name).WithField("id", r.id.Short()).WithError(reason)
	if s.since.IsZero() {
		log.Debug("connection refused or broken before its hello")
		r.failed(reason)
		return
	}
	r.mesh.counters.add(cSessionsDown)
	if r.session.Load() != s {
		return // A newer session has taken over, and goes on.
	}
	r.failed(reason)
	if time.Since(s.since) > r.mesh.cfg.RedialMax {
		r.attempts = 0 // It was stable. One that breaks at once must not turn off the back-off.
	}
	r.since = time.Now()
	r.session.Store(nil)
	wake(r.wakeNotify)
	wake(r.wakeDial)
	r.tell(log, "peer disconnected")
}

// failed keeps the reason for people. The caller holds mu.
func (r *remote) failed(reason error) {
	r.lastError = reason.Error()
	if len(r.lastError) > lastErrorMax {
		r.lastError = r.lastError[:lastErrorMax]
	}
}

// notify tells the handler of sessions, one after the other, until the mesh closes.
func (r *remote) notify() {
	handler := r.mesh.cfg.Handler
	var current *session
	for {
		open := true
		select {
		case <-r.wakeNotify:
		case <-r.ctx.Done():
			open = false
		}
		next := r.session.Load()
		if !open {
			next = nil
		}
		if next != current {
			if current != nil {
				handler.PeerDown(r.id)
			}
			if next != nil {
				log := r.mesh.cfg.Log.WithField("peer", r.name).WithField("id", r.id.Short())
				r.tell(log, "peer connected")
				handler.PeerUp(r.id)
				close(next.up)
			}
			current = next
		}
		if !open {
			return
		}
	}
}

// tell logs a coming or a going; of a peer that does nothing else, only as many as people can read.
func (r *remote) tell(log logrus.FieldLogger, text string) {
	if r.news.Allow() {
		log.Info(text)
	} else {
		log.Debug(text)
	}
}

// state returns what people see.
func (r *remote) state() PeerState {
	r.mu.Lock()
	defer r.mu.Unlock()
	state := PeerState{
		ID: r.id, Name: r.name, Since: r.since, Addrs: slices.Clone(r.addrs),
		RTT: time.Duration(r.rtt.Load()), LastError: r.lastError,
	}
	if heard := r.heard.Load(); heard != 0 {
		state.LastHeard = r.mesh.began.Add(time.Duration(heard))
	}
	if s := r.session.Load(); s != nil {
		state.Connected = true
		for _, l := range s.lanes {
			state.QueueBytes += l.waiting()
		}
	}
	return state
}
