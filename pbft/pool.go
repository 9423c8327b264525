package pbft

import (
	"maps"
	"slices"

	"byzd/crypto"
	"byzd/pbft/message"
	"byzd/pbft/quorum"
)

// poolBytes bounds the bundles that wait, over all gateways. Each gateway has its equal share, so
// that none can crowd out another (rule R9).
const poolBytes = 64 << 20

// maxPoolBundles bounds the number of bundles of one gateway.
const maxPoolBundles = GatewayWindow

// queue holds one gateway's undischarged bundles, in the order of their numbers.
type queue struct {
	bundles map[uint64]*message.Bundle
	order   []uint64 // ascending
	arrived []int64  // when each of them came, in the same order
	bytes   int
	head    uint64 // the number that the age below is of
	since   int64  // when it became the head, or the view was entered; -1 if there is none
	told    int64  // when its name was sent to the primary of the view; -1 if it was not
	deficit int    // bytes that the gateway may still put into batches (deficit round robin)
}

// pool holds the bundles that everybody is waiting for, by gateway.
type pool struct {
	queues []queue
	byID   map[crypto.Digest]*message.Bundle
}

func newPool(members int) pool {
	p := pool{queues: make([]queue, members), byID: map[crypto.Digest]*message.Bundle{}}
	for i := range p.queues {
		p.queues[i] = queue{bundles: map[uint64]*message.Bundle{}, since: -1, told: -1}
	}
	return p
}

// add queues a bundle. At most one is kept for each place; when the gateway's share is used up, the
// highest number gives way.
func (p *pool) add(b *message.Bundle, now int64) Drop {
	q := &p.queues[b.Gateway]
	if old := q.bundles[b.Seq]; old != nil {
		if old.ID() == b.ID() {
			return DropBundleKnown
		}
		return DropBundleConflict
	}
	q.bundles[b.Seq] = b
	at, _ := slices.BinarySearch(q.order, b.Seq)
	q.order = slices.Insert(q.order, at, b.Seq)
	q.arrived = slices.Insert(q.arrived, at, now)
	q.bytes += b.Size()
	p.byID[b.ID()] = b
	for q.bytes > poolBytes/len(p.queues) && len(q.order) > 1 || len(q.order) > maxPoolBundles {
		highest := q.order[len(q.order)-1]
		p.remove(b.Gateway, highest)
		if highest == b.Seq {
			return DropBundleFull
		}
	}
	return ""
}

func (p *pool) remove(gateway int, seq uint64) {
	q := &p.queues[gateway]
	b := q.bundles[seq]
	if b == nil {
		return
	}
	delete(q.bundles, seq)
	delete(p.byID, b.ID())
	q.bytes -= b.Size()
	if at, found := slices.BinarySearch(q.order, seq); found {
		q.order = slices.Delete(q.order, at, at+1)
		q.arrived = slices.Delete(q.arrived, at, at+1)
	}
}

// discharge drops what the client table says will not be executed any more after a batch, and notes
// since when each queue has its head. Only the sessions of the batch's bundles can have changed.
func (p *pool) discharge(t *ClientTable, executed *message.Batch, now int64) {
	seen := quorum.Set{}
	for _, bundle := range executed.Bundles {
		if bundle.Gateway >= len(p.queues) || seen.Has(bundle.Gateway) {
			continue
		}
		seen = seen.Add(bundle.Gateway)
		p.dischargeQueue(&p.queues[bundle.Gateway], t, now)
	}
}

// dischargeAll does the same for all queues, after a state was installed.
func (p *pool) dischargeAll(t *ClientTable, now int64) {
	for g := range p.queues {
		p.dischargeQueue(&p.queues[g], t, now)
	}
}

func (p *pool) dischargeQueue(q *queue, t *ClientTable, now int64) {
	kept, arrived := q.order[:0], q.arrived[:0]
	for i, seq := range q.order {
		b := q.bundles[seq]
		if !t.Discharged(b) {
			kept, arrived = append(kept, seq), append(arrived, q.arrived[i])
			continue
		}
		delete(q.bundles, seq)
		delete(p.byID, b.ID())
		q.bytes -= b.Size()
	}
	q.order, q.arrived = kept, arrived
	q.note(now)
}

func (q *queue) note(now int64) {
	switch {
	case len(q.order) == 0:
		q.since, q.told = -1, -1
	case q.since < 0 || q.head != q.order[0]:
		q.head, q.since, q.told = q.order[0], now, -1
	}
}

// restart lets every head's age begin anew, for a view that was just entered.
func (p *pool) restart(now int64) {
	for g := range p.queues {
		q := &p.queues[g]
		q.since, q.told = -1, -1
		q.note(now)
	}
}

// begin lets everything that came before the first tick, when there was no time yet, come now.
func (p *pool) begin(now int64) {
	for g := range p.queues {
		for i := range p.queues[g].arrived {
			p.queues[g].arrived[i] = now
		}
	}
	p.restart(now)
}

// empty reports whether nothing waits.
func (p *pool) empty() bool {
	for g := range p.queues {
		if len(p.queues[g].order) > 0 {
			return false
		}
	}
	return true
}

// drrQuantum is what each gateway may add to a batch per round, and maxDeficit what a gateway whose
// bundles did not fit may save up.
const (
	drrQuantum = 64 << 10
	maxDeficit = 8 << 20
)

// choice is a batch being filled.
type choice struct {
	params         message.Params
	bundles        []*message.Bundle
	requests, size int
}

// choose picks bundles for a batch by deficit round robin over the gateways, each in the order of
// its numbers. The head of every queue comes first. Places in taken are on the chain already.
func (p *pool) choose(
	params message.Params, first int, taken map[message.RequestKey]bool,
) []*message.Bundle {
	n := len(p.queues)
	waiting := p.without(taken)
	c := choice{params: params}
	for k := range n { // the heads first: their ages are what a primary is judged by
		if g := (first + k) % n; len(waiting[g]) > 0 && c.take(waiting[g][0]) {
			p.queues[g].deficit -= waiting[g][0].Size()
			waiting[g] = waiting[g][1:]
		}
	}
	for more := true; more; {
		more = false
		for k := range n {
			g := (first + k) % n
			left, full := c.fill(&p.queues[g], waiting[g])
			if full {
				return c.bundles
			}
			waiting[g] = left
			more = more || len(left) > 0 // what is larger than the quantum waits for its round
		}
	}
	return c.bundles
}

// without lists what waits in each queue, but for places that are taken.
func (p *pool) without(taken map[message.RequestKey]bool) [][]*message.Bundle {
	waiting := make([][]*message.Bundle, len(p.queues))
	for g := range p.queues {
		for _, seq := range p.queues[g].order {
			if b := p.queues[g].bundles[seq]; !taken[b.Key()] {
				waiting[g] = append(waiting[g], b)
			}
		}
	}
	return waiting
}

// fill takes one queue's share of a round. It returns what is left of the queue, and whether the
// batch is full.
func (c *choice) fill(q *queue, waiting []*message.Bundle) (left []*message.Bundle, full bool) {
	q.deficit = min(q.deficit+drrQuantum, maxDeficit)
	for len(waiting) > 0 && q.deficit > 0 {
		if !c.take(waiting[0]) {
			return waiting, true
		}
		q.deficit -= waiting[0].Size()
		waiting = waiting[1:]
	}
	if len(waiting) == 0 {
		q.deficit = 0
	}
	return waiting, false
}

// take adds a bundle if it still fits; the first always does.
func (c *choice) take(b *message.Bundle) bool {
	requests, size := c.requests+len(b.Items), c.size+b.Size()
	full := requests > c.params.MaxBatchRequests || size > c.params.MaxBatchBytes
	if full && len(c.bundles) > 0 {
		return false
	}
	c.bundles, c.requests, c.size = append(c.bundles, b), requests, size
	return true
}

func (p *pool) clone() pool {
	c := pool{queues: slices.Clone(p.queues), byID: maps.Clone(p.byID)}
	for g := range c.queues {
		c.queues[g].bundles = maps.Clone(c.queues[g].bundles)
		c.queues[g].order = slices.Clone(c.queues[g].order)
		c.queues[g].arrived = slices.Clone(c.queues[g].arrived)
	}
	return c
}
