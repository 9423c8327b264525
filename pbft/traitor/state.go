package traitor

import (
	"slices"

	"byzd/pbft/message"
)

// wrongState spoils the pieces of states that its node gives away, and its offers.
type wrongState struct {
	honest
	*armed

	pieces uint64
}

func newWrongState(a *armed) trick { return &wrongState{armed: a} }

// offerLead is how much later than it does the liar's log is said to begin.
const offerLead = 1000

func (t *wrongState) say(_ int64, o Outgoing) []Outgoing {
	at := t.traitor.seen.here()
	switch m := o.Msg.(type) {
	case *message.StatePart:
		t.pieces++
		if len(m.Data) == 0 || !t.at(o.To, at, t.pieces) {
			break
		}
		t.fire(at)
		lie := *m
		lie.Data = slices.Clone(m.Data)
		bit := t.draw(at, t.pieces).IntN(8 * len(lie.Data))
		lie.Data[bit/8] ^= 1 << (bit % 8)
		return []Outgoing{{To: o.To, Msg: &lie}}
	case *message.Offer:
		if !t.at(o.To, at, 0) {
			break
		}
		t.fire(at)
		lie := *m
		lie.First += offerLead
		return []Outgoing{{To: o.To, Msg: &lie}}
	}
	return []Outgoing{o}
}
