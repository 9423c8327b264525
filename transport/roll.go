package transport

import (
	"context"
	"slices"

	"byzd/crypto"
)

// roll is who the peers are. It is replaced as a whole and never changed.
type roll struct {
	remotes map[crypto.NodeID]*remote
	order   []*remote // as given
}

// peerSetter is a carrier that has a list of its own of those who may connect.
type peerSetter interface{ SetPeers(peers []Peer) }

// SetPeers implements [Transport].
func (m *mesh) SetPeers(peers []Peer) {
	m.rolling.Lock()
	defer m.rolling.Unlock()
	if c, ok := m.carrier.(peerSetter); ok {
		c.SetPeers(peers)
	}
	m.begin(m.change(peers))
}

// enroll makes the peers those that are given. Who stays keeps its connection, who is new gets a
// place, and who is not among them any more loses its connection. It returns the new ones.
func (m *mesh) enroll(ctx context.Context, peers []Peer) (fresh []*remote) {
	self := m.cfg.Key.ID()
	m.mu.Lock()
	old := m.roll.Load()
	next := &roll{remotes: make(map[crypto.NodeID]*remote, len(peers))}
	for _, p := range peers {
		if p.ID == self || next.remotes[p.ID] != nil {
			continue
		}
		r := old.remotes[p.ID]
		if r == nil {
			r = newRemote(m, p, self)
			r.ctx, r.leave = context.WithCancel(ctx) //nolint:fatcontext // one for each member
			fresh = append(fresh, r)
		}
		next.remotes[p.ID] = r
		next.order = append(next.order, r)
	}
	m.roll.Store(next)
	m.vouching.among(len(next.order))
	var ended []*session
	for s := range m.sessions {
		if next.remotes[s.remote.id] != s.remote {
			ended = append(ended, s)
		}
	}
	m.mu.Unlock()
	for _, s := range ended {
		s.fail(errLeft)
	}
	for _, r := range old.order {
		if !slices.Contains(next.order, r) {
			r.leave()
		}
	}
	return fresh
}

// begin starts to keep peers connected.
func (m *mesh) begin(fresh []*remote) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return
	}
	for _, r := range fresh {
		m.wg.Go(func() { r.dial(r.ctx) })
		m.wg.Go(r.notify)
	}
}
