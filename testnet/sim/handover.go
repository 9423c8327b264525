package sim

import (
	"byzd/pbft"
	"byzd/pbft/message"
)

// handover lets the fuses burn that are for the end of an epoch: when the batch that ends it is
// prepared, executed, certified, and when the next epoch has begun.
func (w *World) handover(n *node, e pbft.Observed) {
	if _, closing := w.oracles.closing[e.Batch.Digest]; !closing || n.fuse > 0 {
		return
	}
	switch e.Event {
	case pbft.EventAccepted, pbft.EventPrepared, pbft.EventCommitted, pbft.EventExecuted,
		pbft.EventStable, pbft.EventEpochEnd:
		if w.strikes(classHandover) {
			n.fuse = 1 + w.rnd[streamEpochs].IntN(12)
			w.tracef("%s has a fuse of %d effects", n.name(), n.fuse)
		}
	default:
	}
}

// noteEra looks at how an epoch differs from the one before.
func (w *World) noteEra(before, e *era) {
	w.mark(markEpochEnded)
	if e.cfg.Epoch == 2 {
		w.mark(markSecondEpoch)
	}
	if w.phase > phaseFaults {
		w.mark(markEpochInLive)
	}
	switch was, now := before.cfg.Sizes, e.cfg.Sizes; {
	case now.F > was.F:
		w.mark(markGrew)
	case now.F < was.F:
		w.mark(markShrank)
	}
	if before.cfg.Sizes.N == 1 {
		w.mark(markFromOne)
	}
	for i, r := range e.replicas {
		liar := len(w.nodes[r].specs) > 0
		switch at := before.place[r]; {
		case at < 0:
			w.mark(markJoined)
			if liar {
				w.mark(markJoinedLiar)
			}
		case !before.cfg.Members[at].Key.Equal(e.cfg.Members[i].Key):
			w.mark(markRotated)
		}
	}
	for _, r := range before.replicas {
		if !e.has(r) {
			w.mark(markLeft)
			if len(w.nodes[r].specs) > 0 {
				w.mark(markLeftLiar)
			}
		}
	}
}

// noteOutside looks at what a node was told by who is not in its epoch.
func (w *World) noteOutside(n *node, p *packet) {
	e := n.era()
	if p.foreign {
		w.mark(markForeignRefused)
	}
	switch p.msg.(type) {
	case *message.Vote, *message.Checkpoint, *message.ViewChange:
	default:
		return
	}
	if e.cfg.Epoch > 0 && !e.has(p.from) && w.eras[e.cfg.Epoch-1].has(p.from) {
		w.mark(markRemovedRefused)
		if p.foreign && p.epoch == e.cfg.Epoch {
			w.mark(markOldKeyRefused)
		}
	}
}

// noteHandoverCrash looks at what of a hand-over a crash interrupts.
func (w *World) noteHandoverCrash(n *node) {
	h, closing := w.oracles.closing[n.top.digest]
	switch {
	case closing && h.Epoch == n.era().cfg.Epoch:
		w.mark(markCrashBetween)
	case n.begun > n.synced:
		w.mark(markCrashBetween)
		w.mark(markCrashNewEpoch)
	}
	if _, next, _ := n.loop.Pending(); next != nil {
		w.mark(markCrashAnnounced)
	}
}

// noteSlept looks at a node that has just started.
func (w *World) noteSlept(n *node) {
	if e := n.era(); e != w.newest() && e.has(n.replica) {
		w.mark(markSlept)
	}
}
