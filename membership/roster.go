package membership

import (
	"math"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/time/rate"

	"byzd/crypto"
)

// roster holds what each genesis member has signed about itself, and what came from it. Members
// have their genesis index everywhere inside this package. It is safe for concurrent use.
type roster struct {
	cluster crypto.Digest
	key     crypto.NetworkKey
	members []Member
	names   []string // memberlist's name of each member: its peer ID
	byName  map[string]uint16
	byID    map[crypto.NodeID]uint16
	self    uint16

	notices   *notices
	conflicts chan struct{} // holds a token when somebody has outrun us

	mu    sync.Mutex
	seats []seat
	runs  int // that we have started above another's
}

// runsMax bounds how often a node starts a new run because somebody signs with its key. Earlier
// runs of its own make it necessary once or twice; a second process with the same key would make
// the two outbid each other for ever.
const runsMax = 8

// seat is one member's place in the roster.
type seat struct {
	// announcement is the newest authentic one, nil before the first.
	announcement *announcement
	// version counts the announcements that replaced each other. It is the incarnation that
	// memberlist sees, so that a new run of a member outranks whatever the old one had reached.
	// Invariant: for ourselves it is memberlist's own incarnation.
	version  uint32
	window   window
	heard    time.Time
	sequence uint64 // of the last packet that we sent to the member
}

func newRoster(cfg Config) *roster {
	r := &roster{
		cluster: cfg.Cluster, key: cfg.Key, members: cfg.Members,
		names:  make([]string, len(cfg.Members)),
		byName: make(map[string]uint16, len(cfg.Members)),
		byID:   make(map[crypto.NodeID]uint16, len(cfg.Members)),
		seats:  make([]seat, len(cfg.Members)),

		notices: newNotices(cfg.Log), conflicts: make(chan struct{}, 1),
	}
	for i, m := range cfg.Members {
		r.names[i] = m.ID.String()
		r.byName[r.names[i]] = uint16(i)
		r.byID[m.ID] = uint16(i)
	}
	r.self = r.byID[cfg.Key.ID()]
	return r
}

// fictionPort is not 0, which memberlist would replace.
const fictionPort = 1

// fiction is the address under which memberlist knows a member. It is a reserved one that no
// machine has, the same for ever: where packets really go is the roster's affair, so an address
// that a liar gives to memberlist, or that really changes, changes nothing in memberlist.
func fiction(member uint16) net.IP {
	return net.IPv4(240, 0, byte(member>>8), byte(member&0xff)).To4()
}

// learn takes in an announcement that anybody brought. It reports whether the announcement is now
// the newest of its subject, and refuses what the subject has not signed or what contradicts it.
// checks bounds how many signatures are checked for the one who brought it; nil is no bound.
func (r *roster) learn(a *announcement, checks *rate.Limiter) (newest bool, why refusal) {
	newest, why = r.weigh(a, checks)
	switch why { //nolint:exhaustive // Only these are an operator's affair.
	case refusedSelfConflict:
		r.notices.tell(noticeSelf, logrus.Fields{
			"address": a.record.SwimAddr, "counter": a.record.Counter,
		}, "others know a newer start of this node: its clock was set back, or another process "+
			"runs with its network key")
	case refusedRecordConflict:
		r.notices.tell(noticeConflict, logrus.Fields{
			"peer": r.members[a.subject].Name, "id": a.record.ID.Short(),
			"address": a.record.SwimAddr,
		}, "a member has signed two records in one run: it lies, or two processes use its key")
	}
	return newest, why
}

// weigh is learn without telling anybody.
func (r *roster) weigh(a *announcement, checks *rate.Limiter) (newest bool, why refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &r.seats[a.subject]
	old := s.announcement
	if old != nil {
		switch {
		case a.record.Counter < old.record.Counter:
			return false, refusedRecordOld
		case a.record == old.record && !a.newer(old):
			// Known already, so its signature decides nothing.
			return !old.newer(a), accepted
		}
	}
	if checks != nil && !checks.Allow() {
		return false, refusedRateLimited
	}
	if !a.authentic(r.cluster) {
		return false, refusedRecordUnsigned
	}
	switch {
	case a.subject == r.self:
		// Only another process with our key, or a clock that went back, makes this.
		r.outrun(a)
		return false, refusedSelfConflict
	case old != nil && a.record.Counter == old.record.Counter && a.record != old.record:
		return false, refusedRecordConflict
	}
	s.announcement = a
	s.version++
	s.window.raise(a.record.Counter)
	return true, accepted
}

// outrun starts a new run of ours above what somebody has signed with our key, or nobody would hear
// us before the clock has reached where it was. The caller holds mu.
func (r *roster) outrun(a *announcement) {
	s := &r.seats[r.self]
	if s.announcement == nil || r.runs == runsMax || a.record.Counter == math.MaxUint64 {
		return
	}
	r.runs++
	next := *s.announcement
	next.record.Counter = a.record.Counter + 1
	next.sign(r.cluster, r.key)
	s.announcement = &next
	select {
	case r.conflicts <- struct{}{}:
	default: // A token is there already.
	}
}

// own returns our record.
func (r *roster) own() Record {
	a, _ := r.newest(r.self)
	if a == nil {
		return Record{}
	}
	return a.record
}

// run returns the counter of our run.
func (r *roster) run() uint64 { return r.own().Counter }

// newest returns the newest announcement of a member and the incarnation that memberlist has for
// it, or nil.
func (r *roster) newest(member uint16) (*announcement, uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &r.seats[member]
	return s.announcement, s.version
}

// announce signs what this node says of itself in an incarnation, unless it has already said
// something newer, and returns the newest.
func (r *roster) announce(record Record, incarnation uint32, left bool) *announcement {
	a := &announcement{
		subject: r.self, incarnation: incarnation, left: left, record: record,
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &r.seats[r.self]
	if s.announcement != nil && !a.newer(s.announcement) {
		return s.announcement
	}
	a.sign(r.cluster, r.key)
	s.announcement = a
	s.version = incarnation
	return a
}

// address returns where packets for a member go.
func (r *roster) address(member uint16) (netip.AddrPort, bool) {
	a, _ := r.newest(member)
	if a == nil {
		return netip.AddrPort{}, false
	}
	addr, err := parseSwimAddr(a.record.SwimAddr)
	return addr, err == nil
}

// judgePacket says whether a packet is worth checking the signature of.
func (r *roster) judgePacket(h header) refusal {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seats[h.sender].window.judge(h.run, h.sequence)
}

// markPacket records an authentic packet, unless the same one was recorded since it was judged.
func (r *roster) markPacket(h header, now time.Time) refusal {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &r.seats[h.sender]
	if why := s.window.judge(h.run, h.sequence); why != accepted {
		return why
	}
	s.window.mark(h.run, h.sequence)
	s.heard = now
	return accepted
}

// markStream records that a member has spoken over a stream, in one of its runs.
func (r *roster) markStream(member uint16, run uint64, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seats[member].window.raise(run)
	r.seats[member].heard = now
}

// nextHeader numbers a packet to a member.
func (r *roster) nextHeader(recipient uint16, run uint64) header {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &r.seats[recipient]
	s.sequence++
	return header{
		sender: r.self, recipient: recipient, run: run,
		recipientRun: s.window.run, sequence: s.sequence,
	}
}

// heard returns when a member was last heard itself; zero means never.
func (r *roster) heard(member uint16) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seats[member].heard
}
