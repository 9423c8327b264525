package scope

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// limit ends a search that has gone astray; it is far above what one takes.
const limit = 5 * time.Minute

func find(t *testing.T, name string) *Scope {
	t.Helper()
	list := Find(name)
	if len(list) != 1 {
		t.Fatalf("there are %d scopes %q", len(list), name)
	}
	return &list[0]
}

// X1 (VERIFY §7.1): agreement, Lemma 1, and that no correct replica can be accused, in every state
// of one sequence number and one view, with a traitor as primary and as backup. The numbers of
// states follow from the core alone: a change of the core that changes them is to be understood.
func TestX1IsExhaustedAndHolds(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes about 20 seconds")
	}
	for _, name := range []string{"X1-primary", "X1-backup"} {
		r := Explore(t.Context(), find(t, name), Limits{Time: limit})
		if r.Violation != "" {
			t.Errorf("%s: %s", name, r.Violation)
			for _, line := range r.Trace {
				t.Log(line)
			}
		}
		if !r.Exhausted {
			t.Errorf("%s: ended by %s", name, r.Bound)
		}
		if r.States < 10_000 {
			t.Errorf("%s: only %d states: it does not reach what it should", name, r.States)
		}
		t.Logf("%s: %d states, %d transitions, depth %d, %v", name, r.States, r.Transitions,
			r.Depth, r.Elapsed)
	}
}

// With f+1 traitors agreement can break, and the search must say how (VERIFY §10, control C2).
func TestControlIsFoundBroken(t *testing.T) {
	for _, sight := range []bool{false, true} {
		sc := *find(t, "control")
		sc.Sight = sight
		r := Explore(t.Context(), &sc, Limits{Time: limit})
		if r.Violation == "" || len(r.Trace) == 0 || !strings.Contains(r.Trace[0], "receives") {
			t.Fatalf("two traitors of four, and no run that breaks anything: %+v", r)
		}
		t.Log(r.Violation)
		for _, line := range r.Trace {
			t.Log(line)
		}
	}
}

// visible names everything that can be seen in the states of a search that must visit all.
func visible(t *testing.T, sc *Scope) []string {
	t.Helper()
	names := map[string]bool{}
	x := prepare(sc, Limits{Time: limit})
	note := func(all []*facts) {
		var name strings.Builder
		for _, f := range all {
			for id := range f.sent.all() {
				name.WriteString(x.w.said[id].key + ";")
			}
			for _, ref := range f.executed {
				name.WriteString("executed " + ref.Digest.Short())
			}
			for _, e := range f.entered {
				fmt.Fprint(&name, "entered ", e)
			}
			name.WriteString("|")
		}
		names[name.String()] = true
	}
	x.witness = note
	x.search(t.Context())
	if !x.report.Exhausted {
		t.Fatalf("%s: ended by %q, %s", sc.Name, x.report.Bound, x.report.Violation)
	}
	for seen := range x.judged {
		all := make([]*facts, x.nodes)
		for k := range all {
			all[k] = x.facts[seen[k]]
		}
		note(all)
	}
	t.Logf("%s: plain=%t sight=%t: %d states, %d steps, %d visible", sc.Name, sc.Plain, sc.Sight,
		x.summary().States, x.steps, len(names))
	return slices.Sorted(maps.Keys(names))
}

// The reduction (DESIGN.md) loses nothing that anybody could see: on a scope that is small enough
// to visit every single delivery, both searches meet the same visible states.
func TestReductionLosesNothing(t *testing.T) {
	sc := *find(t, "X1-backup")
	sc.Junk, sc.AtOnce, sc.Plain = false, true, true
	plain := visible(t, &sc)
	sc.Plain = false
	if reduced := visible(t, &sc); !slices.Equal(plain, reduced) {
		t.Errorf("%d visible states without the reduction, %d with it", len(plain), len(reduced))
	}
}

// A search by sight meets everything that a search state by state meets, and, on these scopes,
// nothing else.
func TestSightLosesNothing(t *testing.T) {
	small := *find(t, "X1-backup")
	small.Junk, small.AtOnce = false, true
	scopes := []Scope{small, *find(t, "X4-backup-counted"), *find(t, "X4-primary-counted")}
	if !testing.Short() {
		scopes = append(scopes, *find(t, "X1-backup"))
	}
	for _, sc := range scopes {
		sc.Sight = false
		exact := visible(t, &sc)
		sc.Sight = true
		sight := visible(t, &sc)
		for _, name := range exact {
			if _, met := slices.BinarySearch(sight, name); !met {
				t.Fatalf("%s: by sight it does not meet %s", sc.Name, name)
			}
		}
		if len(sight) > len(exact) {
			t.Errorf("%s: %d visible states, and %d by sight", sc.Name, len(exact), len(sight))
		}
	}
}

// Two searches of one scope are the same, state by state (O17).
func TestSearchIsDeterministic(t *testing.T) {
	sc := *find(t, "X1-backup")
	sc.Junk, sc.AtOnce = false, true
	first := Explore(t.Context(), &sc, Limits{Time: limit})
	second := Explore(t.Context(), &sc, Limits{Time: limit})
	first.Elapsed, second.Elapsed = 0, 0
	if !reflect.DeepEqual(first, second) || !first.Exhausted {
		t.Errorf("%+v\n%+v", first, second)
	}
}

// A scope with two views, crashes or transfers reaches what it is for, and nothing is broken as far
// as it gets in a few seconds. It is exhausted, where it can be, by the command.
func TestLargerScopesHoldAsFarAsTheyGet(t *testing.T) {
	for name, reaches := range map[string]string{
		"X2-primary": "NEW-VIEW 1", "X2-next": "NEW-VIEW 1", "X2-backup": "NEW-VIEW 1",
		"X3-backup": "after a crash", "X4-backup": "CHECKPOINT seq=2", "X5": "OFFER",
	} {
		x := explore(t.Context(), find(t, name), Limits{States: 5000, Time: limit})
		if r := x.report; r.Violation != "" {
			t.Errorf("%s: %s\n%s", name, r.Violation, strings.Join(r.Trace, "\n"))
		}
		reached := reaches == "after a crash" && slices.ContainsFunc(x.locals[1:],
			func(l *local) bool { return l.disk.crashes > 0 })
		for key := range x.w.byKey {
			reached = reached || strings.Contains(key, reaches)
		}
		if !reached {
			t.Errorf("%s: it never comes to %q", name, reaches)
		}
	}
}
