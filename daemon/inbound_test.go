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

// Votes for one statement gather while somebody checks such votes, and only then; nobody can make
// them pile up.
func TestVotesGather(t *testing.T) {
	g := newVotes(1)
	vote := func(seq uint64, voter int) *message.Vote {
		return &message.Vote{Kind: crypto.KindPrepare, Seq: seq, Voter: voter}
	}
	if check, full := g.put(0, vote(1, 0)); !check || full {
		t.Fatalf("the first vote: check %t, full %t", check, full)
	}
	if check, _ := g.put(1, vote(1, 1)); check {
		t.Error("two check one statement at the same time")
	}
	if check, _ := g.put(1, vote(2, 1)); !check {
		t.Error("another statement waits for this one")
	}
	if box := g.take(vote(1, 0)); box == nil || len(box.votes) != 2 || box.froms[1] != 1 {
		t.Errorf("taken: %+v", box)
	}
	for range 4 {
		if check, full := g.put(2, vote(1, 2)); check || full {
			t.Errorf("while the first are checked: check %t, full %t", check, full)
		}
	}
	if _, full := g.put(2, vote(1, 2)); !full {
		t.Error("who repeats himself fills the memory")
	}
	if box := g.take(vote(1, 0)); box == nil || len(box.votes) != 4 {
		t.Errorf("taken next: %+v", box)
	}
	if box := g.take(vote(1, 0)); box != nil {
		t.Errorf("taken at last: %+v", box)
	}
	if check, _ := g.put(0, vote(1, 0)); !check {
		t.Error("nobody checks, and the vote waits for ever")
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
