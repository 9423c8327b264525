package pbft_test

import (
	"fmt"
	"testing"

	"byzd/pbft"
	"byzd/pbft/pbfttest"
)

// TestInstalledStateDoesNotBridgeVotes: a replica that was cut off, and then given a state above
// what it had executed, remembers both; but no header shows that its votes of this view lead there.
// It PREPAREs and COMMITs nothing until the next view (R6), which the others see to.
func TestInstalledStateDoesNotBridgeVotes(t *testing.T) {
	net := pbfttest.New(4, params())
	order := func(count int) {
		for k := range count {
			net.Submit(0, fmt.Sprint(k))
			net.RunFor(50)
		}
	}
	order(4)
	cut := true
	net.Pass = func(e pbfttest.Envelope) bool { return !cut || e.From != 3 && e.To != 3 }
	order(40)
	for i := range 3 {
		if !net.Cut(i) {
			t.Fatalf("replica %d has no stable checkpoint", i)
		}
	}
	frozen := false
	net.Watch = func(i int, e pbft.Effect) {
		if o, is := e.(pbft.Observed); is && i == 3 && o.Event == pbft.EventInstalled {
			frozen = false
		} else if is && i == 3 && o.Event == pbft.EventFrozen {
			frozen = true
		}
	}
	cut = false
	whole := func() bool {
		s := net.Nodes[3].Replica.State()
		return s.Executed == net.Nodes[0].Replica.State().Executed && s.Active && !s.Frozen
	}
	if !net.RunUntil(60_000, func() bool { return frozen }) {
		t.Fatalf("it was not frozen: %+v", net.Nodes[3].Replica.State())
	}
	if !net.RunUntil(60_000, whole) {
		t.Fatalf("it votes no more: %+v", net.Nodes[3].Replica.State())
	}
	if v := net.Nodes[3].Replica.State().View; v == 0 {
		t.Error("it thawed in the same view")
	}
	order(4)
	for _, v := range net.Violations {
		t.Error(v)
	}
}
