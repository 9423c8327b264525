package pbfttest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"byzd/crypto"
	"byzd/pbft"
	"byzd/pbft/message"
)

// Arg is one argument of a command: key=value, key=(value,value) or a bare key.
type Arg struct {
	Key  string
	Vals []string
}

// Script interprets the commands of a golden trace against a [Network] and says what happened. A
// command that makes no sense is answered with "error: …", which then stands in the trace.
//
//	network n=4 [k=8] [window=32] [in-flight=8] [rotate=0] [tau=1000] [traitors=(0)]
//	submit node=1 ops=(a,b) [to=(0,2)] [place=0] [client=alice session=65536 seq=0 ack=0]
//	reconfigure node=1 members=(0,1,2) [ready=(0,1)]   a change of the members, approved
//	run [for=ms]                    deliver until nothing is left [and let time pass]
//	deliver [MATCH] [count=n]       deliver what waits now, no answers to it
//	drop [MATCH]                    lose what waits now
//	block [MATCH] / hold [MATCH]    from now on: lose it, or put it aside
//	unblock / release               end that; release lets go what was put aside
//	partition (0,1) (2,3) / heal
//	lose                            end hold; what was put aside is lost
//	crash node=1 [torn=n] / restart node=1 / stuck node=1 / sync node=1
//	wipe node=1                     crash it, and lose its disk, as it will know
//	roll-back node=1 [records=0]    crash it, and put an older disk in the place of its own
//	turn / tick ms=100 / clock node=3 offset=-10000
//	forge pre-prepare|prepare|commit|view-change|new-view|status …   see the forge command
//	show status|log|proofs|drops|sessions|tau|queue [node=1]
//
// MATCH is any of type=(prepare,commit,…), from=(0,1), to=(2,3).
type Script struct {
	net    *Network
	blocks []match
	holds  []match
	side   map[int]int
	held   []Envelope
	names  map[crypto.Digest]string
	byName map[string]*message.Batch
	votes  map[string]map[int][]byte // signatures seen, by statement
	seen   map[[2]uint64]*message.ViewChange
	events []event
	// proposed is a batch that a primary has just made.
	proposed message.Ref
}

// event is something that happened at some nodes, in words.
type event struct {
	nodes []int
	text  string
}

// NewScript returns an interpreter without a network.
func NewScript() *Script { return &Script{} }

// Network returns the network that the script runs.
func (s *Script) Network() *Network { return s.net }

// Run executes one command and returns what there is to say about it.
func (s *Script) Run(cmd string, args []Arg) (out string) {
	s.events = nil
	a := arguments{args: args}
	if s.net == nil && cmd != "network" {
		return "error: there is no network yet"
	}
	run, known := map[string]func(*arguments) string{
		"network": s.start, "submit": s.submit, "run": s.run, "deliver": s.deliver,
		"drop": s.drop, "block": s.block, "hold": s.hold, "unblock": s.unblock,
		"release": s.release, "partition": s.partition, "heal": s.heal, "crash": s.crash,
		"restart": s.restart, "stuck": s.stuck, "sync": s.sync, "turn": s.turn, "tick": s.tick,
		"clock": s.clock, "forge": s.forge, "show": s.show, "wipe": s.wipe, "roll-back": s.rollBack,
		"lose": s.lose, "reconfigure": s.reconfigure,
	}[cmd]
	if !known {
		return "error: unknown command " + cmd
	}
	said := run(&a)
	if a.err == "" {
		a.err = a.unused()
	}
	if a.err != "" {
		return "error: " + a.err
	}
	for _, v := range s.net.Violations {
		s.note(-1, "VIOLATION: "+v)
	}
	s.net.Violations = nil
	lines := []string{}
	if said != "" {
		lines = append(lines, said)
	}
	for _, e := range s.events {
		lines = append(lines, e.String())
	}
	if len(lines) == 0 {
		return "ok"
	}
	return strings.Join(lines, "\n")
}

func (e event) String() string {
	if e.nodes[0] < 0 {
		return e.text
	}
	nodes := make([]string, len(e.nodes))
	for k, i := range e.nodes {
		nodes[k] = strconv.Itoa(i)
	}
	return strings.Join(nodes, " ") + ": " + e.text
}

// note adds an event; the same at several nodes is said once.
func (s *Script) note(i int, text string) {
	for k := range s.events {
		if s.events[k].text == text {
			if !slices.Contains(s.events[k].nodes, i) {
				s.events[k].nodes = append(s.events[k].nodes, i)
				slices.Sort(s.events[k].nodes)
			}
			return
		}
	}
	s.events = append(s.events, event{[]int{i}, text})
}

// watch puts effects into words.
func (s *Script) watch(i int, e pbft.Effect) {
	switch e := e.(type) {
	case pbft.Observed:
		s.observed(i, e)
	case pbft.Accuse:
		s.note(i, fmt.Sprintf("proves that %d lied: %v", e.Evidence.Culprit, e.Evidence.Kind))
	case pbft.Halt:
		s.note(i, "HALTS: "+e.Why)
	case pbft.Execute:
		s.executed(i, e)
	case pbft.Send:
		if p, is := e.Msg.(*message.PrePrepare); is {
			s.nameHeader(&p.Header, "")
			ref := message.Ref{Seq: p.Header.Seq, Digest: p.Header.Digest()}
			if ref == s.proposed {
				s.note(i, fmt.Sprintf("proposes %s in view %d", s.name(ref), p.View))
				s.proposed = message.Ref{}
			}
		}
	default:
	}
}

func (s *Script) observed(i int, e pbft.Observed) {
	at := fmt.Sprintf("%s in view %d", s.name(e.Batch), e.View)
	switch e.Event { //nolint:exhaustive // stories tell of agreement, not of states
	case pbft.EventProposed:
		s.proposed = e.Batch // said when it leaves, and has a name
	case pbft.EventAccepted:
		s.note(i, "accepts "+at)
	case pbft.EventPrepared:
		s.note(i, "has prepared "+at)
	case pbft.EventCommitted:
		s.note(i, "has committed "+at)
	case pbft.EventStable:
		s.note(i, fmt.Sprintf("has a stable checkpoint at %d", e.Batch.Seq))
	case pbft.EventComplained:
		s.note(i, fmt.Sprintf("complains of view %d: %s", e.View, e.Note))
	case pbft.EventViewChange:
		s.note(i, "sends VIEW-CHANGE "+e.Note+" with "+s.name(e.Batch))
	case pbft.EventNewView:
		s.note(i, fmt.Sprintf("enters view %d with base %s", e.View, s.name(e.Batch)))
	case pbft.EventOpen:
		s.note(i, fmt.Sprintf("view %d is open", e.View))
	case pbft.EventFrozen:
		s.note(i, fmt.Sprintf("PREPAREs no more in view %d", e.View))
	case pbft.EventFence:
		s.note(i, "forgot nothing, and speaks again")
	case pbft.EventForgot:
		s.note(i, "has forgotten what it said: "+e.Note)
	case pbft.EventRecovered:
		s.note(i, "votes again "+e.Note)
	case pbft.EventEpochEnd:
		s.note(i, "ends its epoch with "+s.name(e.Batch))
	case pbft.EventExecuted: // said with its operations
	}
}

func (s *Script) executed(i int, e pbft.Execute) {
	ops := []string{}
	for _, v := range e.Verdicts {
		item := &e.Batch.Bundles[v.Bundle].Items[v.Item]
		switch {
		case item.Reconfig != nil && e.Batch.Header.Kind == message.Reconfig:
			ops = append(ops, "the members change")
		case item.Reconfig != nil:
			ops = append(ops, "nothing changes yet")
		case item.Signed == nil:
			ops = append(ops, string(item.Op))
		case v.Outcome == pbft.Registered:
			ops = append(ops, fmt.Sprintf("session %d registered", v.Session))
		default:
			ops = append(ops, fmt.Sprintf("%s %s", item.Signed.Op, v.Outcome))
		}
	}
	s.learn(e.Batch)
	if len(ops) == 0 {
		ops = append(ops, "nothing new")
	}
	ref := message.Ref{Seq: e.Batch.Header.Seq, Digest: e.Batch.Header.Digest()}
	s.note(i, fmt.Sprintf("executes %s: %s", s.name(ref), strings.Join(ops, ", ")))
}

// heard remembers signatures that travel, for forgeries that quote them.
func (s *Script) heard(m message.Message) {
	switch m := m.(type) {
	case *message.Vote:
		s.keep(m)
	case *message.PrePrepare:
		s.keep(m.Vote(s.net.Config))
	case *message.ViewChange:
		s.seen[[2]uint64{uint64(m.Stmt.Voter), m.Stmt.NewView}] = m //nolint:gosec // small
	default:
	}
}

func (s *Script) keep(v *message.Vote) {
	key := fmt.Sprint(v.Kind, v.View, v.Seq, v.Digest)
	if s.votes[key] == nil {
		s.votes[key] = map[int][]byte{}
	}
	s.votes[key][v.Voter] = v.Sig
}

// learn names a batch after its operations.
func (s *Script) learn(b *message.Batch) { s.nameHeader(&b.Header, opsOf(b.Bundles)) }

func opsOf(bundles []*message.Bundle) string {
	ops := []string{}
	for _, b := range bundles {
		for k := range b.Items {
			switch item := &b.Items[k]; {
			case item.Reconfig != nil:
				ops = append(ops, fmt.Sprintf("to-%d", len(item.Reconfig.Change.Members)))
			case item.Signed != nil:
				ops = append(ops, string(item.Signed.Op))
			default:
				ops = append(ops, string(item.Op))
			}
		}
	}
	return strings.Join(ops, "+")
}

func (s *Script) nameHeader(h *message.Header, ops string) {
	d := h.Digest()
	if s.names[d] != "" {
		return
	}
	if ops == "" {
		ops = s.opsByRoot(h)
	}
	name := fmt.Sprintf("%d:%s", h.Seq, ops)
	for s.byName[name] != nil {
		name += "'"
	}
	s.names[d], s.byName[name] = name, &message.Batch{Header: *h}
}

// opsByRoot finds the operations of a batch among the bundles that were submitted.
func (s *Script) opsByRoot(h *message.Header) string {
	var all []*message.Bundle
	for _, node := range s.net.Nodes {
		all = append(all, node.bundles...)
	}
	var search func(k int, chosen []*message.Bundle) string
	search = func(k int, chosen []*message.Bundle) string {
		b := message.Batch{Bundles: chosen}
		if len(chosen) > 0 && message.BatchRoot(b.IDs()) == h.Root {
			return opsOf(chosen)
		}
		if len(chosen) == 4 {
			return ""
		}
		for _, next := range all {
			if !slices.Contains(chosen, next) {
				if ops := search(k+1, append(slices.Clone(chosen), next)); ops != "" {
					return ops
				}
			}
		}
		return ""
	}
	if len(all) > 12 {
		all = all[len(all)-12:]
	}
	if ops := search(0, nil); ops != "" {
		return ops
	}
	return h.Root.Short()
}

func (s *Script) name(ref message.Ref) string {
	if ref == s.net.Config.Base {
		return "the epoch's base"
	}
	if n := s.names[ref.Digest]; n != "" {
		return n
	}
	return fmt.Sprintf("%d:%s", ref.Seq, ref.Digest.Short())
}
