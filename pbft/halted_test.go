package pbft_test

import (
	"testing"

	"byzd/crypto"
	"byzd/pbft"
	"byzd/pbft/message"
	"byzd/pbft/pbfttest"
)

// A replica that has halted asks nobody for decided batches: it would not execute them, and would
// ask for the same again and again. Found by nemesis: a node that was convicted, and honest again,
// made the three others read their journals for it until they hardly got to anything else.
func TestHaltedReplicaFetchesNothing(t *testing.T) {
	net := pbfttest.New(4, params())
	asked, executed := 0, 0
	net.Watch = func(i int, e pbft.Effect) {
		if send, is := e.(pbft.Send); is && i == 3 {
			if _, asks := send.Msg.(*message.FetchDecided); asks {
				asked++
			}
		}
	}
	for _, digest := range []crypto.Digest{{1}, {2}} {
		v := &message.Vote{Kind: crypto.KindPrepare, Seq: 1, Digest: digest, Voter: 3}
		net.Nodes[3].Sealer.Seal(v)
		toBackups(net, 3, v, 0, 1, 2)
	}
	if !net.RunUntil(5000, func() bool { return net.Nodes[3].Replica.State().Halted != "" }) {
		t.Fatal("replica 3 is not convicted of what it signed")
	}
	net.Pass = func(e pbfttest.Envelope) bool { // it learns what is decided, and not the way there
		_, proposes := e.Msg.(*message.PrePrepare)
		return e.To != 3 || !proposes
	}
	for range 20 {
		net.Submit(1, "op")
		executed++
		if !net.RunUntil(20_000, func() bool { return len(net.Nodes[1].Applied) == executed }) {
			t.Fatalf("the others stop at batch %d", executed)
		}
	}
	net.RunFor(5000)
	if behind := net.Nodes[3].Replica.State(); behind.Executed >= uint64(executed) {
		t.Fatalf("replica 3 is not behind: %+v", behind)
	}
	if asked > 0 {
		t.Errorf("it asked %d times for batches that it will not execute", asked)
	}
}
