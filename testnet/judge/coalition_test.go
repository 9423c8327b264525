package judge

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"byzd/daemon/loop"
	"byzd/pbft/message"
	"byzd/pbft/traitor"
)

// arm makes nodes of a cluster traitors of one coalition, in the epoch that they are in.
func (c *cluster) arm(specs map[int]string, coalition []int) {
	c.t.Helper()
	for i, text := range specs {
		cfg := c.config(i)
		sealer := message.Sealer{Config: cfg, Self: cfg.Member(c.nodes[i].id), Signer: c.signers[i]}
		var accomplices []int // by their numbers in it
		for _, k := range coalition {
			accomplices = append(accomplices, cfg.Member(c.nodes[k].id))
		}
		spec, err := traitor.Parse(text)
		if err != nil {
			c.t.Fatal(err)
		}
		tr, err := traitor.New(traitor.Config{
			Cluster: cfg, Self: sealer.Self, Sealer: sealer, Coalition: accomplices,
			Forge: loop.Forger{}, Specs: []traitor.Spec{spec},
		})
		if err != nil {
			c.t.Fatal(err)
		}
		c.nodes[i].loop.SetAdversary(tr)
	}
}

// With f+1 colluding traitors real loops break agreement, inside one view and across views. What
// the correct nodes' journals hold, and nothing else, names f+1 at least, with a proof for each,
// and no correct node (R7.6, R7.7, P8); so it is for each scheme (R19).
func TestForensicsNamesTheCoalition(t *testing.T) {
	for _, one := range []struct {
		n         int
		scheme    string
		coalition []int
		sides     [2][]int // correct nodes that the network keeps apart; none for a split
		kind      message.EvidenceKind
	}{
		{n: 4, scheme: ed25519, coalition: []int{0, 3}, kind: message.EvidenceCommits},
		{n: 4, scheme: bls, coalition: []int{0, 3}, kind: message.EvidenceCommits},
		{n: 7, scheme: ed25519, coalition: []int{0, 2, 5}, kind: message.EvidenceCommits},
		{4, ed25519, []int{0, 1}, [2][]int{{2}, {3}}, message.EvidenceHiding},
		{4, bls, []int{0, 1}, [2][]int{{2}, {3}}, message.EvidenceHiding},
		{4, ed25519, []int{0, 3}, [2][]int{{1}, {2}}, message.EvidenceHiding},
		{7, ed25519, []int{0, 1, 4}, [2][]int{{2, 3}, {5, 6}}, message.EvidenceHiding},
	} {
		across := len(one.sides[0]) > 0
		t.Run(fmt.Sprintf("%v of %d, %s, across %t", one.coalition, one.n, one.scheme, across),
			func(t *testing.T) {
				c := newCluster(t, one.n, one.scheme)
				c.runFor(1000, nil)
				c.some(3)
				specs := map[int]string{}
				for k, i := range one.coalition {
					switch {
					case across:
						to := strings.Join(strings.Fields(fmt.Sprint(one.sides[1])), "+")
						specs[i] = "fork-views:to=" + strings.Trim(to, "[]")
					case k == 0:
						specs[i] = "equivocate-preprepare"
					default:
						specs[i] = "equivocate-votes"
					}
				}
				c.arm(specs, one.coalition)
				c.pass = func(from, to int, _ []byte) bool {
					in := slices.Contains[[]int]
					apart := in(one.sides[0], from) && in(one.sides[1], to) ||
						in(one.sides[1], from) && in(one.sides[0], to)
					return !apart
				}
				f := c.untilForked(one.coalition)
				if len(f.Forks) == 0 {
					t.Fatal("the correct nodes still agree")
				}
				if f.Needed != c.cfg.Sizes.F+1 || len(f.Culprits) < f.Needed {
					t.Errorf("%d of %d are named", len(f.Culprits), f.Needed)
				}
				for _, p := range f.Proofs() {
					if !slices.Contains(one.coalition, p.Culprit) {
						t.Errorf("a correct node: %s", Describe(fmt.Sprint(p.Culprit), p.Evidence))
					}
				}
				if f.Forks[0].Unproven != "" || len(f.Forks[0].Guilty) < f.Needed {
					t.Errorf("%+v", f.Forks[0])
				}
				if !slices.ContainsFunc(f.Proofs(), func(p Proof) bool { return p.Kind == one.kind }) {
					t.Errorf("no %v among the proofs", one.kind)
				}
				t.Logf("at %d: %s", f.Forks[0].Sequence, f.Forks[0].Cause)
			})
	}
}

// untilForked lets clients write through the correct nodes until their journals show a fork.
func (c *cluster) untilForked(coalition []int) *Forensics {
	c.t.Helper()
	var f *Forensics
	for range 40 {
		for i := range c.nodes {
			if !slices.Contains(coalition, i) && c.config(i).Member(c.nodes[i].id) >= 0 {
				c.submit(i, message.Item{Op: putOp(c.t, "k", fmt.Sprint(i))})
			}
		}
		c.runFor(500, nil)
		h := NewHistory(c.cfg)
		h.Numbered = true
		for i := range c.nodes {
			h.Introduce(i, fmt.Sprintf("r%d", i))
		}
		for i, n := range c.nodes {
			if !slices.Contains(coalition, i) {
				h.Fill(h.Add(i, false), source(records(c.t, n.disk)))
			}
		}
		if f = Investigate(h); len(f.Forks) > 0 {
			break
		}
	}
	return f
}

// P8 in a later epoch, with real loops: two of its four members split the two others, and what
// those keep names both, although one of them was no member of the first epoch and all have other
// numbers now.
func TestForensicsNamesTheCoalitionOfALaterEpoch(t *testing.T) {
	for _, scheme := range []string{ed25519, bls} {
		c := newTown(t, 4, 1, scheme)
		c.runFor(1000, nil)
		c.some(3)
		cfg := c.change(1, 1, 4, 2, 0) // node 3 leaves; the first primary of epoch 1 is member 1
		c.put(2, "a", "b")
		coalition := []int{4, 0}
		c.arm(map[int]string{4: "equivocate-preprepare", 0: "equivocate-votes"}, coalition)
		f := c.untilForked(coalition)
		if len(f.Forks) == 0 {
			t.Fatal("the correct nodes still agree")
		}
		if f.Forks[0].Epoch != 1 || f.Forks[0].Sequence <= cfg.Base.Seq ||
			f.Forks[0].Unproven != "" || len(f.Forks[0].Guilty) < f.Needed {
			t.Errorf("%s: %+v", scheme, f.Forks[0])
		}
		if len(f.Culprits) != 2 || f.Needed != 2 {
			t.Errorf("%s: %v of %d are named", scheme, f.Culprits, f.Needed)
		}
		for _, p := range f.Proofs() {
			if !slices.Contains(coalition, p.Culprit) || p.Epoch() != 1 {
				t.Errorf("%s: a correct node: %s", scheme,
					Describe(fmt.Sprint(p.Culprit), p.Evidence))
			}
		}
	}
}
