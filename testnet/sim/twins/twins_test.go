package twins

import (
	"reflect"
	"slices"
	"testing"
)

func set(t *testing.T, name string) Set {
	t.Helper()
	s, err := FindSet(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A few thousand scenarios of all sets are safe and live (VERIFY §6), and reach what they are for:
// view changes, equivocation that is caught, and decisions.
// PROTOCOL §3: B1, B22.
func TestScenariosAreSafeAndLive(t *testing.T) {
	count := uint64(3000)
	if testing.Short() {
		count = 300
	}
	r := Search(t.Context(), Options{Set: Mixed(), Count: count, Seed: 1, Workers: 2})
	for _, f := range r.Failures {
		t.Errorf("%d %s: %v %s", f.Number, f.Scenario, f.Outcome.Unsafe, f.Outcome.Stuck)
	}
	if r.Played != count || r.Executed != count || r.Changed < count/4 || r.Caught < count/20 {
		t.Errorf("the scenarios do not reach what they are for: %+v", r)
	}
	t.Logf("%+v", r)
}

// Two twins of four members are more than f traitors: agreement breaks, and it is found within a
// few thousand scenarios (VERIFY §10, control C2).
func TestControlIsFoundUnsafe(t *testing.T) {
	r := Search(t.Context(), Options{Set: set(t, "control"), Count: 2000, Seed: 1, Workers: 2})
	if r.Unsafe == 0 {
		t.Fatalf("no scenario with two twins of four was found unsafe: %+v", r)
	}
	for _, f := range r.Failures {
		if !f.Outcome.Safe() {
			t.Logf("after %d scenarios, %v: %s: %v", r.Played, r.Elapsed, f.Scenario, f.Outcome.Unsafe)
			return
		}
	}
}

// The sets have the sizes of VERIFY §6's table, each scenario has one number, and every partition
// occurs.
func TestSetsAreComplete(t *testing.T) {
	for name, size := range map[string]uint64{
		"T-A": 4 * 16 * 16 * 16 * 16 * 16, "T-B": 4 * 41 * 41 * 41 * 41,
		"T-C": 4 * 8 * 8 * 8 * 8 * 8 * 8 * 8,
	} {
		s := set(t, name)
		if s.Size != size {
			t.Errorf("%s has %d scenarios, want %d", name, s.Size, size)
		}
		seen := map[string]bool{}
		const stride = 1009
		for k := uint64(0); k < s.Size; k += stride {
			seen[s.At(0, k).String()] = true
		}
		if want := int((s.Size + stride - 1) / stride); len(seen) != want {
			t.Errorf("%s: %d different scenarios among %d", name, len(seen), want)
		}
		for _, k := range []uint64{0, 1, s.Size / 3, s.Size - 1} {
			if _, err := Parse(s.At(0, k).String()); err != nil {
				t.Errorf("%s %d: %v", name, k, err)
			}
		}
	}
	if two, three := len(partitions(5, 2)), len(partitions(5, 3)); two != 16 || three != 41 {
		t.Errorf("five instances split in %d and %d ways, want 16 and 41", two, three)
	}
	for twin := range 4 {
		if cuts := reduced(twin); len(cuts) != 8 || len(slices.Compact(slices.Sorted(
			slices.Values(cuts)))) != 8 {
			t.Errorf("twin %d: %v", twin, cuts)
		}
	}
}

// What comes of a scenario depends on nothing but the scenario: not on the signatures, nor on
// whether messages are encoded (O17).
func TestOutcomeFollowsFromTheScenario(t *testing.T) {
	labs := []*Lab{NewLab(4, Fast), NewLab(4, Fast), NewLab(4, Wire), NewLab(4, Real)}
	s := set(t, "T-D")
	for k := range uint64(6) {
		sc := s.At(7, k)
		again, err := Parse(sc.String())
		if err != nil {
			t.Fatal(err)
		}
		first := labs[0].Run(sc)
		for _, lab := range labs[1:] {
			if o := lab.Run(again); !reflect.DeepEqual(o, first) {
				t.Errorf("%s: %+v, and then %+v", sc, first, o)
			}
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{
		"", "{}", `{"n":5,"phases":1}`, `{"n":4,"twins":[4],"phases":1}`,
		`{"n":4,"twins":[1,1],"phases":1}`, `{"n":4,"twins":[1],"phases":2}`,
		`{"n":4,"twins":[1],"phases":1,"cuts":["aaaa"]}`,
		`{"n":4,"twins":[1],"phases":4,"cuts":["aaaaa"]}`,
		`{"n":4,"twins":[0,1,2,3],"phases":1}`,
	} {
		if _, err := Parse(text); err == nil {
			t.Errorf("%s is accepted", text)
		}
	}
}

// Scenarios that failed once, for ever after. In this one a commit certificate of view 1 stopped
// the timer of view 2, which a quorum wanted and whose primary is the twin: nobody ever left it
// (R12).
func TestKeptScenarios(t *testing.T) {
	for _, text := range []string{
		`{"n":4,"twins":[2],"phases":4,"cuts":["abbaa","abaab","aabcc","aabcc","aaabc","abcaa",` +
			`"aabca","abbcb","abccc","abaaa","abcca","aabaa"]}`,
	} {
		sc, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if o := NewLab(sc.Members, Wire).Run(sc); !o.OK() {
			t.Errorf("%s: %v %s", text, o.Unsafe, o.Stuck)
		}
	}
}

// A set that is searched in parts, each from where the one before ended, comes to the same as the
// whole: so a long search can be split, and goes on after an interrupt.
func TestPartsAddUpToTheWhole(t *testing.T) {
	set, err := FindSet("T-A")
	if err != nil {
		t.Fatal(err)
	}
	const first, count = 3_000_000, 3 * chunk
	o := Options{Set: set, From: first, Count: count, Workers: 2}
	whole := Search(t.Context(), o)
	var parts Report
	for at := uint64(first); at < first+count; {
		o.From, o.Count = at, min(chunk+7, first+count-at)
		part := Search(t.Context(), o)
		if part.Next <= at {
			t.Fatalf("from %d it goes on with %d", at, part.Next)
		}
		at = part.Next
		parts.Played += part.Played
		parts.Batches += part.Batches
		parts.Messages += part.Messages
	}
	if whole.Next != first+count || parts.Played != whole.Played ||
		parts.Batches != whole.Batches || parts.Messages != whole.Messages {
		t.Errorf("%+v\n%+v", whole, parts)
	}
}
