package loop_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"byzd/crypto"
	"byzd/pbft/message"
	"byzd/pbft/traitor"
)

// Every behaviour that speaks to other nodes fires, on the first primary and on the last node,
// while the correct nodes serve their clients and agree, its defence rises, and exactly what is
// provable is proved.
func TestEveryLie(t *testing.T) {
	t.Parallel()
	for _, b := range lies() {
		for _, node := range []int{0, 3} {
			t.Run(fmt.Sprintf("%s on %d", b.Name, node), func(t *testing.T) {
				rotate := uint64(0)
				leads := slices.Contains(b.Rises, "view-change")
				if b.NeedsViewChange || (b.NeedsPrimary || leads) && node != 0 {
					rotate = 8
				}
				s := newPlay(t, 4, rotate)
				s.arm(node, nil, b.Name)
				done := func() bool {
					return s.fired() > 0 && s.rose(b.Rises) &&
						(len(b.Evidence) == 0 || s.rose([]string{"proof"}))
				}
				k := 0
				for ; k < 60 && !done(); k++ {
					s.wave(k)
				}
				for range 5 { // and life goes on
					s.wave(k)
					k++
				}
				fired := s.players[node].traitor.Fired()[b.Name]
				if fired == 0 {
					t.Errorf("it never fired: %v", s.players[node].traitor.Status())
				}
				if !s.rose(b.Rises) {
					t.Errorf("none of %v rose on a correct node: %v", b.Rises,
						s.players[1].counters)
				}
				s.agree()
				s.proven(map[int][]string{node: b.Evidence})
				t.Logf("%d lies in %d waves, view %d: %s", fired, k,
					s.players[1].loop.Replica().Status().View, s.summary(b.Rises))
			})
		}
	}
}

// With planned rotation, one primary that never starts its view costs a bounded wait each time it
// is its turn: the views between that end as planned make up for it (rule R11). Every put of every
// wave is acknowledged within ten seconds; see [play.wave].
func TestWaitForSilentPrimaryDoesNotGrow(t *testing.T) {
	s := newPlay(t, 4, 8)
	s.arm(3, nil, "silent-new-primary")
	for k := range 150 {
		s.wave(k)
	}
	if view := s.players[1].loop.Replica().Status().View; view < 20 {
		t.Errorf("only %d views", view)
	}
	s.agree()
}

// lies lists the catalogue's behaviours that speak to other nodes.
func lies() []traitor.Behaviour {
	return slices.DeleteFunc(traitor.Catalogue(), func(b traitor.Behaviour) bool {
		return b.Group == traitor.Clients || b.Group == traitor.Gossip ||
			b.NeedsTransfer // nobody fetches a state here; see TestWipedUnderLoad of testnet/acceptance
	})
}

// Two traitors of seven, with different behaviours and in one coalition, do no more than one of
// four: both fire, the others serve and agree, and only what is provable is proved.
func TestTwoDifferentLies(t *testing.T) {
	t.Parallel()
	all := lies()
	for i := range all {
		for _, step := range []int{1, 6} {
			first, second := all[i], all[(i+step)%len(all)]
			t.Run(first.Name+" and "+second.Name, func(t *testing.T) { twoLies(t, first, second) })
		}
	}
}

func twoLies(t *testing.T, first, second traitor.Behaviour) {
	t.Helper()
	s := newPlay(t, 7, 8)
	s.arm(0, []int{0, 3}, first.Name)
	s.arm(3, []int{0, 3}, second.Name)
	done := func() bool {
		proven := map[int]bool{}
		for _, i := range s.correct() {
			for _, e := range s.players[i].proofs {
				proven[e.Culprit] = true
			}
		}
		return s.players[0].traitor.Fired()[first.Name] > 0 && s.rose(first.Rises) &&
			s.players[3].traitor.Fired()[second.Name] > 0 && s.rose(second.Rises) &&
			(len(first.Evidence) == 0 || proven[0]) && (len(second.Evidence) == 0 || proven[3])
	}
	k := 0
	for ; k < 100 && !done(); k++ {
		s.wave(k)
	}
	if !done() {
		t.Errorf("after %d waves: %v %v; %s; %s", k, s.players[0].traitor, s.players[3].traitor,
			s.summary(first.Rises), s.summary(second.Rises))
	}
	s.wave(k)
	s.agree()
	s.proven(map[int][]string{0: first.Evidence, 3: second.Evidence})
}

// What a node lies about can be changed while it runs; what it is not armed for any more ends.
func TestTraitorIsReplacedAtRunTime(t *testing.T) {
	s := newPlay(t, 4, 0)
	s.arm(3, nil, "mute")
	s.wave(0)
	muted := s.fired()
	if muted == 0 {
		t.Fatal("it said something")
	}
	s.arm(3, nil, "impersonate")
	s.wave(1)
	if got := s.players[3].traitor.Fired(); got["impersonate"] == 0 || len(got) != 1 {
		t.Errorf("after the change it told %v", got)
	}
	s.players[3].loop.SetAdversary(nil)
	before := s.fired()
	s.wave(2)
	if s.fired() != before {
		t.Error("it lies on")
	}
	s.agree()
	s.proven(nil)
}

// The same specs and the same inputs give the same lies, frame for frame.
func TestLiesCanBeRepeated(t *testing.T) {
	for _, spec := range []string{"corrupt:p=0.5", "equivocate-per-peer", "replay-old", "mute:p=0.3"} {
		transcript := func(seed string) crypto.Digest {
			s := newPlay(t, 4, 8)
			s.arm(0, nil, spec+seed)
			var d crypto.Digest
			s.said = func(from, to int, m message.Message) {
				frame := message.Encode(s.cfg.Epoch, m)
				d = crypto.Hash("transcript", d[:], []byte{byte(from), byte(to)}, frame)
			}
			for k := range 12 {
				s.wave(k)
			}
			return d
		}
		seed := ",seed="
		if !strings.Contains(spec, ":") {
			seed = ":seed="
		}
		one := transcript(seed + "1")
		if transcript(seed+"1") != one {
			t.Errorf("%s: the same seed gives another run", spec)
		}
		if transcript(seed+"2") == one && spec != "equivocate-per-peer" {
			t.Errorf("%s: another seed gives the same run", spec)
		}
	}
}
