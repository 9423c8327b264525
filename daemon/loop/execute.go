package loop

import (
	"maps"
	"slices"

	"byzd/crypto"
	"byzd/pbft"
	"byzd/pbft/message"
)

// Store is the replicated store: deterministic, total, and with a root over all its content.
type Store interface {
	Apply(op []byte) (result []byte)
	Root() crypto.Digest
}

// Applied is what executing one batch gave. It is handed out when everything that it rests on is
// durable.
type Applied struct {
	Batch    *message.Batch
	Verdicts []pbft.Verdict
	Results  [][]byte         // one for each verdict
	Replies  []*message.Reply // to the clients' signed requests
	Own      []Result         // of what was submitted here
}

// executor applies decided batches and keeps the replies to signed requests for as long as their
// clients may ask again. Both are part of the replicated state.
type executor struct {
	cfg     *message.Config
	sealer  message.Sealer
	store   Store
	replies map[uint64]map[uint64]*message.Reply // by session and number
	quiet   bool                                 // while replaying: sign nothing
}

func newExecutor(sealer message.Sealer, store Store) *executor {
	return &executor{
		cfg: sealer.Config, sealer: sealer, store: store,
		replies: map[uint64]map[uint64]*message.Reply{},
	}
}

// apply executes one batch as the verdicts say.
func (x *executor) apply(b *message.Batch, verdicts []pbft.Verdict) *Applied {
	a := &Applied{Batch: b, Verdicts: verdicts, Results: make([][]byte, len(verdicts))}
	var fresh []*message.Reply
	for i, v := range verdicts {
		item := &b.Bundles[v.Bundle].Items[v.Item]
		if item.Signed == nil {
			a.Results[i] = x.store.Apply(item.Op)
			continue
		}
		if v.Outcome == pbft.Duplicate {
			if old := x.cached(v.Session, item.Signed.Seq); old != nil {
				a.Results[i] = old.Result
				a.Replies = append(a.Replies, old)
			}
			continue
		}
		if v.Outcome == pbft.Run {
			a.Results[i] = x.store.Apply(item.Signed.Op)
		}
		reply := &message.Reply{
			Member: x.sealer.Self, Client: item.Signed.Client, Batch: b.Header.Seq,
			Session: v.Session, Seq: item.Signed.Seq, Outcome: uint8(v.Outcome),
			Result: a.Results[i],
		}
		fresh = append(fresh, reply)
		a.Replies = append(a.Replies, reply)
		if v.Outcome == pbft.Run {
			x.cache(item.Signed, reply)
		}
	}
	x.sign(b.Header.Seq, fresh)
	return a
}

// cache keeps a reply, and forgets those that the client has acknowledged.
func (x *executor) cache(c *message.ClientRequest, reply *message.Reply) {
	rows := x.replies[c.Session]
	if rows == nil {
		rows = map[uint64]*message.Reply{}
		x.replies[c.Session] = rows
	}
	for seq := range rows {
		if seq < c.Ack {
			delete(rows, seq)
		}
	}
	rows[c.Seq] = reply
}

// sign puts one signature on all fresh replies of a batch.
func (x *executor) sign(seq uint64, replies []*message.Reply) {
	if len(replies) == 0 {
		return
	}
	leaves := make([]crypto.Digest, len(replies))
	for i, p := range replies {
		leaves[i] = p.Leaf()
	}
	root := crypto.MerkleRoot(leaves)
	var sig []byte
	if !x.quiet {
		sig = x.sealer.SignReplyRoot(seq, root)
	}
	for i, p := range replies {
		p.Index, p.Count, p.Root, p.Sig = i, len(replies), root, sig
		p.Path = crypto.MerkleProof(leaves, i)
	}
}

// cached returns the reply to a request that was executed, or nil.
func (x *executor) cached(session, seq uint64) *message.Reply {
	p := x.replies[session][seq]
	if p != nil && p.Sig == nil && !x.quiet { // replayed: it was not signed again
		p.Sig = x.sealer.SignReplyRoot(p.Batch, p.Root)
	}
	return p
}

// root covers the whole replicated state after a batch.
func (x *executor) root(h *message.Header, clients crypto.Digest) crypto.Digest {
	store, replies, batch := x.store.Root(), x.repliesRoot(), h.Digest()
	return crypto.Hash("byzd/state/1", store[:], clients[:], replies[:], batch[:])
}

func (x *executor) repliesRoot() crypto.Digest {
	var parts [][]byte
	for _, session := range slices.Sorted(maps.Keys(x.replies)) {
		rows := x.replies[session]
		for _, seq := range slices.Sorted(maps.Keys(rows)) {
			leaf := rows[seq].Leaf()
			parts = append(parts, leaf[:])
		}
	}
	return crypto.Hash("byzd/replies/1", parts...)
}
