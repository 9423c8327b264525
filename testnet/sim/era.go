package sim

import (
	"fmt"
	"slices"

	"byzd/crypto"
	"byzd/pbft/message"
)

// era is an epoch as all correct nodes must see it, and the replicas that its members are: a
// replica keeps its number in this package for ever, while its place among the members changes.
type era struct {
	cfg      *message.Config
	replicas []int          // by place
	place    [maxPeople]int // by replica; -1 if it is no member
}

func newEra(cfg *message.Config) *era {
	e := &era{cfg: cfg}
	for i := range e.place {
		e.place[i] = -1
	}
	for i := range cfg.Members {
		r := slices.Index(keys().nodes[:], cfg.Members[i].Node)
		if r < 0 {
			panic(fmt.Sprintf("sim: member %d of epoch %d is nobody", i, cfg.Epoch))
		}
		e.replicas = append(e.replicas, r)
		e.place[r] = i
	}
	return e
}

// has reports whether a replica is a member.
func (e *era) has(replica int) bool { return e.place[replica] >= 0 }

// newest is the last epoch that any node has begun.
func (w *World) newest() *era { return w.eras[len(w.eras)-1] }

// era is that of an epoch, or nil if no node has come so far.
func (w *World) era(epoch uint64) *era {
	if epoch >= uint64(len(w.eras)) {
		return nil
	}
	return w.eras[epoch]
}

// config is the configuration of an epoch, or nil.
func (w *World) config(epoch uint64) *message.Config {
	if e := w.era(epoch); e != nil {
		return e.cfg
	}
	return nil
}

// eraAt is the epoch that a batch is of.
func (w *World) eraAt(seq uint64) *era {
	for _, e := range slices.Backward(w.eras) {
		if seq > e.cfg.Base.Seq {
			return e
		}
	}
	return w.eras[0]
}

// era is the epoch that a node is in.
func (n *node) era() *era { return n.w.eras[n.loop.Cluster().Epoch] }

// place is the node's number among the members of its epoch; -1 if it is none.
func (n *node) place() int { return n.era().place[n.replica] }

// sealer signs for a replica in an epoch.
func (w *World) sealer(e *era, replica int) message.Sealer {
	s := message.Sealer{Config: e.cfg, Self: e.place[replica], Signer: w.signers[replica][0]}
	if s.Self >= 0 && !e.cfg.Members[s.Self].Key.Equal(s.Signer.Public()) {
		s.Signer = w.signers[replica][1]
	}
	return s
}

// reconfigured implements the loop's door.
func (n *node) reconfigured(now *message.Config, self int) {
	w := n.w
	w.begins(n, now)
	n.learners = 0
	n.enroll()
	n.rearm()
	n.begun, n.eraAt = n.loop.Staged(), w.now
	who := uint64(uint8(n.index))<<8 ^ uint64(uint8(self)) //nolint:gosec // bits
	w.hash = mix(w.hash, now.Epoch<<32^who)
	w.tracef("%s is in epoch %d, member %d of %d", n.name(), now.Epoch, self, now.Sizes.N)
}

// announced implements the loop's door.
func (n *node) announced(next *message.Config) {
	n.w.mark(markAnnounced)
	n.learners = 0
	for i := range next.Members {
		if r := slices.Index(keys().nodes[:], next.Members[i].Node); r >= 0 {
			n.learners |= 1 << r
		}
	}
	if n.up {
		n.enroll()
	}
}

// proved implements the loop's door: the members of an epoch that the node is not in are let in.
func (n *node) proved(*message.Config) {
	if n.up {
		n.enroll()
	}
}

// formerEpochs is for how many epochs who was a member stays a peer, as in the daemon.
const formerEpochs = 2

// enroll sets whom the node talks to, as the daemon does.
func (n *node) enroll() {
	n.peers = n.learners
	for _, r := range n.w.eras[n.loop.Newest().Epoch].replicas {
		n.peers |= 1 << r
	}
	epoch := n.loop.Cluster().Epoch
	for back := uint64(0); back <= min(formerEpochs, epoch); back++ {
		for _, r := range n.w.eras[epoch-back].replicas {
			n.peers |= 1 << r
		}
	}
}

// strangers reports whether two nodes are none of each other's peers: there is no connection.
func (w *World) strangers(from, to *node) bool {
	return len(w.opts.Changes) > 0 &&
		(from.peers&(1<<to.replica) == 0 || to.peers&(1<<from.replica) == 0)
}

// rearm makes a traitor one of the epoch that its node is in.
func (n *node) rearm() {
	if len(n.specs) == 0 {
		return
	}
	e := n.era()
	if n.liarIn != e {
		n.w.lying() // what the one before has told counts
		n.liar, n.liarIn = n.w.arm(n, e), e
	}
	if n.liar != nil {
		n.loop.SetAdversary(n.liar)
	}
}

// retire ends the process of a node that was removed and is needed by nobody (B52), as the daemon
// does.
func (n *node) retire() {
	if len(n.w.eras) == 1 || n.place() >= 0 || n.dead || !n.up {
		return
	}
	if _, done := n.loop.Retired(); done {
		n.w.tracef("%s may go", n.name())
		n.w.mark(markRetired)
		n.gone = true
		n.w.crash(n, false)
	}
}

// SendNode implements [loop.NodeLinks].
func (k frames) SendNode(to crypto.NodeID, t message.Type, frame []byte) {
	r := slices.Index(keys().nodes[:], to)
	if r < 0 || !k.n.effect() {
		return
	}
	defer k.n.point(pointSend)()
	w := k.n.w
	if t == message.TypeEpoch {
		w.mark(markOutsideTold)
	}
	p := &packet{from: k.n.replica, typ: t, frame: frame}
	w.leave(k.n, r, p)
	for _, n := range w.nodes {
		if n.replica == r && r != p.from {
			w.route(k.n, n, p)
		}
	}
}

// meet hands a node what is of another epoch, or of no member, as the daemon does. It reports
// whether it was that.
func (w *World) meet(n *node, p *packet) bool {
	if w.decode(p) != nil {
		return false
	}
	e := n.era()
	if p.epoch == e.cfg.Epoch && (e.has(p.from) || message.ProvesItself(p.msg)) {
		return false
	}
	if w.late(n, p) {
		return true
	}
	w.oracles.beforeOutside(n, p)
	n.loop.Outside(keys().nodes[p.from], p.epoch, p.msg)
	w.oracles.outside(n, p)
	return true
}

// lateFor is for how long, in µs, after its epoch began a node may still find messages in its queue
// that were verified before.
const lateFor = 300_000

// late lets a message come that was verified before the node's epoch began, and waited since.
func (w *World) late(n *node, p *packet) bool {
	e := n.era()
	if e.cfg.Epoch == 0 || w.now > n.eraAt+lateFor || p.epoch != e.cfg.Epoch-1 || n.liar != nil ||
		w.rnd[streamEpochs].IntN(2) == 0 {
		return false
	}
	v, err := w.open(p)
	if err != nil {
		return false
	}
	w.mark(markLateEpoch)
	w.oracles.beforeOutside(n, p)
	n.loop.Receive(v)
	w.oracles.outside(n, p)
	return true
}
