package pbft_test

import (
	"fmt"
	"slices"
	"testing"

	"byzd/pbft/message"
	"byzd/pbft/pbfttest"
)

func params() message.Params {
	p := message.DefaultParams()
	p.CheckpointEvery, p.Window = 8, 32
	return p
}

// sameOrder fails unless all running nodes executed the same, and all of want.
func sameOrder(t *testing.T, net *pbfttest.Network, want int, except ...int) {
	t.Helper()
	var first *pbfttest.Node
	for i, node := range net.Nodes {
		if node.Down || slices.Contains(except, i) {
			continue
		}
		if first == nil {
			first = node
		}
		if len(node.Applied) != want {
			t.Errorf("node %d executed %d operations, want %d", i, len(node.Applied), want)
		}
		if !slices.Equal(node.Applied, first.Applied) {
			t.Errorf("node %d executed %v, another one %v", i, node.Applied, first.Applied)
		}
		if node.Halted != "" {
			t.Errorf("node %d halted: %s", i, node.Halted)
		}
	}
}

func TestNormalCase(t *testing.T) {
	for _, n := range []int{1, 2, 3, 4, 5, 7, 10} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			net := pbfttest.New(n, params())
			for k := range 40 {
				net.Submit(k%n, fmt.Sprintf("op%d", k))
				net.Run()
			}
			sameOrder(t, net, 40)
			if s := net.Nodes[0].Replica.Status(); s.Stable < 32 {
				t.Errorf("stable checkpoint %d after 40 batches", s.Stable)
			}
		})
	}
}

func TestViewChangeOnDeadPrimary(t *testing.T) {
	for _, n := range []int{4, 7} {
		net := pbfttest.New(n, params())
		net.Submit(1, "before")
		net.Run()
		net.Crash(0)
		net.Submit(1, "after")
		done := func() bool { return len(net.Nodes[2].Applied) == 2 }
		if !net.RunUntil(20_000, done) {
			t.Fatalf("n=%d: no progress; %+v", n, net.Nodes[2].Replica.Status())
		}
		net.RunFor(500)
		sameOrder(t, net, 2)
		net.Restart(0)
		net.RunFor(3000)
		net.Submit(0, "again")
		net.RunFor(1000)
		sameOrder(t, net, 3)
	}
}
