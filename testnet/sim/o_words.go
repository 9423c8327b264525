package sim

import "byzd/pbft/message"

// words is what the replica whose disk lies has said, and who has heard it. Its disk may forget its
// words; the start fence (R14) reminds it of those that others can tell it of. So when its fence is
// lifted it is bound by what f+1 correct replicas have heard that are up since, of which one at
// least is asked. What fewer have heard is beyond anybody's knowledge, and charged to f.
type words struct {
	spoken []word
	places map[any]int // in spoken, by what the network carries
}

type word struct {
	msg   message.Message
	heard map[int]int32 // the boot of each node that heard it, by index
}

// carried is what tells one message of a node from all others, at all its receivers.
func (p *packet) carried() any {
	if p.frame != nil {
		return &p.frame[0]
	}
	return p.msg
}

// speak notes what leaves the replica whose disk lies.
func (s *words) speak(p *packet, m message.Message) {
	if s.places == nil {
		s.places = map[any]int{}
	}
	if _, known := s.places[p.carried()]; !known {
		s.places[p.carried()] = len(s.spoken)
		s.spoken = append(s.spoken, word{m, map[int]int32{}})
	}
}

// listen notes that a correct replica has heard it.
func (o *oracles) listen(n *node, p *packet) {
	if at, known := o.places[p.carried()]; known && n.correct && p.from == o.w.opts.Charged {
		o.spoken[at].heard[n.index] = n.boot
	}
}

// remind makes the ledger forget what the replica has forgotten and nobody can tell it of.
func (o *oracles) remind(n *node) {
	o.said[n.replica], o.made[n.replica] = map[slot]uint64{}, vows{}
	for i := range o.spoken {
		up := 0
		for index, boot := range o.spoken[i].heard { // any order: it counts
			if m := o.w.nodes[index]; m.up && m.boot == boot {
				up++
			}
		}
		if up >= o.w.cfg.Sizes.Weak {
			o.say(n, o.spoken[i].msg)
		}
	}
}
