package judge

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"byzd/crypto"
	"byzd/pbft/message"
	"byzd/pbft/quorum"
)

// listen makes a history hear every frame that is sent from now on, whether it arrives or not.
func (c *cluster) listen(h *History) {
	seen := map[string]bool{}
	inner := c.pass
	c.pass = func(from, to int, frame []byte) bool {
		if !seen[string(frame)] {
			seen[string(frame)] = true
			_, m, err := message.Decode(frame)
			if err != nil {
				c.t.Fatal(err)
			}
			h.Hear(m)
		}
		return inner == nil || inner(from, to, frame)
	}
}

// A correct node is never named: in random runs of honest nodes, with links that fail, crashes that
// lose what was not synced, restarts, and view changes, nothing that anybody signed makes a proof
// of any kind (E1 to E11, E2′), whoever puts it together. So it is for each scheme of signatures.
func TestHonestWordsIncriminateNobody(t *testing.T) {
	seeds := 6
	if testing.Short() {
		seeds = 2
	}
	views := uint64(0)
	for seed := range uint64(seeds) {
		n, scheme := 4, ed25519
		switch seed % 3 {
		case 1:
			n = 7
		case 2:
			scheme = crypto.SchemeHybrid
		}
		t.Run(fmt.Sprintf("seed %d, %d nodes, %s", seed, n, scheme), func(t *testing.T) {
			c := newCluster(t, n, scheme)
			h := NewHistory(c.cfg)
			views += c.stormy(h, rand.New(rand.NewPCG(seed, 7)))
			var all quorum.Set
			for i, node := range c.nodes {
				all = all.Add(i)
				h.Fill(h.Add(i, false), source(records(t, node.disk)))
			}
			e := &h.eras[0].said
			if said := len(e.votes) + len(e.changes) + len(e.states); said < 100 {
				t.Errorf("only %d statements were heard", said)
			}
			for _, p := range h.Incriminated(all) {
				t.Errorf("%s (%v)", Describe(fmt.Sprintf("node %d", p.Culprit), p.Evidence), p.Kind)
			}
			if f := Investigate(h); len(f.Forks) != 0 || len(f.Culprits) != 0 {
				t.Errorf("forks %+v, culprits %v", f.Forks, f.Culprits)
			}
		})
	}
	if views == 0 {
		t.Error("no run changed its view")
	}
}

// stormy lets a cluster live through faults, and returns the highest view that it came to.
func (c *cluster) stormy(h *History, rng *rand.Rand) uint64 {
	var cut [2]int
	c.pass = func(from, to int, _ []byte) bool {
		return rng.IntN(40) > 0 && [2]int{from, to} != cut && [2]int{to, from} != cut
	}
	c.listen(h)
	c.runFor(1000, nil)
	for step := range 60 {
		node := rng.IntN(len(c.nodes))
		if step%20 == 10 { // whoever leads is down for long enough to be replaced
			c.without(c.cfg.Primary(c.view()))
		}
		switch dice := rng.IntN(10); {
		case dice < 5:
			if !c.nodes[node].down {
				c.submit(node, message.Item{Op: putOp(c.t, "k", fmt.Sprint(step))})
			}
		case dice < 6:
			cut = [2]int{node, rng.IntN(len(c.nodes))}
		case dice < 8 && c.up() > c.cfg.Sizes.Quorum:
			c.crash(node)
		case dice < 9:
			for i, n := range c.nodes {
				if n.down {
					c.open(i)
				}
			}
		default:
			c.runFor(int64(rng.IntN(4000)), nil)
		}
		c.runFor(int64(rng.IntN(60)), nil)
	}
	for i, n := range c.nodes {
		if n.down {
			c.open(i)
		}
	}
	cut = [2]int{}
	c.runFor(5000, nil)
	return c.view()
}

// view is the highest that a node is in.
func (c *cluster) view() uint64 {
	view := uint64(0)
	for _, n := range c.nodes {
		view = max(view, n.loop.Replica().State().View)
	}
	return view
}

// without lets all others work without a node for a while.
func (c *cluster) without(node int) {
	for i, n := range c.nodes {
		if n.down {
			c.open(i)
		}
	}
	c.crash(node)
	for i := range c.nodes {
		if i != node {
			c.submit(i, message.Item{Op: putOp(c.t, "k", "without")})
		}
	}
	c.runFor(6000, nil)
}

func (c *cluster) up() int {
	count := 0
	for _, n := range c.nodes {
		if !n.down {
			count++
		}
	}
	return count
}

// The oracle has teeth: one word too many of a member, whoever it is said to, is found.
func TestOneWordTooManyIncriminates(t *testing.T) {
	c := newCluster(t, 4, ed25519)
	h := NewHistory(c.cfg)
	c.listen(h)
	c.runFor(1000, nil)
	c.some(10)
	all := quorum.Set{}.Add(0).Add(1).Add(2).Add(3)
	if wrong := h.Incriminated(all); len(wrong) > 0 {
		t.Fatalf("%v before anybody lied", wrong)
	}
	ref := message.Ref{Seq: 3, Digest: crypto.Hash("x")}
	change := &message.ViewChange{
		Stmt: message.VcStmt{Tuple: message.Tuple{NewView: 1}},
		High: c.cfg.BaseCertificate(), Stable: c.cfg.BaseCheckpoint(),
	}
	twice := c.bundle(3, 0, "x", "other")
	for _, one := range []struct {
		by   int
		kind message.EvidenceKind
		m    message.Message
	}{
		{1, message.EvidencePrepares, &message.Vote{
			Kind: crypto.KindPrepare, Seq: ref.Seq, Digest: ref.Digest,
		}},
		{2, message.EvidenceCommits, &message.Vote{
			Kind: crypto.KindCommit, Seq: ref.Seq, Digest: ref.Digest,
		}},
		{0, message.EvidenceHiding, change},
		{3, message.EvidenceRequests, &message.Submission{Bundle: twice}},
		{1, message.EvidenceForkedRoot, &message.Checkpoint{
			Seq: checkpointEvery, Digest: ref.Digest, Root: crypto.Hash("root"),
		}},
	} {
		c.sealer(one.by).Seal(one.m)
		h.Hear(one.m)
		found := false
		for _, p := range h.Incriminated(all) {
			found = found || p.Culprit == one.by && p.Kind == one.kind
		}
		if !found {
			t.Errorf("%v of node %d is not found", one.kind, one.by)
		}
	}
}
