package traitor

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"byzd/crypto"
	"byzd/pbft/message"
	"byzd/pbft/pbfttest"
)

// storyteller forges nothing; these tests tell clients nothing.
type storyteller struct{}

func (storyteller) Ack(op []byte) []byte                    { return op }
func (storyteller) Twist(_, result []byte, _ uint64) []byte { return result }

func newTraitor(t *testing.T, n, self int, coalition []int, texts ...string) (*Traitor, error) {
	t.Helper()
	cfg, signers := pbfttest.Config(n, crypto.SchemeEd25519, message.DefaultParams())
	c := Config{
		Cluster: cfg, Self: self, Coalition: coalition, Forge: storyteller{},
		Sealer: message.Sealer{Config: cfg, Self: self, Signer: signers[self]},
	}
	for _, text := range texts {
		s, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		c.Specs = append(c.Specs, s)
	}
	return New(c)
}

func TestNewRefusesWhatTheClusterRulesOut(t *testing.T) {
	for _, text := range []string{
		"mute:to=4", "mute:to=not:9", "mute:to=1+2", "mute:with=4", "swim-false-dead:victims=1+7",
		"swim-false-dead:victims=2",
	} {
		_, err := newTraitor(t, 4, 2, nil, text)
		var spec *SpecError
		if !errors.As(err, &spec) || spec.Hint() == "" {
			t.Errorf("%s on node 2 of 4: %v", text, err)
		}
	}
	if _, err := newTraitor(t, 4, 2, nil, "mute:to=not:2,with=0+2"); err != nil {
		t.Error(err)
	}
	if _, err := newTraitor(t, 4, 2, nil, "mute", "corrupt"); err == nil {
		t.Error("a contradiction is armed")
	}
}

// What has not fired says what it waits for.
func TestStatusSaysWhatItWaitsFor(t *testing.T) {
	tr, err := newTraitor(t, 4, 3, nil, "censor", "newview-wrong", "vc-hide-prepared",
		"corrupt:from-seq=9", "lie-reply", "replay-old")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"until node 3 is the primary (view 0 is led by 0)", "view change that makes node 3",
		"for a view change", "window", "client", "armed",
	}
	for i, a := range tr.Status() {
		if a.Fired != 0 || !strings.Contains(a.Waits, want[i]) ||
			!strings.Contains(a.Waits, "armed, not fired") {
			t.Errorf("%s: %d, %q", a.Spec, a.Fired, a.Waits)
		}
	}
	if fired := tr.Fired(); len(fired) != 6 || fired["censor"] != 0 {
		t.Errorf("fired: %v", fired)
	}
}

// Lies of the gossip are only handed on, and counted where they are told.
func TestGossipLies(t *testing.T) {
	tr, err := newTraitor(t, 4, 3, []int{1, 3}, "swim-false-dead:victims=not:2,to=one", "mute")
	if err != nil {
		t.Fatal(err)
	}
	lies := tr.Gossip()
	if len(lies) != 1 || !slices.Equal(lies[0].Victims, []int{0}) || len(lies[0].Listeners) != 1 {
		t.Fatalf("handed on: %+v", lies)
	}
	tr.Count("swim-false-dead", func() uint64 { return 5 })
	if got := tr.Fired()["swim-false-dead"]; got != 5 {
		t.Errorf("fired %d", got)
	}
	all, err := newTraitor(t, 4, 3, nil, "swim-false-dead")
	if err != nil {
		t.Fatal(err)
	}
	if lie := all.Gossip()[0]; !slices.Equal(lie.Victims, []int{0, 1, 2}) || lie.Listeners != nil {
		t.Errorf("by default: %+v", lie)
	}
}

// Accomplices draw the same plan without talking, and with more than f of them each half of the
// others makes a quorum with the coalition.
func TestAccomplicesShareAPlan(t *testing.T) {
	for _, c := range []struct {
		n         int
		coalition []int
		strong    bool
	}{
		{4, []int{0, 3}, true},
		{4, []int{1, 2}, true},
		{4, []int{2}, false},
		{7, []int{0, 3}, false},
		{7, []int{0, 3, 5}, true},
		{10, []int{0, 1, 2, 9}, true},
		{10, []int{0, 1, 2}, false},
	} {
		var plans []*armed
		for _, self := range c.coalition {
			tr, err := newTraitor(t, c.n, self, c.coalition, "equivocate-preprepare")
			if err != nil {
				t.Fatal(err)
			}
			plans = append(plans, tr.lies[0])
		}
		for view := range uint64(20) {
			sides := [2]int{}
			for node := range c.n {
				side := plans[0].side(view, node, 2)
				for _, p := range plans {
					if p.side(view, node, 2) != side {
						t.Fatalf("n=%d: node %d in view %d has two sides", c.n, node, view)
					}
				}
				if !plans[0].friend(node) {
					sides[side]++
				}
			}
			quorum := plans[0].traitor.cfg.Cluster.Sizes.Quorum
			both := min(sides[0], sides[1])+len(c.coalition) >= quorum
			if strong := plans[0].strong(); strong != c.strong || strong && !both {
				t.Errorf("n=%d, %v: sides %v, strong %t", c.n, c.coalition, sides, strong)
			}
		}
	}
}

// A choice holds for a whole view, differs between seeds, and spares accomplices.
func TestTargets(t *testing.T) {
	chosen := map[int]bool{}
	for _, seed := range []string{"1", "2", "3", "4", "5", "6", "7", "8"} {
		tr, err := newTraitor(t, 7, 0, []int{0, 6}, "corrupt:to=one,seed="+seed)
		if err != nil {
			t.Fatal(err)
		}
		a := tr.lies[0]
		targets := a.targets(3)
		if len(targets) != 1 || targets[0] == 0 || targets[0] == 6 ||
			!slices.Equal(targets, a.targets(3)) {
			t.Errorf("seed %s: %v", seed, targets)
		}
		chosen[targets[0]] = true
	}
	if len(chosen) < 2 {
		t.Errorf("all seeds choose %v", chosen)
	}
	for text, want := range map[string][]int{
		"corrupt:to=not:1+2": {3, 4, 5}, "corrupt:to=1+6": {1}, "corrupt": {1, 2, 3, 4, 5},
		"mute": {1, 2, 3, 4, 5, 6}, // the accomplice would pass it on
	} {
		tr, err := newTraitor(t, 7, 0, []int{6}, text)
		if err != nil {
			t.Fatal(err)
		}
		if got := tr.lies[0].targets(0); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
	tr, err := newTraitor(t, 7, 0, nil, "corrupt:to=half")
	if err != nil {
		t.Fatal(err)
	}
	if got := tr.lies[0].targets(0); len(got) != 3 || !slices.IsSorted(got) {
		t.Errorf("half of six: %v", got)
	}
}

// Conditions hold where they say, and the same place has the same answer.
func TestWhen(t *testing.T) {
	for _, c := range []struct {
		spec string
		at   place
		now  int64
		want bool
	}{
		{"mute", place{0, 0}, 1, true},
		{"mute:from-seq=5", place{0, 4}, 1, false},
		{"mute:from-seq=5", place{0, 5}, 1, true},
		{"mute:to-seq=5", place{0, 5}, 1, true},
		{"mute:to-seq=5", place{0, 6}, 1, false},
		{"mute:from-view=2", place{1, 9}, 1, false},
		{"mute:to-view=0", place{0, 9}, 1, true},
		{"mute:to-view=0", place{1, 9}, 1, false},
		{"mute:after=2s", place{0, 9}, 2000, false},
		{"mute:after=2s", place{0, 9}, 2001, true},
	} {
		tr, err := newTraitor(t, 4, 0, nil, c.spec)
		if err != nil {
			t.Fatal(err)
		}
		a := tr.lies[0]
		a.start(1)
		a.start(c.now)
		if got := a.when(c.at, 0); got != c.want {
			t.Errorf("%s at %v, %d ms: %t", c.spec, c.at, c.now, got)
		}
	}
	tr, err := newTraitor(t, 4, 0, nil, "mute:p=0.3", "corrupt:once")
	if err != nil {
		t.Fatal(err)
	}
	a, hits := tr.lies[0], 0
	for seq := range uint64(1000) {
		said := a.when(place{1, seq}, 7)
		if said != a.when(place{1, seq}, 7) {
			t.Fatal("the same place has two answers")
		}
		if said {
			hits++
		}
	}
	if hits < 200 || hits > 400 {
		t.Errorf("p=0.3 fires %d times of 1000", hits)
	}
	once := tr.lies[1]
	once.fire(place{0, 3})
	if !once.when(place{0, 3}, 1) || once.when(place{0, 4}, 1) {
		t.Error("once is not one place")
	}
}
