package loop

import (
	"errors"
	"testing"

	"byzd/crypto"
	"byzd/daemon/disk"
	"byzd/daemon/journal"
	"byzd/pbft/message"
	"byzd/pbft/pbfttest"
)

type noCache struct{}

func (noCache) Has(crypto.Digest) bool { return false }
func (noCache) Add(crypto.Digest)      {}

// shelf fills an archive with decided batches and real certificates.
type shelf struct {
	t       *testing.T
	cfg     *message.Config
	signers []crypto.Signer
	disk    *disk.Memory
	journal *journal.Journal
	archive *archive
	parent  message.Ref
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	cfg, signers := pbfttest.Config(4, crypto.SchemeEd25519, message.DefaultParams())
	s := &shelf{t: t, cfg: cfg, signers: signers, disk: disk.NewMemory(), parent: cfg.Base}
	var err error
	if s.journal, err = journal.Open(s.disk, journal.Options{Owner: cfg.Cluster}); err != nil {
		t.Fatal(err)
	}
	s.archive = newArchive(s.journal, cfg.Base.Seq)
	return s
}

func (s *shelf) record(rec *message.Record) {
	lsn := s.journal.Append(journal.Record{
		Type: uint8(rec.Type), Version: message.RecordVersion, Body: rec.Encode(),
	})
	s.archive.note(rec, lsn)
}

// decide adds n batches with a value of so many bytes each, of which the last has a certificate.
func (s *shelf) decide(n, size int) {
	s.t.Helper()
	for range n {
		bundle := &message.Bundle{
			Session: 1, Seq: s.parent.Seq, Ack: s.parent.Seq,
			Items: []message.Item{{Op: make([]byte, size)}},
		}
		message.Sealer{Config: s.cfg, Self: 1, Signer: s.signers[1]}.SealBundle(bundle)
		b := &message.Batch{Bundles: []*message.Bundle{bundle}, Header: message.Header{
			Cluster: s.cfg.Cluster, Seq: s.parent.Seq + 1, Parent: s.parent.Digest, Requests: 1,
			Bytes: uint32(bundle.Size()),
			Root:  message.BatchRoot([]crypto.Digest{bundle.ID()}),
		}}
		s.record(&message.Record{Type: message.RecordBatch, Batch: b})
		s.parent = message.Ref{Seq: b.Header.Seq, Digest: b.Header.Digest()}
		s.archive.executed(s.parent)
	}
	c := &message.Certificate{Kind: crypto.KindCommit, Seq: s.parent.Seq, Digest: s.parent.Digest}
	var sigs [][]byte
	for i := range s.cfg.Sizes.Quorum {
		v := &message.Vote{Kind: c.Kind, Seq: c.Seq, Digest: c.Digest, Voter: i}
		message.Sealer{Config: s.cfg, Self: i, Signer: s.signers[i]}.Seal(v)
		c.Signers = c.Signers.Add(i)
		sigs = append(sigs, v.Sig)
	}
	var err error
	if c.Aggregate, err = s.cfg.Scheme.Aggregate(sigs); err != nil {
		s.t.Fatal(err)
	}
	s.record(&message.Record{Type: message.RecordCommitted, Cert: c})
	if err := s.journal.Flush(); err != nil {
		s.t.Fatal(err)
	}
}

// serve checks what holds for every answer: it verifies, it begins right after the number asked
// for, and it fits.
func (s *shelf) serve(after uint64) *message.Decided {
	s.t.Helper()
	_, durable := s.journal.Bounds()
	m, err := s.archive.serve(after, durable)
	if err != nil {
		s.t.Fatalf("after %d: %v", after, err)
	}
	if m == nil {
		return nil
	}
	if _, err := message.Verify(s.cfg, noCache{}, 0, 0, m); err != nil {
		s.t.Errorf("after %d: a correct replica refuses the answer: %v", after, err)
	}
	if m.Headers[0].Seq != after+1 || len(m.Bodies) == 0 {
		s.t.Errorf("after %d: it begins with %d, with %d bodies",
			after, m.Headers[0].Seq, len(m.Bodies))
	}
	if size := len(message.Encode(0, m)); size > s.cfg.Limits().Decided {
		s.t.Errorf("after %d: it has %d bytes, the limit is %d",
			after, size, s.cfg.Limits().Decided)
	}
	return m
}

// An answer has at most MaxDecided headers, and ends at a certificate.
func TestServeBoundsHeaders(t *testing.T) {
	s := newShelf(t)
	for range 13 {
		s.decide(100, 1)
	}
	for after, want := range map[uint64]int{
		0: 1000, 1: 999, 76: 1024, 77: 1023, 276: 1024, 277: 1023, 999: 301, 1200: 100, 1299: 1,
	} {
		if m := s.serve(after); m == nil || len(m.Headers) != want {
			t.Errorf("after %d: %d headers, want %d", after, headers(m), want)
		}
	}
	for _, after := range []uint64{1300, 1301, 5000, message.MaxNumber - 1} {
		if m := s.serve(after); m != nil {
			t.Errorf("after %d: there is nothing, and %d headers were served", after, headers(m))
		}
	}
}

func headers(m *message.Decided) int {
	if m == nil {
		return 0
	}
	return len(m.Headers)
}

// Bodies stop at DecidedBytes; the first is always there, however large.
func TestServeBoundsBodies(t *testing.T) {
	s := newShelf(t)
	s.decide(10, 300<<10)
	s.decide(1, 3<<19)
	s.decide(10, 300<<10)
	s.decide(400, 4<<10)
	for after, want := range map[uint64]int{0: 3, 5: 3, 8: 2, 9: 1, 10: 1, 11: 3, 21: 249, 420: 1} {
		if m := s.serve(after); m == nil || len(m.Bodies) != want {
			t.Errorf("after %d: not %d bodies: %d headers", after, want, headers(m))
			if m != nil {
				t.Errorf("after %d: %d bodies", after, len(m.Bodies))
			}
		}
	}
}

// Nothing is decided yet, or too much was asked for at once: no answer is no error.
func TestServeNothing(t *testing.T) {
	s := newShelf(t)
	for _, after := range []uint64{0, 1, message.MaxNumber - 1} {
		if m := s.serve(after); m != nil {
			t.Errorf("an empty archive serves %d headers", headers(m))
		}
	}
	// More batches than an answer takes, and no certificate among them.
	s.decide(message.MaxDecided+1, 1)
	if m := s.serve(0); m != nil {
		t.Errorf("%d headers without a certificate over them", headers(m))
	}
	if m := s.serve(1); headers(m) != message.MaxDecided {
		t.Errorf("%d headers, want %d", headers(m), message.MaxDecided)
	}
}

// A journal that no longer reads is an error, not an answer.
func TestServeNoticesDamage(t *testing.T) {
	s := newShelf(t)
	s.decide(10, 100)
	err := s.disk.Damage("journal-0000000000000001", func(b []byte) []byte {
		b[1000] ^= 1
		return b
	})
	if err != nil {
		t.Fatal(err)
	}
	_, durable := s.journal.Bounds()
	var damage *journal.DamageError
	if _, err := s.archive.serve(0, durable); !errors.As(err, &damage) {
		t.Errorf("serving from a damaged journal: %v", err)
	}
}

// Executing what was never recorded, or out of order, is a broken invariant.
func TestArchivePanicsOnABatchOutOfOrder(t *testing.T) {
	for name, at := range map[string]message.Ref{
		"unknown": {Seq: 3, Digest: crypto.Hash("x")}, "again": {Seq: 2},
	} {
		func() {
			s := newShelf(t)
			s.decide(2, 1)
			if at.Seq == 2 {
				at = s.parent
			}
			defer func() {
				if recover() == nil {
					t.Errorf("%s: it was taken", name)
				}
			}()
			s.archive.executed(at)
		}()
	}
}
