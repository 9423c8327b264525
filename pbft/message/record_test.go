package message_test

import (
	"bytes"
	"errors"
	"testing"

	"byzd/crypto"
	"byzd/pbft/message"
)

// records returns one of every type, and every form that an alarm has.
func (w *world) records() []*message.Record {
	w.tb.Helper()
	chain := w.chain(0, w.cfg.Base, 2, "x")
	ref := refOf(chain[1])
	high, cc := w.prepared(0, ref), w.committed(0, ref)
	stable := w.stable(ref, crypto.Hash("root"))
	unsigned := &message.Vote{Kind: crypto.KindCommit, View: 3, Seq: 4, Voter: 2}
	unsigned.Digest = ref.Digest
	change := w.viewChange(2, 1, high, stable, w.prepare(0, 0, 3, crypto.Hash("y")))
	change.Stmt.Sig = nil
	nv := w.newView(1, true, w.viewChange(0, 1, high, stable),
		w.viewChange(1, 1, high, stable), w.viewChange(3, 1, high, stable))
	const epoch = 3
	return []*message.Record{
		{Type: message.RecordBatch, Epoch: epoch, Batch: chain[0]},
		{Type: message.RecordVote, Epoch: epoch, Vote: unsigned},
		{Type: message.RecordHigh, Epoch: epoch, Cert: high},
		{Type: message.RecordTarget, Epoch: epoch, Change: change},
		{Type: message.RecordView, Epoch: epoch, NewView: nv},
		{Type: message.RecordNewView, Epoch: epoch, NewView: nv},
		{Type: message.RecordStable, Epoch: epoch, Stable: stable},
		{Type: message.RecordCommitted, Epoch: epoch, Cert: cc},
		{Type: message.RecordCheckpoint, Epoch: epoch, Checkpoint: &message.Checkpoint{
			Seq: 8, Digest: ref.Digest, Root: crypto.Hash("root"), Voter: 2,
		}},
		{
			Type: message.RecordReserved, Epoch: epoch,
			Reserved: message.RequestKey{Session: 2, Seq: 2048},
		},
		{Type: message.RecordEvidence, Epoch: epoch, Evidence: w.evidence()["E4"]},
		{Type: message.RecordAlarm, Epoch: epoch, Alarm: &message.Alarm{First: high, Second: cc}},
		{
			Type: message.RecordAlarm, Epoch: epoch,
			Alarm: &message.Alarm{FirstCheckpoint: stable, Second: cc},
		},
		{Type: message.RecordEpoch, Epoch: epoch, End: w.epochProof(w.growth(ref, 2), ref)},
		{Type: message.RecordAmnesia, Epoch: epoch, Amnesia: &message.Amnesia{}},
		{
			Type: message.RecordAmnesia, Epoch: epoch,
			Amnesia: &message.Amnesia{End: true, Floor: 9, Proof: cc},
		},
	}
}

// Every record comes back from the journal as it was, and nothing else decodes.
func TestRecordRoundTrip(t *testing.T) {
	w := newWorld(t, 4, crypto.SchemeEd25519)
	seen := map[message.RecordType]bool{}
	for _, rec := range w.records() {
		seen[rec.Type] = true
		body := rec.Encode()
		back, err := message.DecodeRecord(rec.Type, message.RecordVersion, body)
		if err != nil {
			t.Fatalf("record of type %d: %v", rec.Type, err)
		}
		if back.Type != rec.Type || back.Epoch != 3 {
			t.Errorf("type %d of epoch 3 came back as %d of %d", rec.Type, back.Type, back.Epoch)
		}
		if !bytes.Equal(back.Encode(), body) {
			t.Errorf("record of type %d came back as another one", rec.Type)
		}
		for i := range body {
			_, err := message.DecodeRecord(rec.Type, message.RecordVersion, body[:i])
			if !errors.Is(err, message.ErrMalformed) {
				t.Fatalf("the first %d bytes of type %d: %v", i, rec.Type, err)
			}
		}
		for i := range body {
			for _, changed := range [][]byte{flipped(body, i), setTo(body, i, 2)} {
				other, err := message.DecodeRecord(rec.Type, message.RecordVersion, changed)
				if err == nil && !bytes.Equal(other.Encode(), changed) {
					t.Errorf("type %d, byte %d changed: it is written as something else", rec.Type, i)
				}
			}
		}
		longer := append(bytes.Clone(body), 0)
		_, err = message.DecodeRecord(rec.Type, message.RecordVersion, longer)
		if !errors.Is(err, message.ErrMalformed) {
			t.Errorf("type %d with a byte more: %v", rec.Type, err)
		}
		_, err = message.DecodeRecord(rec.Type, message.RecordVersion+1, body)
		if !errors.Is(err, message.ErrMalformed) {
			t.Errorf("type %d of the next version: %v", rec.Type, err)
		}
	}
	for typ := message.RecordBatch; typ <= message.RecordAmnesia; typ++ {
		if !seen[typ] {
			t.Errorf("no record of type %d was tried", typ)
		}
	}
	for _, typ := range []message.RecordType{0, message.RecordAmnesia + 1, 255} {
		_, err := message.DecodeRecord(typ, message.RecordVersion, make([]byte, 8))
		if !errors.Is(err, message.ErrMalformed) {
			t.Errorf("record of type %d: %v", typ, err)
		}
	}
}

func setTo(data []byte, i int, v byte) []byte {
	dup := bytes.Clone(data)
	dup[i] = v
	return dup
}

// A record of no type is this node's own broken invariant.
func TestRecordWithoutTypePanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a record without type was encoded")
		}
	}()
	(&message.Record{}).Encode()
}

// What a record holds keeps its meaning: the fields come back one by one.
func TestRecordFields(t *testing.T) {
	w := newWorld(t, 4, crypto.SchemeEd25519)
	for _, rec := range w.records() {
		back, err := message.DecodeRecord(rec.Type, message.RecordVersion, rec.Encode())
		if err != nil {
			t.Fatal(err)
		}
		switch rec.Type {
		case message.RecordBatch:
			if refOf(back.Batch) != refOf(rec.Batch) ||
				back.Batch.Bundles[0].ID() != rec.Batch.Bundles[0].ID() {
				t.Error("another batch")
			}
		case message.RecordVote:
			if back.Vote.Rank() != rec.Vote.Rank() || back.Vote.Kind != rec.Vote.Kind {
				t.Error("another vote")
			}
		case message.RecordHigh, message.RecordCommitted:
			if err := back.Cert.Verify(w.cfg); err != nil {
				t.Errorf("the certificate: %v", err)
			}
		case message.RecordTarget:
			if back.Change.Stmt.Tuple != rec.Change.Stmt.Tuple || back.Change.Stmt.Voter != 2 {
				t.Error("another VIEW-CHANGE")
			}
		case message.RecordView, message.RecordNewView:
			if back.NewView.Statement(w.cfg) != rec.NewView.Statement(w.cfg) ||
				!back.NewView.HoldsChain {
				t.Error("another NEW-VIEW")
			}
		case message.RecordStable:
			if err := back.Stable.Verify(w.cfg); err != nil {
				t.Errorf("the stable checkpoint: %v", err)
			}
		case message.RecordCheckpoint:
			if back.Checkpoint.Root != rec.Checkpoint.Root {
				t.Error("another root")
			}
		case message.RecordReserved:
			if back.Reserved != rec.Reserved {
				t.Error("another mark")
			}
		case message.RecordEvidence:
			if err := back.Evidence.Verify(w.cfg); err != nil {
				t.Errorf("the proof: %v", err)
			}
		case message.RecordAlarm:
			if (back.Alarm.First == nil) != (rec.Alarm.First == nil) {
				t.Error("another alarm")
			}
		}
	}
}
