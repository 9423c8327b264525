package traitor

import (
	"testing"

	"byzd/crypto"
	"byzd/pbft"
	"byzd/pbft/message"
	"byzd/pbft/pbfttest"
)

// Old messages are sent again under load as well, when far more come within half a second than are
// kept; and never before they are old enough.
func TestReplayUnderLoad(t *testing.T) {
	tr, err := newTraitor(t, 4, 3, nil, "replay-old")
	if err != nil {
		t.Fatal(err)
	}
	cfg, signers := pbfttest.Config(4, crypto.SchemeEd25519, message.DefaultParams())
	sealer := message.Sealer{Config: cfg, Self: 3, Signer: signers[3]}
	said := map[uint64]int64{}
	const end = 4 * replayAge
	for now, view := int64(1), uint64(0); now < end; now++ {
		for range 4 * replayKept / replayAge {
			view++
			said[view] = now
			tr.Out(now, pbft.All, sealer.Seal(&message.Status{View: view}))
		}
		for _, o := range tr.Tick(now) {
			s, is := o.Msg.(*message.Status)
			if !is || said[s.View]+replayAge > now {
				t.Fatalf("replayed %+v at %d ms", o.Msg, now)
			}
		}
	}
	// Half of the time is waited until what is kept is old enough.
	if fired := tr.Fired()["replay-old"]; fired < end/replayEvery/4 {
		t.Errorf("it fired %d times in %d ms", fired, end)
	}
}
