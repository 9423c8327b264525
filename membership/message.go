package membership

import (
	"encoding/binary"
)

// kind is the first byte of every message. Where memberlist has the same message, it has the same
// number there.
type kind uint8

const (
	kindPing       kind = 0
	kindAck        kind = 2
	kindSuspect    kind = 3
	kindAlive      kind = 4
	kindDead       kind = 5
	kindState      kind = 6
	kindUser       kind = 8  // never sent, refused by name
	kindCompressed kind = 9  // never sent, refused by name
	kindEncrypted  kind = 10 // never sent, refused by name
	kindNack       kind = 11
	kindRelay      kind = 32 // ours: pass this packet on
	kindRelayed    kind = 33 // ours: somebody's packet, passed on
)

// message is what one member tells another in a packet: pingMessage, ackMessage, nackMessage,
// claimMessage, aliveMessage, relayMessage or relayedMessage. The speaker is the packet's
// authenticated sender and the listener its recipient, so neither is named again.
type message interface {
	appendTo(b []byte) []byte
	size() int
}

// pingMessage asks for an ack with the same number.
type pingMessage struct{ number uint32 }

// ackMessage answers a ping.
type ackMessage struct{ number uint32 }

// nackMessage tells a prober that its helper is well and has passed its ping on.
type nackMessage struct{ number uint32 }

// claimMessage says that the speaker suspects the subject or holds it for dead, in the newest
// incarnation that it knows of.
type claimMessage struct {
	dead        bool
	subject     uint16
	run         uint64
	incarnation uint32
}

// aliveMessage carries what the subject has signed, whoever the speaker is.
type aliveMessage struct{ announcement *announcement }

// relayMessage asks a helper to pass a packet of the speaker on to target.
type relayMessage struct {
	target uint16
	number uint32 // of the ping or ack within
	packet []byte
}

// relayedMessage brings a packet that its sender has given to the speaker for the listener.
type relayedMessage struct{ packet []byte }

func (pingMessage) size() int      { return 1 + 4 }
func (ackMessage) size() int       { return 1 + 4 }
func (nackMessage) size() int      { return 1 + 4 }
func (claimMessage) size() int     { return 1 + 2 + 8 + 4 }
func (m aliveMessage) size() int   { return 1 + m.announcement.size() }
func (m relayMessage) size() int   { return 1 + 2 + 4 + 2 + len(m.packet) }
func (m relayedMessage) size() int { return 1 + 2 + len(m.packet) }

func (m pingMessage) appendTo(b []byte) []byte {
	return binary.BigEndian.AppendUint32(append(b, byte(kindPing)), m.number)
}

func (m ackMessage) appendTo(b []byte) []byte {
	return binary.BigEndian.AppendUint32(append(b, byte(kindAck)), m.number)
}

func (m nackMessage) appendTo(b []byte) []byte {
	return binary.BigEndian.AppendUint32(append(b, byte(kindNack)), m.number)
}

func (m claimMessage) appendTo(b []byte) []byte {
	k := kindSuspect
	if m.dead {
		k = kindDead
	}
	b = binary.BigEndian.AppendUint16(append(b, byte(k)), m.subject)
	b = binary.BigEndian.AppendUint64(b, m.run)
	return binary.BigEndian.AppendUint32(b, m.incarnation)
}

func (m aliveMessage) appendTo(b []byte) []byte {
	return m.announcement.appendTo(append(b, byte(kindAlive)))
}

func (m relayMessage) appendTo(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(append(b, byte(kindRelay)), m.target)
	b = binary.BigEndian.AppendUint32(b, m.number)
	b = binary.BigEndian.AppendUint16(b, uint16(len(m.packet))) //nolint:gosec // at most packetMax
	return append(b, m.packet...)
}

func (m relayedMessage) appendTo(b []byte) []byte {
	b = append(b, byte(kindRelayed))
	b = binary.BigEndian.AppendUint16(b, uint16(len(m.packet))) //nolint:gosec // at most packetMax
	return append(b, m.packet...)
}

// readMessage takes one message from r.
func readMessage(r *reader, members []Member) (message, refusal) {
	switch k := kind(r.uint8()); k {
	case kindPing:
		return pingMessage{number: r.uint32()}, accepted
	case kindAck:
		return ackMessage{number: r.uint32()}, accepted
	case kindNack:
		return nackMessage{number: r.uint32()}, accepted
	case kindSuspect, kindDead:
		c := claimMessage{
			dead: k == kindDead, subject: r.uint16(), run: r.uint64(), incarnation: r.uint32(),
		}
		if int(c.subject) >= len(members) {
			return nil, refusedNameUnknown
		}
		return c, accepted
	case kindAlive:
		a, why := readAnnouncement(r, members)
		if why != accepted {
			return nil, why
		}
		return aliveMessage{announcement: a}, accepted
	case kindRelay:
		m := relayMessage{target: r.uint16(), number: r.uint32()}
		m.packet = r.take(int(r.uint16()))
		if int(m.target) >= len(members) {
			return nil, refusedNameUnknown
		}
		return m, accepted
	case kindRelayed:
		return relayedMessage{packet: r.take(int(r.uint16()))}, accepted
	default:
		return nil, misplaced(k)
	}
}

// misplaced names the refusal of a message kind that memberlist has and this door does not let in.
func misplaced(k kind) refusal {
	switch k { //nolint:exhaustive // Every other kind is merely malformed here.
	case kindUser:
		return refusedUserMessage
	case kindCompressed:
		return refusedCompressedMessage
	case kindEncrypted:
		return refusedEncryptedMessage
	}
	return refusedMalformed
}
