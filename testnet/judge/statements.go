package judge

import (
	"bytes"
	"encoding/binary"

	"byzd/crypto"
	"byzd/pbft/message"
)

// statements are what members signed, gathered from all journals, those of traitors too: a
// signature speaks for itself, whoever keeps it. Nothing here is verified yet; every proof that is
// built of it is.
type statements struct {
	proofs      []*message.Evidence
	votes       []*message.Vote // signed alone
	certs       []*message.Certificate
	checkpoints []*message.CheckpointCertificate
	newViews    []*message.NewView
	changes     []*message.VcStmt
	alarms      []*message.Alarm
	// Heard only, for in a journal they are not signed: see [History.Hear].
	states    []*message.Checkpoint
	proposals []*message.PrePrepare
	bundles   map[crypto.Digest]*message.Bundle
}

func (s *statements) add(cfg *message.Config, rec *message.Record) {
	switch rec.Type {
	case message.RecordHigh, message.RecordCommitted:
		s.certs = append(s.certs, rec.Cert)
	case message.RecordStable:
		s.checkpoints = append(s.checkpoints, rec.Stable)
	case message.RecordEpoch:
		s.checkpoints = append(s.checkpoints, rec.End.Certificate)
	case message.RecordTarget:
		s.certs = append(s.certs, rec.Change.High)
		s.checkpoints = append(s.checkpoints, rec.Change.Stable)
		s.votes = append(s.votes, rec.Change.Statements...)
	case message.RecordView, message.RecordNewView:
		s.addNewView(cfg, rec.NewView)
	case message.RecordEvidence:
		s.addProof(rec.Evidence)
	case message.RecordAlarm:
		s.alarms = append(s.alarms, rec.Alarm)
		for _, c := range []*message.Certificate{rec.Alarm.First, rec.Alarm.Second} {
			if c != nil {
				s.certs = append(s.certs, c)
			}
		}
		if c := rec.Alarm.FirstCheckpoint; c != nil {
			s.checkpoints = append(s.checkpoints, c)
		}
	case message.RecordBatch, message.RecordVote, message.RecordCheckpoint, message.RecordReserved,
		message.RecordAmnesia:
	default: // a record that this judge does not know says nothing to it
	}
}

func (s *statements) addNewView(cfg *message.Config, m *message.NewView) {
	s.newViews = append(s.newViews, m)
	s.certs = append(s.certs, m.Base)
	s.checkpoints = append(s.checkpoints, m.Stable)
	for i := range m.Stmts {
		s.changes = append(s.changes, &m.Stmts[i])
	}
	if v := m.Prepare(cfg); v != nil {
		s.votes = append(s.votes, v)
	}
}

// addProof keeps a proof, and the votes in it: they may contradict what another node keeps.
func (s *statements) addProof(e *message.Evidence) {
	s.proofs = append(s.proofs, e)
	for _, st := range []*message.Statement{&e.First, &e.Second} {
		if v, ok := voteOf(e.Culprit, st); ok {
			s.votes = append(s.votes, v)
		}
	}
}

// voteOf reads a signed PREPARE or COMMIT.
func voteOf(voter int, s *message.Statement) (*message.Vote, bool) {
	vote := s.Kind == crypto.KindPrepare || s.Kind == crypto.KindCommit
	if !vote || len(s.Body) != 16+len(crypto.Digest{}) {
		return nil, false
	}
	return &message.Vote{
		Kind: s.Kind, View: binary.BigEndian.Uint64(s.Body),
		Seq: binary.BigEndian.Uint64(s.Body[8:]), Digest: crypto.Digest(s.Body[16:]),
		Voter: voter, Sig: bytes.Clone(s.Sig),
	}, true
}

// share is one member's signature in an aggregate of a list scheme; nil if there is none.
func share(cfg *message.Config, signers []int, voter int, aggregate []byte) []byte {
	size := cfg.Scheme.SignatureSize()
	if !message.Separable(cfg.Scheme) || len(aggregate) != size*len(signers) {
		return nil
	}
	for i, s := range signers {
		if s == voter {
			return aggregate[i*size : (i+1)*size]
		}
	}
	return nil
}
