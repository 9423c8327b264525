package sim

import (
	"testing"

	"byzd/pbft/quorum"
)

// With one traitor too many agreement breaks, the other oracles see it, and what correct replicas
// keep names f+1 of the guilty and nobody else, in one view and across views (P8, R7.6, R7.7; the
// control C2 of VERIFY §10).
func TestOneTraitorTooManyIsNamed(t *testing.T) {
	count := 60
	if testing.Short() {
		count = 20
	}
	sum := Many(t.Context(), 1, count, 5, Setup{Beyond: true}, nil)
	for _, r := range sum.Failures {
		t.Errorf("seed %d: %v\n%s\nreplay: byzd sim --beyond-f --seed %d --dump",
			r.Seed, r.Failure, r.Options.String(), r.Seed)
	}
	all, across := sum.Forks()
	if across == 0 || all == across || sum.Flagged < all {
		t.Errorf("%d of %d seeds flagged, %d forks, %d of them across views",
			sum.Flagged, sum.Seeds, all, across)
	}
}

// A script with too many traitors is one, too: what is printed replays what was found.
func TestBeyondIsInTheOptions(t *testing.T) {
	for seed := uint64(1); seed <= 20; seed++ {
		o := DrawBeyond(seed)
		again, err := ParseOptions(Draw(seed), o.String())
		if err != nil || again.String() != o.String() {
			t.Fatalf("seed %d: %v: %s, not %s", seed, err, again.String(), o.String())
		}
		if sizes, err := quorum.Of(o.N); err != nil || len(o.Traitors) != sizes.F+1 {
			t.Errorf("seed %d: %v: %s", seed, err, o.String())
		}
		r, kept := New(seed, Setup{Beyond: true}).Run(), New(seed, Setup{Options: &again}).Run()
		if r.Hash != kept.Hash {
			t.Errorf("seed %d: the options as printed give another run", seed)
		}
	}
}
