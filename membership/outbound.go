package membership

import (
	"errors"
	"fmt"
	"time"
)

// What memberlist writes is translated into what this node may say: its own opinion in its own
// name, and of everybody the newest that they have signed.

var errListKind = errors.New("memberlist wrote a message that it has no reason to write")

// send translates a packet of memberlist into the packets that go out for it.
func (f *firewall) send(recipient uint16, packet []byte, now time.Time) ([]outgoing, error) {
	parts, err := splitList(packet)
	if err != nil {
		return nil, err
	}
	var messages []message
	var more []outgoing
	for _, part := range parts {
		m, err := f.translate(recipient, part)
		if err != nil {
			return nil, err
		}
		if m == nil {
			continue
		}
		messages = append(messages, m)
		if ack, ok := m.(ackMessage); ok {
			if helper, ok := f.pings.wayBack(recipient, ack.number, now); ok {
				back := f.wrap(recipient, ack.number, ack)
				more = append(more, f.seal(helper, []message{back})...)
			}
		}
	}
	messages = f.lie(recipient, messages)
	return append(f.seal(recipient, messages), more...), nil
}

// seal packs and signs messages for a recipient.
func (f *firewall) seal(recipient uint16, messages []message) []outgoing {
	var out []outgoing
	for _, body := range packBodies(messages) {
		h := f.nextHeader(recipient, f.run())
		out = append(out, outgoing{
			recipient: recipient, packet: sealPacket(f.cluster, f.key, h, body),
		})
	}
	return out
}

// translate turns one message of memberlist into ours, or into nil if it says nothing that may be
// said any more.
func (f *firewall) translate(recipient uint16, part []byte) (message, error) {
	if len(part) == 0 {
		return nil, errListShort
	}
	body := part[1:]
	switch k := kind(part[0]); k {
	case kindPing:
		var p listPing
		if err := decodeList(body, &p); err != nil {
			return nil, err
		}
		f.pings.asked(p.SeqNo, recipient)
		return pingMessage{number: p.SeqNo}, nil
	case listIndirectPingKind:
		var p listIndirectPing
		if err := decodeList(body, &p); err != nil {
			return nil, err
		}
		target, ok := f.byName[p.Node]
		if !ok {
			return nil, fmt.Errorf("%w: ping of %q", errListKind, p.Node)
		}
		return f.relayBy(recipient, target, p.SeqNo), nil
	case kindAck:
		var a listAck
		if err := decodeList(body, &a); err != nil {
			return nil, err
		}
		return ackMessage{number: a.SeqNo}, nil
	case kindAlive:
		var a listAlive
		if err := decodeList(body, &a); err != nil {
			return nil, err
		}
		return f.translateAlive(a.Node, a.Incarnation)
	case kindSuspect, kindDead:
		var c listClaim
		if err := decodeList(body, &c); err != nil {
			return nil, err
		}
		return f.translateClaim(c, k == kindDead)
	default:
		return nil, fmt.Errorf("%w: kind %d", errListKind, k)
	}
}

func (f *firewall) translateAlive(name string, incarnation uint32) (message, error) {
	subject, ok := f.byName[name]
	if !ok {
		return nil, fmt.Errorf("%w: alive of %q", errListKind, name)
	}
	if subject == f.self {
		return aliveMessage{announcement: f.announce(f.own(), incarnation, false)}, nil
	}
	if newest, _ := f.newest(subject); newest != nil {
		return aliveMessage{announcement: newest}, nil
	}
	return nil, nil //nolint:nilnil // Nothing to say is no error.
}

// translateClaim lets this node speak for itself only: whoever has made memberlist suspect the
// subject, this node has looked and suspects it now.
func (f *firewall) translateClaim(c listClaim, dead bool) (message, error) {
	subject, ok := f.byName[c.Node]
	if !ok {
		return nil, fmt.Errorf("%w: claim about %q", errListKind, c.Node)
	}
	if subject == f.self {
		if dead && c.From == c.Node {
			return aliveMessage{announcement: f.announce(f.own(), c.Incarnation, true)}, nil
		}
		return nil, nil //nolint:nilnil // We do not accuse ourselves.
	}
	newest, version := f.newest(subject)
	switch {
	case newest == nil:
		return nil, nil //nolint:nilnil // Nothing to say is no error.
	case newest.left || version != c.Incarnation:
		// The subject has said something newer than what memberlist speaks of.
		return aliveMessage{announcement: newest}, nil
	}
	return claim(newest, dead), nil
}

// claim calls the subject of an announcement suspect or dead.
func claim(a *announcement, dead bool) message {
	return claimMessage{
		dead: dead, subject: a.subject, run: a.record.Counter, incarnation: a.incarnation,
	}
}

// lie adds what a traitor tells recipient beside the truth.
func (f *firewall) lie(recipient uint16, messages []message) []message {
	lies := f.lies.Load()
	if lies == nil || len(messages) == 0 {
		return messages
	}
	for about := range f.members {
		if a := f.falseDead(*lies, uint16(about), recipient); a != nil {
			(*lies).Told()
			messages = append(messages, claim(a, true))
		}
	}
	return messages
}

// falseDead returns the announcement to belie if about, alive as far as we know, is to be called
// dead.
func (f *firewall) falseDead(lies Lies, about, recipient uint16) *announcement {
	if about == f.self || f.opinion(about) != Alive ||
		!lies.CallDead(f.members[about].ID, f.members[recipient].ID) {
		return nil
	}
	newest, _ := f.newest(about)
	return newest
}
