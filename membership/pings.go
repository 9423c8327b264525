package membership

import (
	"sync"
	"time"
)

// pingSlots bounds how many pings are remembered. memberlist has one or two under way.
const pingSlots = 256

// viaTime is how long an answer goes back the way its ping came.
const viaTime = 5 * time.Second

// pingTable remembers who was pinged, so that nobody else can answer, and by whose help a ping
// came, so that the answer can go back that way. It is safe for concurrent use.
type pingTable struct {
	mu    sync.Mutex
	slots [pingSlots]pingSlot
	via   []via // by member
}

type pingSlot struct {
	used     bool
	answered bool
	number   uint32
	target   uint16
	helpers  []uint16 // at most memberlist's IndirectChecks
}

type via struct {
	number uint32
	helper uint16
	until  time.Time
}

func newPingTable(n int) *pingTable { return &pingTable{via: make([]via, n)} }

// asked records that target was pinged.
func (p *pingTable) asked(number uint32, target uint16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &p.slots[number%pingSlots]
	if !s.used || s.number != number || s.target != target {
		*s = pingSlot{used: true, number: number, target: target}
	}
}

// helped records that helper was asked to pass a ping on.
func (p *pingTable) helped(number uint32, helper uint16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := &p.slots[number%pingSlots]; s.used && s.number == number {
		s.helpers = append(s.helpers, helper)
	}
}

// answer reports whether an ack of sender answers one of our pings, and whether it is the first
// that does: a ping that also went by helpers is answered more than once.
func (p *pingTable) answer(number uint32, sender uint16) (ours, first bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &p.slots[number%pingSlots]
	if !s.used || s.number != number || s.target != sender {
		return false, false
	}
	first = !s.answered
	s.answered = true
	return true, first
}

// helps reports whether helper was asked to pass this ping on, and takes it off the list.
func (p *pingTable) helps(number uint32, helper uint16) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &p.slots[number%pingSlots]
	if !s.used || s.number != number {
		return false
	}
	for i, h := range s.helpers {
		if h == helper {
			s.helpers = append(s.helpers[:i], s.helpers[i+1:]...)
			return true
		}
	}
	return false
}

// cameBy records that a ping of prober came by the help of helper.
func (p *pingTable) cameBy(prober uint16, number uint32, helper uint16, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.via[prober] = via{number: number, helper: helper, until: now.Add(viaTime)}
}

// wayBack returns the helper by which a ping of prober came.
func (p *pingTable) wayBack(prober uint16, number uint32, now time.Time) (uint16, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	v := p.via[prober]
	return v.helper, v.number == number && now.Before(v.until)
}
