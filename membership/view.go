package membership

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"

	"byzd/crypto"
)

// MemberView is what this node believes of one member.
type MemberView struct {
	Member

	// State is the opinion; it is at most one gossip interval old.
	State State
	// Record is the newest that the member has signed; its Counter is 0 while none is known.
	Record Record
	// LastHeard is when the member itself was last heard here, by anything that it has signed for
	// us. Zero means never; for this node itself it is now.
	LastHeard time.Time
}

// view keeps memberlist's opinions where they can be read without asking memberlist.
type view struct {
	kick chan struct{}

	mu     sync.Mutex
	states []State
}

func newView(n int) *view {
	return &view{kick: make(chan struct{}, 1), states: make([]State, n)}
}

func (v *view) state(member uint16) State {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.states[member]
}

// replace sets all states and returns the members whose state is another now.
func (v *view) replace(states []State) []uint16 {
	v.mu.Lock()
	defer v.mu.Unlock()
	var changed []uint16
	for i, s := range states {
		if v.states[i] != s {
			changed = append(changed, uint16(i))
		}
	}
	copy(v.states, states)
	return changed
}

// notifier lets memberlist say that there is something to see. memberlist calls it under its lock,
// so it does nothing else.
type notifier struct{ *view }

var _ memberlist.EventDelegate = notifier{}

func (n notifier) NotifyJoin(*memberlist.Node)   { n.wake() }
func (n notifier) NotifyLeave(*memberlist.Node)  { n.wake() }
func (n notifier) NotifyUpdate(*memberlist.Node) { n.wake() }

func (n notifier) wake() {
	select {
	case n.kick <- struct{}{}:
	default:
	}
}

// View returns what this node believes of every member of the genesis, itself included, in genesis
// order.
func (g *Gossip) View() []MemberView {
	views := make([]MemberView, len(g.cfg.Members))
	for i, m := range g.cfg.Members {
		member := uint16(i)
		views[i] = MemberView{
			Member: m, State: g.view.state(member), LastHeard: g.transport.heard(member),
		}
		if newest, _ := g.transport.newest(member); newest != nil {
			views[i].Record = newest.record
		}
		if member == g.transport.self {
			views[i].LastHeard = time.Now()
		}
	}
	return views
}

// Record returns the newest record that a member has signed, or false if none is known.
func (g *Gossip) Record(id crypto.NodeID) (Record, bool) {
	member, ok := g.transport.byID[id]
	if !ok {
		return Record{}, false
	}
	newest, _ := g.transport.newest(member)
	if newest == nil {
		return Record{}, false
	}
	return newest.record, true
}

// watch is the goroutine that asks memberlist for its opinions, at each gossip interval and when
// there is news, and tells of changes.
func (g *Gossip) watch() {
	ticker := time.NewTicker(g.cfg.Timing.GossipInterval)
	defer ticker.Stop()
	records := make([]Record, len(g.cfg.Members))
	for {
		if states, err := g.ask(); err == nil {
			g.tell(states, records)
		} else if !g.closed() {
			g.cfg.Log.WithField("err", err).Warn("memberlist does not say what it believes")
		}
		select {
		case <-ticker.C:
		case <-g.view.kick:
		case <-g.transport.conflicts:
			g.restart()
		case <-g.done:
			return
		}
	}
}

// restart spreads our new run. memberlist says only what it believes to be news, so it gets some;
// an error means that it has not been sent within a gossip interval, and push/pull will bring it.
func (g *Gossip) restart() {
	err := g.list.UpdateNode(g.cfg.Timing.GossipInterval)
	g.cfg.Log.WithField("counter", g.transport.run()).WithField("spread", err == nil).
		Warn("started anew above the counter that others know of this node")
}

// tell sends an event for each member whose state or record has changed.
func (g *Gossip) tell(states []State, told []Record) {
	changed := make(map[uint16]bool)
	for _, member := range g.view.replace(states) {
		changed[member] = true
	}
	for i, m := range g.cfg.Members {
		newest, _ := g.transport.newest(uint16(i))
		if newest != nil && newest.record != told[i] {
			told[i] = newest.record
			changed[uint16(i)] = true
		}
		if changed[uint16(i)] {
			g.cfg.Events(Event{Member: m, State: states[i], Record: told[i]})
		}
	}
}

// askTime bounds how long memberlist may take to say what it believes.
const askTime = 5 * time.Second

var errNoOpinion = errors.New("no answer")

// ask learns memberlist's opinions. Its API tells who is not dead, but not who is suspect, nor who
// has left; a push/pull tells all. So we open a stream to it ourselves, and bring it nothing.
func (g *Gossip) ask() ([]State, error) {
	q := &question{ask: encodeListState(nil), answer: make(chan []byte, 1)}
	timer := time.NewTimer(askTime)
	defer timer.Stop()
	select {
	case g.transport.streams <- q:
	case <-g.done:
		return nil, ErrClosed
	case <-timer.C:
		return nil, errNoOpinion
	}
	select {
	case answer := <-q.answer:
		return g.read(answer)
	case <-g.done:
		return nil, ErrClosed
	case <-timer.C:
		return nil, errNoOpinion
	}
}

func (g *Gossip) read(answer []byte) ([]State, error) {
	nodes, err := decodeListState(bytes.TrimPrefix(answer, []byte{byte(kindState)}))
	if err != nil {
		return nil, err
	}
	states := make([]State, len(g.cfg.Members))
	for i := range states {
		if newest, _ := g.transport.newest(uint16(i)); newest != nil && newest.left {
			states[i] = Left
		}
	}
	for _, n := range nodes {
		if member, ok := g.transport.byName[n.Name]; ok {
			states[member] = stateOf(n.State)
		}
	}
	return states, nil
}

// ownConn is the address of our questions in memberlist's log.
const ownConn = "self"

// question is a stream on which this process asks its own memberlist.
type question struct {
	ask    []byte
	answer chan []byte
}

var _ net.Conn = (*question)(nil)

func (q *question) Read(b []byte) (int, error) {
	if len(q.ask) == 0 {
		return 0, io.EOF
	}
	n := copy(b, q.ask)
	q.ask = q.ask[n:]
	return n, nil
}

func (q *question) Write(b []byte) (int, error) {
	select {
	case q.answer <- bytes.Clone(b):
	default:
		// memberlist answers once; there is no reader for more.
	}
	return len(b), nil
}

func (*question) Close() error                     { return nil }
func (*question) LocalAddr() net.Addr              { return &net.UnixAddr{Name: ownConn} }
func (*question) RemoteAddr() net.Addr             { return &net.UnixAddr{Name: ownConn} }
func (*question) SetDeadline(time.Time) error      { return nil }
func (*question) SetReadDeadline(time.Time) error  { return nil }
func (*question) SetWriteDeadline(time.Time) error { return nil }
