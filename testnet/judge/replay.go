package judge

import (
	"errors"
	"fmt"
	"maps"

	"byzd/crypto"
	"byzd/daemon/kv"
	"byzd/pbft/message"
)

// replay executes a chain of batches again, from the empty store or a certified state on and
// through all epochs, with the judge's own ledger.
type replay struct {
	chain      *Chain
	roots      map[uint64]crypto.Digest // of the state, after batches that asked for it
	operations int                      // applied to the store
	repeated   []repetition             // ordered more than once, executed the first time only
	ledger     *ledger
	configs    map[message.Ref]crypto.Digest // what batches that ended epochs made of the members
	executed   uint64                        // the last batch: below the top if a body was missing
	missing    error

	start   *state // nil for the genesis
	again   bool   // execute what repeats: the mistake that integrity looks for
	store   *kv.Store
	cfg     *message.Config
	replies map[uint64]map[uint64][]byte // by session and number, as the ledger has them
}

// repetition is a place that was ordered again.
type repetition struct {
	key   message.RequestKey
	batch uint64
}

// keptRepetitions bounds those that are kept to be shown.
const keptRepetitions = 1 << 10

// replays executes each maximal chain of a correct node again. Chains that are a part of another
// one are covered by it; normally one remains. It says which cannot be executed, for want of a
// state to begin with.
func (h *History) replays(v *Verdict) []*replay {
	var replays []*replay
	for _, l := range h.tallest() {
		for _, c := range l.chains() {
			covered := false
			for _, r := range replays {
				covered = covered || r.chain.has(c.tip())
			}
			if covered || c.tip() == h.Config.Base {
				continue
			}
			whole, start := h.strand(c)
			if start == nil && whole.Before != h.Config.Base {
				h.noStart(v, l, whole)
				continue
			}
			replays = append(replays, h.replay(whole, start, false))
		}
	}
	return replays
}

// noStart says that a chain cannot be executed again. A testnet's homes hold what it takes, so
// there something is lost; of nodes elsewhere, whose operator hands out journals alone, what is
// certified is judged, and that is said.
func (h *History) noStart(v *Verdict, l *Log, c *Chain) {
	const text = "the log of %s begins with batch %d, and there is no certified state that it " +
		"could be executed again from"
	first := c.Before.Seq + 1
	switch {
	case c.Top() == c.Before.Seq:
	case h.Numbered:
		v.say(Agreement, Unknown, text, h.who(l), first)
		v.say(Integrity, Unknown, text, h.who(l), first)
	default:
		v.note(text+": its roots are compared with what was certified, and not computed",
			h.who(l), first)
	}
}

// strand is a chain as far back as anybody's batches reach, and the state that it can be executed
// again from: none if it reaches back to the genesis, else the earliest that is on it.
func (h *History) strand(c *Chain) (*Chain, *state) {
	whole := &Chain{Before: c.Before, Digests: c.Digests, proof: c.proof}
	var front []crypto.Digest
	for whole.Before != h.Config.Base && h.batches[whole.Before.Digest] != nil {
		header := &h.batches[whole.Before.Digest].Header
		if header.Seq != whole.Before.Seq || header.Seq == 0 {
			break
		}
		front = append(front, whole.Before.Digest)
		whole.Before = message.Ref{Seq: header.Seq - 1, Digest: header.Parent}
	}
	if len(front) > 0 {
		digests := make([]crypto.Digest, 0, len(front)+len(c.Digests))
		for i := range front {
			digests = append(digests, front[len(front)-1-i])
		}
		digests = append(digests, c.Digests...)
		whole.Digests = digests
	}
	if whole.Before == h.Config.Base {
		return whole, nil
	}
	var start *state
	for _, s := range h.states {
		if whole.has(s.ref()) && (start == nil || s.ref().Seq < start.ref().Seq) {
			start = s
		}
	}
	if start != nil {
		ref := start.ref()
		whole.Digests = whole.Digests[ref.Seq-whole.Before.Seq:]
		whole.Before = ref
	}
	return whole, start
}

// replay runs a chain that starts at the genesis, or behind a state. With again, operations that
// are ordered a second time are executed a second time.
func (h *History) replay(chain *Chain, start *state, again bool) *replay {
	r := &replay{
		chain: chain, roots: map[uint64]crypto.Digest{}, ledger: newLedger(h.Config),
		executed: chain.Before.Seq, again: again, store: kv.New(),
		replies: map[uint64]map[uint64][]byte{}, cfg: h.Config,
		configs: map[message.Ref]crypto.Digest{}, start: start,
	}
	if start != nil {
		if r.missing = r.restore(h, start); r.missing != nil {
			return r
		}
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
		r.cross(b)
		if i%1024 == 0 {
			h.progress("executing again", i, len(chain.Digests))
		}
	}
	return r
}

// restore puts a certified state in place of everything before it.
func (r *replay) restore(h *History, s *state) error {
	if err := r.store.Reset(s.store); err != nil {
		return fmt.Errorf("the certified state after batch %d is none that a store can be in: %w",
			s.ref().Seq, err)
	}
	r.cfg, r.roots[s.ref().Seq] = s.era.cfg, s.cert.Root
	var err error
	if r.ledger, r.replies, err = readLedger(r.cfg, s.ledger); err != nil {
		return fmt.Errorf("the certified state after batch %d: %w", s.ref().Seq, err)
	}
	if s.manifest.Header.Kind != message.Reconfig {
		return nil
	}
	for _, next := range h.eras {
		if next.before == s.era && next.cfg.Base == s.ref() {
			r.ledger.rebase(r.cfg, next.cfg)
			r.cfg = next.cfg
			return nil
		}
	}
	if len(r.chain.Digests) > 0 {
		return errors.New("nothing leads to the epoch after that of the certified state")
	}
	return nil
}

// cross goes on in the next epoch after a batch that ended one. What it makes of the members is in
// the batch; the proofs of the epochs' ends must have come to the same.
func (r *replay) cross(b *message.Batch) {
	next, ends := r.next(b)
	if !ends {
		return
	}
	r.configs[message.Ref{Seq: b.Header.Seq, Digest: b.Header.Digest()}] = next.Digest()
	r.ledger.rebase(r.cfg, next)
	r.cfg = next
}

// next is the configuration that a batch leads to, if it ends the epoch.
func (r *replay) next(b *message.Batch) (*message.Config, bool) {
	rc := b.Reconfiguration()
	if rc == nil {
		return nil, false
	}
	next, err := rc.NextConfig(r.cfg, &b.Header)
	return next, err == nil
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
		replies = map[uint64][]byte{}
		r.replies[c.Session] = replies
	}
	maps.DeleteFunc(replies, func(seq uint64, _ []byte) bool { return seq < c.Ack })
	replies[c.Seq] = keptReply(&reply)
}

// root is the digest of everything that a checkpoint after a batch covers: the batch, the
// configuration that is in force after it, the store, and the ledger of sessions and kept replies.
func (r *replay) root(b *message.Batch) crypto.Digest {
	maps.DeleteFunc(r.replies, func(session uint64, _ map[uint64][]byte) bool {
		return r.ledger.rows[session] == nil // what was kept for it ended with it
	})
	config := r.cfg
	if next, ends := r.next(b); ends {
		config = next
	}
	m := message.Manifest{
		Header: b.Header, Config: config.Digest(), Store: r.store.Tree().Root(),
		Ledger: r.ledger.tree(r.replies).Root(),
	}
	return m.Root()
}
