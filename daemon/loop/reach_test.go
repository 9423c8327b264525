package loop

import (
	"testing"

	"byzd/crypto"
	"byzd/pbft"
	"byzd/pbft/message"
	"byzd/pbft/pbfttest"
)

// A guard follows what is executed for longer than it remembers parents, also over a restart; what
// it cannot link to its last vote, or what leaves that vote's chain, it refuses.
func TestGuardReach(t *testing.T) {
	cfg, signers := pbfttest.Config(4, crypto.SchemeEd25519, message.DefaultParams())
	sealer := message.Sealer{Config: cfg, Self: 1, Signer: signers[1]}
	grow := func(from message.Ref, n int, view uint64) []*message.Batch {
		var chain []*message.Batch
		for range n {
			b := &message.Batch{Header: message.Header{
				Cluster: cfg.Cluster, Seq: from.Seq + 1, Parent: from.Digest, PropView: view,
				Root: message.BatchRoot(nil),
			}}
			chain = append(chain, b)
			from = message.Ref{Seq: b.Header.Seq, Digest: b.Header.Digest()}
		}
		return chain
	}
	chain := grow(cfg.Base, keptParents+20, 0)
	rival := grow(cfg.Base, keptParents+20, 1)
	ref := func(b *message.Batch) message.Ref {
		return message.Ref{Seq: b.Header.Seq, Digest: b.Header.Digest()}
	}
	vote := func(b *message.Batch) *message.Vote {
		return &message.Vote{
			Kind: crypto.KindPrepare, Seq: b.Header.Seq, Digest: b.Header.Digest(), Voter: 1,
		}
	}
	last := len(chain) - 1
	for _, tt := range []struct {
		name     string
		executed []*message.Batch
		restart  bool
		good     bool
	}{
		{"it executes the chain of its vote", chain, false, true},
		{"it executes another chain", rival, false, false},
		{"it has executed the chain of its vote before a restart", chain, true, true},
		{"it has executed another chain before a restart", rival, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			first := vote(chain[0])
			g := NewGuard(sealer, pbft.Restored{Votes: []*message.Vote{first}})
			if tt.restart {
				g.resume(ref(tt.executed[last-1]), func(seq uint64) (crypto.Digest, bool) {
					return tt.executed[seq-1].Header.Digest(), true
				})
			}
			for _, b := range tt.executed {
				g.Record(&message.Record{Type: message.RecordBatch, Batch: b})
				if !tt.restart && b != tt.executed[last] {
					g.Executed(ref(b), b.Header.Parent)
				}
			}
			_, err := g.Seal(vote(tt.executed[last]))
			if good := err == nil; good != tt.good {
				t.Errorf("signed: %t, want %t (%v)", good, tt.good, err)
			}
		})
	}
}
