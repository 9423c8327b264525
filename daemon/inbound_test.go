package daemon

import (
	"testing"

	"byzd/crypto"
	"byzd/pbft/message"
)

// The cache of verified bundles forgets the oldest, and only it.
func TestBundleCache(t *testing.T) {
	c := newBundleCache()
	id := func(i int) crypto.Digest { return crypto.Hash("test", []byte{byte(i), byte(i >> 8), byte(i >> 16)}) }
	for i := range cachedBundles {
		c.Add(id(i))
		c.Add(id(i)) // again: it takes no second place
	}
	if !c.Has(id(0)) || !c.Has(id(cachedBundles-1)) {
		t.Error("something was forgotten that has room")
	}
	c.Add(id(cachedBundles))
	if c.Has(id(0)) || !c.Has(id(1)) || !c.Has(id(cachedBundles)) {
		t.Error("not the oldest was forgotten")
	}
	if len(c.known) != cachedBundles {
		t.Errorf("%d are known, %d are allowed", len(c.known), cachedBundles)
	}
}

// Votes for one statement are taken together, once; votes for another wait for themselves.
func TestVotesWaitTogether(t *testing.T) {
	g := newVotes()
	one := &message.Vote{Kind: crypto.KindPrepare, Seq: 1, Voter: 1}
	two := &message.Vote{Kind: crypto.KindPrepare, Seq: 1, Voter: 2}
	other := &message.Vote{Kind: crypto.KindCommit, Seq: 1, Voter: 1}
	for i, v := range []*message.Vote{one, two, other} {
		g.put(i, v)
	}
	if box := g.take(two); box == nil || len(box.votes) != 2 || box.froms[1] != 1 {
		t.Errorf("taken: %+v", box)
	}
	if box := g.take(one); box != nil {
		t.Errorf("taken twice: %+v", box)
	}
	if box := g.take(other); box == nil || len(box.votes) != 1 {
		t.Errorf("the other statement: %+v", box)
	}
	if len(g.waiting) != 0 {
		t.Errorf("%d statements stay for ever", len(g.waiting))
	}
}

// The replica hears that a peer is gone only when gossip and this node's own connection both say so.
func TestReach(t *testing.T) {
	r := newReach(4)
	next := func() *hint {
		select {
		case h := <-r.hints:
			return &h
		default:
			return nil
		}
	}
	r.connection(1, true)
	r.opinion(1, false)
	if h := next(); h != nil {
		t.Errorf("gossip alone: %+v", h)
	}
	r.connection(1, false)
	if h := next(); h == nil || h.reachable || h.peer != 1 {
		t.Errorf("both: %+v", h)
	}
	r.connection(2, false)
	if h := next(); h != nil {
		t.Errorf("a lost connection alone: %+v", h)
	}
	r.opinion(1, true)
	if h := next(); h == nil || !h.reachable {
		t.Errorf("back again: %+v", h)
	}
}
