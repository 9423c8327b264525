package membership

import (
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"byzd/crypto"
)

// Rates, per second, at which a node listens. An honest member of a cluster of 100 sends some ten
// packets a second; tests have shorter intervals.
const (
	packetRate, packetBurst   = 200, 400
	relayRate, relayBurst     = 20, 40
	accuseRate, accuseBurst   = 1, 4
	strangerRate, strangerMax = 500, 500
	homeRate, homeBurst       = 2000, 2000
	checkRate, checkBurst     = 50, 100 // and two for each member
)

// firewall stands between the network and memberlist. What comes in is authenticated, decoded
// strictly and judged; what memberlist gets to read is made anew from what was believed. It has no
// socket and no goroutine, and is safe for concurrent use.
type firewall struct {
	*roster

	tally  *tally
	pings  *pingTable
	limits []limits // by member
	// stranger bounds the packets that come from anywhere, homes those that come from where their
	// senders live, so far as UDP can tell.
	stranger, homes *rate.Limiter
	opinion         func(member uint16) State // what memberlist believed when last asked
	allowed         func(from, to crypto.NodeID) bool
	lies            *atomic.Pointer[Lies]
}

// limits are the token buckets of one authenticated sender. Nobody can empty another's.
type limits struct {
	packets, relays, accusations *rate.Limiter
	checks                       *rate.Limiter // of the signatures of announcements that it brings
}

// outgoing is a packet for a member.
type outgoing struct {
	recipient uint16
	packet    []byte
}

// look is hearsay that must be seen before it is believed: by says that subject is dead.
type look struct {
	subject, by uint16
}

// incoming is what has become of a packet from the network.
type incoming struct {
	sender uint16
	feed   [][]byte   // packets for memberlist
	send   []outgoing // packets to pass on
	looks  []look
}

// verdict collects what the messages of one packet amount to.
type verdict struct {
	incoming
	header  header
	helper  uint16 // who passed the packet on, if relayed
	relayed bool
}

func newLimits(n int) []limits {
	all := make([]limits, n)
	for i := range all {
		all[i] = limits{
			packets:     rate.NewLimiter(packetRate, packetBurst),
			relays:      rate.NewLimiter(relayRate, relayBurst),
			accusations: rate.NewLimiter(accuseRate, accuseBurst),
			checks:      rate.NewLimiter(checkRate, checkBurst+2*n),
		}
	}
	return all
}

// receive judges a packet as it came from the network.
func (f *firewall) receive(packet []byte, from netip.AddrPort, now time.Time) incoming {
	v := verdict{}
	f.open(&v, packet, from, now)
	return v.incoming
}

// open authenticates a packet and judges its messages. Cheap checks come first; nothing is changed
// for a sender before the signature has shown that it is the sender.
func (f *firewall) open(v *verdict, packet []byte, from netip.AddrPort, now time.Time) {
	body, why := f.authenticate(v, packet, from, now)
	if why != accepted {
		f.tally.add(why)
		return
	}
	messages, why := readBody(body, f.members)
	if why != accepted {
		f.tally.add(why)
		return
	}
	for _, m := range messages {
		if why := f.judge(v, m, now); why != accepted {
			f.tally.add(why)
			if why == refusedRecordUnsigned || why == refusedRelay {
				// Checking costs more than sending: one such lie is enough for a packet.
				return
			}
		}
	}
}

func (f *firewall) authenticate(
	v *verdict, packet []byte, from netip.AddrPort, now time.Time,
) ([]byte, refusal) {
	h, why := readHeader(packet, f.cluster, len(f.members))
	if why != accepted {
		return nil, why
	}
	if h.sender == f.self {
		return nil, refusedUnknownSender
	}
	if h.recipient != f.self {
		return nil, refusedWrongRecipient
	}
	if why := f.judgePacket(h); why != accepted {
		return nil, why
	}
	// Signatures are checked at a bounded rate, whatever comes. Packets that do not come from where
	// their senders live have a bucket of their own, so that whoever has no key, and cannot forge
	// where packets come from, does not use up the members'. A helper's bucket bounds relayed ones.
	if !v.relayed {
		bucket := f.stranger
		if home, ok := f.address(h.sender); ok && home == from {
			bucket = f.homes
		}
		if !bucket.AllowN(now, 1) {
			return nil, refusedRateLimited
		}
	}
	body, why := openPacket(f.cluster, f.members[h.sender].ID, packet)
	if why != accepted {
		return nil, why
	}
	if !v.relayed && !f.allowed(f.members[h.sender].ID, f.members[f.self].ID) {
		return nil, refusedCut
	}
	if !f.limits[h.sender].packets.AllowN(now, 1) {
		return nil, refusedRateLimited
	}
	if why := f.markPacket(h, now); why != accepted {
		return nil, why
	}
	v.header = h
	if !v.relayed {
		v.sender = h.sender
	}
	return body, accepted
}

// judge decides what one message of an authenticated packet is worth.
func (f *firewall) judge(v *verdict, m message, now time.Time) refusal {
	switch m := m.(type) {
	case pingMessage:
		return f.judgePing(v, m, now)
	case ackMessage:
		return f.judgeAck(v, m)
	case nackMessage:
		if f.pings.helps(m.number, v.header.sender) && !v.relayed {
			v.feed = append(v.feed, encodeList(kindNack, &listNack{SeqNo: m.number}))
			return accepted
		}
		return refusedForeignAck
	case claimMessage:
		return f.judgeClaim(v, m, now)
	case aliveMessage:
		return f.judgeAlive(v, m)
	case relayMessage:
		return f.judgeRelay(v, m, now)
	case relayedMessage:
		return f.judgeRelayed(v, m, now)
	}
	panic("membership: a message of unknown type was decoded")
}

func (f *firewall) judgePing(v *verdict, m pingMessage, now time.Time) refusal {
	speaker := v.header.sender
	if v.relayed {
		f.pings.cameBy(speaker, m.number, v.helper, now)
	}
	v.feed = append(v.feed, encodeList(kindPing, &listPing{
		SeqNo: m.number, Node: f.names[f.self], SourceAddr: fiction(speaker),
		SourcePort: fictionPort, SourceNode: f.names[speaker],
	}))
	return accepted
}

// judgeAck believes an answer only from the one who was asked, and only to this run of ours:
// otherwise liars could keep a dead member alive.
func (f *firewall) judgeAck(v *verdict, m ackMessage) refusal {
	if v.header.recipientRun != f.run() {
		return refusedForeignAck
	}
	ours, first := f.pings.answer(m.number, v.header.sender)
	if !ours {
		return refusedForeignAck
	}
	if first {
		v.feed = append(v.feed, encodeList(kindAck, &listAck{SeqNo: m.number}))
	}
	return accepted
}

// judgeClaim decides about "subject is suspect" or "is dead". Said of us, it is for memberlist to
// refute. Said of another, it is hearsay: at most a reason to look for ourselves.
func (f *firewall) judgeClaim(v *verdict, m claimMessage, now time.Time) refusal {
	newest, version := f.newest(m.subject)
	switch {
	case newest == nil:
		return refusedHearsayIgnored
	case m.run > newest.record.Counter,
		m.run == newest.record.Counter && m.incarnation > newest.incarnation:
		// Only the subject starts a run or an incarnation, and it has not shown us this one.
		return refusedIncarnationTooHigh
	case m.run < newest.record.Counter, m.incarnation < newest.incarnation, newest.left:
		return refusedStaleClaim
	}
	speaker := v.header.sender
	if m.subject == f.self {
		if !f.limits[speaker].accusations.AllowN(now, 1) {
			return refusedRateLimited
		}
		v.feed = append(v.feed, f.suspicion(m.subject, version, speaker))
		return accepted
	}
	if m.subject == speaker {
		// A member that goes says so in an announcement; this is noise.
		return refusedHearsayIgnored
	}
	switch f.opinion(m.subject) {
	case Alive:
		v.looks = append(v.looks, look{subject: m.subject, by: speaker})
		return refusedHearsayDemoted
	case Suspect:
		// We have looked already. A second witness shortens the wait.
		v.feed = append(v.feed, f.suspicion(m.subject, version, speaker))
		return accepted
	case Unknown, Dead, Left:
	}
	return refusedHearsayIgnored
}

// suspicion makes a claim as memberlist reads it, in the name of the one who stands behind it.
func (f *firewall) suspicion(subject uint16, version uint32, by uint16) []byte {
	return encodeList(kindSuspect, &listClaim{
		Incarnation: version, Node: f.names[subject], From: f.names[by],
	})
}

func (f *firewall) judgeAlive(v *verdict, m aliveMessage) refusal {
	newest, why := f.learn(m.announcement, f.limits[v.header.sender].checks)
	if why != accepted || !newest || m.announcement.subject == f.self {
		return why
	}
	v.feed = append(v.feed, f.presence(m.announcement))
	return accepted
}

// presence makes memberlist's message about an announcement that is the newest of its subject.
func (f *firewall) presence(a *announcement) []byte {
	_, version := f.newest(a.subject)
	name := f.names[a.subject]
	if a.left {
		return encodeList(kindDead, &listClaim{Incarnation: version, Node: name, From: name})
	}
	return encodeList(kindAlive, &listAlive{
		Incarnation: version, Node: name, Addr: fiction(a.subject), Port: fictionPort,
		Vsn: listVersions(),
	})
}
