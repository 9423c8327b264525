package traitor

import (
	"testing"

	"byzd/crypto"
	"byzd/pbft"
	"byzd/pbft/message"
	"byzd/pbft/pbfttest"
)

// What its own door makes of a refused bundle reaches the honest replica, and no trick: a traitor
// that replays what it heard would have to encode it, and it does not travel. (Found by the
// simulator: the process panicked.)
func TestRefusedBundlesAreNotReplayed(t *testing.T) {
	tr, err := newTraitor(t, 4, 3, nil, "replay-old:delay=1ms")
	if err != nil {
		t.Fatal(err)
	}
	cfg, signers := pbfttest.Config(4, crypto.SchemeEd25519, message.DefaultParams())
	b := &message.Bundle{Session: 1, Items: []message.Item{{Op: []byte("op")}}}
	message.Sealer{Config: cfg, Self: 1, Signer: signers[1]}.SealBundle(b)
	b.Sig[0] ^= 1
	v, ok := message.Incriminate(
		cfg, 0, cfg.Epoch, &message.Submission{Bundle: b}, message.RefusedSignature)
	if !ok {
		t.Fatal("the bundle incriminates nobody")
	}
	if heard := tr.In(1000, v); len(heard) != 1 {
		t.Errorf("its replica hears %d messages, not 1", len(heard))
	}
	tr.Out(1000, pbft.All, message.Sealer{Config: cfg, Self: 3, Signer: signers[3]}.Seal(
		&message.Status{View: 1}))
	replayed := 0
	for now := int64(1000); now < 10_000; now += 50 {
		for _, o := range tr.Tick(now) {
			message.Encode(cfg.Epoch, o.Msg)
			replayed++
		}
	}
	if replayed == 0 {
		t.Error("nothing was replayed")
	}
}
