package sim

import (
	"fmt"
	"strings"

	"byzd/daemon/disk"
	"byzd/daemon/journal"
	"byzd/pbft/message"
	"byzd/pbft/quorum"
	"byzd/testnet/judge"
)

// forensics is O21: an accuser who hears everything that anybody says finds no proof of any kind
// against a correct replica; what correct replicas keep shows no fork and names none of them
// either. Where more than f lie and there is a fork, it names f+1 at least.
//
// The judge shares the rules of evidence with the core, and neither its state nor its choice of
// what to compare: it puts together what no single replica has seen together.
type forensics struct {
	accusers []*judge.History             // by epoch; nil where nothing was heard
	heard    map[message.Message]struct{} // those that travel as they are
	frames   map[uint64]struct{}          // those that travel encoded
}

func (f *forensics) init() {
	f.heard, f.frames = map[message.Message]struct{}{}, map[uint64]struct{}{}
}

// hear takes in what leaves a node, traitor or not; what is sent again is known.
func (o *oracles) hear(p *packet, epoch uint64, m message.Message) {
	cfg := o.w.config(epoch)
	if cfg == nil || o.off["O21"] {
		return
	}
	var known bool
	if p.msg != nil {
		_, known = o.heard[m]
		o.heard[m] = struct{}{}
	} else {
		key := tag(uint64(p.typ), p.frame)
		_, known = o.frames[key]
		o.frames[key] = struct{}{}
	}
	if known {
		return
	}
	for uint64(len(o.accusers)) <= epoch {
		o.accusers = append(o.accusers, nil)
	}
	if o.accusers[epoch] == nil {
		o.accusers[epoch] = judge.NewHistory(cfg)
	}
	o.accusers[epoch].Hear(m)
}

// innocent lists the members of an epoch that are correct replicas, by their places.
func (w *World) innocent(e *era) (set quorum.Set) {
	for place, r := range e.replicas {
		if w.nodes[r].correct {
			set = set.Add(place)
		}
	}
	return set
}

// testify is O21, at the end of a run: for each epoch by itself.
func (o *oracles) testify() {
	if o.off["O21"] {
		return
	}
	for epoch, e := range o.w.eras {
		if epoch < len(o.accusers) && o.accusers[epoch] != nil {
			for _, p := range o.accusers[epoch].Incriminated(o.w.innocent(e)) {
				o.w.named(e, "a correct replica can be accused", p)
			}
		}
		o.testifyOn(e)
	}
}

// testifyOn asks the disks of correct replicas about an epoch.
func (o *oracles) testifyOn(e *era) {
	w, innocent := o.w, o.w.innocent(e)
	f := w.investigate(e)
	if len(f.Culprits) > 0 {
		w.mark(markNamed)
	}
	for _, p := range f.Proofs() {
		if p.Kind.Convicts() && innocent.Has(p.Culprit) {
			w.named(e, "forensics names a correct replica", p)
		}
	}
	for _, fork := range f.Forks {
		w.forked(f, fork)
	}
}

// named fails the run: a correct replica is convicted.
func (w *World) named(e *era, how string, p judge.Proof) {
	who := fmt.Sprintf("replica %d", e.replicas[p.Culprit])
	w.fail("O21", "epoch %d: %s: %s", e.cfg.Epoch, how, judge.Describe(who, p.Evidence))
}

// forked judges a fork that correct replicas' disks show.
func (w *World) forked(f *judge.Forensics, fork judge.Fork) {
	if !w.beyond {
		w.fail("O21", "there is a fork at batch %d, with f traitors at most: %s, %s",
			fork.Sequence, fork.One, fork.Other)
		return
	}
	w.mark(markForkNamed)
	if !strings.HasPrefix(fork.Cause, "both in view") {
		w.mark(markForkAcross)
	}
	if w.flagged == nil {
		w.fail("O21", "no other oracle has seen the fork at batch %d", fork.Sequence)
	}
	if fork.Unproven != "" || len(fork.Guilty) < f.Needed || len(f.Culprits) < f.Needed {
		w.fail("O21", "of a fork at batch %d only %v of %d are named (%v in all): %s, %s: %s %s",
			fork.Sequence, fork.Guilty, f.Needed, f.Culprits, fork.One, fork.Other, fork.Cause,
			fork.Unproven)
	}
}

// investigate gives forensics what the correct replicas have on their disks of an epoch, and no
// more.
func (w *World) investigate(e *era) *judge.Forensics {
	h := judge.NewHistory(e.cfg)
	h.Numbered = true
	for _, n := range w.nodes {
		if !n.correct || !e.has(n.replica) {
			continue
		}
		l := h.Add(e.place[n.replica], false)
		h.Fill(l, w.scan(e, n.mem))
		if n.shelf.mem != nil {
			_ = h.FillArchived(l, w.scan(e, n.shelf.mem)) // what is lost is testimony
		}
	}
	return judge.Investigate(h)
}

// scan reads the records of an epoch in a journal as it is on a disk.
func (w *World) scan(e *era, d *disk.Memory) func(fn func(uint64, journal.Record) error) error {
	return func(fn func(uint64, journal.Record) error) error {
		return journal.Scan(d, func(lsn uint64, r journal.Record) error {
			if len(w.eras) > 1 {
				rec, err := message.DecodeRecord(message.RecordType(r.Type), r.Version, r.Body)
				if err != nil || rec.Epoch != e.cfg.Epoch {
					return err
				}
			}
			return fn(lsn, r)
		})
	}
}
