package quorum

import (
	"slices"
	"testing"
)

// DESIGN §5 point 1: the formulas hold for every n that the configuration allows.
// PROTOCOL §3: B12.
func TestSizesForEveryN(t *testing.T) {
	for n := 1; n <= MaxReplicas; n++ {
		s, err := Of(n)
		if err != nil {
			t.Fatal(err)
		}
		if 3*s.F >= n {
			t.Errorf("n=%d: f=%d is a third or more", n, s.F)
		}
		if 2*s.Quorum-n < s.F+1 {
			t.Errorf("n=%d: two quorums of %d may share liars only", n, s.Quorum)
		}
		if s.Quorum > n-s.F {
			t.Errorf("n=%d: quorum %d cannot be reached without the liars", n, s.Quorum)
		}
		smallest := 1
		for 2*smallest-n < s.F+1 {
			smallest++
		}
		if s.Quorum != smallest {
			t.Errorf("n=%d: quorum %d, %d would do", n, s.Quorum, smallest)
		}
		if n == 3*s.F+1 && s.Quorum != 2*s.F+1 {
			t.Errorf("n=%d: quorum %d is not the paper's 2f+1", n, s.Quorum)
		}
		if s.Weak != s.F+1 || n-2*s.F < s.Weak {
			t.Errorf("n=%d: weak quorum %d", n, s.Weak)
		}
	}
	for _, n := range []int{-1, 0, MaxReplicas + 1} {
		if _, err := Of(n); err == nil {
			t.Errorf("n=%d was accepted", n)
		}
	}
}

func TestSetRoundTrip(t *testing.T) {
	want := []int{0, 1, 7, 8, 63, 64, 126, 127}
	var s Set
	for _, i := range want {
		s = s.Add(i).Add(i)
	}
	if got := s.Members(); !slices.Equal(got, want) || s.Count() != len(want) {
		t.Fatalf("members %v, count %d", got, s.Count())
	}
	back, err := FromBytes(s.Bytes(MaxReplicas), MaxReplicas)
	if err != nil || back != s {
		t.Fatalf("round trip: %v, %v", back.Members(), err)
	}
	if s.Has(2) || s.Has(-1) || s.Has(MaxReplicas) || !s.Has(127) {
		t.Fatal("Has is wrong")
	}
	if got := s.Intersect(Set{}.Add(7).Add(9)).Members(); !slices.Equal(got, []int{7}) {
		t.Fatalf("intersection %v", got)
	}
}

func TestBitmapRefusals(t *testing.T) {
	if _, err := FromBytes([]byte{0x10}, 4); err == nil {
		t.Error("a bit beyond n was accepted")
	}
	if _, err := FromBytes([]byte{0x01, 0x00}, 4); err == nil {
		t.Error("a bitmap that is too long was accepted")
	}
	if _, err := FromBytes(nil, 4); err == nil {
		t.Error("a bitmap that is too short was accepted")
	}
}
