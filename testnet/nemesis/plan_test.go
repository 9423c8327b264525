package nemesis

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

func complete(t *testing.T, o Options) *Options {
	t.Helper()
	o.Home = t.TempDir()
	if err := o.Complete(); err != nil {
		t.Fatal(err)
	}
	return &o
}

// written is a plan in words.
func written(t *testing.T, o *Options) string {
	t.Helper()
	p, err := makePlan(o)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintln(&b, p.charged, p.lies)
	for _, s := range p.strikes {
		fmt.Fprintln(&b, s.Name, s.nodes, s.event.Skipped, s.random.Uint64())
	}
	return b.String()
}

// The plan follows from the seed, and from nothing else.
func TestPlanFollowsFromTheSeed(t *testing.T) {
	o := complete(t, Options{For: 2 * time.Minute, Traitors: true, Seed: 5})
	first := written(t, o)
	if again := written(t, o); again != first {
		t.Errorf("the same seed plans\n%s\nand\n%s", first, again)
	}
	o.Seed++
	if other := written(t, o); other == first {
		t.Error("another seed plans the same")
	}
}

// No plan leaves more nodes out than f, none of them is hit as one that counts, and what is left
// out is said; whether or not the product brings damaged nodes back by itself.
func TestPlanKeepsWithinF(t *testing.T) {
	for _, nodes := range []int{4, 7} {
		for seed := range uint64(50) {
			for _, returns := range []bool{false, true} {
				keepsWithinF(t, nodes, seed, returns)
			}
		}
	}
}

func keepsWithinF(t *testing.T, nodes int, seed uint64, returns bool) {
	t.Helper()
	p, err := makePlan(complete(t, Options{
		Nodes: nodes, Seed: seed, Traitors: seed%2 == 0,
		Faults: []string{"journal-flip", "wiped-home", "journal-cut", "kill-one", "pause-f"},
	}))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range p.strikes {
		if strings.HasPrefix(s.Name, "journal-") {
			s.Returns = returns // each plan has faults of its own
		}
	}
	p.choose(rand.New(rand.NewPCG(seed, 0)))
	var out []int
	left := 0
	for at, s := range p.strikes {
		switch {
		case s.event.Skipped != "":
			left++
		case s.staysOut():
			out = append(out, s.nodes...)
		case s.Charges:
			if !slices.Contains(p.charged, s.nodes[0]) {
				t.Errorf("%s hits %v, and %v are charged", s.Name, s.nodes, p.charged)
			}
		case slices.ContainsFunc(s.nodes, func(i int) bool { return slices.Contains(p.charged, i) }):
			t.Errorf("%s hits %v, and %v are charged", s.Name, s.nodes, p.charged)
		case at > 0 && p.strikes[at-1].Charges:
			t.Errorf("%s comes after what charges a node", s.Name)
		}
	}
	want := p.sizes.F
	if returns {
		want = 0
	}
	slices.Sort(out)
	if len(slices.Compact(out)) != want || len(p.charged) != p.sizes.F ||
		left != 0 && returns || left != 2-p.sizes.F && !returns {
		t.Errorf("%d nodes, seed %d: out %v, charged %v, %d left out",
			nodes, seed, out, p.charged, left)
	}
}

// With the time for it, everything in the catalogue is planned, or said to be impossible.
func TestPlanReachesAll(t *testing.T) {
	o := complete(t, Options{Nodes: 16, For: time.Duration(len(names())) * (DefaultHold + slotTime)})
	p, err := makePlan(o)
	if err != nil {
		t.Fatal(err)
	}
	var planned []string
	for _, s := range p.strikes {
		planned = append(planned, s.Name)
	}
	slices.Sort(planned)
	want := names()
	slices.Sort(want)
	if !slices.Equal(slices.Compact(planned), slices.Compact(want)) {
		t.Errorf("planned %v, of %v", planned, want)
	}
}

// What makes no sense is refused before anything is started.
func TestOptionsRefused(t *testing.T) {
	for name, o := range map[string]Options{
		"no such fault":       {Faults: []string{"earthquake"}},
		"no such workload":    {Workloads: []string{"queue"}},
		"three nodes":         {Nodes: 3},
		"no clients":          {Clients: -1},
		"a negative time":     {Hold: -1},
		"whom, not how often": {Whom: KillAny},
		"kills of nobody":     {Kills: 1, Whom: "everybody"},
		"kills and faults":    {Kills: 1, Faults: []string{"kill-one"}},
		"kills and a liar":    {Kills: 1, Traitors: true},
	} {
		o.Home = "somewhere"
		if err := o.Complete(); err == nil {
			t.Errorf("%s is not refused", name)
		}
	}
	if err := new(Options).Complete(); err == nil {
		t.Error("a run without a home is not refused")
	}
}

// The shapes of the cuts: how many links each cuts, and that every node of a ring has a quorum
// around it while the halves have none.
func TestCuts(t *testing.T) {
	for name, want := range map[string]int{
		"isolate-one": 6, "halves": 8, "ring": 4, "bridge": 4, "one-way": 1,
	} {
		p, err := makePlan(complete(t, Options{Faults: []string{name}}))
		if err != nil {
			t.Fatal(err)
		}
		s := p.strikes[0]
		s.world = &world{sizes: [2]int{4, 1}}
		links := map[string]func(*strike) [][2]int{
			"isolate-one": isolated, "halves": halves, "ring": ring, "bridge": bridge, "one-way": oneWay,
		}[name](s)
		if len(links) != want {
			t.Errorf("%s cuts %v", name, links)
		}
		for _, l := range links {
			if l[0] == l[1] || name != "one-way" && !slices.Contains(links, [2]int{l[1], l[0]}) {
				t.Errorf("%s cuts %v of %v", name, l, links)
			}
		}
	}
}
