package traitor

import (
	"encoding/binary"

	"byzd/crypto"
	"byzd/pbft"
	"byzd/pbft/message"
)

// clientLie is what the lies to clients share. The operations have no place in the protocol's
// order when they come in; they are told apart by counting them.
type clientLie struct {
	honest
	*armed

	asked uint64
}

// now reports whether the next operation is lied about.
func (t *clientLie) next() bool {
	t.asked++
	return t.when(t.traitor.seen.here(), t.asked)
}

// salt tells clients apart.
func (a *armed) salt(client string) uint64 {
	var seed [8]byte
	binary.BigEndian.PutUint64(seed[:], a.seed)
	d := crypto.Hash("byzd/traitor/client", seed[:], []byte(client))
	return binary.BigEndian.Uint64(d[:8])
}

// forged signs a reply of one's own making: the only one under its root.
func (a *armed) forged(r message.Reply) *message.Reply {
	r.Member = a.traitor.cfg.Self
	leaves := []crypto.Digest{r.Leaf()}
	r.Index, r.Count, r.Path = 0, 1, nil
	r.Root = crypto.MerkleRoot(leaves)
	r.Sig = a.traitor.cfg.Sealer.SignReplyRoot(r.Batch, r.Root)
	return &r
}

// ackAndForget confirms operations that it does not order.
type ackAndForget struct{ clientLie }

func newAckAndForget(a *armed) trick { return &ackAndForget{clientLie{armed: a}} }

func (t *ackAndForget) take(_ string, item *message.Item) Taken {
	if !t.next() {
		return Taken{}
	}
	t.fire(t.traitor.seen.here())
	if item.Signed == nil {
		return Taken{Forget: true, Answer: t.traitor.cfg.Forge.Ack(item.Op)}
	}
	r := message.Reply{
		Client: item.Signed.Client, Batch: t.traitor.seen.seq + 1,
		Session: item.Signed.Session, Seq: item.Signed.Seq, Outcome: uint8(pbft.Run),
	}
	if item.Signed.IsRegister() {
		r.Session, r.Outcome = r.Batch<<16, uint8(pbft.Registered)
	} else {
		r.Result = t.traitor.cfg.Forge.Ack(item.Signed.Op)
	}
	return Taken{Forget: true, Reply: t.forged(r)}
}

// processAndMute orders and executes, and says nothing to its clients.
type processAndMute struct{ clientLie }

func newProcessAndMute(a *armed) trick { return &processAndMute{clientLie{armed: a}} }

func (t *processAndMute) answer(_ string, _ *message.Item, result []byte) ([]byte, bool) {
	if !t.next() {
		return result, true
	}
	t.fire(t.traitor.seen.here())
	return nil, false
}

func (t *processAndMute) reply(r *message.Reply) *message.Reply {
	if !t.next() {
		return r
	}
	t.fire(t.traitor.seen.here())
	return nil
}

// lieReply changes results. With apart, each client gets a lie of its own.
type lieReply struct {
	clientLie

	apart bool
}

func newLieReply(a *armed) trick { return &lieReply{clientLie: clientLie{armed: a}} }

func newContradict(a *armed) trick {
	return &lieReply{clientLie: clientLie{armed: a}, apart: true}
}

func (t *lieReply) twist(client string, op, result []byte) []byte {
	if !t.apart {
		client = ""
	}
	t.fire(t.traitor.seen.here())
	return t.traitor.cfg.Forge.Twist(op, result, t.salt(client))
}

func (t *lieReply) answer(client string, item *message.Item, result []byte) ([]byte, bool) {
	if !t.next() {
		return result, true
	}
	return t.twist(client, item.Op, result), true
}

func (t *lieReply) reply(r *message.Reply) *message.Reply {
	if r.Outcome != uint8(pbft.Run) || !t.next() {
		return r
	}
	lie := *r
	var session [8]byte
	binary.BigEndian.PutUint64(session[:], r.Session)
	lie.Result = t.twist(string(session[:]), nil, r.Result)
	return t.forged(lie)
}

// gossipLie only hands its spec on: the membership agent tells the lie.
type gossipLie struct{ honest }

func newGossipLie(a *armed) trick {
	lie := GossipLie{
		Behaviour: a.about.Name, Spec: *a.spec, Victims: a.choose(a.spec.Victims, All, 0),
	}
	if a.spec.To.Choice != Default && a.spec.To.Choice != Listeners {
		lie.Listeners = a.targets(0)
	}
	a.traitor.gossip = append(a.traitor.gossip, lie)
	return gossipLie{}
}
