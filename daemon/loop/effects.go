package loop

import (
	"fmt"

	"byzd/daemon/journal"
	"byzd/pbft"
	"byzd/pbft/message"
	"byzd/pbft/traitor"
)

func (l *Loop) step(in pbft.Input) {
	l.do(l.replica.Step(in))
	l.answer()
}

// answer tells the replica the roots that it asked for, after all that it wanted done in the same
// step: it may have ended its recovery after the execution, and says its CHECKPOINT as one that is
// whole again. The guard must have seen the record of that by then.
func (l *Loop) answer() {
	for len(l.roots) > 0 {
		in := l.roots[0]
		l.roots = l.roots[1:]
		l.do(l.replica.Step(in))
		l.certified()
	}
}

func (l *Loop) do(effects []pbft.Effect) {
	for _, e := range effects {
		switch e := e.(type) {
		case pbft.Persist:
			l.record(e.Record)
		case pbft.Send:
			l.say(e)
		case pbft.Execute:
			l.execute(e)
		case pbft.Serve:
			l.serve(e)
		case pbft.Transfer:
			l.fetchState(e)
		case pbft.Release:
			l.certified()
		case pbft.Observed:
			l.gateway.forgot = l.gateway.forgot || e.Event == pbft.EventForgot
			l.cfg.Watch(e)
		case pbft.EpochEnd:
			l.answer()
			l.endEpoch(e)
		default:
			l.cfg.Watch(e)
		}
	}
}

// record stages a record; the guard and the archive see it first.
func (l *Loop) record(rec *message.Record) {
	l.guard.Record(rec)
	l.fold.Add(rec)
	l.keepForEver(rec)
	l.staged = l.cfg.Journal.Append(journal.Record{
		Type: uint8(rec.Type), Version: message.RecordVersion, Body: rec.Encode(),
	})
	l.archive.note(rec, l.staged)
}

// keepForEver shows a record to the archive.
func (l *Loop) keepForEver(rec *message.Record) {
	if l.cfg.Archive != nil {
		l.cfg.Archive.Keep(rec)
	}
}

// say seals a message and holds it back until everything recorded before it is durable.
func (l *Loop) say(e pbft.Send) {
	v, err := l.guard.Seal(e.Msg)
	if err != nil {
		panic(fmt.Sprintf("loop: replica %d: %v", l.cfg.Self, err))
	}
	l.hold(held{
		lsn: l.staged, to: e.To, msg: v, send: true, back: e.To == pbft.All && countsForSelf(e.Msg),
	})
}

func (l *Loop) hold(h held) {
	h.epoch = l.cfg.Cluster.Epoch
	l.held = append(l.held, h)
}

// countsForSelf reports whether a message is a statement that its author counts too.
func countsForSelf(m message.Message) bool {
	switch m.(type) {
	case *message.PrePrepare, *message.Vote, *message.Checkpoint, *message.ViewChange,
		*message.NewView, *message.Complain:
		return true
	default:
		return false
	}
}

// transmit sends a message, or what a traitor makes of it.
func (l *Loop) transmit(to int, v message.Verified) {
	if l.cfg.Adversary == nil {
		l.dispatch(traitor.Outgoing{To: to, Msg: v.Message()})
		return
	}
	for _, o := range l.cfg.Adversary.Out(l.now, to, v) {
		l.dispatch(o)
	}
}

func (l *Loop) dispatch(o traitor.Outgoing) {
	if len(l.cfg.Cluster.Members) == 1 {
		return
	}
	frame, t := o.Frame, o.Type
	if direct, ok := l.cfg.Links.(MessageLinks); ok && frame == nil {
		direct.SendMessage(o.To, o.Msg)
		return
	}
	if frame == nil {
		frame, t = message.Encode(l.cfg.Cluster.Epoch, o.Msg), o.Msg.Type()
	}
	l.cfg.Links.Send(o.To, t, frame)
}

func (l *Loop) execute(e pbft.Execute) {
	ref := message.Ref{Seq: e.Batch.Header.Seq, Digest: e.Batch.Header.Digest()}
	l.archive.executed(ref)
	l.guard.Executed(ref, e.Batch.Header.Parent)
	applied := l.exec.apply(e.Batch, e.Verdicts)
	l.executed(e.Batch)
	l.gateway.executed(applied)
	l.betray(applied)
	if ref.Seq > l.applied { // else it is executed again, after the state was repaired
		l.applied = ref.Seq
		l.held = append(l.held, held{lsn: l.staged, applied: applied})
	}
	if e.Checkpoint {
		state := l.exec.state(&e.Batch.Header, e.Rows)
		l.states.made(state)
		l.roots = append(l.roots, pbft.Executed{Batch: ref, Root: state.Manifest.Root()})
	}
}

// executed notes what was executed, and what a change that is in it means.
func (l *Loop) executed(b *message.Batch) {
	l.last = &b.Header
	for _, bundle := range b.Bundles {
		if rc := bundle.Reconfiguration(); rc != nil && b.Header.Kind == message.Normal {
			l.announce(rc)
		}
	}
}

// serve answers a replica that is behind from the journal.
func (l *Loop) serve(e pbft.Serve) {
	if o := l.offer(e.After); o != nil {
		l.say(pbft.Send{To: e.To, Msg: o})
		return
	}
	m, err := l.archive.serve(e.After, l.synced)
	if err != nil {
		l.trouble = fmt.Errorf("reading decided batches: %w", err)
		return
	}
	if m != nil {
		l.say(pbft.Send{To: e.To, Msg: m})
	}
}
