package loop

import (
	"fmt"

	"byzd/crypto"
	"byzd/daemon/kv/merkle"
	"byzd/daemon/snapshot"
	"byzd/pbft"
	"byzd/pbft/message"
)

// Store is the replicated store: deterministic, total, and with a root over all its content.
type Store interface {
	Apply(op []byte) (result []byte)
	// Tree is the whole content, in constant time: the tree never changes.
	Tree() merkle.Tree
	// Reset replaces the content. It refuses a tree that no store can have come to, and is then
	// unchanged.
	Reset(tree merkle.Tree) error
}

// Applied is what executing one batch gave. It is handed out when everything that it rests on is
// durable. One without a batch only says of what was submitted here that its outcome is unknown.
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
	replies map[uint64]map[uint64]*kept // by session and number
	touched map[message.RequestKey]bool // replies that the ledger's tree does not have as they are
	ledger  merkle.Tree                 // see ledger.go; as of the last settle
	config  crypto.Digest
	next    *message.Config // what follows, once a batch that ends the epoch is executed
	quiet   bool            // while replaying: sign nothing
}

func newExecutor(sealer message.Sealer, store Store) *executor {
	return &executor{
		cfg: sealer.Config, sealer: sealer, store: store,
		replies: map[uint64]map[uint64]*kept{}, touched: map[message.RequestKey]bool{},
		config: sealer.Config.Digest(),
	}
}

// apply executes one batch as the verdicts say.
func (x *executor) apply(b *message.Batch, verdicts []pbft.Verdict) *Applied {
	a := &Applied{Batch: b, Verdicts: verdicts, Results: make([][]byte, len(verdicts))}
	var fresh []*message.Reply
	x.ending(b)
	for i, v := range verdicts {
		item := &b.Bundles[v.Bundle].Items[v.Item]
		if item.Reconfig != nil {
			a.Results[i] = x.outcome(b, item.Reconfig)
			continue
		}
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
		rows = map[uint64]*kept{}
		x.replies[c.Session] = rows
	}
	for seq := range rows {
		if seq < c.Ack {
			delete(rows, seq)
			x.touched[message.RequestKey{Session: c.Session, Seq: seq}] = true
		}
	}
	rows[c.Seq] = &kept{reply: reply, leaf: reply.Leaf()}
	x.touched[message.RequestKey{Session: c.Session, Seq: c.Seq}] = true
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
	k := x.replies[session][seq]
	if k == nil || k.gone {
		return nil
	}
	if k.reply.Sig == nil && !x.quiet { // replayed or installed: it was not signed again
		k.reply.Sig = x.sealer.SignReplyRoot(k.reply.Batch, k.reply.Root)
	}
	return k.reply
}

// state is the whole replicated state after a batch. rows are the sessions that changed since it
// was last asked for.
func (x *executor) state(h *message.Header, rows []pbft.Row) *snapshot.State {
	x.settle(rows)
	s := &snapshot.State{Store: x.store.Tree(), Ledger: x.ledger}
	config := x.config
	if x.next != nil {
		config = x.next.Digest()
	}
	s.Manifest = &message.Manifest{
		Header: *h, Config: config, Store: s.Store.Root(), Ledger: s.Ledger.Root(),
	}
	return s
}

// install puts a state in place that was checked against its certificate, and returns its client
// table. An error means that a quorum certified what no replica can have come to.
func (x *executor) install(s *snapshot.State) (*pbft.ClientTable, error) {
	x.next = nil
	if s.Manifest.Config != x.config && s.Manifest.Header.Kind != message.Reconfig {
		return nil, fmt.Errorf("the state after batch %d is of another configuration",
			s.Manifest.Header.Seq)
	}
	clients, replies, err := x.readLedger(s.Ledger)
	if err != nil {
		return nil, fmt.Errorf("the ledger after batch %d: %w", s.Manifest.Header.Seq, err)
	}
	if err := x.store.Reset(s.Store); err != nil {
		return nil, fmt.Errorf("the store after batch %d: %w", s.Manifest.Header.Seq, err)
	}
	x.replies, x.ledger = replies, s.Ledger
	clear(x.touched)
	return clients, nil
}
