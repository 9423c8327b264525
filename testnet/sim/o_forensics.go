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
	accuser *judge.History
	heard   map[message.Message]struct{} // those that travel as they are
	frames  map[uint64]struct{}          // those that travel encoded
}

func (f *forensics) init(cfg *message.Config) {
	f.accuser = judge.NewHistory(cfg)
	f.heard, f.frames = map[message.Message]struct{}{}, map[uint64]struct{}{}
}

// hear takes in what leaves a node, traitor or not; what is sent again is known.
func (o *oracles) hear(p *packet, m message.Message) {
	if o.off["O21"] {
		return
	}
	known := false
	if p.msg != nil {
		_, known = o.heard[m]
		o.heard[m] = struct{}{}
	} else {
		key := tag(uint64(p.typ), p.frame)
		_, known = o.frames[key]
		o.frames[key] = struct{}{}
	}
	if !known {
		o.accuser.Hear(m)
	}
}

// innocent lists the correct replicas.
func (w *World) innocent() (set quorum.Set) {
	for _, n := range w.nodes {
		if n.correct {
			set = set.Add(n.replica)
		}
	}
	return set
}

// testify is O21, at the end of a run.
func (o *oracles) testify() {
	if o.off["O21"] {
		return
	}
	w := o.w
	innocent := w.innocent()
	for _, p := range o.accuser.Incriminated(innocent) {
		w.fail("O21", "a correct replica can be accused: %s",
			judge.Describe(fmt.Sprintf("replica %d", p.Culprit), p.Evidence))
	}
	f := w.investigate()
	if len(f.Culprits) > 0 {
		w.mark(markNamed)
	}
	for _, p := range f.Proofs() {
		if p.Kind.Convicts() && innocent.Has(p.Culprit) {
			w.fail("O21", "forensics names a correct replica: %s",
				judge.Describe(fmt.Sprintf("replica %d", p.Culprit), p.Evidence))
		}
	}
	for _, fork := range f.Forks {
		w.forked(f, fork)
	}
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

// investigate gives forensics what the correct replicas have on their disks, and nothing else.
func (w *World) investigate() *judge.Forensics {
	h := judge.NewHistory(w.cfg)
	h.Numbered = true
	for _, n := range w.nodes {
		if !n.correct {
			continue
		}
		l := h.Add(n.replica, false)
		h.Fill(l, scan(n.mem))
		if n.shelf.mem != nil {
			_ = h.FillArchived(l, scan(n.shelf.mem)) // what is lost is testimony
		}
	}
	return judge.Investigate(h)
}

// scan reads a journal as it is on a disk.
func scan(d *disk.Memory) func(fn func(uint64, journal.Record) error) error {
	return func(fn func(uint64, journal.Record) error) error { return journal.Scan(d, fn) }
}
