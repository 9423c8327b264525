package pbft

import (
	"fmt"
	"maps"
	"slices"

	"byzd/crypto"
	"byzd/pbft/message"
)

// Outcome says what becomes of one operation of a decided batch.
type Outcome uint8

// The outcomes (rule R3). Only Run changes the store.
const (
	Run        Outcome = iota // apply it
	Registered                // a session was made; Verdict.Session says which
	Duplicate                 // executed before: the reply is the cached one
	Stale                     // below what the owner has acknowledged
	OutOfRange                // beyond the session's window; the owner must treat it as unknown
	NoSession                 // the session does not exist or is dead for ever
	Malformed                 // acknowledges more than it asks for
	Full                      // no session is to be had
)

// String is the outcome's name in replies and traces.
func (o Outcome) String() string {
	names := [...]string{
		"run", "registered", "duplicate", "stale", "window", "no-session", "malformed", "full",
	}
	if int(o) < len(names) {
		return names[o]
	}
	return fmt.Sprintf("outcome-%d", uint8(o)) // a liar's reply may say anything
}

// Verdict is the outcome of the operation at Bundle and Item of a batch.
type Verdict struct {
	Bundle, Item int
	Outcome      Outcome
	Session      uint64 // of a client's operation
}

// Windows of places that a session may use ahead of what its owner has acknowledged.
const (
	ClientWindow  = 64
	GatewayWindow = 1024
)

// idleBatches is how long an unused session is safe from eviction.
const idleBatches = 1 << 20

// session is one row of the client table.
type session struct {
	owner  crypto.NodeID
	member int    // whose quota of sessions it counts against
	nonce  uint64 // of its REGISTER
	low    uint64 // everything below is acknowledged
	used   uint64 // the last batch that used it
	done   []uint64
}

func (s *session) window() uint64 { return uint64(len(s.done)) * 64 }

func (s *session) bit(seq uint64) (word int, mask uint64) {
	i := seq % s.window()
	return int(i / 64), 1 << (i % 64) //nolint:gosec // below the number of words
}

func (s *session) executed(seq uint64) bool {
	word, mask := s.bit(seq)
	return s.done[word]&mask != 0
}

// raise moves the lower edge of the window and clears the places that leave it.
func (s *session) raise(low uint64) {
	if low <= s.low {
		return
	}
	if low-s.low >= s.window() {
		clear(s.done)
	} else {
		for seq := s.low; seq < low; seq++ {
			word, mask := s.bit(seq)
			s.done[word] &^= mask
		}
	}
	s.low = low
}

// admit decides on one place and, if the operation runs, uses it up. The acknowledgement counts
// first (rule R3b), and whatever it answers is what it answers for ever after (R3c).
func (s *session) admit(seq, ack, batch uint64) Outcome {
	if ack > seq {
		return Malformed
	}
	s.raise(ack)
	s.used = batch
	switch {
	case seq < s.low:
		return Stale
	case seq >= s.low+s.window():
		return OutOfRange
	case s.executed(seq):
		return Duplicate
	}
	word, mask := s.bit(seq)
	s.done[word] |= mask
	return Run
}

// ClientTable makes execution exactly-once. It is part of the replicated state: the same decided
// batches leave the same table at every replica.
type ClientTable struct {
	members  int
	limit    int // sessions of clients per member
	sessions map[uint64]*session
	current  map[crypto.NodeID]uint64 // the one live session of each client
	held     []int                    // sessions of clients by member
	changed  map[uint64]bool          // sessions that changed since Changed was last called
}

// NewClientTable returns the table of an epoch's start: one session for each member's gateway.
func NewClientTable(cfg *message.Config) *ClientTable {
	n := len(cfg.Members)
	t := &ClientTable{
		members: n, limit: cfg.Params.MaxClientRows / n,
		sessions: map[uint64]*session{}, current: map[crypto.NodeID]uint64{}, held: make([]int, n),
		changed: map[uint64]bool{},
	}
	for i := range cfg.Members {
		m := &cfg.Members[i]
		t.sessions[m.Session] = &session{
			owner: m.Node, member: i, done: make([]uint64, GatewayWindow/64),
		}
		t.changed[m.Session] = true
	}
	return t
}

// Discharged reports whether nothing will ever be executed for a bundle any more, or not before its
// owner acknowledges what came earlier (rule R9): executed, stale, dead, or outside the window. As
// in admit, the bundle's own acknowledgement counts first: a gateway that was restarted skips the
// numbers that it may have used, and so is ahead of the window until that is executed.
func (t *ClientTable) Discharged(b *message.Bundle) bool {
	s := t.sessions[b.Session]
	if s == nil || b.Seq < s.low {
		return true
	}
	if b.Seq >= max(s.low, b.Ack)+s.window() {
		return true
	}
	return b.Seq < s.low+s.window() && s.executed(b.Seq)
}

// Low returns the lowest place of a session that is not acknowledged, and whether it exists.
func (t *ClientTable) Low(session uint64) (uint64, bool) {
	s := t.sessions[session]
	if s == nil {
		return 0, false
	}
	return s.low, true
}

// Session returns the live session of a client, or 0.
func (t *ClientTable) Session(client crypto.NodeID) uint64 { return t.current[client] }

// Plan decides on every operation of a decided batch and changes the table accordingly.
func (t *ClientTable) Plan(b *message.Batch) []Verdict {
	verdicts := make([]Verdict, 0, b.Header.Requests)
	registered := uint64(0)
	for i, bundle := range b.Bundles {
		s := t.sessions[bundle.Session]
		if s == nil {
			continue
		}
		t.changed[bundle.Session] = true
		if s.admit(bundle.Seq, bundle.Ack, b.Header.Seq) != Run {
			continue
		}
		for k := range bundle.Items {
			v := Verdict{Bundle: i, Item: k}
			if signed := bundle.Items[k].Signed; signed != nil {
				if signed.IsRegister() {
					id := b.Header.Seq<<16 + registered
					v.Session, v.Outcome = t.register(signed, bundle.Gateway, id, b.Header.Seq)
					registered++
				} else {
					v.Session, v.Outcome = signed.Session, t.admit(signed, b.Header.Seq)
				}
			}
			verdicts = append(verdicts, v)
		}
	}
	return verdicts
}

func (t *ClientTable) admit(c *message.ClientRequest, batch uint64) Outcome {
	s := t.sessions[c.Session]
	if s == nil || s.owner != c.Client || c.Session < message.FirstClientSession {
		return NoSession
	}
	t.changed[c.Session] = true
	return s.admit(c.Seq, c.Ack, batch)
}

// register makes a session. Whoever registers anew ends its older session; a replayed REGISTER,
// whose nonce did not grow, changes nothing.
func (t *ClientTable) register(
	c *message.ClientRequest, member int, id, batch uint64,
) (uint64, Outcome) {
	if old, ok := t.current[c.Client]; ok {
		s := t.sessions[old]
		if c.Seq == s.nonce {
			return old, Registered
		}
		if c.Seq < s.nonce {
			return 0, Stale
		}
		t.drop(old)
	}
	if t.held[member] >= t.limit && !t.evict(member, batch) {
		return 0, Full
	}
	t.sessions[id] = &session{
		owner: c.Client, member: member, nonce: c.Seq, used: batch,
		done: make([]uint64, ClientWindow/64),
	}
	t.current[c.Client], t.changed[id] = id, true
	t.held[member]++
	return id, Registered
}

// evict makes room among the member's own sessions: the least recently used that is long idle.
func (t *ClientTable) evict(member int, batch uint64) bool {
	victim, oldest := uint64(0), batch
	for _, id := range t.ids() {
		s := t.sessions[id]
		if id < message.FirstClientSession || s.member != member || s.used >= oldest {
			continue
		}
		victim, oldest = id, s.used
	}
	if victim == 0 || batch-oldest < idleBatches {
		return false
	}
	t.drop(victim)
	return true
}

func (t *ClientTable) drop(id uint64) {
	s := t.sessions[id]
	delete(t.current, s.owner)
	delete(t.sessions, id)
	t.changed[id] = true
	t.held[s.member]--
}

func (t *ClientTable) ids() []uint64 { return slices.Sorted(maps.Keys(t.sessions)) }

// Clone returns an independent copy.
func (t *ClientTable) Clone() *ClientTable {
	c := *t
	c.held = slices.Clone(t.held)
	c.current, c.changed = maps.Clone(t.current), maps.Clone(t.changed)
	c.sessions = make(map[uint64]*session, len(t.sessions))
	for id, s := range t.sessions { // any order
		row := *s
		row.done = slices.Clone(s.done)
		c.sessions[id] = &row
	}
	return &c
}
