package daemon

import (
	"sync"

	"byzd/crypto"
	"byzd/pbft/message"
)

// votes lets signature checks of one statement wait for each other: while some votes for a
// statement are being checked, those that come in gather, and are checked together next. A scheme
// that aggregates then pays for two or three checks instead of one for each voter; for the others
// nothing changes.
type votes struct {
	limit int // votes that may wait for one statement

	mu    sync.Mutex
	boxes map[ballot]*ballotBox // of the statements that somebody checks votes for
}

// ballot is what votes are for.
type ballot struct {
	kind      crypto.Kind
	view, seq uint64
	digest    crypto.Digest
}

// ballotBox holds the votes for one statement that wait while others are checked.
type ballotBox struct {
	froms []int
	votes []*message.Vote
}

func newVotes(members int) *votes {
	return &votes{limit: 4 * members, boxes: map[ballot]*ballotBox{}}
}

func ballotOf(v *message.Vote) ballot { return ballot{v.Kind, v.View, v.Seq, v.Digest} }

// put adds a vote to those that wait. It reports whether nobody checks votes for this statement
// now: then the caller does, until take returns nothing. It reports too if the vote found no room,
// which happens only to who repeats itself.
func (g *votes) put(from int, v *message.Vote) (check, full bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	box, busy := g.boxes[ballotOf(v)]
	if !busy {
		box = &ballotBox{}
		g.boxes[ballotOf(v)] = box
	}
	if len(box.votes) >= g.limit {
		return false, true
	}
	box.froms, box.votes = append(box.froms, from), append(box.votes, v)
	return !busy, false
}

// take returns all that waits for a vote's statement. When nothing does it returns nil, and the
// next vote finds nobody checking.
func (g *votes) take(v *message.Vote) *ballotBox {
	g.mu.Lock()
	defer g.mu.Unlock()
	box := g.boxes[ballotOf(v)]
	if box == nil || len(box.votes) == 0 {
		delete(g.boxes, ballotOf(v))
		return nil
	}
	g.boxes[ballotOf(v)] = &ballotBox{}
	return box
}
