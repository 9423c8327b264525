package acceptance_test

import (
	"fmt"
	"testing"

	"byzd/crypto"
)

// Networks of every size serve: those that bear no fault, and those whose size is not 3f+1, for
// which a quorum of 2f+1 would be too small.
func TestSizes(t *testing.T) {
	for _, nodes := range []int{1, 2, 3, 5, 7, 10, 16} {
		t.Run(fmt.Sprint(nodes), func(t *testing.T) {
			n := up(t, "--nodes", fmt.Sprint(nodes))
			if got := len(n.state.Nodes); got != nodes {
				t.Fatalf("it has %d nodes", got)
			}
			took := n.puts("a", 1, nodes-1)
			t.Logf("put through node %d after %v", nodes-1, took)
			// A put whose answer does not come in time is written again, so there may be more.
			if v := n.held(); v.Operations < 1 || v.Sequence == 0 {
				t.Errorf("%d operations in %d batches, want the put", v.Operations, v.Sequence)
			}
		})
	}
}

// The other schemes do what the default does: a killed primary is replaced, and comes back.
func TestSchemes(t *testing.T) {
	for _, scheme := range []string{crypto.SchemeBLS12381, crypto.SchemeHybrid} {
		for _, nodes := range []int{4, 7} {
			t.Run(fmt.Sprint(scheme, " of ", nodes), func(t *testing.T) {
				n := up(t, "--nodes", fmt.Sprint(nodes), "--scheme", scheme)
				last := nodes - 1
				n.puts("before", 1, last)
				n.testnet("kill", "0")
				t.Logf("put past a dead primary after %v", n.puts("without", 1, last))
				if st, err := n.status(last); err != nil || st.View == 0 || st.Primary == 0 {
					t.Errorf("view %d of primary %d, %v", st.View, st.Primary, err)
				}
				n.testnet("restart", "0")
				t.Logf("put through the restarted node after %v", n.puts("again", 1, 0))
				if v := n.held(); v.Operations < 3 {
					t.Errorf("%d operations, want the three puts", v.Operations)
				}
			})
		}
	}
}
