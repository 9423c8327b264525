package sim

import "testing"

// TestOutage is B48 and B49: without a quorum no timer grows, and who comes back need not wait for
// what they had grown to.
func TestOutage(t *testing.T) {
	lasting := int64(3_600_000_000)
	if testing.Short() {
		lasting /= 30
	}
	for _, n := range []int{4, 7, 10} {
		d := DrillOutage(1, n, lasting)
		t.Logf("%+v", *d)
		if d.Failure != nil {
			t.Fatal(d.Failure)
		}
		if d.Tau > d.Before {
			t.Errorf("%s: tau grew from %d to %d ms", d.Name, d.Before, d.Tau)
		}
		if d.Back >= 5_000_000 {
			t.Errorf("%s: back after %d ms", d.Name, d.Back/1000)
		}
	}
}

// TestSilentPrimaries stops f primaries in a row.
func TestSilentPrimaries(t *testing.T) {
	for _, n := range []int{4, 7, 10} {
		d := DrillSilent(1, n)
		t.Logf("%+v", *d)
		if d.Failure != nil || d.Done < 30 || d.View < uint64((n-1)/3) {
			t.Errorf("%s: %v, %d done, view %d", d.Name, d.Failure, d.Done, d.View)
		}
	}
}

// TestLoneNode shows that one member behind bad links disturbs nobody: the view stays, and the others
// are not slower than without it. Faster they are only with its vote: of four a quorum of three is then
// found without the slowest.
func TestLoneNode(t *testing.T) {
	well, down, bad := DrillLone(1, LoneWell), DrillLone(1, LoneDown), DrillLone(1, LoneFlapping)
	t.Logf("%+v %+v %+v", *well, *down, *bad)
	for _, d := range []*Drill{well, down, bad} {
		if d.Failure != nil || d.Done < 100 {
			t.Fatalf("%s: %v, %d done", d.Name, d.Failure, d.Done)
		}
	}
	if bad.View != well.View {
		t.Errorf("view %d, not %d", bad.View, well.View)
	}
	if bad.Latency > down.Latency*11/10 {
		t.Errorf("%d µs, and %d without it", bad.Latency, down.Latency)
	}
}

// TestRestarts restarts one member many times.
func TestRestarts(t *testing.T) {
	d := DrillRestarts(1, 300)
	t.Logf("%+v", *d)
	if d.Failure != nil || d.Done < 9 || d.Disk == 0 || d.Disk > 2<<20 {
		t.Errorf("%+v: %v", *d, d.Failure)
	}
}
