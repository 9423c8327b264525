package pbft

import (
	"encoding/binary"
	"fmt"
	"iter"
	"maps"
	"slices"

	"byzd/crypto"
	"byzd/pbft/message"
)

// Row is one session of the client table in the form in which the replicated state keeps it. No
// data says that the session has ended.
type Row struct {
	Session uint64
	Data    []byte
}

// rowHead is what stands in a row before the places of its window.
const rowHead = len(crypto.NodeID{}) + 4*8

// Changed returns the rows that changed since it was last called, in the order of their sessions;
// the first time it returns all.
func (t *ClientTable) Changed() []Row {
	rows := make([]Row, 0, len(t.changed))
	for _, id := range slices.Sorted(maps.Keys(t.changed)) {
		rows = append(rows, t.row(id))
	}
	clear(t.changed)
	return rows
}

// Rows returns the whole table in the order of its sessions.
func (t *ClientTable) Rows() []Row {
	rows := make([]Row, 0, len(t.sessions))
	for _, id := range t.ids() {
		rows = append(rows, t.row(id))
	}
	return rows
}

func (t *ClientTable) row(id uint64) Row {
	s := t.sessions[id]
	if s == nil {
		return Row{Session: id}
	}
	out := make([]byte, 0, rowHead+8*len(s.done))
	out = append(out, s.owner[:]...)
	member := uint64(s.member) //nolint:gosec // small
	for _, v := range []uint64{member, s.nonce, s.low, s.used} {
		out = binary.BigEndian.AppendUint64(out, v)
	}
	for _, word := range s.done {
		out = binary.BigEndian.AppendUint64(out, word)
	}
	return Row{Session: id, Data: out}
}

// RestoreClients builds the table of a state that was certified. An error means that the state is
// not one that replicas of this configuration can have reached.
func RestoreClients(cfg *message.Config, rows iter.Seq[Row]) (*ClientTable, error) {
	t := NewClientTable(cfg)
	gateways := maps.Clone(t.sessions)
	clear(t.sessions)
	clear(t.changed)
	for row := range rows {
		s, err := t.decode(row)
		if err != nil {
			return nil, fmt.Errorf("session %d: %w", row.Session, err)
		}
		t.sessions[row.Session] = s
		if row.Session < message.FirstClientSession {
			if gateways[row.Session] == nil || gateways[row.Session].owner != s.owner {
				return nil, fmt.Errorf("session %d: it is no member's", row.Session)
			}
			delete(gateways, row.Session)
			continue
		}
		if t.current[s.owner] != 0 {
			return nil, fmt.Errorf("session %d: its owner has another one", row.Session)
		}
		t.current[s.owner] = row.Session
		t.held[s.member]++
	}
	if len(gateways) > 0 {
		return nil, fmt.Errorf("the sessions of %d members are missing", len(gateways))
	}
	return t, nil
}

func (t *ClientTable) decode(row Row) (*session, error) {
	window := ClientWindow
	if row.Session < message.FirstClientSession {
		window = GatewayWindow
	}
	if len(row.Data) != rowHead+window/8 {
		return nil, fmt.Errorf("%d bytes, not %d", len(row.Data), rowHead+window/8)
	}
	s := &session{done: make([]uint64, window/64)}
	rest := row.Data[copy(s.owner[:], row.Data):]
	word := func() uint64 {
		v := binary.BigEndian.Uint64(rest)
		rest = rest[8:]
		return v
	}
	member := word()
	if member >= uint64(t.members) { //nolint:gosec // small
		return nil, fmt.Errorf("it counts against member %d of %d", member, t.members)
	}
	s.member = int(member) //nolint:gosec // small
	s.nonce, s.low, s.used = word(), word(), word()
	for i := range s.done {
		s.done[i] = word()
	}
	return s, nil
}
