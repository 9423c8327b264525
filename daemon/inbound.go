package daemon

import (
	"maps"
	"runtime"
	"sync"
	"sync/atomic"

	"byzd/crypto"
	"byzd/pbft/message"
	"byzd/transport"
)

// inbound is a frame's way in: decoded strictly, its signatures checked by a bounded number of
// workers, then put into the one queue that the owner of the loop reads. Cheap checks come first,
// and every refusal has a name and a counter. It runs on the transport's goroutines, one for each
// peer and class: a peer that sends faster than this node verifies waits for itself alone.
type inbound struct {
	cluster  *message.Config
	index    map[crypto.NodeID]int
	bundles  *digests // that were verified, so that one which comes again costs a look-up
	votes    *votes
	tickets  chan struct{} // one for each signature check that may run at once
	queue    chan message.Verified
	reach    *reach
	refusals *tally
	closing  <-chan struct{}
	deaf     atomic.Bool // the journal takes nothing: what arrives is dropped, under a name
}

// verifiedBundles bounds the memory of verified bundles: some ten seconds of a busy cluster.
const verifiedBundles = 1 << 15

// queued is how many verified messages may wait for the owner of the loop.
const queued = 1024

func newInbound(cluster *message.Config, refusals *tally, closing <-chan struct{}) *inbound {
	in := &inbound{
		cluster: cluster, index: make(map[crypto.NodeID]int, len(cluster.Members)),
		bundles: newDigests(verifiedBundles), votes: newVotes(len(cluster.Members)),
		tickets: make(chan struct{}, runtime.GOMAXPROCS(0)),
		queue:   make(chan message.Verified, queued), reach: newReach(len(cluster.Members)),
		refusals: refusals, closing: closing,
	}
	for i := range cluster.Members {
		in.index[cluster.Members[i].Node] = i
	}
	return in
}

// Receive implements [transport.Handler].
func (in *inbound) Receive(id crypto.NodeID, _ transport.Class, _ uint64, frame []byte) {
	if in.deaf.Load() {
		in.refusals.add("disk_full")
		return
	}
	from, member := in.index[id]
	if !member {
		in.refusals.add(string(message.RefusedMember))
		return
	}
	epoch, m, err := message.Decode(frame)
	if err != nil {
		in.refusals.add("malformed")
		return
	}
	if vote, ok := m.(*message.Vote); ok && epoch == in.cluster.Epoch {
		in.receiveVote(from, vote)
		return
	}
	if !in.ticket() {
		return
	}
	v, err := message.Verify(in.cluster, in.bundles, from, epoch, m)
	<-in.tickets
	if err != nil {
		in.refusals.add(err.Error())
		if proof, ok := message.Incriminate(in.cluster, from, epoch, m, err); ok {
			in.hand(proof)
		}
		return
	}
	in.hand(v)
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
func (in *inbound) receiveVote(from int, vote *message.Vote) {
	check, full := in.votes.put(from, vote)
	if full {
		in.refusals.add("vote_repeated")
	}
	if !check {
		return
	}
	for in.ticket() {
		box := in.votes.take(vote)
		if box == nil {
			<-in.tickets
			return
		}
		verified, good := message.VerifyVotes(in.cluster, in.cluster.Epoch, box.froms, box.votes)
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
func (in *inbound) PeerUp(id crypto.NodeID) { in.reach.connection(in.index[id], true) }

// PeerDown implements [transport.Handler].
func (in *inbound) PeerDown(id crypto.NodeID) { in.reach.connection(in.index[id], false) }

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
