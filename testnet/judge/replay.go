package judge

import (
	"fmt"
	"maps"

	"byzd/crypto"
	"byzd/daemon/kv"
	"byzd/pbft/message"
)

// replay executes a chain of batches again, from the empty store on, with the judge's own ledger.
type replay struct {
	chain      *Chain
	roots      map[uint64]crypto.Digest // of the state, after batches that asked for it
	operations int                      // applied to the store
	repeated   []repetition             // ordered more than once, executed the first time only
	ledger     *ledger
	executed   uint64 // the last batch; below the chain's top if a body was missing
	missing    error

	again   bool // execute what repeats: the mistake that integrity looks for
	store   *kv.Store
	config  crypto.Digest
	genesis *message.Config
	replies map[uint64]map[uint64]*message.Reply // by session and number
}

// repetition is a place that was ordered again.
type repetition struct {
	key   message.RequestKey
	batch uint64
}

// keptRepetitions bounds those that are kept to be shown.
const keptRepetitions = 1 << 10

// replay runs a chain that starts at the base. With again, operations that are ordered a second
// time are executed a second time.
func (h *History) replay(chain *Chain, again bool) *replay {
	r := &replay{
		chain: chain, roots: map[uint64]crypto.Digest{}, ledger: newLedger(h.Config),
		executed: chain.Before.Seq, again: again, store: kv.New(),
		replies: map[uint64]map[uint64]*message.Reply{}, config: h.Config.Digest(),
		genesis: h.Config,
	}
	wanted := h.wantedRoots()
	for i, d := range chain.Digests {
		b := h.batches[d]
		if b == nil {
			r.missing = fmt.Errorf("no node keeps a body of batch %d that fits its header",
				chain.Before.Seq+uint64(i)+1)
			break
		}
		r.batch(b)
		r.executed = b.Header.Seq
		if wanted[b.Header.Seq] {
			r.roots[b.Header.Seq] = r.root(b)
		}
		if i%1024 == 0 {
			h.progress("executing again", i, len(chain.Digests))
		}
	}
	return r
}

// wantedRoots are the sequence numbers at which somebody states a root.
func (h *History) wantedRoots() map[uint64]bool {
	wanted := map[uint64]bool{}
	for _, l := range h.Logs {
		for _, c := range l.checkpoints {
			wanted[c.Seq] = true
		}
		for _, c := range l.decided {
			if c.stable != nil {
				wanted[c.ref.Seq] = true
			}
		}
	}
	return wanted
}

func (r *replay) batch(b *message.Batch) {
	sessions := uint64(0)
	for _, bundle := range b.Bundles {
		switch r.ledger.bundle(bundle, b.Header.Seq) {
		case runs:
		case repeats:
			r.repeat(bundle.Key(), b.Header.Seq)
			if r.again {
				r.plain(bundle)
			}
			continue
		default:
			continue
		}
		for i := range bundle.Items {
			item := &bundle.Items[i]
			switch {
			case item.Reconfig != nil: // it changes who the members are, and nothing in the store
			case item.Signed == nil:
				r.apply(item.Op)
			case item.Signed.IsRegister():
				id := b.Header.Seq<<16 + sessions
				sessions++
				r.ledger.register(item.Signed, bundle.Gateway, id, b.Header.Seq)
			default:
				r.signed(item.Signed, b.Header.Seq)
			}
		}
	}
}

func (r *replay) apply(op []byte) []byte {
	r.operations++
	return r.store.Apply(op)
}

func (r *replay) plain(b *message.Bundle) {
	for i := range b.Items {
		if b.Items[i].Signed == nil && b.Items[i].Reconfig == nil {
			r.apply(b.Items[i].Op)
		}
	}
}

func (r *replay) repeat(key message.RequestKey, batch uint64) {
	if len(r.repeated) < keptRepetitions {
		r.repeated = append(r.repeated, repetition{key, batch})
	}
}

// signed executes a client's own operation. Its reply is part of the state, for as long as the
// client has not acknowledged it.
func (r *replay) signed(c *message.ClientRequest, batch uint64) {
	switch r.ledger.request(c, batch) {
	case runs:
	case repeats:
		r.repeat(message.RequestKey{Session: c.Session, Seq: c.Seq}, batch)
		if r.again {
			r.apply(c.Op)
		}
		return
	default:
		return
	}
	reply := message.Reply{
		Client: c.Client, Batch: batch, Session: c.Session, Seq: c.Seq,
		Outcome: uint8(runs), Result: r.apply(c.Op),
	}
	replies := r.replies[c.Session]
	if replies == nil {
		replies = map[uint64]*message.Reply{}
		r.replies[c.Session] = replies
	}
	maps.DeleteFunc(replies, func(seq uint64, _ *message.Reply) bool { return seq < c.Ack })
	replies[c.Seq] = &reply
}

// root is the digest of everything that a checkpoint after a batch covers: the batch, the
// configuration, the store, and the ledger of sessions and kept replies.
func (r *replay) root(b *message.Batch) crypto.Digest {
	maps.DeleteFunc(r.replies, func(session uint64, _ map[uint64]*message.Reply) bool {
		return r.ledger.rows[session] == nil // what was kept for it ended with it
	})
	config := r.config
	if rc := b.Reconfiguration(); rc != nil { // the last batch of its epoch
		if next, err := rc.NextConfig(r.genesis, &b.Header); err == nil {
			config = next.Digest()
		}
	}
	m := message.Manifest{
		Header: b.Header, Config: config, Store: r.store.Tree().Root(),
		Ledger: r.ledger.tree(r.replies).Root(),
	}
	return m.Root()
}
