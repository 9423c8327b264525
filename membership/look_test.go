package membership

import (
	"maps"
	"slices"
	"testing"
	"time"
)

// TestLookout_Witnesses wants one look at a time and a second, whose witnesses are kept; and who
// speaks just after a look has found silence to count, unless the subject has said something new.
func TestLookout_Witnesses(t *testing.T) {
	o := newLookout(4)
	said, more := new(announcement), new(announcement)
	now := time.Unix(1000, 0)
	step := func(by uint16, newest *announcement, wantStart, wantConfirms bool) {
		t.Helper()
		start, confirms := o.begin(look{subject: 2, by: by}, newest, now)
		if start != wantStart || confirms != wantConfirms {
			t.Errorf("member %d speaks: start %t, confirms %t", by, start, confirms)
		}
	}
	step(1, said, true, false)
	step(3, said, false, false)
	if got := slices.Sorted(maps.Keys(o.end(2, said))); !slices.Equal(got, []uint16{1, 3}) {
		t.Errorf("witnesses %v", got)
	}
	o.tasks.Done()
	step(0, said, false, true)
	step(0, more, false, false)
	now = now.Add(lookPause)
	step(1, more, true, false)
	o.end(2, nil)
	o.tasks.Done()
	step(3, more, false, false)
	o.wait()
	now = now.Add(lookPause)
	step(3, more, false, false)
}
