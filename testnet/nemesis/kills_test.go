package nemesis

import "testing"

// A node that holds ever more descriptors is found, and one that has a few clients more is not.
func TestLeak(t *testing.T) {
	r := newKillsReport(&Options{Nodes: 2, Kills: 3, Whom: KillOne})
	for i := range r.Nodes {
		r.begin(i, Usage{Descriptors: 40})
		r.end(i, Usage{Descriptors: 40 + 10*i})
	}
	if text := r.leak(); text != "" {
		t.Error(text)
	}
	r.end(1, Usage{Descriptors: 40 + 20 + leakLeast + 1})
	if r.leak() == "" {
		t.Error("nothing is found")
	}
}
