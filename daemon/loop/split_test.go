package loop_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"byzd/crypto"
	"byzd/daemon/kv"
	"byzd/pbft/message"
)

// More than f traitors that collude make correct nodes execute different batches at one sequence
// number, whichever of the equivocations they are told to use. The COMMITs of each side name every
// one of them, and none of the other side.
func TestCoalitionSplitsTheCorrect(t *testing.T) {
	const proposes, votes = "equivocate-preprepare", "equivocate-votes"
	for _, c := range []struct {
		n      int
		rotate uint64
		specs  map[int]string
	}{
		{4, 0, map[int]string{0: proposes, 3: votes}},
		{4, 0, map[int]string{0: proposes, 3: proposes}},
		{4, 0, map[int]string{0: "equivocate-per-peer", 3: votes}},
		{4, 0, map[int]string{0: proposes + ":from-seq=5", 3: votes + ":from-seq=5"}},
		{4, 0, map[int]string{0: proposes + ":seed=7", 3: votes + ":seed=7"}},
		{4, 0, map[int]string{0: proposes + ":with=3", 3: votes + ":with=0"}},
		{4, 8, map[int]string{1: proposes, 2: proposes}}, // neither leads at first
		{7, 0, map[int]string{0: proposes, 2: votes, 5: votes}},
	} {
		t.Run(fmt.Sprintf("%v of %d", c.specs, c.n), func(t *testing.T) {
			s := newPlay(t, c.n, c.rotate)
			coalition := slices.Sorted(maps.Keys(c.specs))
			for _, i := range coalition {
				if strings.Contains(c.specs[i], "with=") {
					s.arm(i, nil, c.specs[i])
				} else {
					s.arm(i, coalition, c.specs[i])
				}
			}
			signers := map[crypto.Digest]map[int]bool{} // of COMMITs for each batch
			s.said = func(from, _ int, m message.Message) {
				if v, is := m.(*message.Vote); is && v.Kind == crypto.KindCommit && from == v.Voter {
					if signers[v.Digest] == nil {
						signers[v.Digest] = map[int]bool{}
					}
					signers[v.Digest][v.Voter] = true
				}
			}
			at, one, other := uint64(0), 0, 0
			for k := 0; k < 40 && at == 0; k++ {
				for _, i := range s.correct() {
					put := kv.Put{Key: []byte("k"), Value: fmt.Appendf(nil, "%d", i)}
					s.submit(i, "client", put)
				}
				s.runFor(500, func() bool { at, one, other = s.split(); return at > 0 })
			}
			if at == 0 {
				t.Fatalf("the correct nodes still agree: %v", s.players[s.correct()[0]].counters)
			}
			for _, i := range []int{one, other} {
				committed := signers[s.players[i].executed[at].Header.Digest()]
				for _, traitor := range coalition {
					if !committed[traitor] {
						t.Errorf("node %d executed what traitor %d did not commit", i, traitor)
					}
				}
				if !committed[i] || committed[one+other-i] {
					t.Errorf("node %d executed what %v committed", i, committed)
				}
			}
			for _, i := range coalition {
				if p := s.players[i]; p.halted != "" || p.traitor.Status()[0].Fired == 0 {
					t.Errorf("traitor %d: %v, halted: %q", i, p.traitor, p.halted)
				}
			}
			t.Logf("nodes %d and %d are split at %d", one, other, at)
		})
	}
}

// split returns the lowest sequence number at which two correct nodes executed different batches,
// and who they are, or 0.
func (s *play) split() (at uint64, one, other int) {
	list := s.correct()
	for seq := uint64(1); seq <= s.tag; seq++ {
		for _, i := range list {
			for _, k := range list {
				b, c := s.players[i].executed[seq], s.players[k].executed[seq]
				if b != nil && c != nil && b.Header.Digest() != c.Header.Digest() {
					return seq, i, k
				}
			}
		}
	}
	return 0, 0, 0
}

// More than f traitors that collude and a network that keeps the correct nodes apart: one side
// executes a batch of view 0, the other one of a later view in its place. Who sent a COMMIT hid it
// (R7.7, E5).
func TestCoalitionForksAcrossViews(t *testing.T) {
	for _, c := range []struct {
		n         int
		coalition []int
		cut       [2][]int
	}{
		{4, []int{0, 1}, [2][]int{{2}, {3}}},
		{4, []int{0, 3}, [2][]int{{1}, {2}}}, // view 1 is led by a correct node
		{7, []int{0, 1, 4}, [2][]int{{2, 3}, {5, 6}}},
	} {
		t.Run(fmt.Sprintf("%v of %d", c.coalition, c.n), func(t *testing.T) {
			s := newPlay(t, c.n, 0)
			victims := strings.Trim(strings.Join(strings.Fields(fmt.Sprint(c.cut[1])), "+"), "[]")
			for _, i := range c.coalition {
				s.arm(i, c.coalition, "fork-views:to="+victims)
			}
			s.cut = func(from, to int) bool {
				return slices.Contains(c.cut[0], from) && slices.Contains(c.cut[1], to) ||
					slices.Contains(c.cut[1], from) && slices.Contains(c.cut[0], to)
			}
			at, one, other := uint64(0), 0, 0
			for k := 0; k < 60 && at == 0; k++ {
				for _, i := range s.correct() {
					put := kv.Put{Key: []byte("k"), Value: fmt.Appendf(nil, "%d", i)}
					s.submit(i, "client", put)
				}
				s.runFor(500, func() bool { at, one, other = s.split(); return at > 0 })
			}
			if at == 0 {
				t.Fatalf("the correct nodes still agree: %v, %v", s.players[c.coalition[0]].traitor,
					s.players[s.correct()[0]].loop.Replica().State())
			}
			a := s.players[one].executed[at].Header.PropView
			b := s.players[other].executed[at].Header.PropView
			if a == b {
				t.Errorf("both batches are of view %d", a)
			}
			t.Logf("nodes %d and %d are split at %d, in views %d and %d", one, other, at, a, b)
		})
	}
}
