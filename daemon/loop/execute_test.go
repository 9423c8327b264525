package loop

import (
	"testing"

	"byzd/crypto"
	"byzd/daemon/kv"
	"byzd/pbft"
	"byzd/pbft/message"
	"byzd/pbft/pbfttest"
)

// A request that comes again after a restart gets the old reply, with a signature: replies are not
// signed while the journal is replayed.
func TestRepliesOfReplayedRequestsAreSigned(t *testing.T) {
	cfg, signers := pbfttest.Config(4, crypto.SchemeEd25519, message.DefaultParams())
	x := newExecutor(message.Sealer{Config: cfg, Self: 0, Signer: signers[0]}, kv.New())
	const session = message.FirstClientSession
	b := &message.Batch{
		Header: message.Header{Seq: 1},
		Bundles: []*message.Bundle{{Items: []message.Item{
			{Signed: &message.ClientRequest{Session: session, Seq: 3}},
		}}},
	}
	x.quiet = true
	x.apply(b, []pbft.Verdict{{Outcome: pbft.Run, Session: session}})
	x.quiet = false
	b.Header.Seq = 2
	a := x.apply(b, []pbft.Verdict{{Outcome: pbft.Duplicate, Session: session}})
	if len(a.Replies) != 1 {
		t.Fatalf("%d replies", len(a.Replies))
	}
	if p := a.Replies[0]; p.Batch != 1 || p.Verify(cfg) != nil {
		t.Errorf("the reply of batch %d: %v", p.Batch, p.Verify(cfg))
	}
}
