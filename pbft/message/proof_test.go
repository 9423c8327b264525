package message_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"byzd/crypto"
	"byzd/pbft/message"
)

// A file of every kind of proof survives the way through a file, and nothing is left in it that
// could be changed, even by someone who knows how to close it with a fitting digest.
func TestProofRoundTrip(t *testing.T) {
	w := newWorld(t, 4, crypto.SchemeEd25519)
	for name, e := range w.evidence() {
		t.Run(name, func(t *testing.T) {
			data := message.EncodeProof(w.cfg, e)
			back, err := message.DecodeProof(w.cfg, data)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(message.EncodeEvidence(back), message.EncodeEvidence(e)) {
				t.Error("the proof came back as another one")
			}
			if back.Culprit != 1 || back.Kind != e.Kind {
				t.Errorf("it accuses member %d of %v", back.Culprit, back.Kind)
			}
			everyByteCounts(t, w.cfg, data)
		})
	}
}

// A proof that two PREPAREs contradict is worthless after one flipped, added or missing byte, at
// every position, under every scheme.
func TestProofOfTwoPreparesEveryPosition(t *testing.T) {
	for _, scheme := range crypto.SchemeNames() {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 4, scheme)
			a, b := crypto.Hash("a"), crypto.Hash("b")
			e := message.ContradictingVotes(w.prepare(2, 3, 7, a), w.prepare(2, 3, 7, b))
			data := message.EncodeProof(w.cfg, e)
			if _, err := message.DecodeProof(w.cfg, data); err != nil {
				t.Fatal(err)
			}
			everyByteCounts(t, w.cfg, data)
		})
	}
}

func everyByteCounts(t *testing.T, cfg *message.Config, data []byte) {
	t.Helper()
	refused := func(what string, at int, changed []byte) {
		t.Helper()
		if _, err := message.DecodeProof(cfg, changed); !errors.Is(err, message.ErrProof) {
			t.Errorf("byte %d %s: accepted (%v)", at, what, err)
		}
	}
	for i := range data {
		refused("flipped", i, flipped(data, i))
		if i < len(data)-len(crypto.Digest{}) {
			refused("flipped and closed again", i, closed(flipped(data, i)))
		}
		refused("missing", i, append(bytes.Clone(data[:i]), data[i+1:]...))
		refused("cut off here", i, data[:i])
	}
	for i := range len(data) + 1 {
		added := append(bytes.Clone(data[:i]), append([]byte{0x5a}, data[i:]...)...)
		refused("added", i, added)
	}
}

// closed gives a file a closing digest that fits.
func closed(data []byte) []byte {
	body := data[:len(data)-len(crypto.Digest{})]
	d := crypto.Hash("byzd/proof/1", body)
	return append(bytes.Clone(body), d[:]...)
}

func TestProofErrorsSayWhatIsWrong(t *testing.T) {
	w := newWorld(t, 4, crypto.SchemeEd25519)
	data := message.EncodeProof(w.cfg, w.evidence()["E1"])
	innocent := *w.evidence()["E1"]
	innocent.Culprit = 2
	same := *w.evidence()["E1"]
	same.Second = same.First
	version := bytes.Clone(data)
	version[14] = 9
	for name, c := range map[string]struct {
		cfg  *message.Config
		data []byte
		want string
	}{
		"empty":         {w.cfg, nil, "does not begin like one of byzd's proofs"},
		"another file":  {w.cfg, []byte("{\"proof\": true}"), "does not begin like one of byzd's"},
		"cut off":       {w.cfg, data[:60], "the file ends after 60 bytes"},
		"new version":   {w.cfg, closed(version), "version 9; this byzd reads the versions 1 and 2"},
		"damaged":       {w.cfg, flipped(data, 100), "the closing digest does not fit"},
		"other cluster": {w.inCluster("x").cfg, data, "but the genesis is that of cluster"},
		"other epoch":   {w.inEpoch(3).cfg, data, "it is about epoch 0, not 3"},
		"innocent": {
			w.cfg, message.EncodeProof(w.cfg, &innocent),
			"it accuses member 2 of E1-two-prepares, and that does not hold: bad_signature",
		},
		"no lie": {
			w.cfg, message.EncodeProof(w.cfg, &same),
			"it accuses member 1 of E1-two-prepares, and that does not hold: worthless_evidence",
		},
		"trailing byte": {
			w.cfg, closed(append(bytes.Clone(data), make([]byte, 32)...)), "32 bytes too many",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := message.DecodeProof(c.cfg, c.data)
			if !errors.Is(err, message.ErrProof) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %q, want one that says %q", err, c.want)
			}
		})
	}
}

// A proof of a later epoch carries the chain that leads there from the genesis, so that nothing but
// the genesis is needed to check it (DESIGN §9); without it, whoever checks brings the chain.
func TestProofOfALaterEpochCarriesItsChain(t *testing.T) {
	w := newWorld(t, 4, crypto.SchemeEd25519)
	end := w.epochProof(w.growth(w.cfg.Base, 2), w.cfg.Base)
	next, err := end.Verify(w.cfg)
	if err != nil {
		t.Fatal(err)
	}
	later := *w
	later.cfg = next
	e := message.ContradictingVotes(
		later.prepare(2, 3, 7, crypto.Hash("a")), later.prepare(2, 3, 7, crypto.Hash("b")))
	data := message.EncodeProof(next, e, end)
	back, err := message.OpenProof(w.cfg, nil, data)
	if err != nil || back.In.Digest() != next.Digest() || back.Culprit != e.Culprit {
		t.Fatalf("with the genesis alone: %v, %+v", err, back)
	}
	if _, err := message.DecodeProof(next, data); err != nil {
		t.Errorf("with its own configuration: %v", err)
	}
	for i := 0; i < len(data)-len(crypto.Digest{}); i += 3 {
		if _, err := message.DecodeProof(w.cfg, closed(flipped(data, i))); err == nil {
			t.Errorf("byte %d flipped and closed again: accepted", i)
		}
	}
	bare := message.EncodeProof(next, e)
	if _, err := message.DecodeProof(w.cfg, bare); !errors.Is(err, message.RefusedEpoch) {
		t.Errorf("without a chain: %v", err)
	}
	chain := []*message.EpochProof{end}
	if back, err := message.OpenProof(w.cfg, chain, bare); err != nil || back.In.Epoch != 1 {
		t.Errorf("with the chain beside it: %v", err)
	}
	// Signed in epoch 1, it proves nothing about epoch 0, and nobody can make it say so.
	if _, err := message.DecodeProof(w.cfg, message.EncodeProof(w.cfg, e)); err == nil {
		t.Error("it holds in another epoch")
	}
	if message.ProofName(next, e) == message.ProofName(w.cfg, e) {
		t.Error("proofs of two epochs have one name")
	}
}
