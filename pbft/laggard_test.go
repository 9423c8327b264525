package pbft_test

import (
	"testing"

	"byzd/crypto"
	"byzd/pbft"
	"byzd/pbft/message"
	"byzd/pbft/pbfttest"
)

// A replica that is a view behind, and has learned a prepared certificate of the view that the
// others are in, sends no VIEW-CHANGE to that view when its own fails: the VIEW-CHANGE would have
// to show a certificate of the very view that it wants, and every receiver refuses that
// (PROTOCOL §4.7: high_view < new_view). It waits for the NEW-VIEW, which a quorum holds (rule
// R12). Found by Twins: {"n":7,"twins":[1,5],"phases":1,
// "cuts":["abbcacaba","aabcaaaab","aabbabccc","aabbccccb"]}.
func TestLaggardSendsNoViewChangeToWhereOthersWere(t *testing.T) {
	net := pbfttest.New(4, params())
	behind := true // replica 3 hears of nothing, and replica 0 does not propose
	net.Pass = func(e pbfttest.Envelope) bool {
		_, proposes := e.Msg.(*message.PrePrepare)
		return !behind || e.From != 3 && e.To != 3 && (!proposes || e.From != 0)
	}
	var certificate *message.Certificate
	targets := []uint64{}
	net.Watch = func(i int, e pbft.Effect) {
		switch e := e.(type) {
		case pbft.Persist:
			if c := e.Record.Cert; e.Record.Type == message.RecordHigh && c.View == 1 {
				certificate = c
			}
		case pbft.Send:
			if m, is := e.Msg.(*message.ViewChange); is && i == 3 {
				targets = append(targets, m.Stmt.NewView)
				if m.Stmt.HighView >= m.Stmt.NewView {
					t.Errorf("replica 3 sends a VIEW-CHANGE to %d that shows a certificate of view %d",
						m.Stmt.NewView, m.Stmt.HighView)
				}
			}
		}
	}
	net.Submit(1, "op")
	if !net.RunUntil(20_000, func() bool { return len(net.Nodes[1].Applied) == 1 }) ||
		certificate == nil {
		t.Fatal("the others do not get to work in view 1")
	}
	net.Hand(pbfttest.Envelope{From: 1, To: 3, Msg: &message.Proof{Prepared: certificate}})
	for i := range 3 { // it has every reason to leave view 0
		c := &message.Complain{Reason: message.ReasonSilent, Lifetime: 60_000, Voter: i}
		net.Nodes[i].Sealer.Seal(c)
		net.Hand(pbfttest.Envelope{From: i, To: 3, Msg: c})
	}
	net.RunFor(5000)
	if s := net.Nodes[3].Replica.State(); s.High.View != 1 || s.View != 0 || s.Target != 0 {
		t.Fatalf("replica 3 stands at %+v (VIEW-CHANGEs to %v)", s, targets)
	}
	behind = false
	if !net.RunUntil(5000, func() bool { return len(net.Nodes[3].Applied) == 1 }) {
		t.Fatalf("replica 3 does not catch up: %+v", net.Nodes[3].Replica.State())
	}
	if s := net.Nodes[3].Replica.State(); s.View != net.Nodes[1].Replica.State().View {
		t.Errorf("replica 3 is in view %d", s.View)
	}
	if certificate.Kind != crypto.KindPrepare || len(net.Violations) > 0 {
		t.Error(net.Violations)
	}
}
