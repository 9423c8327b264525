package pbfttest

import (
	"fmt"
	"maps"
	"slices"

	"byzd/pbft"
	"byzd/pbft/message"
)

// savedState is what stands in for a snapshot: the state after a checkpoint.
type savedState struct {
	cert    *message.CheckpointCertificate // nil until it is stable
	ref     message.Ref
	time    int64
	kind    message.BatchKind
	rows    map[uint64][]byte
	log     []*message.Batch
	applied []string
	done    map[message.RequestKey]bool
}

// save keeps the state after a checkpoint.
func (node *Node) save(ref message.Ref, time int64, changed []pbft.Row) {
	for _, row := range changed {
		if row.Data == nil {
			delete(node.rows, row.Session)
		} else {
			node.rows[row.Session] = row.Data
		}
	}
	node.states[node.root()] = &savedState{
		ref: ref, time: time, kind: node.Log[len(node.Log)-1].Header.Kind,
		rows: maps.Clone(node.rows), log: slices.Clone(node.Log),
		applied: slices.Clone(node.Applied), done: maps.Clone(node.done),
	}
}

// load puts a saved state in place and returns its client table.
func (net *Network) load(i int, s *savedState) *pbft.ClientTable {
	node := net.Nodes[i]
	node.Log, node.Applied = slices.Clone(s.log), slices.Clone(s.applied)
	node.done, node.rows = maps.Clone(s.done), maps.Clone(s.rows)
	clients, err := pbft.RestoreClients(net.Config, func(yield func(pbft.Row) bool) {
		for _, id := range slices.Sorted(maps.Keys(s.rows)) {
			if !yield(pbft.Row{Session: id, Data: s.rows[id]}) {
				return
			}
		}
	})
	if err != nil {
		panic(fmt.Sprintf("pbfttest: a saved client table does not load: %v", err))
	}
	return clients
}

// Cut makes a node start from its last stable state from now on, and forget the batches up to
// there; what must stay of its records is written anew (rule R14). It reports whether there was
// anything to cut off.
func (net *Network) Cut(i int) bool {
	node := net.Nodes[i]
	cert := node.Replica.Stable()
	s := node.states[cert.Root]
	if node.Down || s == nil || cert.Seq <= node.Gone || len(node.Staged) > 0 {
		return false
	}
	s.cert = cert
	node.disk, node.Gone = s, cert.Seq
	var fold pbft.Fold
	var bodies, tops []*message.Record
	for _, rec := range node.Records {
		switch {
		case rec.Type == message.RecordBatch:
			if rec.Batch.Header.Seq > node.Gone {
				bodies = append(bodies, rec)
			}
			continue
		case rec.Type == message.RecordCommitted && rec.Cert.Seq > node.Gone:
			tops = append(tops, rec)
		}
		fold.Add(rec)
	}
	node.Records = slices.Concat(fold.Records(), tops, bodies)
	for root, old := range node.states { // any order: each is judged alone
		if old.ref.Seq < node.Gone {
			delete(node.states, root)
		}
	}
	return true
}

// Stray damages a node's state behind its back: from now on its roots are wrong.
func (net *Network) Stray(i int) {
	net.Nodes[i].Applied = append(net.Nodes[i].Applied, "stray")
}

// transfer gives a node that fetches a state that state, if somebody who is up still has it.
func (net *Network) transfer(i int) {
	node := net.Nodes[i]
	if node.Down || node.NoSync || node.NoFetch || node.fetch == nil {
		return
	}
	want := node.fetch
	if executed := node.Replica.State().Executed; !want.Repair && executed >= want.Target.Seq {
		node.fetch = nil
		return
	}
	for k, other := range net.Nodes {
		s := other.states[want.Target.Root]
		if k == i || other.Down || s == nil {
			continue
		}
		own := *s
		own.cert = want.Target
		node.fetch, node.disk = nil, &own
		node.Gone = max(node.Gone, own.ref.Seq)
		clients := net.load(i, &own)
		node.states[own.cert.Root] = &own
		net.Step(i, pbft.Installed{
			Checkpoint: own.cert, TimeMS: own.time, Kind: own.kind, Clients: clients,
		})
		return
	}
}
