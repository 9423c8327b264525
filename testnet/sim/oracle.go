package sim

import (
	"byzd/crypto"
	"byzd/daemon/loop"
	"byzd/pbft"
	"byzd/pbft/message"
)

// oracles watch a run. Each is small and stands in a file of its own or with its nearest relatives;
// each can be switched off by its name. What they hold against the cluster is about correct
// replicas only: neither traitors nor those that are charged to f.
type oracles struct {
	w   *World
	off map[string]bool

	execution
	certificates
	ledger
	words
	positions
	durability
	bounds
	refusals
	outsiders
	travel
	forensics
	urges
}

// Oracles lists the names of all oracles with what each demands.
func Oracles() [][2]string {
	return [][2]string{
		{"O1", "correct replicas execute one batch at a sequence number"},
		{"O2", "each replica executes without a gap and in order"},
		{"O3", "what is executed was really asked for by its client"},
		{"O4", "each request runs once, with one result everywhere"},
		{"O5", "what is executed has a certificate that holds without the core's verifier"},
		{"O6", "a view keeps what was decided before it"},
		{"O7", "no correct replica contradicts what it has signed, crashes or not"},
		{"O8", "view, low watermark and execution never go back"},
		{"O9", "equal batches leave equal states"},
		{"O10", "what is installed is certified (that it is the right state, O9 shows)"},
		{"O11", "what is acknowledged is on f+1 correct disks; correct disks can be read"},
		{"O12", "client histories are linearizable: one pass along the log"},
		{"O13", "a healed core does all work within the bound"},
		{"O14", "what a replica keeps stays below its ceilings"},
		{"O15", "messages per commit stay below 2n²+c where nothing goes wrong"},
		{"O16", "no correct replica is accused; whose contradiction was seen is"},
		{"O17", "the same seed gives the same trace (with --twice)"},
		{"O18", "a healed core needs few views; nobody leaves one alone"},
		{"O19", "refused input leaves the state as it is"},
		{"O20", "messages of another cluster or epoch change nothing"},
		{"O21", "no proof names a correct replica; a fork names f+1 of the others"},
		{"panic", "nothing panics"},
	}
}

func newOracles(w *World, off map[string]bool) *oracles {
	o := &oracles{w: w, off: off}
	o.execution.init()
	o.certificates.init()
	o.ledger.init(w.opts.people())
	o.positions.init(len(w.nodes))
	o.travel.init()
	o.forensics.init()
	o.urges.init(w.opts.people())
	return o
}

// started is called when a node has replayed its journal, before it does anything.
func (o *oracles) started(n *node) {
	o.execution.started(n)
	o.restarted(n)
}

// sent is called with everything that leaves a node.
func (o *oracles) sent(from *node, to int, p *packet) {
	epoch, m := p.epoch, p.msg
	if m == nil {
		var err error
		if epoch, m, err = message.Decode(p.frame); err != nil {
			return
		}
	}
	o.noteTraffic(from, to, m)
	o.gather(epoch, m)
	o.keep(o.w.config, m)
	o.hear(p, epoch, m)
	switch {
	case from.correct:
		o.say(from, m)
	case from.replica == o.w.opts.Charged && len(o.w.opts.Changes) == 0:
		o.speak(p, m)
		o.say(from, m)
	}
	o.urge(from, m)
	if from.correct {
		o.w.noteSent(from, m)
	}
}

// accepted is called with what a node's door has let in, before the replica sees it.
func (o *oracles) accepted(n *node, p *packet) {
	if p.foreign {
		o.w.fail("O20", "replica %d took a message of another cluster or epoch: %s",
			n.replica, o.w.describe(p))
	}
	if n.correct {
		o.recheck(n, p.epoch, p.msg)
	}
}

// delivered is called when the replica has seen it; dropped says whether that changed nothing.
func (o *oracles) delivered(n *node, p *packet, v message.Verified, dropped bool) {
	o.w.noteDelivered(n, p)
	o.listen(n, p)
	if dropped && n.correct {
		o.convicts(n, p)
		o.unmoved(n, v)
	}
}

// refused is called with what the door has turned away.
func (o *oracles) refused(n *node, p *packet) {
	w := o.w
	w.mark(markRefused)
	if p.bad {
		w.mark(markCorruptRefused)
	}
	if p.foreign {
		w.mark(markForeignRefused)
		if n.era().cfg.Epoch > 0 && p.epoch == n.era().cfg.Epoch {
			w.mark(markOldKeyRefused)
		}
	}
	if n.correct {
		o.untouched(n)
	}
}

// observed is called with each step of the protocol.
func (o *oracles) observed(n *node, e pbft.Observed) {
	if e.Event == pbft.EventInstalled || !n.correct && e.Event == pbft.EventExecuted {
		n.top = executed{e.Batch.Seq, e.Batch.Digest}
	}
	if e.Event == pbft.EventFence && n.replica == o.w.opts.Charged {
		o.remind(n)
	}
	if !n.correct {
		return
	}
	switch e.Event {
	case pbft.EventExecuted:
		o.executed(n, e.Batch)
		o.certified(n, e.Batch)
	case pbft.EventInstalled:
		o.installed(n, e.Batch)
	case pbft.EventDiverged, pbft.EventForgot:
		o.w.fail("O9", "replica %d, whose disk is as it should be: %s %s",
			n.replica, e.Event, e.Note)
	case pbft.EventNewView:
		o.entered(n, e.View, e.Batch)
	default:
	}
}

// applied is called with what a node hands out, when it is durable.
func (o *oracles) applied(n *node, a *loop.Applied) {
	if n.correct && a.Batch != nil {
		o.ran(n, a)
		o.acknowledged(n, a)
	}
}

// accused is called with each proof that a replica adopts.
func (o *oracles) accused(n *node, e *message.Evidence) {
	w := o.w
	w.mark(markAccused)
	if culprit := n.era().replicas[e.Culprit]; n.correct && w.honest(culprit) {
		w.fail("O16", "replica %d accuses replica %d, which is correct, of %v",
			n.replica, culprit, e.Kind)
	}
}

// halted is called when a replica stops for good.
func (o *oracles) halted(n *node, why string) {
	w := o.w
	if n.correct {
		w.fail("O1", "replica %d stopped: %s", n.replica, why)
		return
	}
	if len(why) > 7 && why[:7] == "AMNESIA" {
		w.mark(markAmnesia)
	}
}

// honest reports whether a replica is neither a traitor nor charged to f.
func (w *World) honest(replica int) bool { return w.nodes[replica].correct }

// live is called when the core has done all its work.
func (o *oracles) live() { o.fewViews() }

// end is called when all is done and everybody at one place.
func (o *oracles) end() {
	if o.w.beyond {
		o.testify()
		return
	}
	o.sameState()
	o.cheap()
	o.oneEpoch()
	o.linearizable()
	o.testify()
}

// executed is the place that a node has executed up to.
type executed struct {
	seq    uint64
	digest crypto.Digest
}
