package scope

import (
	"fmt"
	"strings"

	"byzd/crypto"
	"byzd/pbft"
	"byzd/pbft/message"
	"byzd/pbft/pbfttest"
)

// The events that are no deliveries. Messages are numbered after them.
const (
	eventReturn    = iota // the oldest own statement that is durable comes back (rule R1)
	eventTurn             // the end of a turn: a primary proposes
	eventTimer            // so much time passes that every timer of a first view fires
	eventInstall          // the state that was asked for is in place
	eventSync             // what was staged is durable, and what waited for it leaves
	eventCrash            // a crash loses what is not durable; the replica starts again
	eventCrashKept        // the same, but all that was staged is found on the disk
	firstMessage
)

// clockStart is what every clock says when the search begins.
const clockStart = 1_000_000

// said is a message that was, or may be, sent. Messages that differ only in which quorum's
// signatures prove a certificate are one: nothing in the core looks at that.
type said struct {
	from, to int // to is [pbft.All] or one replica
	key      string
	msg      message.Message
	in       message.Verified // as others receive it
	own      message.Verified // as its author gets it back
	votes    []*message.Vote  // the PREPARE or COMMIT that it states
}

// world is everything that the states of a search share: who the replicas are, and all messages
// that were met so far.
type world struct {
	scope    *Scope
	cfg      *message.Config
	sealers  []message.Sealer
	liars    []int
	isLiar   []bool
	said     []*said // by number; nothing below firstMessage
	byKey    map[string]int
	reach    []set // of each replica, the messages that it may be given
	headers  map[crypto.Digest]message.Header
	bundles  []*message.Bundle
	bodies   map[crypto.Digest]message.Verified
	powers   map[set]set // of what correct replicas sent, all that can be delivered
	violated string      // what went wrong while a message was made
}

// noCache checks every bundle anew.
type noCache struct{}

func (noCache) Has(crypto.Digest) bool { return false }
func (noCache) Add(crypto.Digest)      {}

func newWorld(sc *Scope) *world {
	p := message.DefaultParams()
	p.MaxBatchRequests, p.InFlight = 1, sc.InFlight
	p.CheckpointEvery, p.Window = sc.CheckpointEvery, sc.Window
	cfg, signers := pbfttest.Config(4, crypto.SchemeEd25519, p)
	n := len(cfg.Members)
	w := &world{
		scope: sc, cfg: cfg, liars: sc.Traitors, isLiar: make([]bool, n),
		said: make([]*said, firstMessage), byKey: map[string]int{}, reach: make([]set, n),
		headers: map[crypto.Digest]message.Header{}, powers: map[set]set{},
		bodies: map[crypto.Digest]message.Verified{},
	}
	for i := range n {
		w.sealers = append(w.sealers, message.Sealer{Config: cfg, Self: i, Signer: signers[i]})
	}
	for _, i := range sc.Traitors {
		w.isLiar[i] = true
	}
	for k := range sc.Seqs {
		b := &message.Bundle{
			Session: 3, Seq: uint64(k),
			Items: []message.Item{{Op: fmt.Appendf(nil, "op%d", k)}},
		}
		w.sealers[3].SealBundle(b)
		w.bundles = append(w.bundles, b)
	}
	return w
}

// replicas returns the members as they are when the search begins: their fences are lifted, and
// each holds every bundle.
func (w *world) replicas() []*pbft.Replica {
	list := make([]*pbft.Replica, len(w.cfg.Members))
	var post []letter
	step := func(i int, in pbft.Input) {
		post = append(post, w.letters(i, list[i].Step(in))...)
	}
	for i := range list {
		list[i] = pbft.New(w.cfg, i, pbft.Restored{})
	}
	for i := range list {
		step(i, pbft.Tick{Now: clockStart})
	}
	for len(post) > 0 {
		l := post[0]
		post = post[1:]
		switch l.msg.Type() {
		case message.TypeFenceAsk, message.TypeFenceAnswer:
			step(l.to, pbft.Received{Msg: w.verify(l.from, l.msg)})
		default:
		}
	}
	for i := range list {
		for _, b := range w.bundles {
			step(i, pbft.Received{Msg: w.verify(b.Gateway, &message.Submission{Bundle: b})})
		}
		if w.scope.Certified && w.scope.Views > 1 {
			c := &message.Complain{
				Reason: message.ReasonSilent, Lifetime: 60_000, Voter: w.liars[0],
			}
			w.sealers[w.liars[0]].Seal(c)
			step(i, pbft.Received{Msg: w.verify(w.liars[0], c)})
		}
	}
	return list
}

// letter is a message on its way to one member.
type letter struct {
	from, to int
	msg      message.Message
}

// letters lists what a member sends, one letter for each receiver.
func (w *world) letters(from int, effects []pbft.Effect) []letter {
	var list []letter
	for _, e := range effects {
		s, is := e.(pbft.Send)
		if !is {
			continue
		}
		for to := range w.cfg.Members {
			if to != from && (s.To == pbft.All || s.To == to) {
				list = append(list, letter{from, to, s.Msg})
			}
		}
	}
	return list
}

// verify lets a message travel: it is encoded, decoded and verified. A message that its receivers
// would refuse is a bug of whoever made it.
func (w *world) verify(from int, m message.Message) message.Verified {
	v, err := w.travel(from, m)
	if err != nil {
		panic(fmt.Sprintf("scope: %v of %d: %v", m.Type(), from, err))
	}
	return v
}

func (w *world) travel(from int, m message.Message) (message.Verified, error) {
	epoch, back, err := message.Decode(message.Encode(w.cfg.Epoch, m))
	if err != nil {
		return message.Verified{}, err
	}
	return message.Verify(w.cfg, noCache{}, from, epoch, back)
}

// kept reports whether a message that a correct replica sends can do anything that the messages of
// the search do not do without it. What it leaves out:
//
//   - STATUS, HAVE and fetches only ask others to repeat what they said, or for bodies, which
//     everybody has. What would be repeated is in the set of messages already.
//   - Certificates sent to one who is behind (Proof): a traitor sends them, whenever they exist.
//   - Votes of others that are passed on, and NEW-VIEWs that are relayed: the author's own message
//     is in the set, for everybody.
//   - Proofs of lies: they end views, which timers do as well. Who holds one is checked.
func (*world) kept(from int, m message.Message) bool {
	switch m := m.(type) {
	case *message.PrePrepare, *message.Checkpoint, *message.ViewChange, *message.NewView,
		*message.Complain:
		return true
	case *message.Vote:
		return m.Voter == from || len(m.Sig) == 0
	}
	return false
}

// utter notes that a replica says something and returns the message's number, or -1 if it is not
// kept. The statements that a VIEW-CHANGE or a COMPLAIN carries are taken off: they are votes that
// are in the set of messages anyhow, and may be delivered right before.
func (w *world) utter(from, to int, m message.Message) int {
	if !w.kept(from, m) {
		return -1
	}
	switch t := m.(type) {
	case *message.ViewChange:
		bare := *t
		bare.Statements = nil
		m = &bare
	case *message.Complain:
		bare := *t
		bare.Statements = nil
		m = &bare
	}
	return w.enter(from, to, m)
}

// enter numbers a message and makes it ready for its receivers.
func (w *world) enter(from, to int, m message.Message) int {
	key := fmt.Sprintf("%s of %d%s", w.describe(m), from, only(to))
	if id, known := w.byKey[key]; known {
		return id
	}
	s := &said{from: from, to: to, key: key, own: w.sealers[from].Seal(m)}
	in, err := w.travel(from, s.own.Message())
	if err != nil {
		if !w.isLiar[from] {
			w.violated = fmt.Sprintf("replica %d sends what others refuse (%v): %s", from, err, key)
		}
		w.byKey[key] = -1
		return -1
	}
	s.in = in
	if v, is := m.(*message.NewView); is && w.scope.Certified {
		s.own = w.bare(from, v)
		s.in = s.own
	}
	s.msg = s.own.Message()
	s.votes = w.statements(s.msg)
	id := len(w.said)
	if id >= maxMessages {
		panic(fmt.Sprintf("scope: more than %d messages", maxMessages))
	}
	w.said = append(w.said, s)
	w.byKey[key] = id
	if p, is := s.msg.(*message.PrePrepare); is {
		w.headers[p.Header.Digest()] = p.Header
	}
	for i := range w.reach {
		if i != from && (to == pbft.All || to == i) && w.delivers(s.msg, i) {
			w.reach[i].add(id)
		}
	}
	return id
}

// delivers reports whether a message can be delivered to a replica in this scope.
func (w *world) delivers(m message.Message, to int) bool {
	if w.scope.Certified {
		switch m := m.(type) {
		case *message.Vote, *message.Complain:
			return false
		case *message.PrePrepare:
			if m.View > 0 && w.scope.Bases {
				return false
			}
		case *message.Checkpoint:
			return w.scope.Counted
		case *message.ViewChange:
			if w.cfg.Primary(m.Stmt.NewView) != to {
				return false
			}
		}
	}
	return w.viewOf(m) < w.scope.Views
}

// bare takes the VIEW-CHANGEs off a NEW-VIEW that was verified with them. What those who enter the
// view do follows from its base and its stable checkpoint; the rest serves accusations. So in
// scopes without accusations NEW-VIEWs that differ only in whose VIEW-CHANGEs they cite are one.
func (w *world) bare(from int, m *message.NewView) message.Verified {
	return w.sealers[from].Seal(&message.NewView{
		View: m.View, Base: m.Base, Stable: m.Stable, HoldsChain: m.HoldsChain,
	})
}

// statements lists the PREPAREs and COMMITs that a message of their author states.
func (w *world) statements(m message.Message) []*message.Vote {
	switch m := m.(type) {
	case *message.PrePrepare:
		return []*message.Vote{m.Vote(w.cfg)}
	case *message.Vote:
		return []*message.Vote{m}
	case *message.NewView:
		if v := m.Prepare(w.cfg); v != nil {
			return []*message.Vote{v}
		}
	}
	return nil
}

// viewOf is the view that a message belongs to: those of views beyond the scope are not delivered.
func (*world) viewOf(m message.Message) uint64 {
	switch m := m.(type) {
	case *message.PrePrepare:
		return m.View
	case *message.Vote:
		return m.View
	case *message.ViewChange:
		return m.Stmt.NewView
	case *message.NewView:
		return m.View
	case *message.Complain:
		return m.View
	}
	return 0
}

// describe names a message by what it states; certificates by what they certify.
func (w *world) describe(m message.Message) string {
	switch m := m.(type) {
	case *message.PrePrepare:
		return fmt.Sprintf("PRE-PREPARE view=%d seq=%d %s", m.View, m.Header.Seq,
			m.Header.Digest().Short())
	case *message.Vote:
		return fmt.Sprintf("%v view=%d seq=%d %s", m.Kind, m.View, m.Seq, m.Digest.Short())
	case *message.Checkpoint:
		return fmt.Sprintf("CHECKPOINT seq=%d %s root %s", m.Seq, m.Digest.Short(), m.Root.Short())
	case *message.ViewChange:
		t := &m.Stmt.Tuple
		return fmt.Sprintf("VIEW-CHANGE to %d high=(%d,%d) %s stable=%d %s", t.NewView, t.HighView,
			t.High.Seq, t.High.Digest.Short(), t.Stable.Seq, t.Root.Short())
	case *message.NewView:
		if w.scope.Certified {
			return fmt.Sprintf("NEW-VIEW %d base=(%d,%d) %s stable=%d prepares=%t", m.View,
				m.Base.View, m.Base.Seq, m.Base.Digest.Short(), m.Stable.Seq, m.HoldsChain)
		}
		return fmt.Sprintf("NEW-VIEW %d base=(%d,%d) %s by %v prepares=%t %s", m.View, m.Base.View,
			m.Base.Seq, m.Base.Digest.Short(), voters(m), m.HoldsChain,
			m.Statement(w.cfg).Short())
	case *message.Complain:
		return fmt.Sprintf("COMPLAIN view=%d %v", m.View, m.Reason)
	case *message.Proof:
		return "PROOF" + describeProof(m)
	case *message.Offer:
		return fmt.Sprintf("OFFER of the state after %d, log from %d", m.Snapshot.Seq, m.First)
	case *message.BatchReply:
		return "BATCH " + m.Batch.Header.Digest().Short()
	}
	return m.Type().String()
}

// only says to whom a message goes that does not go to all.
func only(to int) string {
	if to == pbft.All {
		return ""
	}
	return fmt.Sprintf(" to %d", to)
}

func voters(m *message.NewView) []int {
	list := make([]int, 0, len(m.Stmts))
	for i := range m.Stmts {
		list = append(list, m.Stmts[i].Voter)
	}
	return list
}

func describeProof(m *message.Proof) string {
	var text strings.Builder
	for _, c := range []*message.Certificate{m.Prepared, m.Commit} {
		if c != nil {
			_, _ = fmt.Fprintf(&text, " %v certificate view=%d seq=%d %s", c.Kind, c.View, c.Seq,
				c.Digest.Short())
		}
	}
	if c := m.Checkpoint; c != nil {
		_, _ = fmt.Fprintf(&text, " CHECKPOINT certificate seq=%d %s", c.Seq, c.Digest.Short())
	}
	return text.String()
}

// rootOf is the root of the state after a batch: it follows from the batch, which names its chain.
func rootOf(d crypto.Digest) crypto.Digest { return crypto.Hash("scope/root", d[:]) }
