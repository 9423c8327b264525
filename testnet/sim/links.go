package sim

import (
	"byzd/pbft"
	"byzd/pbft/message"
)

// packet is a frame, or a message that was not encoded, on its way. All receivers of a broadcast
// share it, and its check.
type packet struct {
	from  int    // the replica at the other end
	epoch uint64 // once it is decoded
	typ   message.Type
	msg   message.Message
	frame []byte

	bad      bool // the network has changed it
	foreign  bool // of another cluster or epoch
	decoded  bool
	garbled  error // why it cannot be decoded
	opened   bool
	verified message.Verified
	err      error
	proof    message.Verified
	guilty   bool // proof holds evidence against whom the packet names
}

// open decodes and verifies a packet as the daemon does.
func (w *World) open(p *packet) (message.Verified, error) {
	if p.opened {
		return p.verified, p.err
	}
	p.opened = true
	if p.err = w.decode(p); p.err != nil {
		return message.Verified{}, p.err
	}
	e := w.era(p.epoch)
	if e == nil {
		p.err = message.RefusedEpoch
		return message.Verified{}, p.err
	}
	from := e.place[p.from] // who is no member may say what proves itself
	p.verified, p.err = message.Verify(e.cfg, w.bundles, from, p.epoch, p.msg)
	if p.err != nil && e.has(p.from) {
		p.proof, p.guilty = message.Incriminate(e.cfg, from, p.epoch, p.msg, p.err)
	}
	return p.verified, p.err
}

// decode decodes a packet's frame.
func (*World) decode(p *packet) error {
	if p.decoded || p.frame == nil {
		return p.garbled
	}
	p.decoded = true
	var m message.Message
	p.epoch, m, p.garbled = message.Decode(p.frame)
	if p.garbled == nil {
		p.msg = m
	}
	return p.garbled
}

// copy is the packet for a receiver that shares nothing with the others.
func (p *packet) copy() *packet { return &packet{from: p.from, typ: p.typ, frame: p.frame} }

// leave lets everybody who watches see what leaves a node.
func (w *World) leave(from *node, to int, p *packet) {
	w.sends++
	w.oracles.sent(from, to, p)
	w.traceSend(from, to, p)
	if w.tap != nil && p.frame != nil {
		w.tap(p.frame)
	}
}

// send gives a packet to the network.
func (w *World) send(from *node, to int, p *packet) {
	if from.twin && w.nodes[from.replica].up {
		w.mark(markTwinBoth)
	}
	e := from.era()
	w.leave(from, to, p)
	if from.aim != 0 {
		w.aimed(from, p.typ)
	}
	reached := 0
	for _, n := range w.nodes {
		at := e.place[n.replica]
		if n.replica == p.from || at < 0 || to != pbft.All && at != to {
			continue
		}
		reached++
		if reached > 1 {
			from.point(pointSome)()
		}
		if w.opts.Codec {
			w.route(from, n, p.copy())
		} else {
			w.route(from, n, p)
		}
	}
}

// route decides what becomes of a packet on one link.
func (w *World) route(from, to *node, p *packet) {
	if w.strangers(from, to) {
		return
	}
	if w.blocked(from, to) {
		w.mark(markCutOff)
		return
	}
	if w.deviates(from, to, p) {
		return
	}
	calm := w.calm(from, to)
	if !calm {
		if w.strikes(classDrop) {
			return
		}
		if w.strikes(classCorrupt) {
			p = w.corrupted(p)
		}
		if w.strikes(classDuplicate) {
			w.arrive(from, to, p, w.delay(from, to))
		}
	}
	w.arrive(from, to, p, w.delay(from, to))
}

// delay draws how long a packet takes.
func (w *World) delay(from, to *node) int64 {
	if w.opts.Rush && (from.liar != nil || to.liar != nil) {
		return 1
	}
	d := w.opts.Delay/2 + exponential(w.rnd[streamDelay], w.opts.Delay/2)
	if !w.calm(from, to) && w.strikes(classTail) {
		d += exponential(w.rnd[streamDelay], 50*w.opts.Delay)
	}
	return d
}

// arrive plans an arrival: in the order of sending, unless the network reorders.
func (w *World) arrive(from, to *node, p *packet, delay int64) {
	at := w.now + delay
	last := &w.last[from.index*len(w.nodes)+to.index]
	if w.calm(from, to) || !w.strikes(classReorder) {
		at = max(at, *last+1)
		*last = at
	}
	w.queue.push(event{
		at: at, tie: w.tie(), kind: evArrive, pack: p, boot: to.boot,
		node: int16(to.index), //nolint:gosec // small
	})
}

// calm reports whether no fault strikes on a link: outside the phase with faults, where those that
// are not of the core are stopped or cut off.
func (w *World) calm(_, _ *node) bool { return w.phase != phaseFaults }

// corrupted flips a bit of a packet's frame.
func (w *World) corrupted(p *packet) *packet {
	frame := p.frame
	if frame == nil {
		frame = message.Encode(p.epoch, p.msg)
	}
	frame = append([]byte(nil), frame...)
	bit := w.rnd[streamCorrupt].IntN(8 * len(frame))
	frame[bit/8] ^= 1 << (bit % 8)
	return &packet{from: p.from, typ: p.typ, frame: frame, bad: true}
}

// blocked reports whether nothing gets from one node to another.
func (w *World) blocked(from, to *node) bool {
	return w.walls[from.index*len(w.nodes)+to.index] > 0
}

// deliver does with a packet what the daemon does with a frame.
func (w *World) deliver(n *node, p *packet) {
	if w.meet(n, p) {
		return
	}
	w.oracles.beforeDoor(n, p)
	v, err := w.open(p)
	if err != nil {
		w.oracles.refused(n, p)
		if p.guilty {
			w.mark(markIncriminated)
			n.loop.Receive(p.proof)
		}
		return
	}
	if p.bad {
		// A flipped bit can hit what nobody signs, like a status or a number that asks for
		// something: then it is another legal message.
		w.mark(markCorruptAccepted)
	}
	w.current = p
	w.oracles.accepted(n, p)
	drops := w.dropCount
	n.loop.Receive(v)
	w.oracles.delivered(n, p, v, w.dropCount > drops)
	w.current = nil
}
