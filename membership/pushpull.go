package membership

import (
	"fmt"
	"slices"
)

// sendStream translates what memberlist writes on a stream with peer.
func (f *firewall) sendStream(peer uint16, written []byte) ([]byte, error) {
	if len(written) == 0 {
		return nil, errListShort
	}
	switch k := kind(written[0]); k {
	case kindState:
		nodes, err := decodeListState(written[1:])
		if err != nil {
			return nil, err
		}
		return f.translateState(peer, nodes)
	case kindPing:
		var p listPing
		if err := decodeList(written[1:], &p); err != nil {
			return nil, err
		}
		return pingMessage{number: p.SeqNo}.appendTo(nil), nil
	case kindAck:
		var a listAck
		if err := decodeList(written[1:], &a); err != nil {
			return nil, err
		}
		return ackMessage{number: a.SeqNo}.appendTo(nil), nil
	default:
		return nil, fmt.Errorf("%w: kind %d on a stream", errListKind, k)
	}
}

// translateState says what this node believes of everybody.
func (f *firewall) translateState(peer uint16, nodes []listNode) ([]byte, error) {
	opinions := make([]opinion, 0, len(nodes))
	lies := f.lies.Load()
	for _, n := range nodes {
		subject, ok := f.byName[n.Name]
		if !ok {
			return nil, fmt.Errorf("%w: state of %q", errListKind, n.Name)
		}
		o := opinion{state: stateOf(n.State)}
		if subject == f.self {
			o.announcement = f.announce(f.own(), n.Incarnation, o.state == Left)
		} else {
			o.announcement, _ = f.newest(subject)
		}
		if o.announcement == nil {
			continue
		}
		if lies != nil && f.falseDead(*lies, subject, peer) != nil {
			(*lies).Told()
			o.state = Dead
		}
		if o.announcement.left {
			o.state = Left
		}
		opinions = append(opinions, o)
	}
	slices.SortFunc(opinions, func(a, b opinion) int {
		return int(a.announcement.subject) - int(b.announcement.subject)
	})
	return encodeState(opinions), nil
}

// stateOf translates memberlist's number of a state.
func stateOf(list int) State {
	switch list {
	case listStateAlive:
		return Alive
	case listStateSuspect:
		return Suspect
	case listStateDead:
		return Dead
	case listStateLeft:
		return Left
	}
	return Unknown
}

// receiveStream judges what peer has said on a stream, as its opening or as its answer, and returns
// what memberlist gets to read.
func (f *firewall) receiveStream(peer uint16, body []byte, answer bool) ([]byte, refusal) {
	r := &reader{rest: body}
	switch k := kind(r.uint8()); {
	case r.failed:
		return nil, refusedMalformed
	case k == kindState:
		opinions, why := readState(r.rest, f.members)
		if why != accepted {
			return nil, why
		}
		return encodeListState(f.believe(peer, opinions)), accepted
	case k == kindPing && !answer:
		number := r.uint32()
		if r.failed || len(r.rest) > 0 {
			return nil, refusedMalformed
		}
		return encodeList(kindPing, &listPing{
			SeqNo: number, Node: f.names[f.self], SourceNode: f.names[peer],
		}), accepted
	case k == kindAck && answer:
		number := r.uint32()
		if r.failed || len(r.rest) > 0 {
			return nil, refusedMalformed
		}
		return encodeList(kindAck, &listAck{SeqNo: number}), accepted
	default:
		return nil, misplaced(k)
	}
}

// believe keeps of a push/pull what its subjects have signed, and what is said of us. Other
// opinions of the peer are hearsay; the records in them are kept all the same, for they tell where
// a member was, and it may be there again.
func (f *firewall) believe(peer uint16, opinions []opinion) []listNode {
	var nodes []listNode
	for _, o := range opinions {
		a := o.announcement
		newest, why := f.learn(a, f.limits[peer].checks)
		f.tally.add(why)
		if why == refusedRecordUnsigned || why == refusedRateLimited {
			// The peer invents them, or brings too many; checking costs more than sending.
			break
		}
		if why != accepted || !newest {
			continue
		}
		_, version := f.newest(a.subject)
		n := listNode{
			Name: f.names[a.subject], Addr: fiction(a.subject), Port: fictionPort,
			Incarnation: version, Vsn: listVersions(),
		}
		switch {
		case a.subject == f.self:
			if o.state == Alive || o.state == Left {
				continue
			}
			if !f.limits[peer].accusations.Allow() {
				f.tally.add(refusedRateLimited)
				continue
			}
			n.State = listStateSuspect
		case a.left:
			n.State = listStateLeft
		case o.state == Alive:
			n.State = listStateAlive
		default:
			if f.opinion(a.subject) == Alive {
				f.tally.add(refusedHearsayIgnored)
			}
			continue
		}
		nodes = append(nodes, n)
	}
	return nodes
}
