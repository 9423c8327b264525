package sim

import (
	"byzd/crypto"
	"byzd/daemon/journal"
	"byzd/daemon/loop"
	"byzd/daemon/snapshot"
	"byzd/pbft/message"
)

// durability is O11: what a client was told is on the durable disks of f+1 correct members, if all
// the machines lost their power now.
type durability struct{ looked int }

// looks bounds how often a run looks at all disks.
const looks = 3

func (o *oracles) acknowledged(n *node, a *loop.Applied) {
	w := o.w
	if o.looked >= looks || len(a.Own) == 0 && len(a.Replies) == 0 ||
		w.rnd[streamSample].IntN(16) != 0 {
		return
	}
	o.looked++
	want := a.Batch.Header.Digest()
	e := w.eras[a.Batch.Header.Epoch]
	count := 0
	for _, m := range w.nodes {
		if m.correct && e.has(m.replica) && w.onDisk(m, a.Batch.Header.Seq, want) {
			count++
		}
	}
	w.mark(markDurableChecked)
	if count < e.cfg.Sizes.Weak {
		w.fail("O11", "replica %d acknowledged batch %d, which is on %d correct disks, not on %d",
			n.replica, a.Batch.Header.Seq, count, e.cfg.Sizes.Weak)
	}
}

// onDisk reports whether a batch's body, or a snapshot of a state with it, would be found after a
// power cut.
func (w *World) onDisk(n *node, seq uint64, want crypto.Digest) bool {
	d := n.mem.Clone()
	d.Crash()
	s, _, err := snapshot.Latest(d, w.config)
	found := err == nil && s != nil && s.Seq() >= seq
	_ = journal.Scan(d, func(_ uint64, r journal.Record) error {
		if message.RecordType(r.Type) != message.RecordBatch {
			return nil
		}
		rec, err := message.DecodeRecord(message.RecordBatch, r.Version, r.Body)
		found = found || err == nil && rec.Batch.Header.Digest() == want
		return nil
	})
	return found
}
