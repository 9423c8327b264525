package loop

import (
	"slices"

	"byzd/crypto"
	"byzd/pbft"
	"byzd/pbft/message"
)

// gateway turns the operations of this node's clients into bundles: one signature for everything
// that arrived while the last ones were under way.
type gateway struct {
	session  uint64
	next     uint64 // the number of the next bundle
	reserved uint64 // numbers below this are recorded as used
	gathered []operation
	size     int
	waiting  []waiting        // own bundles that were not executed yet, ascending
	asked    map[request]bool // signed requests that are gathered or waiting
	forgot   bool             // which numbers were used is not known: new ones are due
}

// operation is one operation of a client, with the tag that its result goes to.
type operation struct {
	item   message.Item
	client string
	tag    uint64
}

// waiting is an own bundle that was not executed yet.
type waiting struct {
	bundle *message.Bundle
	sealed message.Verified
	ops    []operation // of the bundle's items
	again  int64       // when to broadcast it again
	delay  int64
}

// request names a signed request: its client may send it as often as it likes, and it is
// executed once.
type request struct {
	client       crypto.NodeID
	session, seq uint64
}

func requestOf(item *message.Item) (request, bool) {
	if item.Signed == nil {
		return request{}, false
	}
	return request{item.Signed.Client, item.Signed.Session, item.Signed.Seq}, true
}

// Result is what became of one operation that was submitted here.
type Result struct {
	Tag     uint64
	Client  string
	Item    *message.Item
	Outcome pbft.Outcome
	Value   []byte
}

// Limits of the gateway.
const (
	reserveStep     = 1024 // bundle numbers per record (rule R7.3)
	maxOutstanding  = 4    // bundles under way; what arrives meanwhile shares the next one
	bundleOps       = 512
	bundleBytes     = 256 << 10
	rebroadcastMin  = 200
	rebroadcastMax  = 1000
	perMillisecond  = 20 // bits: more bundles than any gateway makes in a millisecond
	maxGatherFactor = 64 // full bundles that may wait; beyond, clients are told to come back
)

func newGateway(session, reserved uint64) gateway {
	return gateway{
		session: session, next: reserved, reserved: reserved, asked: map[request]bool{},
	}
}

// Submit gathers a client's operation for the next bundle; its result comes with the tag in an
// [Applied]. client tells clients apart. It reports false if too much waits already: the client
// should come back later; or if this node is no member, or a change of the members too large. A
// signed request that is under way here already is not taken again, so that clients which repeat
// themselves while nothing is executed fill nobody's memory.
func (l *Loop) Submit(item message.Item, client string, tag uint64) bool {
	g := &l.gateway
	if l.cfg.Self == pbft.Observer || item.Reconfig != nil && itemSize(&item) > l.room() {
		return false // no bundle is that large, and no member would take it
	}
	if l.forgotten(item, client, tag) {
		return true
	}
	if g.size > maxGatherFactor*bundleBytes || len(g.gathered) > maxGatherFactor*bundleOps {
		return false
	}
	if at, signed := requestOf(&item); signed {
		if g.asked[at] {
			return true
		}
		g.asked[at] = true
	}
	g.gathered = append(g.gathered, operation{item, client, tag})
	g.size += itemSize(&item)
	return true
}

func itemSize(item *message.Item) int {
	if item.Signed != nil {
		return len(item.Signed.Op) + 160
	}
	if item.Reconfig != nil {
		return len(message.EncodeReconfiguration(item.Reconfig)) + 8
	}
	return len(item.Op) + 8
}

// room is how many bytes of operations a bundle holds at most.
func (l *Loop) room() int {
	frame := 2 + 3*8 + 4 + 4 + l.cfg.Cluster.Scheme.SignatureSize()
	return l.cfg.Cluster.Params.MaxBundleBytes - frame
}

// submitGathered makes bundles of what was gathered, while not too many are under way.
func (l *Loop) submitGathered() {
	g := &l.gateway
	if g.forgot || l.replica.Fenced() {
		return // a disk from yesterday would give the same numbers to other bundles (R7.3, R14)
	}
	room := min(bundleBytes, l.room())
	for len(g.gathered) > 0 && len(g.waiting) < maxOutstanding {
		n, size := 0, 0
		for n < len(g.gathered) && n < bundleOps {
			one := itemSize(&g.gathered[n].item)
			change := g.gathered[n].item.Reconfig != nil // it stands alone
			if n > 0 && (size+one > room || change) {
				break
			}
			size += one
			n++
			if change {
				break
			}
		}
		l.submitBundle(g.gathered[:n])
		g.gathered = g.gathered[n:]
		g.size -= size
	}
	if len(g.gathered) == 0 {
		g.gathered = nil
	}
}

func (l *Loop) submitBundle(ops []operation) {
	g := &l.gateway
	if g.forgot { // it has just become a member
		l.renumber()
	}
	if g.next >= g.reserved {
		l.reserve()
	}
	b := &message.Bundle{Session: g.session, Seq: g.next, Ack: g.next}
	for i := range ops {
		b.Items = append(b.Items, ops[i].item)
	}
	if len(g.waiting) > 0 {
		b.Ack = g.waiting[0].bundle.Seq
	}
	g.next++
	v, err := l.guard.Seal(&message.Submission{Bundle: b})
	if err != nil {
		panic("loop: " + err.Error())
	}
	g.waiting = append(g.waiting, waiting{
		bundle: b, sealed: v, ops: slices.Clone(ops),
		again: l.now + rebroadcastMin, delay: rebroadcastMin,
	})
	l.hold(held{lsn: l.staged, to: pbft.All, msg: v, send: true})
	l.step(pbft.Received{Msg: v})
}

// reserve records that the next numbers may have been used (rule R7.3).
func (l *Loop) reserve() {
	g := &l.gateway
	g.reserved = g.next + reserveStep
	l.record(&message.Record{
		Type: message.RecordReserved, Epoch: l.cfg.Cluster.Epoch,
		Reserved: message.RequestKey{Session: g.session, Seq: g.reserved},
	})
}

// renumber lets a gateway that has forgotten which numbers it used go on with such as it cannot
// have used: the clock's, in steps that no gateway exhausts. A place that is signed twice would be
// a proof against this node (rules R7.3 and R15: to go on far above is as good as a new session).
// Who is no member has no session and no numbers; that it forgot goes on into the epoch in which it
// is one.
func (l *Loop) renumber() {
	g := &l.gateway
	g.forgot = false
	g.next = max(g.next, uint64(l.now)<<perMillisecond) //nolint:gosec // below 2^62 until 2109
	l.reserve()
}

// executed takes the results of own bundles out of what was applied.
func (g *gateway) executed(a *Applied) {
	for i, v := range a.Verdicts {
		bundle := a.Batch.Bundles[v.Bundle]
		if bundle.Session != g.session {
			continue
		}
		for k := range g.waiting {
			w := &g.waiting[k]
			if w.bundle.Seq == bundle.Seq && w.bundle.ID() == bundle.ID() {
				op := &w.ops[v.Item]
				a.Own = append(a.Own, Result{op.tag, op.client, &op.item, v.Outcome, a.Results[i]})
			}
		}
	}
	for _, bundle := range a.Batch.Bundles {
		if bundle.Session != g.session {
			continue
		}
		g.drop(func(w *waiting) bool { return w.bundle.Seq == bundle.Seq })
	}
}

// drop forgets own bundles that need not be executed any more, and returns their operations.
func (g *gateway) drop(done func(*waiting) bool) []operation {
	var ops []operation
	g.waiting = slices.DeleteFunc(g.waiting, func(w waiting) bool {
		if !done(&w) {
			return false
		}
		ops = append(ops, w.ops...)
		return true
	})
	for i := range ops {
		if at, signed := requestOf(&ops[i].item); signed {
			delete(g.asked, at)
		}
	}
	return ops
}

// discharge gives up the own bundles that a client table, which was installed and not computed
// here, says will not be executed any more: some were executed, by others, and their results are
// not known here. What it returns tells their clients so: who waits for an answer that will never
// come cannot even ask elsewhere.
func (g *gateway) discharge(clients *pbft.ClientTable) []Result {
	return unknown(g.drop(func(w *waiting) bool { return clients.Discharged(w.bundle) }))
}

// giveUp tells clients what a state that was installed gives up.
func (l *Loop) giveUp(clients *pbft.ClientTable) {
	if lost := l.gateway.discharge(clients); len(lost) > 0 {
		l.held = append(l.held, held{lsn: l.staged, applied: &Applied{Own: lost}})
	}
}

// unknown are results that say that nobody here can tell what became of the operations.
func unknown(ops []operation) []Result {
	list := make([]Result, len(ops))
	for i := range ops {
		list[i] = Result{
			Tag: ops[i].tag, Client: ops[i].client, Item: &ops[i].item, Outcome: pbft.OutOfRange,
		}
	}
	return list
}

// Waiting returns how many operations of this node's clients are not executed yet.
func (l *Loop) Waiting() int {
	count := len(l.gateway.gathered)
	for i := range l.gateway.waiting {
		count += len(l.gateway.waiting[i].ops)
	}
	return count
}

// rebroadcast repeats own bundles that were not executed for a while (rule R9f).
func (l *Loop) rebroadcast() {
	g := &l.gateway
	for i := range g.waiting {
		w := &g.waiting[i]
		if l.now < w.again {
			continue
		}
		w.delay = min(2*w.delay, rebroadcastMax)
		w.again = l.now + w.delay
		l.hold(held{lsn: l.staged, to: pbft.All, msg: w.sealed, send: true})
	}
}
