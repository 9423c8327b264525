package membership

import (
	"net/netip"
	"time"
)

// When a direct ping is not answered, memberlist asks others to ping the target. It believes
// whatever they answer, so one liar among the helpers could keep a dead member alive. Here a helper
// passes on a packet that the prober has signed for the target, and brings back one that the
// target has signed for the prober. It can withhold both and forge neither.

// relayBy makes the packets by which helper is asked to pass a ping on to target.
func (f *firewall) relayBy(helper, target uint16, number uint32) message {
	f.pings.asked(number, target)
	f.pings.helped(number, helper)
	return f.wrap(target, number, pingMessage{number: number})
}

// wrap signs m for target and puts the packet into a message for a helper.
func (f *firewall) wrap(target uint16, number uint32, m message) message {
	h := f.nextHeader(target, f.run())
	return relayMessage{
		target: target, number: number, packet: sealPacket(f.cluster, f.key, h, m.appendTo(nil)),
	}
}

// judgeRelay passes a packet on, if it is the speaker's own and small, to where the target's own
// record says. So a helper can be made to send no more than it was sent, and only to a member.
func (f *firewall) judgeRelay(v *verdict, m relayMessage, now time.Time) refusal {
	inner, why := readHeader(m.packet, f.cluster, len(f.members))
	speaker := v.header.sender
	if v.relayed || why != accepted || len(m.packet) > innerMax || inner.sender != speaker ||
		inner.recipient != m.target || m.target == f.self || m.target == speaker {
		return refusedRelay
	}
	if !f.limits[speaker].relays.AllowN(now, 1) {
		return refusedRateLimited
	}
	v.send = append(v.send, f.seal(m.target, []message{relayedMessage{packet: m.packet}})...)
	if !isAck(m.packet) {
		// memberlist takes the nack as a sign that the prober itself is well connected.
		v.send = append(v.send, f.seal(speaker, []message{nackMessage{number: m.number}})...)
	}
	return accepted
}

// isAck reports whether a packet that is passed on holds an answer. The helper need not check its
// signature: the one for whom it is will.
func isAck(packet []byte) bool { return kind(packet[headerSize]) == kindAck }

// judgeRelayed opens a packet that a helper has brought.
func (f *firewall) judgeRelayed(v *verdict, m relayedMessage, now time.Time) refusal {
	if v.relayed || len(m.packet) > innerMax {
		return refusedRelay
	}
	if !f.limits[v.header.sender].relays.AllowN(now, 1) {
		return refusedRateLimited
	}
	inner := verdict{relayed: true, helper: v.header.sender}
	f.open(&inner, m.packet, netip.AddrPort{}, now)
	v.feed = append(v.feed, inner.feed...)
	v.send = append(v.send, inner.send...)
	v.looks = append(v.looks, inner.looks...)
	return accepted
}
