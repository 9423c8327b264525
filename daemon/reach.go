package daemon

import "sync"

// reach joins two opinions about every peer: gossip's, and that of this node's own connection. Only
// when both say that a peer is gone does the replica hear of it, as advice (DESIGN §5 point 9).
type reach struct {
	hints chan hint

	mu    sync.Mutex
	peers []peerReach
}

type peerReach struct{ connected, dead, gone bool }

// hint is advice about a peer's reachability.
type hint struct {
	peer      int
	reachable bool
}

func newReach(n int) *reach {
	return &reach{
		hints: make(chan hint, 16*n), peers: make([]peerReach, n),
	}
}

// connection tells that this node's own connection to a peer came or went.
func (r *reach) connection(peer int, up bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if peer >= len(r.peers) {
		return // of the epoch before
	}
	r.peers[peer].connected = up
	r.conclude(peer)
}

// opinion tells what gossip believes.
func (r *reach) opinion(peer int, alive bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if peer >= len(r.peers) {
		return // of the epoch before
	}
	r.peers[peer].dead = !alive
	r.conclude(peer)
}

func (r *reach) conclude(peer int) {
	p := &r.peers[peer]
	gone := p.dead && !p.connected
	if gone == p.gone {
		return
	}
	select {
	case r.hints <- hint{peer, !gone}:
		p.gone = gone
	default: // advice that nobody has time for is not missed
	}
}

func (r *reach) isConnected(peer int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.peers[peer].connected
}
