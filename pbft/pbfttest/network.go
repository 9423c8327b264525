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
	Msg      message.Verified
}

// Node is one replica with the little that stands in for its daemon.
type Node struct {
	Replica  *pbft.Replica
	Sealer   message.Sealer
	Records  []*message.Record // durable
	Staged   []*message.Record // not yet; a crash forgets them
	Log      []*message.Batch  // executed, in order
	Applied  []string          // what was executed, in words
	Drops    map[pbft.Drop]int
	Proofs   []*message.Evidence
	Observed []pbft.Observed
	Halted   string
	Down     bool
	NoSync   bool // syncs do not return: staged records and what waits for them stay

	waiting []pbft.Effect // sends behind the sync
	nextSeq uint64
}

// Network is n replicas and what is between them.
type Network struct {
	Config *message.Config
	Nodes  []*Node
	Queue  []Envelope
	Now    int64

	// Pass decides on each message when it is sent; nil lets all pass.
	Pass func(e Envelope) bool
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
			Name: fmt.Sprintf("r%d", i), Node: crypto.NewNetworkKey(seed).ID(), Key: signer.Public(),
		}
	}
	cfg, err := message.NewConfig(crypto.Hash("pbfttest", []byte(scheme)), s, members, params)
	if err != nil {
		panic(err)
	}
	return cfg, signers
}

// New returns a network of n fresh replicas that have lifted their fences.
func New(n int, params message.Params) *Network {
	return NewWithScheme(n, "ed25519", params)
}

// NewWithScheme is New with another signature scheme.
func NewWithScheme(n int, scheme string, params message.Params) *Network {
	cfg, signers := Config(n, scheme, params)
	net := &Network{Config: cfg, Now: 1_000_000}
	for i := range n {
		net.Nodes = append(net.Nodes, &Node{
			Replica: pbft.New(cfg, i, pbft.Restored{}),
			Sealer:  message.Sealer{Config: cfg, Self: i, Signer: signers[i]},
			Drops:   map[pbft.Drop]int{},
		})
	}
	net.Tick(1)
	net.Run()
	return net
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
		switch e := e.(type) {
		case pbft.Persist:
			node.Staged = append(node.Staged, e.Record)
		case pbft.Send, pbft.Serve:
			node.waiting = append(node.waiting, e)
		case pbft.Execute:
			net.execute(i, e)
		case pbft.Dropped:
			node.Drops[e.Why]++
		case pbft.Accuse:
			node.Proofs = append(node.Proofs, e.Evidence)
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
	if e.To != pbft.All {
		net.Inject(Envelope{From: i, To: e.To, Msg: sealed})
		return
	}
	if returns(e.Msg) {
		net.Queue = append(net.Queue, Envelope{From: i, To: i, Msg: sealed})
	}
	for to := range net.Nodes {
		if to != i {
			net.Inject(Envelope{From: i, To: to, Msg: sealed})
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
	if net.Pass != nil && !net.Pass(e) {
		return
	}
	net.Queue = append(net.Queue, e)
}

// Run delivers until the queue is empty, ending a turn of every node whenever it is.
func (net *Network) Run() {
	for round := 0; ; round++ {
		for len(net.Queue) > 0 {
			net.Deliver()
		}
		for i := range net.Nodes {
			net.Step(i, pbft.TurnEnd{})
		}
		if len(net.Queue) == 0 {
			return
		}
		if round > 100_000 {
			panic("pbfttest: the network does not come to rest")
		}
	}
}

// Deliver hands the first message of the queue to its receiver.
func (net *Network) Deliver() {
	e := net.Queue[0]
	net.Queue = net.Queue[1:]
	if net.Nodes[e.To].Down {
		return
	}
	if e.From == e.To {
		net.Step(e.To, pbft.Received{Msg: e.Msg})
		return
	}
	frame := message.Encode(net.Config.Epoch, e.Msg.Message())
	epoch, m, err := message.Decode(frame)
	if err != nil {
		panic(fmt.Sprintf("pbfttest: %v does not survive its encoding: %v", e.Msg.Message().Type(), err))
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
		net.Step(i, pbft.Tick{Now: net.Now})
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

// Submit lets a node's gateway order operations as one bundle; it is sent to all others.
func (net *Network) Submit(i int, ops ...string) *message.Bundle {
	b := net.Bundle(i, ops...)
	v := net.Nodes[i].Sealer.Seal(&message.Submission{Bundle: b})
	net.Step(i, pbft.Received{Msg: v})
	for to := range net.Nodes {
		if to != i {
			net.Inject(Envelope{From: i, To: to, Msg: v})
		}
	}
	return b
}

// Bundle makes and seals the next bundle of a node's gateway.
func (net *Network) Bundle(i int, ops ...string) *message.Bundle {
	node := net.Nodes[i]
	b := &message.Bundle{Session: uint64(i), Seq: node.nextSeq, Ack: 0} //nolint:gosec // small
	if node.nextSeq > 500 {
		b.Ack = node.nextSeq - 500
	}
	node.nextSeq++
	for _, op := range ops {
		b.Items = append(b.Items, message.Item{Op: []byte(op)})
	}
	node.Sealer.SealBundle(b)
	return b
}

func (net *Network) execute(i int, e pbft.Execute) {
	node := net.Nodes[i]
	node.Log = append(node.Log, e.Batch)
	for _, v := range e.Verdicts {
		item := e.Batch.Bundles[v.Bundle].Items[v.Item]
		op := string(item.Op)
		if item.Signed != nil {
			op = fmt.Sprintf("%s:%s", v.Outcome, item.Signed.Op)
		}
		node.Applied = append(node.Applied, op)
	}
	if e.Checkpoint {
		ref := message.Ref{Seq: e.Batch.Header.Seq, Digest: e.Batch.Header.Digest()}
		net.do(i, node.Replica.Step(pbft.Executed{Batch: ref, Root: node.root()}))
	}
}

func (node *Node) root() crypto.Digest {
	d := crypto.Digest{}
	for _, op := range node.Applied {
		d = crypto.Hash("pbfttest/root", d[:], []byte(op))
	}
	return d
}

// serve answers a request for decided batches from the log and the recorded certificates.
func (net *Network) serve(i int, e pbft.Serve) {
	node := net.Nodes[i]
	var proof *message.Record
	for _, rec := range node.Records {
		if rec.Type != message.RecordCommitted || rec.Cert.Seq <= e.After ||
			rec.Cert.Seq > uint64(len(node.Log)) || rec.Cert.Seq > e.After+message.MaxDecided {
			continue
		}
		proof = rec
	}
	if proof == nil {
		return
	}
	m := &message.Decided{Proof: message.Proof{Commit: proof.Cert}}
	for _, b := range node.Log[e.After:proof.Cert.Seq] {
		m.Headers = append(m.Headers, b.Header)
		if len(m.Bodies) < 64 {
			m.Bodies = append(m.Bodies, b)
		}
	}
	net.send(i, pbft.Send{To: e.To, Msg: m})
}

// Crash takes a node down. What was staged and not synced is lost.
func (net *Network) Crash(i int) {
	node := net.Nodes[i]
	node.Down, node.NoSync = true, false
	node.Staged, node.waiting = nil, nil
}

// Restart brings a node back from its durable records.
func (net *Network) Restart(i int) {
	node := net.Nodes[i]
	st := net.Rebuild(i)
	node.Replica = pbft.New(net.Config, i, st)
	node.Down, node.Halted = false, ""
	net.Step(i, pbft.Tick{Now: net.Now})
}

// Rebuild folds a node's records and executes again what was committed.
func (net *Network) Rebuild(i int) pbft.Restored {
	node := net.Nodes[i]
	var fold pbft.Fold
	byDigest := map[crypto.Digest]*message.Batch{}
	for _, rec := range node.Records {
		fold.Add(rec)
		if rec.Type == message.RecordBatch {
			byDigest[rec.Batch.Header.Digest()] = rec.Batch
			fold.Batches = append(fold.Batches, rec.Batch)
		}
	}
	st := fold.Result()
	st.Clients, st.Executed = pbft.NewClientTable(net.Config), net.Config.Base
	node.Log, node.Applied = nil, nil
	if st.Committed == nil {
		return st
	}
	var chain []*message.Batch
	for at := st.Committed.Ref(); at != net.Config.Base; {
		b := byDigest[at.Digest]
		if b == nil {
			panic(fmt.Sprintf("pbfttest: node %d committed batch %d without its body", i, at.Seq))
		}
		chain = append(chain, b)
		at = message.Ref{Seq: at.Seq - 1, Digest: b.Header.Parent}
	}
	for k := len(chain) - 1; k >= 0; k-- {
		b := chain[k]
		st.Executed = message.Ref{Seq: b.Header.Seq, Digest: b.Header.Digest()}
		st.Time = b.Header.TimeMS
		node.Log = append(node.Log, b)
		for _, v := range st.Clients.Plan(b) {
			node.Applied = append(node.Applied, string(b.Bundles[v.Bundle].Items[v.Item].Op))
		}
	}
	return st
}
