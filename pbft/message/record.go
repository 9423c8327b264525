package message

import (
	"fmt"

	"byzd/crypto"
)

// RecordType tells the journal's records apart. Numbers are never reused.
type RecordType uint8

// The records, and what each makes irrevocable (PROTOCOL §4.6 with rules R2, R7 and R14).
const (
	RecordBatch      RecordType = iota + 1 // a batch's body, before a vote for it
	RecordVote                             // a PREPARE or COMMIT, before it leaves
	RecordHigh                             // the highest prepared certificate, before a COMMIT
	RecordTarget                           // a VIEW-CHANGE with its proofs, before it leaves
	RecordView                             // an accepted NEW-VIEW, before acting on it
	RecordNewView                          // a NEW-VIEW of one's own, before it leaves
	RecordStable                           // a stable checkpoint, before it is cited
	RecordCommitted                        // a commit certificate that batches were executed by
	RecordCheckpoint                       // a CHECKPOINT of one's own: the root after a batch
	RecordReserved                         // gateway bundle numbers below this may have been used
	RecordEvidence                         // a proof, so that it outlives this process
	RecordAlarm                            // two certificates that cannot both be
	RecordEpoch                            // the proof that an epoch ended, before the next begins
	RecordAmnesia                          // this replica forgot what it said, or may vote again
	recordEnd
)

// RecordVersion is the version of all record bodies.
const RecordVersion = 1

// Record is one entry of the journal. Exactly the field that its type names is set.
type Record struct {
	Type       RecordType
	Epoch      uint64
	Batch      *Batch
	Vote       *Vote // unsigned
	Cert       *Certificate
	Change     *ViewChange // unsigned
	NewView    *NewView
	Stable     *CheckpointCertificate
	Checkpoint *Checkpoint // unsigned
	Reserved   RequestKey
	Evidence   *Evidence
	Alarm      *Alarm
	End        *EpochProof
	Amnesia    *Amnesia
}

// Alarm is what cannot happen with at most f liars: two certificates of different chains.
type Alarm struct {
	First, Second   *Certificate
	FirstCheckpoint *CheckpointCertificate // in place of First, where that is what is held
}

// Encode returns the record's body for the journal.
func (rec *Record) Encode() []byte {
	w := writer{buf: make([]byte, 0, 128)}
	w.u64(rec.Epoch)
	switch rec.Type {
	case RecordBatch:
		rec.Batch.encode(&w)
	case RecordVote:
		rec.Vote.encode(&w)
	case RecordHigh, RecordCommitted:
		rec.Cert.encode(&w)
	case RecordTarget:
		rec.Change.encode(&w)
	case RecordView, RecordNewView:
		rec.NewView.encode(&w)
	case RecordStable:
		rec.Stable.encode(&w)
	case RecordCheckpoint:
		rec.Checkpoint.encode(&w)
	case RecordReserved:
		w.u64(rec.Reserved.Session)
		w.u64(rec.Reserved.Seq)
	case RecordEvidence:
		rec.Evidence.encode(&w)
	case RecordAlarm:
		rec.Alarm.encode(&w)
	case RecordEpoch:
		rec.End.encode(&w)
	case RecordAmnesia:
		rec.Amnesia.encode(&w)
	default:
		panic(fmt.Sprintf("journal record of type %d", rec.Type))
	}
	return w.buf
}

// DecodeRecord reads the body of a record of a type.
func DecodeRecord(t RecordType, version uint8, body []byte) (*Record, error) {
	if version != RecordVersion {
		return nil, fmt.Errorf("%w: record of version %d, this byzd reads version %d",
			ErrMalformed, version, RecordVersion)
	}
	r := reader{buf: body}
	rec := &Record{Type: t, Epoch: r.number()}
	switch t {
	case RecordBatch:
		rec.Batch = decodeBatch(&r)
	case RecordVote:
		rec.Vote = decodeVote(&r)
	case RecordHigh, RecordCommitted:
		rec.Cert = decodeCertificate(&r)
	case RecordTarget:
		rec.Change = decodeViewChange(&r)
	case RecordView, RecordNewView:
		rec.NewView = decodeNewView(&r)
	case RecordStable:
		rec.Stable = decodeCheckpointCertificate(&r)
	case RecordCheckpoint:
		rec.Checkpoint = decodeCheckpoint(&r)
	case RecordReserved:
		rec.Reserved = RequestKey{r.number(), r.number()}
	case RecordEvidence:
		rec.Evidence = decodeEvidence(&r)
	case RecordAlarm:
		rec.Alarm = decodeAlarm(&r)
	case RecordEpoch:
		rec.End = decodeEpochProof(&r)
	case RecordAmnesia:
		rec.Amnesia = decodeAmnesia(&r)
	default:
		return nil, fmt.Errorf("%w: record of unknown type %d", ErrMalformed, t)
	}
	return rec, r.done()
}

func (a *Alarm) encode(w *writer) {
	if a.FirstCheckpoint != nil {
		w.u8(1)
		a.FirstCheckpoint.encode(w)
	} else {
		w.u8(0)
		a.First.encode(w)
	}
	a.Second.encode(w)
}

func decodeAlarm(r *reader) *Alarm {
	a := &Alarm{}
	if r.flag() {
		a.FirstCheckpoint = decodeCheckpointCertificate(r)
	} else {
		a.First = decodeCertificate(r)
	}
	a.Second = decodeCertificate(r)
	return a
}

// SignBytes returns the signed form of a vote, for evidence and the judge.
func (v *Vote) SignBytes(cfg *Config) []byte { return cfg.Domain().SignBytes(v.Kind, v.body()) }

// SignBytes returns the signed form of a checkpoint statement.
func (c *Checkpoint) SignBytes(cfg *Config) []byte {
	return cfg.Domain().SignBytes(crypto.KindCheckpoint, c.body())
}
