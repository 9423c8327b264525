package sim

import (
	"fmt"

	"byzd/crypto"
	"byzd/daemon/kv"
	"byzd/daemon/loop"
	"byzd/pbft"
	"byzd/pbft/message"
)

// client asks for one operation after the other. A plain client believes the node that it asks; a
// signed one counts equal replies of f+1 members.
type client struct {
	w      *World
	index  int
	signed bool
	key    crypto.NetworkKey
	id     crypto.NodeID

	session uint64
	seq     uint64
	nonce   uint64
	left    int // operations to begin with
	doing   *operation
	replies map[crypto.Digest]map[voice]bool // by leaf, who gave it
}

// voice is a member whose reply counts. Members of different epochs do not add up.
type voice struct {
	epoch  uint64
	member int
}

// operation is one thing that a client wants.
type operation struct {
	client   *client
	tag      int
	op       []byte
	request  *message.ClientRequest // of a signed client
	register bool
	live     bool  // the liveness phase waits for it
	extra    bool  // of a client that has done its work, see [World.steady]
	at       *node // that was asked last

	invoked   int64
	completed int64 // 0: not, or not known
	told      []byte
	liar      bool // whoever told the result is no correct node
	trust     bool // the result is believed: a correct node's, or f+1 replies
	gaveUp    bool
	asked     bool // some node took it

	seq  uint64 // where it ran first; 0: nowhere yet
	item int
}

func (w *World) addClients() {
	ring := keys()
	for i := range w.opts.Clients {
		c := &client{
			w: w, index: i, signed: i < w.opts.Signed, key: ring.clients[i], id: ring.ids[i],
			left: (w.opts.Ops + i) / w.opts.Clients,
		}
		w.clients = append(w.clients, c)
	}
	if w.opts.Rates[classLiar] > 0 {
		w.liar = &client{
			w: w, index: len(w.clients), signed: true, key: ring.clients[maxClients],
			id: ring.ids[maxClients],
		}
		w.clients = append(w.clients, w.liar)
	}
}

// startClients plans every client's first operation.
func (w *World) startClients() {
	for i := range w.clients {
		w.later(evClient, w.rnd[streamClient].Int64N(200_000), int64(i))
	}
}

// begin asks for the next operation.
func (c *client) begin() {
	w := c.w
	idle := c.left == 0 && (!c.signed || c.session != 0)
	if c.doing != nil || w.phase >= phaseDrain || idle && !w.steady(c) {
		return
	}
	o := &operation{
		client: c, tag: len(w.tags), invoked: w.now,
		live: w.phase == phaseLive && c != w.liar && !idle,
	}
	w.tags = append(w.tags, o)
	c.doing = o
	if idle {
		o.extra = true
		w.mark(markSteady)
	}
	if o.live {
		w.pending++
	}
	switch {
	case c.signed && c.session == 0:
		c.nonce++
		o.register = true
		o.request = &message.ClientRequest{Seq: c.nonce}
		w.seal(c, o.request)
	default:
		c.left = max(0, c.left-1)
		o.op = w.drawOp(o.tag)
		w.ops[string(o.op)] = o
		if c.signed {
			o.request = &message.ClientRequest{
				Session: c.session, Seq: c.seq, Ack: c.seq, Op: o.op,
			}
			c.seq++
			w.seal(c, o.request)
		}
	}
	c.replies = nil
	o.ask()
}

// ask gives the operation to some node that is up.
func (o *operation) ask() {
	w := o.client.w
	w.later(evPatience, 300_000+w.rnd[streamClient].Int64N(700_000), int64(o.tag))
	n := w.gateway()
	for k := 0; k < w.opts.N && o.extra && w.owes(n); k++ {
		n = w.gateway() // not where somebody is kept waiting: it would wait, too
	}
	o.asked, o.at = false, n
	if n == nil {
		return
	}
	item := message.Item{Op: o.op}
	if o.request != nil {
		item = message.Item{Signed: o.request}
	}
	name := fmt.Sprintf("c%d", o.client.index)
	w.tracef("%s asks %s for operation %d", name, n.name(), o.tag)
	w.guard(func() { // the node may lose its power over it, the client goes on
		o.asked = n.loop.Submit(item, name, uint64(o.tag)) //nolint:gosec // an index
		switch {
		case o.asked:
		case n.loop.Self() < 0:
			w.mark(markAskedOutside)
		default:
			w.mark(markBusy)
		}
	})
	n.wake()
}

// gateway draws a node that takes operations, or nil.
func (w *World) gateway() *node {
	r := w.rnd[streamClient]
	first := r.IntN(len(w.nodes))
	for k := range w.nodes {
		n := w.nodes[(first+k)%len(w.nodes)]
		if !n.up || n.full || w.now < n.paused {
			continue
		}
		if w.phase == phaseLive && (!w.core[n.index] || !n.correct || !w.newest().has(n.replica)) {
			continue
		}
		return n
	}
	return nil
}

// patience is at its end: a signed client asks another node, a plain one does not know what became
// of its operation and goes on.
func (o *operation) patience() {
	c := o.client
	if o.completed != 0 || o.gaveUp || c.doing != o {
		return
	}
	if o.request != nil || o.live {
		if o.request == nil && o.asked {
			// The core is fault-free: to ask again would be a new operation.
			c.w.later(evPatience, 500_000, int64(o.tag))
			return
		}
		c.w.mark(markRetry)
		o.ask()
		return
	}
	c.w.mark(markUnknownOutcome)
	o.giveUp()
}

// unknown is the answer of a node that installed a state in which the operation may be executed.
func (o *operation) unknown() {
	if o.completed == 0 && !o.gaveUp {
		o.client.w.mark(markToldUnknown)
		o.giveUp()
	}
}

func (o *operation) giveUp() {
	w := o.client.w
	o.gaveUp = true
	if o.live {
		w.pending--
		w.settled = w.now
	}
	o.client.next()
}

// next plans the client's next operation.
func (c *client) next() {
	w := c.w
	c.doing = nil
	pause := 1 + w.opts.Safety*1000*int64(w.opts.Clients)/int64(max(w.opts.Ops, 1))
	if w.phase == phaseLive {
		pause = 20_000
	}
	w.later(evClient, exponential(w.rnd[streamClient], pause), int64(c.index))
}

// done notes a result.
func (o *operation) done(result []byte, from *node, trusted bool) {
	if o.completed != 0 || o.gaveUp {
		return
	}
	w := o.client.w
	o.completed, o.told, o.trust = w.now, result, trusted
	o.liar = !trusted
	w.tracef("c%d has the result of operation %d", o.client.index, o.tag)
	w.hash = mix(w.hash, uint64(o.tag)<<32^uint64(from.index)) //nolint:gosec // small
	if o.live {
		w.pending--
		w.settled = w.now
	}
	o.client.next()
}

// answer hands clients what a node tells them.
func (w *World) answer(n *node, a *loop.Applied) {
	for i := range a.Own {
		r := &a.Own[i]
		if r.Tag >= uint64(len(w.tags)) || r.Item.Signed != nil || r.Item.Reconfig != nil {
			continue // a lying client's, or one that counts replies, or no client's
		}
		switch o := w.tags[r.Tag]; {
		case o.request != nil:
		case r.Outcome != pbft.Run:
			if n.loop.Self() < 0 {
				w.mark(markLostGateway)
			}
			o.unknown()
		default:
			o.done(r.Value, n, n.correct)
		}
	}
	for _, p := range a.Replies {
		w.reply(n, p)
	}
}

// reply gives a signed client one member's reply.
func (w *World) reply(n *node, p *message.Reply) {
	for _, c := range w.clients {
		if !c.awaits(p) {
			continue
		}
		e := w.signedIn(n, p)
		if e == nil || c.countReply(p, e.cfg.Epoch) < e.cfg.Sizes.Weak {
			continue
		}
		o := c.doing
		if len(c.replies) > 1 {
			w.mark(markReplyRefused)
		}
		switch outcome := pbft.Outcome(p.Outcome); {
		case o.register && outcome == pbft.Registered:
			c.session, c.seq = p.Session, 0
			w.mark(markRegistered)
		case o.register, outcome == pbft.NoSession:
			c.session = 0 // it registers anew
		}
		o.done(p.Result, n, pbft.Outcome(p.Outcome) == pbft.Run)
	}
}

// signedIn is the epoch in which a node signed a reply: its own, or the one before it, in which it
// was executed; nil if it has not.
func (w *World) signedIn(n *node, p *message.Reply) *era {
	epoch := n.loop.Cluster().Epoch
	for back := uint64(0); back <= min(1, epoch); back++ {
		e := w.eras[epoch-back]
		if e.has(n.replica) && p.Member == e.place[n.replica] && p.Verify(e.cfg) == nil {
			return e
		}
	}
	return nil
}

// awaits reports whether a reply is to what a signed client is doing.
func (c *client) awaits(p *message.Reply) bool {
	o := c.doing
	if !c.signed || c.id != p.Client || o == nil || o.completed != 0 {
		return false
	}
	return p.Seq == o.request.Seq && (o.register || p.Session == o.request.Session)
}

// countReply notes a member's reply, and returns how many members of its epoch have given the same.
func (c *client) countReply(p *message.Reply, epoch uint64) int {
	if c.replies == nil {
		c.replies = map[crypto.Digest]map[voice]bool{}
	}
	leaf := p.Leaf()
	if c.replies[leaf] == nil {
		c.replies[leaf] = map[voice]bool{}
	}
	c.replies[leaf][voice{epoch, p.Member}] = true
	count := 0
	for v := range c.replies[leaf] {
		if v.epoch == epoch {
			count++
		}
	}
	return count
}

// drawOp draws an operation. No two have the same bytes: a write carries its number in the value,
// a read in a limit that it cannot reach.
func (w *World) drawOp(tag int) []byte {
	r := w.rnd[streamOps]
	key := fmt.Appendf(nil, "k%d", r.IntN(w.opts.Keys))
	value := fmt.Appendf(nil, "v%d", tag)
	if r.IntN(16) == 0 {
		value = append(value, make([]byte, r.IntN(2048))...)
	}
	var op kv.Op
	switch p := r.IntN(10); {
	case p < 4:
		op = kv.Put{Key: key, Value: value, PrevKV: r.IntN(2) == 0}
	case p < 7:
		op = kv.Range{Key: key, Limit: uint64(tag) + 1} //nolint:gosec // an index
	case p < 9:
		cas := kv.CompareAndSwap{Key: key, New: value, Absent: r.IntN(4) == 0}
		if !cas.Absent {
			cas.Expect = fmt.Appendf(nil, "v%d", r.IntN(tag+1))
		}
		op = cas
	default:
		op = kv.Txn{
			Compares: []kv.Compare{
				{Key: key, Target: kv.TargetVersion, Operator: kv.Greater},
				// A deletion holds no number; this comparison does, and always holds.
				{Key: fmt.Appendf(nil, "no%d", tag), Target: kv.TargetVersion, Operator: kv.Equal},
			},
			Success: []kv.Op{kv.DeleteRange{Key: key}},
			Failure: []kv.Op{kv.Put{Key: key, Value: value}},
		}
	}
	b, err := kv.Encode(op)
	if err != nil {
		panic(fmt.Sprintf("sim: %v", err))
	}
	return b
}

// seal signs a client's request, and notes that it was made.
func (w *World) seal(c *client, req *message.ClientRequest) {
	message.SealClientRequest(w.cfg.RequestDomain(), c.key, req)
	w.asked[string(req.Sig)] = true
}
