package judge

import (
	"math/rand/v2"
	"testing"

	"byzd/crypto"
	"byzd/daemon/kv/merkle"
	"byzd/pbft"
	"byzd/pbft/message"
)

// The judge's ledger and the replicas' client table were written apart from rule R3. Whatever is
// ordered, they come to the same sessions and windows, and to as many executions.
func TestLedgerAgreesWithTheReplicasClientTable(t *testing.T) {
	c := newCluster(t, 4, ed25519)
	c.cfg.Params.MaxClientRows = 128
	for seed := range uint64(6) {
		random := rand.New(rand.NewPCG(seed, 1))
		table, ledger := pbft.NewClientTable(c.cfg), newLedger(c.cfg)
		replay := &replay{
			ledger: ledger, replies: map[uint64]map[uint64][]byte{}, store: nil,
		}
		rows := merkle.Tree{}
		sessions := []uint64{0}
		seq := uint64(0)
		for range 300 {
			seq++
			if random.IntN(40) == 0 {
				seq += idleBatches // so that idle sessions may be evicted
			}
			b := &message.Batch{Header: message.Header{Seq: seq}}
			for range 1 + random.IntN(3) {
				b.Bundles = append(b.Bundles, randomBundle(random, sessions))
			}
			ran := 0
			for _, v := range table.Plan(b) {
				if v.Outcome == pbft.Registered {
					sessions = append(sessions, v.Session)
				}
				if v.Outcome == pbft.Run {
					ran++
				}
			}
			if got := replay.count(b); got != ran {
				t.Fatalf("seed %d, batch %d: %d run, in the replica %d", seed, seq, got, ran)
			}
			for _, row := range table.Changed() {
				key := numbers([]byte{'s'}, row.Session)
				if rows = rows.Delete(key); row.Data != nil {
					rows = rows.Set(key, row.Data)
				}
			}
			if ledger.tree(nil).Root() != rows.Root() {
				t.Fatalf("seed %d: the tables differ after batch %d", seed, seq)
			}
		}
		if len(sessions) < 20 {
			t.Errorf("seed %d: only %d sessions", seed, len(sessions))
		}
	}
}

// count decides on a batch like replay.batch, without a store.
func (r *replay) count(b *message.Batch) int {
	ran, sessions := 0, uint64(0)
	for _, bundle := range b.Bundles {
		if r.ledger.bundle(bundle, b.Header.Seq) != runs {
			continue
		}
		for i := range bundle.Items {
			s := bundle.Items[i].Signed
			switch {
			case s == nil:
				ran++
			case s.IsRegister():
				r.ledger.register(s, bundle.Gateway, b.Header.Seq<<16+sessions, b.Header.Seq)
				sessions++
			case r.ledger.request(s, b.Header.Seq) == runs:
				ran++
			}
		}
	}
	return ran
}

func randomBundle(random *rand.Rand, sessions []uint64) *message.Bundle {
	gateway := random.IntN(4)
	seq := random.Uint64N(2400)
	b := &message.Bundle{
		Gateway: gateway, Session: uint64(gateway), Seq: seq,
		Ack: min(random.Uint64N(1300), seq+random.Uint64N(2)),
	}
	for range 1 + random.IntN(4) {
		client := crypto.NewNetworkKey([32]byte{byte(random.IntN(60))}).ID()
		place := random.Uint64N(200)
		switch random.IntN(3) {
		case 0:
			b.Items = append(b.Items, message.Item{Op: []byte{1}})
		case 1:
			b.Items = append(b.Items, message.Item{Signed: &message.ClientRequest{
				Client: client, Seq: random.Uint64N(5),
			}})
		default:
			b.Items = append(b.Items, message.Item{Signed: &message.ClientRequest{
				Client: client, Session: sessions[random.IntN(len(sessions))], Seq: place,
				Ack: random.Uint64N(place + 2),
			}})
		}
	}
	return b
}
