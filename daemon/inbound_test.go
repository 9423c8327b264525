package daemon

import (
	"testing"

	"byzd/crypto"
	"byzd/pbft/message"
)

// The set of digests forgets the oldest, and only it.
func TestDigests(t *testing.T) {
	const limit = 1000
	c := newDigests(limit)
	id := func(i int) crypto.Digest { return crypto.Hash("test", []byte{byte(i), byte(i >> 8)}) }
	for i := range limit {
		c.Add(id(i))
		c.Add(id(i)) // again: it takes no second place
	}
	if !c.Has(id(0)) || !c.Has(id(limit-1)) {
		t.Error("something was forgotten that has room")
	}
	c.Add(id(limit))
	if c.Has(id(0)) || !c.Has(id(1)) || !c.Has(id(limit)) {
		t.Error("not the oldest was forgotten")
	}
	if len(c.known) != limit {
		t.Errorf("%d are known, %d are allowed", len(c.known), limit)
	}
}

// counting counts what really is checked.
type counting struct {
	crypto.Scheme

	checks *int
}

func (s counting) Verify(pub crypto.PublicKey, message, signature []byte) bool {
	*s.checks++
	return s.Scheme.Verify(pub, message, signature)
}

func (s counting) VerifyShares(pubs []crypto.PublicKey, message []byte, signatures [][]byte) []bool {
	*s.checks += len(signatures)
	return s.Scheme.VerifyShares(pubs, message, signatures)
}

func (s counting) VerifyAggregate(pubs []crypto.PublicKey, message, aggregate []byte) bool {
	*s.checks++
	return s.Scheme.VerifyAggregate(pubs, message, aggregate)
}

// Each good signature is checked once, a bad one each time, and nothing is taken for another.
func TestRemembering(t *testing.T) {
	for _, name := range crypto.SchemeNames() {
		t.Run(name, func(t *testing.T) {
			inner, err := crypto.SchemeByName(name)
			if err != nil {
				t.Fatal(err)
			}
			checks := 0
			s := remember(counting{inner, &checks})
			var keys []crypto.PublicKey
			var signatures [][]byte
			message := []byte("PREPARE")
			for i := range 3 {
				signer, err := s.NewSigner([32]byte{byte(i)})
				if err != nil {
					t.Fatal(err)
				}
				keys = append(keys, signer.Public())
				signatures = append(signatures, signer.Sign(message))
			}
			costs := func(want int, what string, good bool, verdicts ...bool) {
				t.Helper()
				for _, v := range verdicts {
					if v != good {
						t.Errorf("%s: verdicts %v, want %t", what, verdicts, good)
					}
				}
				if checks != want {
					t.Errorf("%s: %d checks, want %d", what, checks, want)
				}
				checks = 0
			}
			costs(1, "first", true, s.Verify(keys[0], message, signatures[0]))
			costs(0, "again", true, s.Verify(keys[0], message, signatures[0]))
			costs(1, "of another", false, s.Verify(keys[1], message, signatures[0]))
			costs(1, "of another again", false, s.Verify(keys[1], message, signatures[0]))
			costs(1, "over something else", false, s.Verify(keys[0], []byte("COMMIT"), signatures[0]))
			costs(2, "shares, one known", true, s.VerifyShares(keys, message, signatures)...)
			costs(0, "shares, all known", true, s.VerifyShares(keys, message, signatures)...)
			aggregate, err := s.Aggregate(signatures)
			if err != nil {
				t.Fatal(err)
			}
			costs(1, "certificate", true, s.VerifyAggregate(keys, message, aggregate))
			costs(0, "certificate again", true, s.VerifyAggregate(keys, message, aggregate))
			costs(1, "certificate of fewer", false, s.VerifyAggregate(keys[:2], message, aggregate))
		})
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

// The replica hears that a peer is gone only when gossip and this node's own connection both say
// so.
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
