package testnet

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"sync"
	"time"

	"byzd/pbft/traitor"
)

// firedTime is how often nodes that lie are asked how often they did. It is what may be missing of
// a node that ends without having been told to.
const firedTime = time.Second

// watchFired asks the nodes that lie, again and again, until the supervisor is told to stop.
func (s *supervisor) watchFired() {
	ctx, cancel := s.until(context.Background())
	defer cancel()
	ticker := time.NewTicker(firedTime)
	defer ticker.Stop()
	for {
		select {
		case <-s.quit:
			return
		case <-ticker.C:
		}
		var wg sync.WaitGroup
		for i := range s.size() {
			wg.Go(func() { s.countLies(ctx, i) })
		}
		wg.Wait()
	}
}

// countLies asks node i, if it lies and answers, how often it did, and adds what is new to what
// testnet.json says: the node's own counts begin anew with each process, and with each change of
// its lies. Whoever is about to change its lies calls it first.
func (s *supervisor) countLies(ctx context.Context, i int) {
	s.mu.Lock()
	lies := len(s.runtime[i].told) > 0
	s.mu.Unlock()
	if !lies {
		return
	}
	if h := s.question(ctx, i); h != nil {
		s.addLies(i, h)
	}
}

// lastLook asks node i what it has executed and what is pending, besides how often it lied. Whoever
// is about to end its process, or to pause it, calls it first; what it said is kept when the
// process has ended.
func (s *supervisor) lastLook(ctx context.Context, i int) {
	h := s.question(ctx, i)
	if h == nil {
		return
	}
	s.addLies(i, h)
	last, err := lastIn(h.status)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.children[i] == h.child {
		s.runtime[i].last = last
	}
}

// forgetLast forgets what node i said: it goes on.
func (s *supervisor) forgetLast(i int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runtime[i].last = nil
}

// heard is what a node answered, and what was known of it when it was asked.
type heard struct {
	status []byte
	live   liveness
	child  *child
}

// question asks node i for its status; it returns nil if the node does not run or does not answer.
func (s *supervisor) question(ctx context.Context, i int) *heard {
	s.mu.Lock()
	n, live, c := s.state.Nodes[i], s.runtime[i], s.children[i]
	s.mu.Unlock()
	if c == nil || !live.listening || n.Process != Running {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	text, code, err := get(ctx, n.Operator+"/status")
	if err != nil || code != http.StatusOK {
		return nil
	}
	return &heard{status: text, live: live, child: c}
}

// addLies adds what a node said of its lies to what testnet.json says.
func (s *supervisor) addLies(i int, h *heard) {
	said, err := firedIn(h.status)
	if err != nil || len(h.live.told) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// What an earlier process said, or was said of earlier lies, is counted already.
	if s.children[i] != h.child || s.runtime[i].armed != h.live.armed {
		return
	}
	before := s.state.Nodes[i].Fired
	s.state.Nodes[i].Fired, s.runtime[i].fired = addFired(&s.state.Nodes[i], h.live.fired, said)
	if maps.Equal(before, s.state.Nodes[i].Fired) {
		return
	}
	if err := s.state.save(s.disk); err != nil {
		s.log.printf("error: write the testnet's state: %v", err)
	}
}

// addFired adds to a node's sums by how much it says more than before. A node can only have told
// the lies that it was told to tell; what it says of others is not kept.
func addFired(n *NodeState, before, said map[string]uint64) (sums, now map[string]uint64) {
	sums, now = maps.Clone(n.Fired), maps.Clone(before)
	if sums == nil {
		sums = map[string]uint64{}
	}
	if now == nil {
		now = map[string]uint64{}
	}
	for _, text := range n.Traitors {
		spec, err := traitor.Parse(text)
		if err != nil {
			continue
		}
		name := spec.Behaviour
		count, known := said[name]
		if !known {
			continue
		}
		sums[name] += max(count, now[name]) - now[name]
		now[name] = max(count, now[name])
	}
	return sums, now
}

// firedIn reads from a node's /status how often it lied, by behaviour. One that is armed and has
// not fired counts 0.
func firedIn(status []byte) (map[string]uint64, error) {
	var said struct {
		Traitors []struct {
			Fired map[string]uint64 `json:"fired"`
		} `json:"traitors"`
	}
	if err := json.Unmarshal(status, &said); err != nil {
		return nil, err
	}
	fired := map[string]uint64{}
	for _, t := range said.Traitors {
		for name, count := range t.Fired {
			fired[name] += count
		}
	}
	return fired, nil
}

// lastIn reads from a node's /status what it executed and what is pending.
func lastIn(status []byte) (*Last, error) {
	var said struct {
		Sequence uint64 `json:"sequence"`
		Pending  struct {
			Count    int   `json:"count"`
			OldestMS int64 `json:"oldest_ms"`
		} `json:"pending"`
	}
	if err := json.Unmarshal(status, &said); err != nil {
		return nil, err
	}
	return &Last{said.Sequence, said.Pending.Count, said.Pending.OldestMS}, nil
}
