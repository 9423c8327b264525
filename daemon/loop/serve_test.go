package loop

import (
	"testing"

	"byzd/crypto"
	"byzd/daemon/disk"
	"byzd/daemon/journal"
	"byzd/pbft/message"
	"byzd/pbft/pbfttest"
)

// A replica that is behind may ask while the newest decided batches are staged and not yet in the
// journal's files. It is served what is durable; the rest is no error.
func TestServeOnlyWhatIsDurable(t *testing.T) {
	cfg, _ := pbfttest.Config(4, crypto.SchemeEd25519, message.DefaultParams())
	j, err := journal.Open(disk.NewMemory(), journal.Options{Owner: cfg.Cluster})
	if err != nil {
		t.Fatal(err)
	}
	a := newArchive(j, cfg.Base.Seq)
	parent := cfg.Base
	decide := func() (lsn uint64) {
		b := &message.Batch{Header: message.Header{
			Cluster: cfg.Cluster, Seq: parent.Seq + 1, Parent: parent.Digest,
			Root: message.BatchRoot(nil),
		}}
		parent = message.Ref{Seq: b.Header.Seq, Digest: b.Header.Digest()}
		for _, rec := range []*message.Record{
			{Type: message.RecordBatch, Batch: b},
			{Type: message.RecordCommitted, Cert: &message.Certificate{
				Kind: crypto.KindCommit, Seq: parent.Seq, Digest: parent.Digest,
			}},
		} {
			lsn = j.Append(journal.Record{
				Type: uint8(rec.Type), Version: message.RecordVersion, Body: rec.Encode(),
			})
			a.note(rec, lsn)
		}
		a.executed(parent)
		return lsn
	}
	decide()
	durable := decide()
	if err := j.Flush(); err != nil {
		t.Fatal(err)
	}
	decide()
	for after, want := range map[uint64]int{0: 2, 1: 1, 2: 0} {
		m, err := a.serve(after, durable)
		if err != nil {
			t.Fatalf("after %d: %v", after, err)
		}
		if got := m; want == 0 && got != nil || want > 0 && (got == nil || len(got.Headers) != want) {
			t.Errorf("after %d: %+v, want %d batches", after, got, want)
		}
	}
}
