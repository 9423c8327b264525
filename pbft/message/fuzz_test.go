package message_test

import (
	"bytes"
	"errors"
	"testing"

	"byzd/crypto"
	"byzd/pbft/message"
)

// FuzzDecode: whatever comes over the wire, decoding and verifying are total, bounded, and accept
// one encoding only.
func FuzzDecode(f *testing.F) {
	w := newWorld(f, 4, crypto.SchemeEd25519)
	for _, s := range w.samples() {
		f.Add(message.Encode(w.cfg.Epoch, s.m))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		within(t, frame, func() { _, _, _ = message.Decode(frame) })
		epoch, m, err := message.Decode(frame)
		if err != nil {
			if !errors.Is(err, message.ErrMalformed) {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		if again := message.Encode(epoch, m); !bytes.Equal(again, frame) {
			t.Fatalf("decodes, and encodes as %x", again)
		}
		_, err = message.Verify(w.cfg, newCache(), 1, epoch, m)
		var r message.Refusal
		if err != nil && !errors.As(err, &r) {
			t.Fatalf("refused without a name: %v", err)
		}
	})
}

// FuzzDecodeRecord: whatever a journal holds, reading it is total and accepts one encoding only.
func FuzzDecodeRecord(f *testing.F) {
	w := newWorld(f, 4, crypto.SchemeEd25519)
	for _, rec := range w.records() {
		f.Add(uint8(rec.Type), uint8(message.RecordVersion), rec.Encode())
	}
	f.Fuzz(func(t *testing.T, typ, version uint8, body []byte) {
		rec, err := message.DecodeRecord(message.RecordType(typ), version, body)
		if err == nil && !bytes.Equal(rec.Encode(), body) {
			t.Fatalf("decodes, and encodes as %x", rec.Encode())
		}
	})
}

// FuzzDecodeReply: whatever a node answers its client, reading and checking it is total.
func FuzzDecodeReply(f *testing.F) {
	w := newWorld(f, 4, crypto.SchemeEd25519)
	for _, p := range w.replies(2, 3) {
		f.Add(message.EncodeReply(p))
	}
	good := w.replies(2, 3)
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := message.DecodeReply(data)
		if err != nil {
			return
		}
		if !bytes.Equal(message.EncodeReply(p), data) {
			t.Fatalf("decodes, and encodes as %x", message.EncodeReply(p))
		}
		if p.Verify(w.cfg) == nil && p.Leaf() != good[p.Index%3].Leaf() {
			t.Fatalf("a reply that nobody gave holds: %+v", p)
		}
	})
}

// FuzzProof: whatever a file holds, it convicts only by the proofs that there are.
func FuzzProof(f *testing.F) {
	w := newWorld(f, 4, crypto.SchemeEd25519)
	genuine := map[string]bool{}
	for _, e := range w.evidence() {
		data := message.EncodeProof(w.cfg, e)
		f.Add(data)
		genuine[string(data)] = true
		e.First, e.Second = e.Second, e.First // either order may hold
		genuine[string(message.EncodeProof(w.cfg, e))] = true
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, file := range [][]byte{data, closeAny(data)} {
			e, err := message.DecodeProof(w.cfg, file)
			if err == nil && !genuine[string(file)] {
				t.Fatalf("replica %d is convicted of %v by a forged file", e.Culprit, e.Kind)
			}
		}
	})
}

// closeAny closes a file with a fitting digest where it is long enough for one.
func closeAny(data []byte) []byte {
	if len(data) < len(crypto.Digest{}) {
		return data
	}
	return closed(data)
}

// within fails unless a decoder allocates in proportion to what there is, whatever that claims.
// What other goroutines of the fuzzer allocate meanwhile counts too, so the least of a few counts.
func within(t *testing.T, data []byte, decode func()) {
	t.Helper()
	least := allocated(decode)
	for k := 0; k < 5 && least > budget(data); k++ {
		least = min(least, allocated(decode))
	}
	if least > budget(data) {
		t.Fatalf("%d bytes allocated for %d", least, len(data))
	}
}

// FuzzDecodeParts is [FuzzDecode] for what travels inside of others or lies in files: client
// requests, batches, evidence, the lists of a state's parts, changes of the members.
func FuzzDecodeParts(f *testing.F) {
	w := newWorld(f, 4, crypto.SchemeEd25519)
	batch := w.batch(0, w.cfg.Base, w.bundle(1, 9, plain("p", "q")...))
	f.Add(uint8(0), message.EncodeClientRequest(w.signed(1, message.FirstClientSession, 4, "s").Signed))
	f.Add(uint8(1), message.EncodeBatch(batch))
	for _, e := range w.evidence() {
		f.Add(uint8(2), message.EncodeEvidence(e))
	}
	f.Add(uint8(3), (&message.Manifest{Header: batch.Header}).Encode())
	f.Fuzz(func(t *testing.T, what uint8, data []byte) {
		var again []byte
		decode := func() { again = nil }
		switch what % 5 {
		case 0:
			decode = func() { again = encoded(message.EncodeClientRequest)(message.DecodeClientRequest(data)) }
		case 1:
			decode = func() { again = encoded(message.EncodeBatch)(message.DecodeBatch(data)) }
		case 2:
			decode = func() { again = encoded(message.EncodeEvidence)(message.DecodeEvidence(data)) }
		case 3:
			decode = func() { again = encoded((*message.Manifest).Encode)(message.DecodeManifest(data)) }
		case 4:
			decode = func() {
				again = encoded(message.EncodeReconfiguration)(message.DecodeReconfiguration(data))
			}
		}
		within(t, data, decode)
		if decode(); again != nil && !bytes.Equal(again, data) {
			t.Fatalf("kind %d: %x decodes, and encodes as %x", what%5, data, again)
		}
	})
}

// encoded is the encoding of what was decoded, or nil.
func encoded[T any](encode func(T) []byte) func(T, error) []byte {
	return func(v T, err error) []byte {
		if err != nil {
			return nil
		}
		return encode(v)
	}
}

// FuzzReconfiguration: whatever a file or a node hands in as a change of the members, reading it is
// total and accepts one encoding only, and nothing that administrators did not sign is approved.
func FuzzReconfiguration(f *testing.F) {
	w := newWorld(f, 4, crypto.SchemeEd25519)
	top := message.Ref{Seq: 3, Digest: crypto.Hash("top")}
	signed := map[crypto.Digest]bool{}
	for _, more := range []int{0, 1, 3} {
		rc := w.growth(top, more)
		if more == 0 {
			rc.Change.Params.InFlight--
			rc = w.approved(rc.Change, 2)
		}
		signed[rc.Change.Digest()] = true
		f.Add(message.EncodeReconfiguration(rc))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		rc, err := message.DecodeReconfiguration(data)
		if err != nil {
			return
		}
		if again := message.EncodeReconfiguration(rc); !bytes.Equal(again, data) {
			t.Fatalf("decodes, and encodes as %x", again)
		}
		if _, err := rc.Approved(w.cfg, top); err == nil && !signed[rc.Change.Digest()] {
			t.Fatal("a change that nobody signed is approved")
		}
	})
}

// FuzzEpochs: whatever a file holds, it leads from the genesis only where the members went.
func FuzzEpochs(f *testing.F) {
	w := newWorld(f, 4, crypto.SchemeEd25519)
	p := w.epochProof(w.growth(message.Ref{Seq: 3, Digest: crypto.Hash("top")}, 3),
		message.Ref{Seq: 3, Digest: crypto.Hash("top")})
	next, err := p.Verify(w.cfg)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(message.EncodeEpochs(w.cfg.Cluster, nil))
	f.Add(message.EncodeEpochs(w.cfg.Cluster, []*message.EpochProof{p}))
	f.Add(message.EncodeEpochs(w.cfg.Cluster, []*message.EpochProof{p, p}))
	f.Fuzz(func(t *testing.T, data []byte) {
		chain, err := message.DecodeEpochs(w.cfg, data)
		if err != nil {
			return
		}
		if again := message.EncodeEpochs(w.cfg.Cluster, chain); !bytes.Equal(again, data) {
			t.Fatalf("decodes, and encodes as %x", again)
		}
		now, err := message.FollowEpochs(w.cfg, chain)
		if err == nil && now.Digest() != w.cfg.Digest() && now.Digest() != next.Digest() {
			t.Fatalf("it leads to epoch %d, which nobody made", now.Epoch)
		}
	})
}
