package daemon

import (
	"sync"

	"byzd/crypto"
	"byzd/pbft/message"
)

// votes lets signature checks of one statement wait for each other: whoever gets a ticket checks all
// votes for its statement that have come in meanwhile. A scheme that aggregates then pays for one
// check instead of one for each voter; for the others nothing changes. Each peer has at most one
// vote waiting, since its stream is read by one goroutine.
type votes struct {
	mu      sync.Mutex
	waiting map[ballot]*ballotBox
}

// ballot is what votes are for.
type ballot struct {
	kind      crypto.Kind
	view, seq uint64
	digest    crypto.Digest
}

type ballotBox struct {
	froms []int
	votes []*message.Vote
}

func newVotes() *votes { return &votes{waiting: map[ballot]*ballotBox{}} }

func ballotOf(v *message.Vote) ballot { return ballot{v.Kind, v.View, v.Seq, v.Digest} }

// put adds a vote to those that wait.
func (g *votes) put(from int, v *message.Vote) {
	g.mu.Lock()
	defer g.mu.Unlock()
	box := g.waiting[ballotOf(v)]
	if box == nil {
		box = &ballotBox{}
		g.waiting[ballotOf(v)] = box
	}
	box.froms, box.votes = append(box.froms, from), append(box.votes, v)
}

// take returns all that waits for a vote's statement; nothing if somebody else has taken it.
func (g *votes) take(v *message.Vote) *ballotBox {
	g.mu.Lock()
	defer g.mu.Unlock()
	box := g.waiting[ballotOf(v)]
	delete(g.waiting, ballotOf(v))
	return box
}
