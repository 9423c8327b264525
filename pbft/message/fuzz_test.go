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
