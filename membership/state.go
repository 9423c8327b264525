package membership

import (
	"encoding/binary"
	"fmt"
)

// State is what this node believes of a member's reachability. It is an opinion, never a fact that
// agreement may rest on.
type State uint8

// The states of a member.
const (
	// Unknown means that nothing was ever heard of the member.
	Unknown State = iota
	// Alive means that the member answers.
	Alive
	// Suspect means that the member did not answer, and has time to object.
	Suspect
	// Dead means that the member did not object in time.
	Dead
	// Left means that the member said itself that it goes.
	Left
)

// String returns the state's name in lower case.
func (s State) String() string {
	switch s {
	case Unknown:
		return "unknown"
	case Alive:
		return "alive"
	case Suspect:
		return "suspect"
	case Dead:
		return "dead"
	case Left:
		return "left"
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// opinion is one line of a push/pull: what the speaker believes of a member, and what that member
// has signed. A member appears at most once, in genesis order.
type opinion struct {
	state        State
	announcement *announcement
}

// stateSizeMax bounds a push/pull between members of a genesis of n.
func stateSizeMax(n int) int { return 1 + 2 + n*(1+announcementMax) }

// encodeState makes the wire form of a push/pull.
func encodeState(opinions []opinion) []byte {
	//nolint:gosec // A cluster has at most math.MaxUint16 members, each of which stands once.
	b := binary.BigEndian.AppendUint16([]byte{byte(kindState)}, uint16(len(opinions)))
	for _, o := range opinions {
		b = o.announcement.appendTo(append(b, byte(o.state)))
	}
	return b
}

// readState decodes a push/pull behind its kind byte.
func readState(body []byte, members []Member) ([]opinion, refusal) {
	r := &reader{rest: body}
	count := int(r.uint16())
	if count > len(members) {
		return nil, refusedOversize
	}
	opinions := make([]opinion, 0, count)
	for range count {
		state := State(r.uint8())
		a, why := readAnnouncement(r, members)
		if why != accepted {
			return nil, why
		}
		if state == Unknown || state > Left {
			return nil, refusedMalformed
		}
		if last := len(opinions) - 1; last >= 0 &&
			opinions[last].announcement.subject >= a.subject {
			return nil, refusedMalformed
		}
		opinions = append(opinions, opinion{state: state, announcement: a})
	}
	if r.failed || len(r.rest) > 0 {
		return nil, refusedMalformed
	}
	return opinions, accepted
}
