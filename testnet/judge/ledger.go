package judge

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"byzd/crypto"
	"byzd/daemon/kv/merkle"
	"byzd/pbft/message"
)

// The windows and the idle time of rule R3, stated here a second time on purpose.
const (
	gatewayWindow = 1024
	clientWindow  = 64
	idleBatches   = 1 << 20
)

// outcome is what becomes of one ordered operation.
type outcome uint8

const (
	runs    outcome = iota // it is applied to the store
	repeats                // its place was used before
	dead                   // stale, outside the window, malformed, or without a session
)

// ledger decides what of the ordered operations is executed: the judge's own client table, written
// from rule R3 and not from the nodes' code, so that a mistake there shows as a difference of
// roots.
// It remembers every place of every session that was ever used.
type ledger struct {
	limit int // sessions of clients per member
	rows  map[uint64]*row
	live  map[crypto.NodeID]uint64 // the session of each client
	held  []int                    // sessions of clients by member
}

type row struct {
	owner            crypto.NodeID
	member           int
	nonce, low, used uint64
	window           uint64
	done             map[uint64]bool
}

func newLedger(cfg *message.Config) *ledger {
	l := &ledger{
		limit: cfg.Params.MaxClientRows / len(cfg.Members),
		rows:  map[uint64]*row{}, live: map[crypto.NodeID]uint64{},
		held: make([]int, len(cfg.Members)),
	}
	for i := range cfg.Members {
		l.rows[cfg.Members[i].Session] = gatewayRow(cfg, i)
	}
	return l
}

// gatewayRow is the session of a member's gateway as it begins.
func gatewayRow(cfg *message.Config, i int) *row {
	return &row{
		owner: cfg.Members[i].Node, member: i, window: gatewayWindow, done: map[uint64]bool{},
	}
}

// rebase goes on in the next epoch, as rule R3 says: the gateway of a member that left has no
// session any more, that of a new one has one; a client's session stays, and counts against the
// member that it was made through, wherever that stands now. The sessions of members that left are
// shared out in the order of their numbers, each to the member that has fewest, the first of those.
func (l *ledger) rebase(before, next *message.Config) {
	l.limit, l.held = next.Params.MaxClientRows/len(next.Members), make([]int, len(next.Members))
	for i := range before.Members {
		if next.Member(before.Members[i].Node) < 0 {
			delete(l.rows, before.Members[i].Session)
		}
	}
	for i := range next.Members {
		if r := l.rows[next.Members[i].Session]; r != nil {
			r.member = i
		} else {
			l.rows[next.Members[i].Session] = gatewayRow(next, i)
		}
	}
	var left []*row
	for _, id := range slices.Sorted(maps.Keys(l.rows)) {
		r := l.rows[id]
		if id < message.FirstClientSession {
			continue
		}
		if to := next.Member(before.Members[r.member].Node); to >= 0 {
			r.member = to
			l.held[to]++
		} else {
			left = append(left, r)
		}
	}
	for _, r := range left {
		least := 0
		for i, n := range l.held {
			if n < l.held[least] {
				least = i
			}
		}
		r.member = least
		l.held[least]++
	}
}

// take uses a place up, if it is free.
func (r *row) take(seq, ack, batch uint64) outcome {
	if ack > seq {
		return dead
	}
	r.low = max(r.low, ack)
	r.used = batch
	switch {
	case seq < r.low || seq >= r.low+r.window:
		return dead
	case r.done[seq]:
		return repeats
	default:
		r.done[seq] = true
		return runs
	}
}

// bundle decides on a bundle's place in its gateway's session.
func (l *ledger) bundle(b *message.Bundle, batch uint64) outcome {
	r := l.rows[b.Session]
	if r == nil {
		return dead
	}
	return r.take(b.Seq, b.Ack, batch)
}

// request decides on an operation that a client signed.
func (l *ledger) request(c *message.ClientRequest, batch uint64) outcome {
	r := l.rows[c.Session]
	if r == nil || r.owner != c.Client || c.Session < message.FirstClientSession {
		return dead
	}
	return r.take(c.Seq, c.Ack, batch)
}

// register makes a session of a given number, unless the same request or a later one of its client
// has made one.
func (l *ledger) register(c *message.ClientRequest, member int, id, batch uint64) {
	if old, ok := l.live[c.Client]; ok {
		r := l.rows[old]
		if c.Seq <= r.nonce {
			return
		}
		l.end(old)
	}
	if l.held[member] >= l.limit && !l.evict(member, batch) {
		return
	}
	l.rows[id] = &row{
		owner: c.Client, member: member, nonce: c.Seq, used: batch, window: clientWindow,
		done: map[uint64]bool{},
	}
	l.live[c.Client] = id
	l.held[member]++
}

// evict ends the member's client session that was idle longest, if that is long enough.
func (l *ledger) evict(member int, batch uint64) bool {
	victim, oldest := uint64(0), batch
	for _, id := range slices.Sorted(maps.Keys(l.rows)) {
		r := l.rows[id]
		if id >= message.FirstClientSession && r.member == member && r.used < oldest {
			victim, oldest = id, r.used
		}
	}
	if victim == 0 || batch-oldest < idleBatches {
		return false
	}
	l.end(victim)
	return true
}

func (l *ledger) end(id uint64) {
	r := l.rows[id]
	delete(l.live, r.owner)
	delete(l.rows, id)
	l.held[r.member]--
}

// settled reports whether nothing is to be expected of a bundle any more: its place was used, or
// lies where nothing is executed, whatever the bundle itself acknowledges.
func (l *ledger) settled(b *message.Bundle) bool {
	r := l.rows[b.Session]
	if r == nil || b.Ack > b.Seq {
		return true
	}
	low := max(r.low, b.Ack)
	return b.Seq < low || b.Seq >= low+r.window || r.done[b.Seq]
}

// largeResult is the size above which the ledger has a digest in place of a reply's result.
const largeResult = 64 << 10

// keptReply is a reply as the ledger has it: client, batch and outcome, then a flag, and the result
// or, of a large one, the digest that stands for the reply.
func keptReply(p *message.Reply) []byte {
	out := append(numbers(append([]byte(nil), p.Client[:]...), p.Batch), p.Outcome)
	if len(p.Result) > largeResult {
		leaf := p.Leaf()
		return append(append(out, 1), leaf[:]...)
	}
	return append(append(out, 0), p.Result...)
}

// tree is what replicas put under their checkpoints: under "s" and its number every session, with
// the places of its window as bits, and under "r", its session and its number every kept reply.
func (l *ledger) tree(replies map[uint64]map[uint64][]byte) merkle.Tree {
	edit := merkle.Tree{}.Edit()
	for id, r := range l.rows {
		out := append([]byte(nil), r.owner[:]...)
		member := uint64(r.member) //nolint:gosec // not negative
		out = numbers(out, member, r.nonce, r.low, r.used)
		words := make([]uint64, r.window/64)
		for seq := r.low; seq < r.low+r.window; seq++ {
			if r.done[seq] {
				place := seq % r.window
				words[place/64] |= 1 << (place % 64)
			}
		}
		edit.Set(numbers([]byte{'s'}, id), numbers(out, words...))
	}
	for session, kept := range replies {
		for seq, value := range kept {
			edit.Set(numbers([]byte{'r'}, session, seq), value)
		}
	}
	return edit.Tree()
}

func numbers(out []byte, values ...uint64) []byte {
	for _, v := range values {
		out = binary.BigEndian.AppendUint64(out, v)
	}
	return out
}

// readLedger reads what tree wrote, of a state of an epoch. It is certified, so an error means that
// a quorum signed what no replica can have come to.
func readLedger(cfg *message.Config, t merkle.Tree) (
	l *ledger, replies map[uint64]map[uint64][]byte, err error,
) {
	l = newLedger(cfg)
	clear(l.rows)
	replies = map[uint64]map[uint64][]byte{}
	t.Ascend(nil, nil, func(key, value []byte) bool {
		switch {
		case len(key) == 1+8 && key[0] == 's':
			err = l.readRow(cfg, binary.BigEndian.Uint64(key[1:]), value)
		case len(key) == 1+16 && key[0] == 'r':
			session := binary.BigEndian.Uint64(key[1:])
			if replies[session] == nil {
				replies[session] = map[uint64][]byte{}
			}
			replies[session][binary.BigEndian.Uint64(key[9:])] = slices.Clone(value)
		default:
			err = fmt.Errorf("its ledger holds a key %x", key)
		}
		return err == nil
	})
	for i := range cfg.Members {
		if err == nil && l.rows[cfg.Members[i].Session] == nil {
			err = fmt.Errorf("the session of %s's gateway is missing", cfg.Members[i].Name)
		}
	}
	return l, replies, err
}

// readRow reads one session.
func (l *ledger) readRow(cfg *message.Config, id uint64, value []byte) error {
	r := &row{window: clientWindow, done: map[uint64]bool{}}
	if id < message.FirstClientSession {
		r.window = gatewayWindow
	}
	const head = len(crypto.NodeID{}) + 4*8
	if uint64(len(value)) != uint64(head)+r.window/8 {
		return fmt.Errorf("session %d has %d bytes", id, len(value))
	}
	rest := value[copy(r.owner[:], value):]
	word := func(i uint64) uint64 { return binary.BigEndian.Uint64(rest[8*i:]) }
	if word(0) >= uint64(len(cfg.Members)) {
		return fmt.Errorf("session %d counts against member %d", id, word(0))
	}
	r.member = int(word(0)) //nolint:gosec // small
	r.nonce, r.low, r.used = word(1), word(2), word(3)
	for seq := r.low; seq < r.low+r.window; seq++ {
		place := seq % r.window
		if word(4+place/64)&(1<<(place%64)) != 0 {
			r.done[seq] = true
		}
	}
	l.rows[id] = r
	if id >= message.FirstClientSession {
		l.live[r.owner] = id
		l.held[r.member]++
	}
	return nil
}
