package sim

import "testing"

// TestCrashPoints crashes at a part of the effects of each scenario, with all oracles on that a
// crash leaves a meaning (VERIFY §7.2); byzd sim sweep takes all of them.
func TestCrashPoints(t *testing.T) {
	every := 41
	if testing.Short() {
		every = 401
	}
	s, err := RunSweep(t.Context(), SweepOptions{Seed: 1, Every: every})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range s.Failures {
		t.Errorf("%v: %v\n%s\nreplay: byzd sim sweep --replay %v", f.Crash, f.Failure,
			f.Failure.Stack, f.Crash)
	}
	for k, count := range s.Points {
		if count == 0 {
			t.Errorf("no run has an effect of the kind %v", pointKind(k))
		}
	}
	for _, m := range []marker{
		markSnapshot, markJournalCut, markViewChange, markWiped, markTransfer, markInstalled,
		markEpochEnded, markJoined, markLeft, markRotated,
	} {
		if s.Marks[m] == 0 {
			t.Errorf("no recorded run came to marker %d", m)
		}
	}
	if s.Fetching == 0 {
		t.Error("no effect of a node that fetches a state")
	}
	t.Logf("%d crashes in %.1f s; effects %v", s.Crashes, s.Elapsed.Seconds(), s.Points)
}

// TestCrashPointNames shows that a printed crash can be read back.
func TestCrashPointNames(t *testing.T) {
	want := SweepCrash{Scenario: "wiped", Seed: 7, Node: 2, Index: 91, After: true, Damage: damageTorn}
	got, err := ParseSweepCrash(want.String())
	if err != nil || got != want {
		t.Errorf("%v became %v, %v", want, got, err)
	}
}
