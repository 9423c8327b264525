package sim

import (
	"fmt"
	"slices"
	"testing"
)

// TestDeviations tries every way to place one deviation in each recorded run, and a part of those
// to place two (VERIFY §7.3); byzd sim deviations tries all of them.
func TestDeviations(t *testing.T) {
	every := uint64(997)
	if testing.Short() {
		every = 9973
	}
	for _, o := range []DeviationOptions{
		{Most: 1, Within: 120, Seed: 1},
		{Most: 2, Within: 120, Seed: 1, Every: every},
	} {
		if o.Most == 1 && testing.Short() {
			o.Every = 17
		}
		r, err := Deviate(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range r.Failures {
			t.Errorf("%v: %v\n%s\nreplay: byzd sim deviations --replay %v", f.Case, f.Failure,
				f.Failure.Stack, f.Case)
		}
		for _, s := range r.Scenarios {
			if s.Deliveries < 100 {
				t.Errorf("%s: only %d deliveries", s.Name, s.Deliveries)
			}
			if s.Name != "normal" && s.Views == 0 {
				t.Errorf("%s: no run changed the view", s.Name)
			}
			t.Logf("%+v in %v", s, r.Elapsed)
		}
	}
}

// TestPlacements shows that each number is another way, and that there are as many as there are.
func TestPlacements(t *testing.T) {
	const deliveries = 7
	all := placements(deliveries, 3)
	if want := uint64(7*3 + 21*9 + 35*27); all != want {
		t.Fatalf("%d ways, not %d", all, want)
	}
	seen := map[string]bool{}
	for k := range all {
		list := placement(k, deliveries)
		for i := range list[1:] {
			if list[i].At >= list[i+1].At {
				t.Errorf("%d: %v", k, list)
			}
		}
		if last := list[len(list)-1]; last.At >= deliveries || last.Kind >= deviationKinds {
			t.Errorf("%d: %v", k, list)
		}
		seen[fmt.Sprint(list)] = true
	}
	if uint64(len(seen)) != all {
		t.Errorf("%d different ways of %d", len(seen), all)
	}
}

// TestDeviationNames shows that printed deviations can be read back.
func TestDeviationNames(t *testing.T) {
	for _, want := range []DeviationCase{
		{"normal", 7, nil},
		{"view-change", 1, []Deviation{{3, deviateDrop}, {40, deviateLast}, {41, deviateCrash}}},
	} {
		got, err := ParseDeviations(want.String())
		if err != nil || got.String() != want.String() || !slices.Equal(got.Placed, want.Placed) {
			t.Errorf("%v became %v, %v", want, got, err)
		}
	}
	for _, text := range []string{
		"", "normal,1", "normal,x,", "normal,1,5x", "normal,1,d", "a,1,2d+",
	} {
		if c, err := ParseDeviations(text); err == nil {
			t.Errorf("%q was read as %v", text, c)
		}
	}
}
