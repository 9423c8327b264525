package pbfttest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"byzd/crypto"
	"byzd/pbft"
	"byzd/pbft/message"
	"byzd/pbft/quorum"
)

// match selects messages; what is nil selects all.
type match struct {
	types    []string
	from, to []int
}

func (s *Script) match(a *arguments) match {
	n := len(s.net.Nodes)
	m := match{from: a.nodes("from", n), to: a.nodes("to", n)}
	m.types, _ = a.find("type")
	return m
}

// typeOf names a message; votes by their kind.
func typeOf(m message.Message) string {
	if v, is := m.(*message.Vote); is {
		return strings.ToLower(v.Kind.String())
	}
	return m.Type().String()
}

func (m match) takes(e Envelope) bool {
	return e.From != e.To && (m.types == nil || slices.Contains(m.types, typeOf(e.Msg))) &&
		(m.from == nil || slices.Contains(m.from, e.From)) &&
		(m.to == nil || slices.Contains(m.to, e.To))
}

func (s *Script) start(a *arguments) string {
	p := smallParams()
	n := int(a.number("n", 4))
	p.CheckpointEvery = uint64(a.number("k", 8))  //nolint:gosec // a script's number
	p.Window = uint64(a.number("window", 32))     //nolint:gosec // a script's number
	p.RotateEvery = uint64(a.number("rotate", 0)) //nolint:gosec // a script's number
	p.InFlight = int(a.number("in-flight", 8))
	p.ViewTimeout = a.number("tau", 1000)
	traitors := a.nodes("traitors", n)
	if a.err != "" {
		return ""
	}
	s.net = New(n, p)
	s.blocks, s.holds, s.held, s.side = nil, nil, nil, map[int]int{}
	s.names, s.byName = map[crypto.Digest]string{}, map[string]*message.Batch{}
	s.votes, s.seen = map[string]map[int][]byte{}, map[[2]uint64]*message.ViewChange{}
	for _, i := range traitors {
		s.net.Traitors[i] = true
	}
	s.net.Watch, s.net.Pass = s.watch, s.pass
	sizes := s.net.Config.Sizes
	return fmt.Sprintf("n=%d f=%d quorum=%d weak=%d, view 0, primary 0",
		n, sizes.F, sizes.Quorum, sizes.Weak)
}

func (s *Script) pass(e Envelope) bool {
	s.heard(e.Msg)
	if s.side[e.From] != s.side[e.To] {
		return false
	}
	takes := func(m match) bool { return m.takes(e) }
	if slices.ContainsFunc(s.blocks, takes) {
		return false
	}
	if slices.ContainsFunc(s.holds, takes) {
		s.held = append(s.held, e)
		return false
	}
	return true
}

func (s *Script) submit(a *arguments) string {
	i := a.node("node", len(s.net.Nodes))
	to := a.nodes("to", len(s.net.Nodes))
	node := s.net.Nodes[i]
	next := node.nextSeq
	place := a.number("place", int64(next)) //nolint:gosec // small
	ops, _ := a.find("ops")
	items := s.items(a, ops)
	if a.err != "" {
		return ""
	}
	node.nextSeq = uint64(place) //nolint:gosec // a script's number
	b := s.net.bundle(i, items)
	node.nextSeq = max(next, b.Seq+1)
	if !a.has("to") {
		s.net.Broadcast(b)
		return ""
	}
	v := node.Sealer.Seal(&message.Submission{Bundle: b})
	for _, k := range to {
		if k == i {
			s.net.Step(i, pbft.Received{Msg: v})
			continue
		}
		s.net.Inject(Envelope{From: i, To: k, Msg: v.Message()})
	}
	return ""
}

// reconfigure hands a change of the members in, with the word of those who are ready.
func (s *Script) reconfigure(a *arguments) string {
	i := a.node("node", len(s.net.Nodes))
	members := a.nodes("members", quorum.MaxReplicas)
	ready := a.nodes("ready", quorum.MaxReplicas)
	if a.err == "" {
		s.net.Reconfigure(i, members, ready)
	}
	return ""
}

// items are plain operations, or with client= operations that the client has signed.
func (s *Script) items(a *arguments, ops []string) []message.Item {
	var items []message.Item
	client := a.text("client", "")
	session, seq, ack := a.number("session", 0), a.number("seq", 0), a.number("ack", 0)
	for k, op := range ops {
		if client == "" {
			items = append(items, message.Item{Op: []byte(op)})
			continue
		}
		r := &message.ClientRequest{
			Session: uint64(session),        //nolint:gosec // a script's number
			Seq:     uint64(seq + int64(k)), //nolint:gosec // a script's number
			Ack:     uint64(ack),            //nolint:gosec // a script's number
			Op:      []byte(op),
		}
		key := crypto.NewNetworkKey(crypto.DeriveSeed([32]byte{}, "client "+client))
		message.SealClientRequest(s.net.Config.RequestDomain(), key, r)
		items = append(items, message.Item{Signed: r})
	}
	if len(items) == 0 {
		a.fail("ops are missing")
	}
	return items
}

func (s *Script) run(a *arguments) string {
	if a.has("for") {
		s.net.RunFor(a.number("for", 0))
	} else {
		s.net.Run()
	}
	return ""
}

// deliver hands over what waits, without what comes of it. Statements on their way back to their
// author come along, as they do behind every sync.
func (s *Script) deliver(a *arguments) string {
	m, count := s.match(a), int(a.number("count", 1<<20))
	queue := s.net.Queue
	s.net.Queue = nil
	var left []Envelope
	for _, e := range queue {
		switch {
		case e.From == e.To:
			s.net.Hand(e)
		case m.takes(e) && count > 0:
			count--
			s.net.Hand(e)
		default:
			left = append(left, e)
		}
	}
	for k := 0; k < len(s.net.Queue); k++ {
		if e := s.net.Queue[k]; e.From == e.To {
			s.net.Queue = slices.Delete(s.net.Queue, k, k+1)
			k = -1
			s.net.Hand(e)
		}
	}
	s.net.Queue = append(left, s.net.Queue...)
	return ""
}

func (s *Script) drop(a *arguments) string {
	m, lost := s.match(a), map[string]int{}
	s.net.Queue = slices.DeleteFunc(s.net.Queue, func(e Envelope) bool {
		if m.takes(e) {
			lost[typeOf(e.Msg)]++
		}
		return m.takes(e)
	})
	return "lost: " + counts(lost)
}

func counts(m map[string]int) string {
	parts := []string{}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%s %d", k, m[k]))
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}

func (s *Script) block(a *arguments) string {
	s.blocks = append(s.blocks, s.match(a))
	return ""
}

func (s *Script) hold(a *arguments) string {
	s.holds = append(s.holds, s.match(a))
	return ""
}

func (s *Script) unblock(*arguments) string {
	s.blocks = nil
	return ""
}

func (s *Script) release(*arguments) string {
	s.holds = nil
	s.net.Queue = append(s.net.Queue, s.held...)
	s.held = nil
	return ""
}

func (s *Script) lose(*arguments) string {
	s.holds = nil
	lost := map[string]int{}
	for _, e := range s.held {
		lost[typeOf(e.Msg)]++
	}
	s.held = nil
	return "lost: " + counts(lost)
}

func (s *Script) partition(a *arguments) string {
	for side, arg := range a.args {
		a.used = append(a.used, arg.Key)
		b := arguments{args: []Arg{{"side", arg.Vals}}}
		for _, i := range b.nodes("side", len(s.net.Nodes)) {
			s.side[i] = side
		}
		a.err = b.err
	}
	return ""
}

func (s *Script) heal(*arguments) string {
	clear(s.side)
	return ""
}

func (s *Script) crash(a *arguments) string {
	i := a.node("node", len(s.net.Nodes))
	if torn := a.number("torn", -1); torn >= 0 {
		s.net.Crash(i, int(torn))
	} else {
		s.net.Crash(i)
	}
	return ""
}

func (s *Script) wipe(a *arguments) string {
	i := a.node("node", len(s.net.Nodes))
	s.net.Wipe(i)
	return ""
}

func (s *Script) rollBack(a *arguments) string {
	i := a.node("node", len(s.net.Nodes))
	s.net.RollBack(i, int(a.number("records", 0)))
	return ""
}

func (s *Script) restart(a *arguments) string {
	for _, i := range a.nodes("node", len(s.net.Nodes)) {
		s.net.Restart(i)
	}
	return ""
}

// stuck lets a node's syncs not return: records stay staged, and what waits for them waits.
func (s *Script) stuck(a *arguments) string {
	s.net.Nodes[a.node("node", len(s.net.Nodes))].NoSync = true
	return ""
}

func (s *Script) sync(a *arguments) string {
	i := a.node("node", len(s.net.Nodes))
	s.net.Nodes[i].NoSync = false
	s.net.Sync(i)
	return ""
}

func (s *Script) turn(*arguments) string {
	s.net.EndTurns()
	return ""
}

func (s *Script) tick(a *arguments) string {
	s.net.Tick(a.number("ms", 10))
	return ""
}

func (s *Script) clock(a *arguments) string {
	s.net.Skew[a.node("node", len(s.net.Nodes))] = a.number("offset", 0)
	return ""
}
