package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"byzd/crypto"
	"byzd/daemon/loop"
	"byzd/membership"
	"byzd/pbft"
	"byzd/pbft/message"
	"byzd/transport"
)

// era is what a node goes by in one epoch. It is replaced as a whole, by the owner of the loop.
type era struct {
	cluster *message.Config
	self    int // this node's number, or pbft.Observer
	index   map[crypto.NodeID]int
	votes   *votes
}

func newEra(cluster *message.Config, self int) *era {
	e := &era{
		cluster: cluster, self: self, index: make(map[crypto.NodeID]int, len(cluster.Members)),
		votes: newVotes(len(cluster.Members)),
	}
	for i := range cluster.Members {
		e.index[cluster.Members[i].Node] = i
	}
	return e
}

// cluster is the configuration of the epoch that this node is in.
func (n *node) cluster() *message.Config { return n.in.era.Load().cluster }

// self is this node's number in it, or [pbft.Observer].
func (n *node) self() int { return n.in.era.Load().self }

// name is what people call this node.
func (n *node) name() string {
	for _, c := range []*message.Config{n.cluster(), n.opts.Cluster} {
		if i := c.Member(n.opts.NetworkKey.ID()); i >= 0 {
			return c.Members[i].Name
		}
	}
	return "learner"
}

// reconfigured goes on in the next epoch: whom this node talks to, and by which numbers. It runs on
// the loop. Who was a member lately may still need what this node has, and is to be told that it
// may go (B52), so it stays a peer for two epochs.
func (n *node) reconfigured(now *message.Config, self int) {
	before, was := n.cluster(), n.self()
	n.former, n.newest = former(n.loop, now.Epoch), n.loop.Newest()
	n.in.begin(newEra(now, self))
	n.out.members = now.Members
	n.learners = nil
	n.enroll()
	n.traitors.rearm(self)
	if n.discovery != nil {
		n.discovery.recast(now)
	}
	log := n.opts.Log.WithFields(map[string]any{
		"epoch": now.Epoch, "members": now.Sizes.N, "liars": now.Sizes.F,
	})
	if self == pbft.Observer {
		named := now.Member(n.opts.NetworkKey.ID()) >= 0
		if was == pbft.Observer && !named || n.newest.Epoch > now.Epoch {
			log.Info("the members have changed: this node follows them")
			return
		}
		what := "this node is none of them any more"
		if named {
			what = "they know this node by a signing key that its home does not have"
		}
		log.Warn("the members have changed: " + what)
		return
	}
	if now.Sizes.F < before.Sizes.F {
		log.Warn("the members have changed, and withstand fewer liars than before")
		return
	}
	log.WithField("node", self).Info("the members have changed")
}

// epochChain is what leads others from the genesis to today.
func (n *node) epochChain() []byte {
	var ends []*message.EpochProof
	ctx, cancel := context.WithTimeout(context.Background(), metricsTime)
	defer cancel()
	if err := n.owner.do(ctx, func(l *loop.Loop) { ends = slices.Clone(l.Ends()) }); err != nil {
		return nil
	}
	return message.EncodeEpochs(n.opts.Cluster.Cluster, ends)
}

// formerEpochs is for how many epochs who was a member stays a peer.
const formerEpochs = 2

// former are the configurations of the last few epochs before one.
func former(l *loop.Loop, epoch uint64) []*message.Config {
	var list []*message.Config
	for back := uint64(1); back <= formerEpochs && back <= epoch; back++ {
		if c := l.Config(epoch - back); c != nil {
			list = append(list, c)
		}
	}
	return list
}

// announced lets in whom a change names that was announced: they follow, and are not counted.
func (n *node) announced(next *message.Config) {
	n.learners = next.Members
	if n.transport != nil {
		n.enroll()
	}
	n.opts.Log.WithField("members", next.Sizes.N).Info("a change of the members is announced")
}

// proved lets in the members of an epoch that this node is not in yet: they have what it lacks.
func (n *node) proved(newest *message.Config) {
	n.newest = newest
	if n.transport != nil {
		n.enroll()
	}
	n.opts.Log.WithFields(map[string]any{"epoch": newest.Epoch, "here": n.cluster().Epoch}).
		Info("this node's epoch is proved to have ended")
}

// peers are all that this node lets in.
func (n *node) peers() []transport.Peer {
	var list []transport.Peer
	seen := map[crypto.NodeID]bool{}
	add := func(members []message.Member) {
		for _, m := range members {
			if !seen[m.Node] {
				seen[m.Node] = true
				list = append(list, transport.Peer{ID: m.Node, Name: m.Name})
			}
		}
	}
	add(n.cluster().Members)
	add(n.learners)
	add(n.newest.Members)
	for _, c := range n.former {
		add(c.Members)
	}
	return list
}

func (n *node) enroll() {
	n.transport.SetPeers(n.peers())
	for _, p := range n.transport.Peers() {
		if addrs := n.opts.Peers[p.ID]; len(p.Addrs) == 0 && len(addrs) > 0 {
			n.transport.Heard(p.ID, addrs)
		}
	}
}

// stranger is a message of a node that is in another epoch than this one, or no member of it.
type stranger struct {
	from  crypto.NodeID
	epoch uint64
	m     message.Message
}

// tell hands it to the loop.
func (s stranger) tell(l *loop.Loop) { l.Outside(s.from, s.epoch, s.m) }

// ErrRetired says that a node was a member, is none any more, and is not needed by anybody: that is
// how it is to end, and no failure (B52).
var ErrRetired = errors.New("this node is no member any more")

type retiredError struct{ epoch uint64 }

func (e *retiredError) Error() string {
	return fmt.Sprintf("this node is no member since epoch %d, and nobody needs it any more",
		e.epoch)
}

// Is makes it an [ErrRetired].
func (*retiredError) Is(target error) bool { return target == ErrRetired }

// Hint says what that means.
func (*retiredError) Hint() string {
	return "its home can be kept or removed; byzd member list shows who the members are"
}

// roster is gossip's list of members.
func roster(cluster *message.Config) []membership.Member {
	members := make([]membership.Member, len(cluster.Members))
	for i, m := range cluster.Members {
		members[i] = membership.Member{ID: m.Node, Name: m.Name}
	}
	return members
}

// gossipDomain keeps apart the gossip of members that do not agree on who they are: numbers mean
// members in it.
func gossipDomain(cluster *message.Config) crypto.Digest {
	if cluster.Epoch == 0 {
		return cluster.Cluster
	}
	d := cluster.Digest()
	return crypto.Hash("byzd/gossip/1", cluster.Cluster[:], d[:])
}
