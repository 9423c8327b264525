package pbfttest

import (
	"fmt"

	"byzd/crypto"
	"byzd/pbft"
	"byzd/pbft/message"
)

// Envelope is a message on its way.
type Envelope struct {
	From, To int
	Msg      message.Message

	own message.Verified // a statement on its way back to its author
}

// Network is n replicas and what is between them.
type Network struct {
	Config *message.Config
	Nodes  []*Node
	Queue  []Envelope
	Now    int64

	// Pass decides on each message when it is sent; nil lets all pass.
	Pass func(e Envelope) bool
	// Twist, if not nil, returns what a traitor sends instead of a message of its replica's.
	Twist func(e Envelope) []message.Message
	// Traitors are not held to account.
	Traitors map[int]bool
	// Watch, if not nil, sees every effect of every replica.
	Watch func(i int, e pbft.Effect)
	// Skew is what is wrong with each node's clock, in milliseconds.
	Skew map[int]int64
	// Violations says what honest replicas did that no honest replica may do.
	Violations []string

	ledger ledger
}

// blame notes a violation, unless the replica is a traitor; "" is none.
func (net *Network) blame(i int, what string) {
	if what != "" && !net.Traitors[i] {
		net.Violations = append(net.Violations, what)
	}
}

// noCache checks every bundle anew.
type noCache struct{}

func (noCache) Has(crypto.Digest) bool { return false }
func (noCache) Add(crypto.Digest)      {}

// Config returns a configuration of n members of a scheme, with keys that follow from their
// numbers, and the members' signers.
func Config(n int, scheme string, params message.Params) (*message.Config, []crypto.Signer) {
	s, err := crypto.SchemeByName(scheme)
	if err != nil {
		panic(err)
	}
	members := make([]message.Member, n)
	signers := make([]crypto.Signer, n)
	for i := range n {
		seed := crypto.DeriveSeed([32]byte{byte(i)}, "pbfttest")
		signer, err := s.NewSigner(seed)
		if err != nil {
			panic(err)
		}
		signers[i] = signer
		members[i] = message.Member{
			Name: fmt.Sprintf("r%d", i), Node: crypto.NewNetworkKey(seed).ID(),
			Key: signer.Public(),
		}
	}
	cfg, err := message.NewConfig(crypto.Hash("pbfttest", []byte(scheme)), s, members, params)
	if err != nil {
		panic(err)
	}
	cfg.Admins, _ = Administrators(s)
	return cfg, signers
}

// New returns a network of n fresh replicas that have lifted their fences.
func New(n int, params message.Params) *Network {
	return NewWithScheme(n, "ed25519", params)
}

// NewWithScheme is New with another signature scheme.
func NewWithScheme(n int, scheme string, params message.Params) *Network {
	cfg, signers := Config(n, scheme, params)
	cfg.Scheme = Memo(cfg.Scheme)
	net := &Network{
		Config: cfg, Now: 1_000_000, Traitors: map[int]bool{}, Skew: map[int]int64{},
		ledger: newLedger(),
	}
	for i := range n {
		net.Nodes = append(net.Nodes, &Node{
			Replica: pbft.New(cfg, i, pbft.Restored{}),
			Sealer:  message.Sealer{Config: cfg, Self: i, Signer: signers[i]},
			Drops:   make(map[pbft.Drop]int), done: map[message.RequestKey]bool{},
			states: map[crypto.Digest]*savedState{}, rows: map[uint64][]byte{},
		})
	}
	net.Tick(1)
	net.Run()
	return net
}

// smallParams are parameters for small networks: checkpoints every 8 batches, a window of 32.
func smallParams() message.Params {
	p := message.DefaultParams()
	p.CheckpointEvery, p.Window = 8, 32
	return p
}

// Step gives one node an input and does what it asks for.
func (net *Network) Step(i int, in pbft.Input) {
	node := net.Nodes[i]
	if node.Down {
		return
	}
	net.do(i, node.Replica.Step(in))
}

func (net *Network) do(i int, effects []pbft.Effect) {
	node := net.Nodes[i]
	for _, e := range effects {
		if net.Watch != nil {
			net.Watch(i, e)
		}
		switch e := e.(type) {
		case pbft.Persist:
			node.stage(e.Record)
		case pbft.Send, pbft.Serve:
			node.waiting = append(node.waiting, e)
		case pbft.Execute:
			net.execute(i, e)
		case pbft.EpochEnd:
			net.end(i, e)
		case pbft.Transfer:
			node.fetch = &e
		case pbft.Dropped:
			node.Drops[e.Why]++
		case pbft.Accuse:
			node.Proofs = append(node.Proofs, e.Evidence)
			if !net.Traitors[e.Evidence.Culprit] && e.Evidence.Kind.Convicts() {
				net.blame(i, fmt.Sprintf("replica %d accuses replica %d of %v",
					i, e.Evidence.Culprit, e.Evidence.Kind))
			}
		case pbft.Observed:
			node.Observed = append(node.Observed, e)
		case pbft.Halt:
			node.Halted = e.Why
		}
	}
	if !node.NoSync {
		net.Sync(i)
	}
}

// Sync makes a node's records durable and lets go what waited for them, its own statements to
// itself included (rule R1).
func (net *Network) Sync(i int) {
	node := net.Nodes[i]
	node.Records = append(node.Records, node.Staged...)
	node.Staged = nil
	waiting := node.waiting
	node.waiting = nil
	for _, e := range waiting {
		switch e := e.(type) {
		case pbft.Send:
			net.send(i, e)
		case pbft.Serve:
			net.serve(i, e)
		}
	}
}

func (net *Network) send(i int, e pbft.Send) {
	sealed := net.Nodes[i].Sealer.Seal(e.Msg)
	net.blame(i, net.ledger.signed(net.Config, i, e.Msg))
	if e.To != pbft.All {
		net.Inject(Envelope{From: i, To: e.To, Msg: e.Msg})
		return
	}
	if returns(e.Msg) {
		net.Queue = append(net.Queue, Envelope{From: i, To: i, Msg: e.Msg, own: sealed})
	}
	for to := range net.Nodes {
		if to != i {
			net.Inject(Envelope{From: i, To: to, Msg: e.Msg})
		}
	}
}

// returns reports whether a message is a statement that its author counts too.
func returns(m message.Message) bool {
	switch m.(type) {
	case *message.PrePrepare, *message.Vote, *message.Checkpoint, *message.ViewChange,
		*message.NewView, *message.Complain:
		return true
	}
	return false
}

// Inject queues a message, if it may pass. It travels encoded and is verified on arrival.
func (net *Network) Inject(e Envelope) {
	if net.Traitors[e.From] && net.Twist != nil {
		for _, m := range net.Twist(e) {
			net.push(Envelope{From: e.From, To: e.To, Msg: m})
		}
		return
	}
	net.push(e)
}

func (net *Network) push(e Envelope) {
	if net.Pass == nil || net.Pass(e) {
		net.Queue = append(net.Queue, e)
	}
}

// Run delivers until the queue is empty, ending a turn of every node whenever it is.
func (net *Network) Run() {
	for round := 0; ; round++ {
		for len(net.Queue) > 0 {
			net.Deliver()
		}
		net.EndTurns()
		if len(net.Queue) == 0 {
			return
		}
		if round > 100_000 {
			panic("pbfttest: the network does not come to rest")
		}
	}
}

// EndTurns tells every node that nothing more has arrived for now.
func (net *Network) EndTurns() {
	for i := range net.Nodes {
		net.Step(i, pbft.TurnEnd{})
	}
}

// Deliver hands the first message of the queue to its receiver.
func (net *Network) Deliver() {
	e := net.Queue[0]
	net.Queue = net.Queue[1:]
	net.Hand(e)
}

// Hand gives a message to its receiver.
func (net *Network) Hand(e Envelope) {
	if net.Nodes[e.To].Down {
		return
	}
	if e.From == e.To {
		net.Step(e.To, pbft.Received{Msg: e.own})
		return
	}
	frame := message.Encode(net.Config.Epoch, e.Msg)
	epoch, m, err := message.Decode(frame)
	if err != nil {
		panic(fmt.Sprintf("pbfttest: %v does not survive its encoding: %v", e.Msg.Type(), err))
	}
	v, err := message.Verify(net.Config, noCache{}, e.From, epoch, m)
	if err != nil {
		net.Nodes[e.To].Drops[pbft.Drop(err.Error())]++
		return
	}
	net.Step(e.To, pbft.Received{Msg: v})
}

// Tick moves the time on by so many milliseconds and tells everybody.
func (net *Network) Tick(ms int64) {
	net.Now += ms
	for i := range net.Nodes {
		net.transfer(i)
		net.Step(i, pbft.Tick{Now: net.Now + net.Skew[i]})
	}
}

// RunFor alternates delivery and time, in steps of ten milliseconds.
func (net *Network) RunFor(ms int64) {
	for end := net.Now + ms; net.Now < end; {
		net.Run()
		net.Tick(10)
	}
	net.Run()
}

// RunUntil is RunFor until a condition holds; it reports whether it ever did.
func (net *Network) RunUntil(limit int64, done func() bool) bool {
	for end := net.Now + limit; net.Now < end; {
		if done() {
			return true
		}
		net.Run()
		net.Tick(10)
	}
	return done()
}
