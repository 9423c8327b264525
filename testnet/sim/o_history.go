package sim

import (
	"bytes"
	"fmt"
	"slices"

	"byzd/crypto"
	"byzd/daemon/journal"
	"byzd/daemon/kv"
	"byzd/pbft"
	"byzd/pbft/message"
)

// linearizable is O12. The log is one order of all operations; the clients' histories are
// linearizable if each result is what that order gives and if the order respects real time. One
// pass checks both, for every operation. (A search for some other order, as porcupine makes it,
// could only accept more.) The log is read from a correct node's disk, so what no node could hand
// out before a crash is in it, too; the store that it is run on is a fresh one.
func (o *oracles) linearizable() {
	w := o.w
	var source *node
	for _, n := range w.nodes {
		if n.correct && n.up && (source == nil || n.top.seq > source.top.seq) {
			source = n
		}
	}
	if source == nil {
		return
	}
	batches, err := o.readLog(source)
	if err != nil {
		w.fail("O12", "the log of replica %d: %v", source.replica, err)
		return
	}
	if batches == nil {
		return
	}
	o.runAgain(batches)
	o.realTime()
	w.mark(markReplayChecked)
}

// readLog gathers the decided batches up to where a node is: from the disks, and what was cut off
// there from what has travelled.
func (o *oracles) readLog(source *node) ([]*message.Batch, error) {
	for _, n := range o.w.nodes {
		if !n.correct || !n.up {
			continue
		}
		err := n.journal.Replay(func(_ uint64, r journal.Record) error {
			if message.RecordType(r.Type) != message.RecordBatch {
				return nil
			}
			rec, err := message.DecodeRecord(message.RecordBatch, r.Version, r.Body)
			if err == nil {
				o.bodies[rec.Batch.Header.Digest()] = rec.Batch
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	var list []*message.Batch
	for at := source.top; at.seq > 0; {
		b := o.body(at.digest)
		if b == nil {
			if o.w.eraAt(at.seq).cfg.Sizes.N == 1 {
				return nil, nil // what it has cut off never travelled
			}
			return nil, fmt.Errorf("nobody has batch %d %s", at.seq, at.digest.Short())
		}
		list = append(list, b)
		at = executed{at.seq - 1, b.Header.Parent}
	}
	slices.Reverse(list)
	return list, nil
}

// body returns a batch as it is on a disk, or puts it together from what has travelled.
func (o *oracles) body(d crypto.Digest) *message.Batch {
	if b := o.bodies[d]; b != nil {
		return b
	}
	p := o.proposals[d]
	if p == nil {
		return nil
	}
	b := &message.Batch{Header: p.Header}
	for _, id := range p.IDs {
		if o.bundles[id] == nil {
			return nil
		}
		b.Bundles = append(b.Bundles, o.bundles[id])
	}
	return b
}

// travel is what has travelled of batches.
type travel struct {
	bodies    map[crypto.Digest]*message.Batch
	proposals map[crypto.Digest]*message.PrePrepare
	bundles   map[crypto.Digest]*message.Bundle
}

func (t *travel) init() {
	t.bodies, t.bundles = map[crypto.Digest]*message.Batch{}, map[crypto.Digest]*message.Bundle{}
	t.proposals = map[crypto.Digest]*message.PrePrepare{}
}

// keep keeps what a message shows of batches, but for lists and bodies that are not what the header
// says.
func (t *travel) keep(config func(epoch uint64) *message.Config, m message.Message) {
	switch m := m.(type) {
	case *message.PrePrepare:
		d := m.Header.Digest()
		if t.proposals[d] == nil && message.BatchRoot(m.IDs) == m.Header.Root {
			t.proposals[d] = m
		}
	case *message.Submission:
		t.bundles[m.Bundle.ID()] = m.Bundle
	case *message.BatchReply:
		cfg := config(m.Batch.Header.Epoch)
		if cfg != nil && m.Batch.CheckBody(cfg) == "" {
			t.bodies[m.Batch.Header.Digest()] = m.Batch
		}
	default:
	}
}

// runAgain runs the log on a fresh store, and compares with what clients were told. It is O3 for
// what no correct node has handed out, too.
func (o *oracles) runAgain(batches []*message.Batch) {
	w := o.w
	store, table := kv.New(), pbft.NewClientTable(w.cfg)
	for _, b := range batches {
		for _, v := range table.Plan(b) {
			item := &b.Bundles[v.Bundle].Items[v.Item]
			if item.Reconfig != nil {
				continue
			}
			op := item.Op
			if item.Signed != nil {
				w.markOutcome(v.Outcome)
				if op = item.Signed.Op; v.Outcome != pbft.Run {
					continue
				}
			}
			result := store.Apply(op)
			if x := w.ops[string(op)]; x != nil {
				o.compare(x, b.Header.Seq, v, result)
			}
		}
		if next := w.era(b.Header.Epoch + 1); b.Header.Kind == message.Reconfig && next != nil {
			table = table.Rebase(w.config(b.Header.Epoch), next.cfg)
			o.approved(next, b)
		}
	}
}

// compare notes where an operation ran and holds its result against the told one. A plain operation
// that a liar's client asked may be in the log twice; its first place counts.
func (o *oracles) compare(x *operation, seq uint64, v pbft.Verdict, result []byte) {
	if x.seq != 0 {
		return
	}
	x.seq, x.item = seq, v.Bundle<<16|v.Item
	if x.completed != 0 && x.trust && !bytes.Equal(x.told, result) {
		o.w.fail("O12", "c%d was told another result of operation %d than the log gives",
			x.client.index, x.tag)
	}
}

// realTime checks that what was done before something else began comes before it in the log: along
// the log, nothing may be behind what was invoked after its completion.
func (o *oracles) realTime() {
	w := o.w
	var ran []*operation
	for _, x := range w.tags {
		if x.completed != 0 && x.trust && x.seq == 0 && !x.register {
			w.fail("O12", "c%d was told a result of operation %d, which is not in the log",
				x.client.index, x.tag)
		}
		if x.seq != 0 {
			ran = append(ran, x)
		}
	}
	slices.SortFunc(ran, func(a, b *operation) int {
		if a.seq != b.seq {
			return int(a.seq) - int(b.seq) //nolint:gosec // small
		}
		return a.item - b.item
	})
	latest := int64(0) // invocation so far
	for _, x := range ran {
		if x.completed != 0 && x.trust && x.completed < latest {
			w.fail("O12", "operation %d of c%d was done before one began that stands before it",
				x.tag, x.client.index)
		}
		latest = max(latest, x.invoked)
	}
}

func (w *World) markOutcome(o pbft.Outcome) {
	switch o {
	case pbft.Duplicate:
		w.mark(markDuplicateRun)
	case pbft.OutOfRange:
		w.mark(markOutOfRange)
	case pbft.NoSession:
		w.mark(markNoSession)
	case pbft.Malformed:
		w.mark(markMalformedAck)
	default:
	}
}
