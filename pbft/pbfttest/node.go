package pbfttest

import (
	"fmt"

	"byzd/crypto"
	"byzd/pbft"
	"byzd/pbft/message"
)

// Node is one replica with the little that stands in for its daemon.
type Node struct {
	Replica  *pbft.Replica
	Sealer   message.Sealer
	Records  []*message.Record // durable, as a journal would give them back
	Staged   []*message.Record // not yet; a crash forgets them
	Log      []*message.Batch  // executed, in order
	Applied  []string          // what was executed, in words
	Drops    map[pbft.Drop]int
	Proofs   []*message.Evidence
	Observed []pbft.Observed
	Halted   string
	Ended    *message.CheckpointCertificate // of the last batch of the epoch; nil while it lasts
	Down     bool
	Lives    uint64 // how often it was started
	NoSync   bool   // syncs do not return: staged records and what waits for them stay

	done    map[message.RequestKey]bool // executed places, for exactly-once
	waiting []pbft.Effect               // sends behind the sync
	nextSeq uint64
	bundles []*message.Bundle // own, as submitted

	NoFetch bool                          // states that it wants do not come
	Gone    uint64                        // batches up to here are not in its log any more
	states  map[crypto.Digest]*savedState // by root, of the checkpoints it made
	rows    map[uint64][]byte             // the client table, as the effects told it
	disk    *savedState                   // what it starts from; nil for the base
	fetch   *pbft.Transfer                // what it fetches, or nil
}

// stage keeps a record in the form that a journal would give it back in.
func (node *Node) stage(rec *message.Record) {
	back, err := message.DecodeRecord(rec.Type, message.RecordVersion, rec.Encode())
	if err != nil {
		panic(fmt.Sprintf("pbfttest: record %d does not survive its encoding: %v", rec.Type, err))
	}
	node.Staged = append(node.Staged, back)
}

// Crash takes a node down. Of what was staged and not synced only the first so many records are
// found on its disk later.
func (net *Network) Crash(i int, torn ...int) {
	node := net.Nodes[i]
	for _, n := range torn {
		node.Records = append(node.Records, node.Staged[:min(n, len(node.Staged))]...)
	}
	node.Down, node.NoSync = true, false
	node.Staged, node.waiting = nil, nil
}

// Wipe takes a node down and loses its disk. It will know that there was one: a node that never
// spoke has a mark that says so.
func (net *Network) Wipe(i int) {
	net.Crash(i)
	node := net.Nodes[i]
	node.Records = []*message.Record{
		{Type: message.RecordAmnesia, Epoch: net.Config.Epoch, Amnesia: &message.Amnesia{}},
	}
	node.disk, node.Gone, node.states = nil, 0, map[crypto.Digest]*savedState{}
}

// Forgot reports whether a node's disk says that it has forgotten what it said.
func (node *Node) Forgot() bool {
	forgot := false
	for _, rec := range node.Records {
		if rec.Type == message.RecordAmnesia {
			forgot = !rec.Amnesia.End
		}
	}
	return forgot
}

// RollBack takes a node down and puts its disk back to what it was when it held so many records.
func (net *Network) RollBack(i, records int) {
	net.Crash(i)
	node := net.Nodes[i]
	node.Records = node.Records[:min(records, len(node.Records))]
}

// Restart brings a node back from its durable records.
func (net *Network) Restart(i int) {
	node := net.Nodes[i]
	st := net.Rebuild(i)
	node.Lives++
	st.Salt = node.Lives << 32
	node.Replica = pbft.New(net.Config, i, st)
	node.Down, node.Halted, node.fetch, node.Ended = false, "", nil, nil
	net.Step(i, pbft.Tick{Now: net.Now + net.Skew[i]})
}

// Rebuild folds a node's records and executes again what they prove to be decided.
func (net *Network) Rebuild(i int) pbft.Restored {
	node := net.Nodes[i]
	var fold pbft.Fold
	bodies := map[crypto.Digest]*message.Batch{}
	tops := []message.Ref{}
	for _, rec := range node.Records {
		fold.Add(rec)
		switch rec.Type {
		case message.RecordBatch:
			bodies[rec.Batch.Header.Digest()] = rec.Batch
			fold.Batches = append(fold.Batches, rec.Batch)
		case message.RecordCommitted:
			tops = append(tops, rec.Cert.Ref())
		case message.RecordStable:
			tops = append(tops, rec.Stable.Ref())
		default:
		}
	}
	st := fold.Result()
	st.Clients, st.Executed = pbft.NewClientTable(net.Config), net.Config.Base
	st.History = map[uint64]crypto.Digest{}
	node.Log, node.Applied, node.done = nil, nil, map[message.RequestKey]bool{}
	node.rows = map[uint64][]byte{}
	if node.disk != nil {
		st.Clients = net.load(i, node.disk)
		st.Executed, st.Time = node.disk.cert.Ref(), node.disk.time
		st.Kind = node.disk.kind
	}
	st.Said, st.Checkpoints = st.Checkpoints, nil
	for _, b := range net.longest(st.Executed, bodies, tops) {
		st.Executed = message.Ref{Seq: b.Header.Seq, Digest: b.Header.Digest()}
		st.Time = b.Header.TimeMS
		st.History[b.Header.Seq] = st.Executed.Digest
		net.apply(i, b, st.Clients.Plan(b))
		st.Kind = b.Header.Kind
		if b.Header.Seq%net.Config.Params.CheckpointEvery == 0 || st.Kind == message.Reconfig {
			node.save(st.Executed, st.Time, st.Clients.Changed())
			st.Checkpoints = append(st.Checkpoints, &message.Checkpoint{
				Seq: b.Header.Seq, Digest: st.Executed.Digest, Root: node.root(), Voter: i,
			})
		}
	}
	return st
}

// longest returns the longest chain from a base to a certified batch whose bodies are all there.
func (*Network) longest(
	base message.Ref, bodies map[crypto.Digest]*message.Batch, tops []message.Ref,
) (best []*message.Batch) {
	for _, top := range tops {
		var chain []*message.Batch
		at := top
		for at != base && bodies[at.Digest] != nil {
			b := bodies[at.Digest]
			chain = append([]*message.Batch{b}, chain...)
			at = message.Ref{Seq: at.Seq - 1, Digest: b.Header.Parent}
		}
		if at == base && len(chain) > len(best) {
			best = chain
		}
	}
	return best
}

func (net *Network) execute(i int, e pbft.Execute) {
	node := net.Nodes[i]
	net.apply(i, e.Batch, e.Verdicts)
	if e.Checkpoint {
		ref := message.Ref{Seq: e.Batch.Header.Seq, Digest: e.Batch.Header.Digest()}
		node.save(ref, e.Batch.Header.TimeMS, e.Rows)
		net.do(i, node.Replica.Step(pbft.Executed{Batch: ref, Root: node.root()}))
	}
}

func (net *Network) apply(i int, b *message.Batch, verdicts []pbft.Verdict) {
	node := net.Nodes[i]
	net.blame(i, net.ledger.executed(i, b))
	if last := uint64(len(node.Log)); b.Header.Seq != last+1 {
		net.blame(i, fmt.Sprintf("replica %d executes batch %d after %d", i, b.Header.Seq, last))
	}
	node.Log = append(node.Log, b)
	for _, v := range verdicts {
		bundle := b.Bundles[v.Bundle]
		if v.Item == 0 {
			if node.done[bundle.Key()] {
				net.blame(i, fmt.Sprintf("replica %d executed bundle %v twice", i, bundle.Key()))
			}
			node.done[bundle.Key()] = true
		}
		item := bundle.Items[v.Item]
		op := string(item.Op)
		if item.Reconfig != nil {
			op = fmt.Sprintf("reconfiguration in a batch of kind %d", b.Header.Kind)
		}
		if item.Signed != nil {
			op = fmt.Sprintf("%s:%s", v.Outcome, item.Signed.Op)
		}
		node.Applied = append(node.Applied, op)
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
	if e.After < node.Gone {
		net.send(i, pbft.Send{To: e.To, Msg: &message.Offer{
			First: node.Gone + 1, Snapshot: node.disk.cert,
		}})
		return
	}
	proof, top := message.Proof{}, e.After
	for _, rec := range node.Records {
		var ref message.Ref
		switch rec.Type {
		case message.RecordCommitted:
			ref = rec.Cert.Ref()
		case message.RecordStable:
			ref = rec.Stable.Ref()
		default:
			continue
		}
		if most := e.After + message.MaxDecided; ref.Seq <= top || ref.Seq > most ||
			ref.Seq > uint64(len(node.Log)) {
			continue
		}
		top, proof = ref.Seq, message.Proof{Commit: rec.Cert, Checkpoint: rec.Stable}
	}
	if top == e.After {
		return
	}
	m := &message.Decided{Proof: proof}
	for _, b := range node.Log[e.After:top] {
		m.Headers = append(m.Headers, b.Header)
		if len(m.Bodies) < 64 {
			m.Bodies = append(m.Bodies, b)
		}
	}
	net.send(i, pbft.Send{To: e.To, Msg: m})
}

// Submit lets a node's gateway order operations as one bundle; it is sent to all others.
func (net *Network) Submit(i int, ops ...string) *message.Bundle {
	b := net.Bundle(i, ops...)
	net.Broadcast(b)
	return b
}

// Broadcast sends a bundle to all, as its gateway does, and does again while it waits.
func (net *Network) Broadcast(b *message.Bundle) {
	v := net.Nodes[b.Gateway].Sealer.Seal(&message.Submission{Bundle: b})
	net.Step(b.Gateway, pbft.Received{Msg: v})
	for to := range net.Nodes {
		if to != b.Gateway {
			net.Inject(Envelope{From: b.Gateway, To: to, Msg: v.Message()})
		}
	}
}

// Rebroadcast repeats a node's own bundles that it has not executed (rule R9f).
func (net *Network) Rebroadcast(i int) {
	node := net.Nodes[i]
	for _, b := range node.bundles {
		if !node.Down && !node.done[b.Key()] {
			net.Broadcast(b)
		}
	}
}

// Waiting counts a node's own bundles that another node has not executed.
func (net *Network) Waiting(own, at int) int {
	count := 0
	for _, b := range net.Nodes[own].bundles {
		if !net.Nodes[at].done[b.Key()] {
			count++
		}
	}
	return count
}

// Bundle makes and seals the next bundle of a node's gateway.
func (net *Network) Bundle(i int, ops ...string) *message.Bundle {
	items := make([]message.Item, 0, len(ops))
	for _, op := range ops {
		items = append(items, message.Item{Op: []byte(op)})
	}
	return net.bundle(i, items)
}

func (net *Network) bundle(i int, items []message.Item) *message.Bundle {
	node := net.Nodes[i]
	b := &message.Bundle{Session: net.Config.Members[i].Session, Seq: node.nextSeq, Items: items}
	if node.nextSeq > 500 {
		b.Ack = node.nextSeq - 500
	}
	node.nextSeq++
	node.Sealer.SealBundle(b)
	node.bundles = append(node.bundles, b)
	return b
}
