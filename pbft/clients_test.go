package pbft

import (
	"testing"

	"byzd/pbft/message"
)

// A gateway that was restarted skips the numbers that it may have used (rule R7.3): its next bundle
// lies beyond the window of what it had acknowledged, and acknowledges all of that itself.
func TestClientTable_DischargedMindsTheBundlesOwnAck(t *testing.T) {
	const old = 5
	row := &session{low: old, done: make([]uint64, GatewayWindow/64)}
	table := &ClientTable{sessions: map[uint64]*session{0: row}}
	word, mask := row.bit(old)
	row.done[word] |= mask
	for _, c := range []struct {
		name     string
		seq, ack uint64
		want     bool
	}{
		{"stale", old - 1, old - 1, true},
		{"executed", old, old, true},
		{"next", old + 1, old, false},
		{"last of the window", old + GatewayWindow - 1, old, false},
		{"beyond the window", old + GatewayWindow, old, true},
		{"restarted, where an executed place was", old + GatewayWindow, old + GatewayWindow, false},
		{"restarted twice", old + 2*GatewayWindow, old + 2*GatewayWindow, false},
		{"beyond what it acknowledges", old + 2*GatewayWindow, old + GatewayWindow, true},
	} {
		b := &message.Bundle{Session: 0, Seq: c.seq, Ack: c.ack}
		if got := table.Discharged(b); got != c.want {
			t.Errorf("%s: discharged is %v, want %v", c.name, got, c.want)
		}
		if c.want {
			continue
		}
		// What is kept must be what runs.
		again := *row
		again.done = append([]uint64{}, row.done...)
		if got := again.admit(c.seq, c.ack, 1); got != Run {
			t.Errorf("%s: kept, but its outcome is %v", c.name, got)
		}
	}
}

// M53 (B55): a place that its owner has acknowledged never runs again, although nothing is kept of
// what it gave.
func TestClientTable_AcknowledgedPlacesAreSpent(t *testing.T) {
	row := &session{done: make([]uint64, ClientWindow/64)}
	for seq := range uint64(3 * ClientWindow) {
		if got := row.admit(seq, seq, 1); got != Run {
			t.Fatalf("place %d: %v, want %v", seq, got, Run)
		}
		for old := range seq {
			if got := row.admit(old, 0, 1); got != Stale {
				t.Fatalf("place %d after %d: %v, want %v", old, seq, got, Stale)
			}
		}
	}
}
