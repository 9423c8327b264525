package scope

import (
	"encoding/binary"
	"slices"

	"byzd/crypto"
	"byzd/pbft"
	"byzd/pbft/message"
)

// disk is the journal of the replica whose crashes are explored. The others' is always in time, and
// nobody reads it.
type disk struct {
	records []*message.Record // durable
	staged  []*message.Record
	waiting []uint16 // messages behind what is staged
	print   crypto.Digest
	crashes int
}

// busy reports whether something is staged or waits.
func (d *disk) busy() bool { return len(d.staged)+len(d.waiting) > 0 }

func (d *disk) clone() disk {
	c := *d
	c.records, c.staged = slices.Clip(d.records), slices.Clip(d.staged)
	c.waiting = slices.Clip(d.waiting)
	return c
}

// key adds what tells one disk from another.
func (d *disk) key(parts []byte) []byte {
	parts = append(parts, d.print[:]...)
	parts = append(parts, byte(d.crashes), byte(len(d.staged))) //nolint:gosec // small
	for _, m := range d.waiting {
		parts = binary.LittleEndian.AppendUint16(parts, m)
	}
	return parts
}

// stage writes a record, in the form in which a journal gives it back.
func (s *step) stage(rec *message.Record) {
	if m := rec.NewView; rec.Type == message.RecordView {
		s.f.entered = append(s.f.entered, entered{m.View, m.Base.Rank(), m.Base.Ref()})
	}
	if rec.Type == message.RecordStable {
		s.stable = append(s.stable, rec.Stable)
	}
	if rec.Type == message.RecordEvidence { // accusations are not explored together with crashes
		return
	}
	if s.l.node != s.w.scope.Crasher || s.l.disk.crashes >= s.w.scope.Crashes {
		return // nobody will read it: what waits for it may as well happen when it is durable
	}
	back, err := message.DecodeRecord(rec.Type, message.RecordVersion, rec.Encode())
	if err != nil {
		panic("scope: a record does not survive its encoding: " + err.Error())
	}
	d := &s.l.disk
	d.staged = append(d.staged, back)
	d.print = fingerprint(slices.Concat(d.records, d.staged))
}

// fingerprint tells apart what records add up to, for a replica that starts with them: not in which
// order they stand.
func fingerprint(records []*message.Record) crypto.Digest {
	var fold pbft.Fold
	var parts []string
	part := func(rec *message.Record) {
		parts = append(parts, string(append(rec.Encode(), byte(rec.Type))))
	}
	for _, rec := range records {
		fold.Add(rec)
		switch rec.Type {
		case message.RecordBatch, message.RecordCommitted, message.RecordStable:
			part(rec)
		default:
		}
	}
	for _, rec := range fold.Records() {
		part(rec)
	}
	slices.Sort(parts)
	text := make([][]byte, 0, len(parts))
	for _, part := range slices.Compact(parts) {
		text = append(text, []byte(part))
	}
	return crypto.Hash("scope/disk", text...)
}

// flush makes everything staged durable, and lets go what waited.
func (s *step) flush() {
	d := &s.l.disk
	d.records = append(d.records, d.staged...)
	waiting := d.waiting
	d.staged, d.waiting = nil, nil
	for _, id := range waiting {
		s.leave(int(id))
	}
}

// crash starts the replica again from what is durable. Its fence is lifted by two others, who hold
// nothing of it that its journal does not know: the journal is whole.
func (s *step) crash(kept bool) {
	l, d := s.l, &s.l.disk
	if kept {
		d.records = append(d.records, d.staged...)
	}
	d.staged, d.waiting, l.back, l.wants = nil, nil, nil, nil
	d.crashes++
	d.print = fingerprint(d.records)
	l.done = 0
	l.replica = pbft.New(s.w.cfg, l.node, s.rebuild())
	nonce := uint64(0)
	tick := pbft.Tick{Now: clockStart + int64(l.timers)*timerStep}
	for _, e := range l.replica.Step(tick) {
		switch e := e.(type) {
		case pbft.Send:
			if ask, is := e.Msg.(*message.FenceAsk); is {
				nonce = ask.Nonce
			}
		case pbft.Persist:
			s.stage(e.Record)
		}
	}
	for _, b := range s.w.bundles {
		s.take(pbft.Received{Msg: s.w.verify(b.Gateway, &message.Submission{Bundle: b})})
	}
	for i := range s.w.cfg.Members {
		if i != l.node {
			answer := &message.FenceAnswer{Nonce: nonce}
			s.take(pbft.Received{Msg: s.w.verify(i, answer)})
		}
	}
	if d.crashes == s.w.scope.Crashes {
		d.records, d.print = nil, crypto.Digest{} // nobody will read them any more
	}
}

// rebuild folds the records and executes again what they prove to be decided.
func (s *step) rebuild() pbft.Restored {
	var fold pbft.Fold
	bodies := map[crypto.Digest]*message.Batch{}
	var tops []message.Ref
	for _, rec := range s.l.disk.records {
		fold.Add(rec)
		switch rec.Type {
		case message.RecordBatch:
			bodies[rec.Batch.Header.Digest()] = rec.Batch
			fold.Batches = append(fold.Batches, rec.Batch)
		case message.RecordCommitted:
			tops = append(tops, rec.Cert.Ref())
		case message.RecordStable:
			tops = append(tops, rec.Stable.Ref())
		default:
		}
	}
	st := fold.Result()
	st.Clients, st.Executed = pbft.NewClientTable(s.w.cfg), s.w.cfg.Base
	st.History = map[uint64]crypto.Digest{}
	st.Said, st.Checkpoints = st.Checkpoints, nil
	for _, b := range s.longest(bodies, tops) {
		st.Executed = message.Ref{Seq: b.Header.Seq, Digest: b.Header.Digest()}
		st.Time, st.Kind = b.Header.TimeMS, b.Header.Kind
		st.History[b.Header.Seq] = st.Executed.Digest
		st.Clients.Plan(b)
		s.executed(st.Executed)
		if b.Header.Seq%s.w.scope.CheckpointEvery == 0 {
			st.Checkpoints = append(st.Checkpoints, &message.Checkpoint{
				Seq: b.Header.Seq, Digest: st.Executed.Digest, Root: rootOf(st.Executed.Digest),
				Voter: s.l.node,
			})
		}
	}
	return st
}

// longest returns the longest chain from the base to a certified batch whose bodies are all there.
func (s *step) longest(
	bodies map[crypto.Digest]*message.Batch, tops []message.Ref,
) (best []*message.Batch) {
	for _, at := range tops {
		var chain []*message.Batch
		for at != s.w.cfg.Base && bodies[at.Digest] != nil {
			b := bodies[at.Digest]
			chain = append(chain, b)
			at = message.Ref{Seq: at.Seq - 1, Digest: b.Header.Parent}
		}
		if at == s.w.cfg.Base && len(chain) > len(best) {
			slices.Reverse(chain)
			best = chain
		}
	}
	return best
}

// install puts the state that was asked for in place, whose chunks the daemon has checked.
func (s *step) install() {
	l, cert := s.l, s.l.wants
	headers := s.w.chain(cert.Ref(), 0)
	slices.Reverse(headers)
	in := pbft.Installed{Checkpoint: cert, Clients: pbft.NewClientTable(s.w.cfg)}
	for _, h := range headers {
		b := &message.Batch{Header: h, Bundles: s.w.bundles[h.Seq-1 : h.Seq]}
		in.Clients.Plan(b)
		in.TimeMS = h.TimeMS
		if h.Seq > uint64(l.done) { //nolint:gosec // a count
			s.executed(message.Ref{Seq: h.Seq, Digest: h.Digest()})
		}
	}
	l.wants = nil
	s.take(in)
}

// offer says, of a stable checkpoint that was reached, that the log begins behind it.
func (s *step) offer(before *pbft.State) {
	if !s.w.scope.Transfers || s.l.state.Stable == before.Stable {
		return
	}
	for _, c := range s.stable {
		m := &message.Offer{First: c.Seq + 1, Snapshot: c}
		if id := s.w.enter(s.l.node, pbft.All, m); id >= 0 {
			s.f.sent.add(id)
		}
	}
}
