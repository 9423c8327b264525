package daemon

import (
	"maps"
	"runtime"
	"sync"
	"sync/atomic"

	"byzd/crypto"
	"byzd/daemon/loop"
	"byzd/pbft/message"
	"byzd/transport"
)

// inbound is a frame's way in: decoded strictly, its signatures checked by a bounded number of
// workers, then put into the one queue that the owner of the loop reads. Cheap checks come first,
// and every refusal has a name and a counter. It runs on the transport's goroutines, one for each
// peer and class: a peer that sends faster than this node verifies waits for itself alone.
type inbound struct {
	era      atomic.Pointer[era]
	bundles  *digests      // that were verified, so that one which comes again costs a look-up
	tickets  chan struct{} // one for each signature check that may run at once
	queue    chan message.Verified
	outside  chan stranger // of nodes that are not in this epoch, or no members
	reach    atomic.Pointer[reach]
	refusals *tally
	closing  <-chan struct{}
	deaf     atomic.Bool // the journal takes nothing: what arrives is dropped, under a name
}

// verifiedBundles bounds the memory of verified bundles: some ten seconds of a busy cluster.
const verifiedBundles = 1 << 15

// queued is how many verified messages may wait for the owner of the loop.
const queued = 1024

func newInbound(e *era, refusals *tally, closing <-chan struct{}) *inbound {
	in := &inbound{
		bundles: newDigests(verifiedBundles),
		tickets: make(chan struct{}, runtime.GOMAXPROCS(0)),
		queue:   make(chan message.Verified, queued), outside: make(chan stranger, strangers),
		refusals: refusals, closing: closing,
	}
	in.era.Store(e)
	in.reach.Store(newReach(len(e.cluster.Members)))
	return in
}

// strangers is how many messages of nodes that are not in this epoch may wait.
const strangers = 256

// begin goes on in another epoch. What was verified in the one before is refused by the loop. Who
// is connected stays so; what gossip believed of whom begins anew.
func (in *inbound) begin(e *era) {
	before, old := in.era.Load(), in.reach.Load()
	next := &reach{hints: old.hints, peers: make([]peerReach, len(e.cluster.Members))}
	for id, i := range e.index {
		if k, known := before.index[id]; known {
			next.peers[i].connected = old.isConnected(k)
		} else {
			next.peers[i].connected = true // until its connection is lost, or gossip says more
		}
	}
	in.era.Store(e)
	in.reach.Store(next)
}

// opinion passes on what gossip believes of a member.
func (in *inbound) opinion(id crypto.NodeID, alive bool) {
	if i, member := in.era.Load().index[id]; member {
		in.reach.Load().opinion(i, alive)
	}
}

// Receive implements [transport.Handler].
func (in *inbound) Receive(id crypto.NodeID, _ transport.Class, _ uint64, frame []byte) {
	if in.deaf.Load() {
		in.refusals.add("disk_full")
		return
	}
	e := in.era.Load()
	epoch, m, err := message.Decode(frame)
	if err != nil {
		in.refusals.add("malformed")
		return
	}
	from, member := e.index[id]
	if !member {
		from = message.Stranger
	}
	if epoch != e.cluster.Epoch || !member && !message.ProvesItself(m) {
		in.meet(e, stranger{id, epoch, m})
		return
	}
	if vote, ok := m.(*message.Vote); ok {
		in.receiveVote(e, from, vote)
		return
	}
	if !in.ticket() {
		return
	}
	v, err := message.Verify(e.cluster, in.bundles, from, epoch, m)
	<-in.tickets
	if err != nil {
		in.refusals.add(err.Error())
		if proof, ok := message.Incriminate(e.cluster, from, epoch, m, err); ok && member {
			in.hand(proof)
		}
		return
	}
	in.hand(v)
}

// meet hands a stranger's message to the loop, unless too many wait: they are asked for again. What
// members of a later epoch tell each other is not for a node that is behind, and would fill the
// queue.
func (in *inbound) meet(e *era, s stranger) {
	if s.epoch > e.cluster.Epoch && !loop.LeadsAhead(s.m) {
		in.refusals.add("of_a_later_epoch")
		return
	}
	select {
	case in.outside <- s:
	default:
		in.refusals.add("too_many_strangers")
	}
}

// ticket waits for leave to check signatures; there is none when the node stops.
func (in *inbound) ticket() bool {
	select {
	case in.tickets <- struct{}{}:
		return true
	case <-in.closing:
		return false
	}
}

// receiveVote leaves a vote to whoever checks votes for its statement, or checks it, with all those
// that come in meanwhile.
func (in *inbound) receiveVote(e *era, from int, vote *message.Vote) {
	check, full := e.votes.put(from, vote)
	if full {
		in.refusals.add("vote_repeated")
	}
	if !check {
		return
	}
	for in.ticket() {
		box := e.votes.take(vote)
		if box == nil {
			<-in.tickets
			return
		}
		verified, good := message.VerifyVotes(e.cluster, e.cluster.Epoch, box.froms, box.votes)
		<-in.tickets
		for i, v := range verified {
			if !good[i] {
				in.refusals.add(string(message.RefusedSignature))
				continue
			}
			in.hand(v)
		}
	}
}

// hand puts a verified message into the queue of the loop's owner.
func (in *inbound) hand(v message.Verified) {
	select {
	case in.queue <- v:
	case <-in.closing:
	}
}

// PeerUp implements [transport.Handler].
func (in *inbound) PeerUp(id crypto.NodeID) { in.connection(id, true) }

// PeerDown implements [transport.Handler].
func (in *inbound) PeerDown(id crypto.NodeID) { in.connection(id, false) }

func (in *inbound) connection(id crypto.NodeID, up bool) {
	if i, member := in.era.Load().index[id]; member {
		in.reach.Load().connection(i, up)
	}
}

// tally counts things by name.
type tally struct {
	mu     sync.Mutex
	counts map[string]uint64
}

func newTally() *tally { return &tally{counts: map[string]uint64{}} }

func (t *tally) add(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts[name]++
}

func (t *tally) snapshot() map[string]uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.counts)
}
