package judge

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"byzd/crypto"
	"byzd/daemon/disk"
	"byzd/daemon/journal"
	"byzd/daemon/kv"
	"byzd/daemon/loop"
	"byzd/pbft"
	"byzd/pbft/message"
	"byzd/pbft/pbfttest"
)

// checkpointEvery makes checkpoints frequent in tests.
const checkpointEvery = 8

// cluster drives real loops in one goroutine, over disks in memory.
type cluster struct {
	t       *testing.T
	cfg     *message.Config
	signers []crypto.Signer
	nodes   []*node
	queue   []packet
	now     int64
	pass    func(from, to int, frame []byte) bool
	tag     uint64
	keep    loop.Retention // how much of the past nodes keep
	segment int64          // bytes of a file of a journal
}

type node struct {
	id      crypto.NodeID
	disk    *disk.Memory
	journal *journal.Journal
	loop    *loop.Loop
	done    map[uint64]bool
	down    bool
}

type packet struct {
	from, to int
	frame    []byte
}

type links struct {
	c    *cluster
	self int
}

func (k links) Send(to int, t message.Type, frame []byte) {
	for i, m := range k.c.config(k.self).Members {
		if to == pbft.All || to == i {
			k.SendNode(m.Node, t, frame)
		}
	}
}

func (k links) SendNode(to crypto.NodeID, _ message.Type, frame []byte) {
	for i, n := range k.c.nodes {
		if i != k.self && n.id == to && (k.c.pass == nil || k.c.pass(k.self, i, frame)) {
			k.c.queue = append(k.c.queue, packet{k.self, i, frame})
		}
	}
}

// config is the configuration of the epoch that a node is in.
func (c *cluster) config(i int) *message.Config {
	if l := c.nodes[i].loop; l != nil {
		return l.Cluster()
	}
	return c.cfg
}

func newCluster(t *testing.T, n int, scheme string) *cluster {
	t.Helper()
	return newTown(t, n, 0, scheme)
}

// newTown is a cluster that other nodes may become members of.
func newTown(t *testing.T, n, others int, scheme string) *cluster {
	t.Helper()
	p := message.DefaultParams()
	p.CheckpointEvery, p.Window = checkpointEvery, 4*checkpointEvery
	cfg, signers := pbfttest.Config(n, scheme, p)
	c := &cluster{t: t, cfg: cfg, signers: signers, now: 1_000_000}
	for i := range n + others {
		m, signer := pbfttest.Member(cfg.Scheme, i)
		c.nodes = append(c.nodes, &node{
			id: m.Node, disk: disk.NewMemory(), done: map[uint64]bool{},
		})
		if i >= n {
			c.signers = append(c.signers, signer)
		}
	}
	for i := range c.nodes {
		c.open(i)
	}
	return c
}

func (c *cluster) open(i int) {
	c.t.Helper()
	n := c.nodes[i]
	var err error
	n.journal, err = journal.Open(n.disk, journal.Options{
		Owner: c.cfg.Cluster, SegmentBytes: c.segment,
	})
	if err != nil {
		c.t.Fatalf("node %d: %v", i, err)
	}
	n.down = false
	self := c.cfg.Member(n.id)
	n.loop, err = loop.Open(loop.Config{
		Cluster: c.cfg, Self: self, Node: n.id, Journal: n.journal, Disk: n.disk, Store: kv.New(),
		Links: links{c, i}, Keep: c.keep,
		Sealer: message.Sealer{Config: c.cfg, Self: self, Signer: c.signers[i]},
		Applied: func(a *loop.Applied) {
			for _, r := range a.Own {
				n.done[r.Tag] = true
			}
		},
		Watch: func(pbft.Effect) {},
	})
	if err != nil {
		c.t.Fatalf("node %d: %v", i, err)
	}
	n.loop.Tick(c.now)
}

func (c *cluster) turn(i int) {
	n := c.nodes[i]
	if n.down {
		return
	}
	n.loop.EndTurn()
	for !n.loop.Idle() {
		lsn := n.loop.Staged()
		if err := n.journal.Flush(); err != nil {
			c.t.Fatalf("node %d: %v", i, err)
		}
		n.loop.Release(lsn)
		n.loop.Resume()
	}
	if err := n.journal.TruncateBefore(n.loop.Cut()); err != nil {
		c.t.Fatalf("node %d: %v", i, err)
	}
}

func (c *cluster) settle() {
	for range 10_000 {
		for i := range c.nodes {
			c.turn(i)
		}
		if len(c.queue) == 0 {
			return
		}
		batch := c.queue
		c.queue = nil
		for _, p := range batch {
			n := c.nodes[p.to]
			if n.down {
				continue
			}
			epoch, m, err := message.Decode(p.frame)
			if err != nil {
				c.t.Fatal(err)
			}
			c.deliver(n, p.from, epoch, m)
		}
	}
	c.t.Fatal("the cluster does not come to rest")
}

// deliver hands a message to a node: what is of its epoch and of a member is verified, the rest is
// told to the loop as it is.
func (c *cluster) deliver(n *node, from int, epoch uint64, m message.Message) {
	cfg, id := n.loop.Cluster(), c.nodes[from].id
	_, ends := m.(*message.EpochProof)
	member := cfg.Member(id)
	if epoch != cfg.Epoch || member < 0 && !ends {
		n.loop.Outside(id, epoch, m)
		return
	}
	if v, err := message.Verify(cfg, unchecked{}, max(member, 0), epoch, m); err == nil {
		n.loop.Receive(v)
	}
}

// runFor lets time pass until something holds.
func (c *cluster) runFor(ms int64, until func() bool) {
	c.t.Helper()
	for end := c.now + ms; c.now < end; {
		c.settle()
		if until != nil && until() {
			return
		}
		c.now += 10
		for _, n := range c.nodes {
			if !n.down {
				n.loop.Tick(c.now)
			}
		}
	}
	if until != nil {
		for i, n := range c.nodes {
			c.t.Logf("node %d, down %t: %+v", i, n.down, n.loop.Replica().State())
		}
		c.t.Fatal("what was waited for did not happen")
	}
}

// put orders a write through a node and waits until that node has executed it.
func (c *cluster) put(i int, key, value string) {
	c.t.Helper()
	tag := c.submit(i, message.Item{Op: putOp(c.t, key, value)})
	c.runFor(60_000, func() bool { return c.nodes[i].done[tag] })
}

func (c *cluster) submit(i int, item message.Item) uint64 {
	c.tag++
	if !c.nodes[i].loop.Submit(item, "test", c.tag) {
		c.t.Fatalf("node %d is busy", i)
	}
	return c.tag
}

func putOp(t *testing.T, key, value string) []byte {
	t.Helper()
	op, err := kv.Encode(kv.Put{Key: []byte(key), Value: []byte(value)})
	if err != nil {
		t.Fatal(err)
	}
	return op
}

func (c *cluster) crash(i int) {
	c.nodes[i].down = true
	c.nodes[i].disk.Crash()
}

// some writes a few values through all nodes.
func (c *cluster) some(n int) {
	c.t.Helper()
	for k := range n {
		c.put(k%len(c.nodes), fmt.Sprintf("k%d", k%7), fmt.Sprint(k))
	}
}

// client is a client with a key of its own.
type client struct {
	key     crypto.NetworkKey
	session uint64
	seq     uint64
}

// register gets a session through a node, whose number the batch's place tells.
func (c *cluster) register(i int, seed byte) *client {
	c.t.Helper()
	k := &client{key: crypto.NewNetworkKey([32]byte{seed, 0xc1})}
	req := &message.ClientRequest{Seq: 1}
	message.SealClientRequest(c.cfg.RequestDomain(), k.key, req)
	tag := c.submit(i, message.Item{Signed: req})
	c.runFor(60_000, func() bool { return c.nodes[i].done[tag] })
	k.session = c.nodes[i].loop.Replica().State().Executed << 16
	return k
}

// request is a signed write.
func (c *cluster) request(k *client, ack uint64, key, value string) *message.ClientRequest {
	req := &message.ClientRequest{
		Session: k.session, Seq: k.seq, Ack: ack, Op: putOp(c.t, key, value),
	}
	message.SealClientRequest(c.cfg.RequestDomain(), k.key, req)
	k.seq++
	return req
}

// records reads a disk's journal.
func records(t *testing.T, d disk.Disk) []journal.Record {
	t.Helper()
	var all []journal.Record
	err := journal.Scan(d, func(_ uint64, r journal.Record) error {
		all = append(all, r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func source(recs []journal.Record) func(func(uint64, journal.Record) error) error {
	return func(fn func(uint64, journal.Record) error) error {
		for i, r := range recs {
			if err := fn(uint64(i)+1, r); err != nil {
				return err
			}
		}
		return nil
	}
}

// logs are the journals of a network's nodes, to be judged as they are or changed.
type logs struct {
	cfg      *message.Config
	records  [][]journal.Record
	traitors []int
}

func (c *cluster) logs(traitors ...int) *logs {
	c.t.Helper()
	l := &logs{cfg: c.cfg, traitors: traitors}
	for _, n := range c.nodes {
		l.records = append(l.records, records(c.t, n.disk))
	}
	return l
}

func (l *logs) history() *History {
	h := NewHistory(l.cfg)
	h.Numbered = true
	for i := range l.records {
		h.Introduce(i, fmt.Sprintf("r%d", i))
	}
	for i, recs := range l.records {
		log := h.Add(i, slices.Contains(l.traitors, i))
		h.Fill(log, source(recs))
		log.Last = &Last{} // nothing was pending
	}
	return h
}

func (l *logs) judge() *Verdict { return Judge(l.history(), nil) }

// add writes a record into a node's journal.
func (l *logs) add(node int, rec *message.Record) {
	l.records[node] = append(l.records[node], encoded(rec))
}

func encoded(rec *message.Record) journal.Record {
	return journal.Record{
		Type: uint8(rec.Type), Version: message.RecordVersion, Body: rec.Encode(),
	}
}

// edit changes the records of a type in a node's journal; what becomes nil is left out.
func (l *logs) edit(
	t *testing.T, node int, kind message.RecordType, change func(*message.Record) *message.Record,
) {
	t.Helper()
	var out []journal.Record
	for _, raw := range l.records[node] {
		if message.RecordType(raw.Type) != kind {
			out = append(out, raw)
			continue
		}
		rec, err := message.DecodeRecord(kind, raw.Version, raw.Body)
		if err != nil {
			t.Fatal(err)
		}
		if rec = change(rec); rec != nil {
			out = append(out, encoded(rec))
		}
	}
	l.records[node] = out
}

// certify makes a certificate of some members' votes.
func (c *cluster) certify(
	kind crypto.Kind, view uint64, ref message.Ref, members ...int,
) *message.Certificate {
	c.t.Helper()
	cert := &message.Certificate{Kind: kind, View: view, Seq: ref.Seq, Digest: ref.Digest}
	var sigs [][]byte
	for _, i := range members {
		v := &message.Vote{Kind: kind, View: view, Seq: ref.Seq, Digest: ref.Digest}
		c.sealer(i).Seal(v)
		cert.Signers = cert.Signers.Add(i)
		sigs = append(sigs, v.Sig)
	}
	var err error
	if cert.Aggregate, err = c.cfg.Scheme.Aggregate(sigs); err != nil {
		c.t.Fatal(err)
	}
	return cert
}

func (c *cluster) sealer(i int) message.Sealer {
	return message.Sealer{Config: c.cfg, Self: i, Signer: c.signers[i]}
}

// bundle is a gateway's bundle of one write.
func (c *cluster) bundle(gateway int, seq uint64, key, value string) *message.Bundle {
	b := &message.Bundle{
		Session: c.cfg.Members[gateway].Session, Seq: seq,
		Items: []message.Item{{Op: putOp(c.t, key, value)}},
	}
	c.sealer(gateway).SealBundle(b)
	return b
}

// batch follows a batch.
func (c *cluster) batch(
	parent message.Ref, view uint64, bundles ...*message.Bundle,
) (*message.Batch, message.Ref) {
	b := &message.Batch{
		Header: message.Header{
			Cluster: c.cfg.Cluster, Epoch: c.cfg.Epoch, Seq: parent.Seq + 1, Parent: parent.Digest,
			TimeMS: c.now, PropView: view,
		},
		Bundles: bundles,
	}
	for _, bundle := range bundles {
		b.Header.Requests += uint32(len(bundle.Items))
		b.Header.Bytes += uint32(bundle.Size())
	}
	b.Header.Root = message.BatchRoot(b.IDs())
	return b, message.Ref{Seq: b.Header.Seq, Digest: b.Header.Digest()}
}

// decide writes a batch into journals as decided by some members.
func (l *logs) decide(
	c *cluster, nodes []int, b *message.Batch, view uint64, signers ...int,
) message.Ref {
	c.t.Helper()
	ref := message.Ref{Seq: b.Header.Seq, Digest: b.Header.Digest()}
	prepared := c.certify(crypto.KindPrepare, view, ref, signers...)
	committed := c.certify(crypto.KindCommit, view, ref, signers...)
	e := c.cfg.Epoch
	for _, i := range nodes {
		l.add(i, &message.Record{Type: message.RecordBatch, Epoch: e, Batch: b})
		l.add(i, &message.Record{Type: message.RecordHigh, Epoch: e, Cert: prepared})
		l.add(i, &message.Record{Type: message.RecordCommitted, Epoch: e, Cert: committed})
	}
	return ref
}

// top is the last batch that a network's nodes executed.
func (l *logs) top(t *testing.T) message.Ref {
	t.Helper()
	h := l.history()
	h.chains(&Verdict{Result: Result{Agreement: Held}})
	c := h.Logs[0].chain
	d, ok := c.At(c.Top())
	if !ok {
		t.Fatal("nothing was executed")
	}
	return message.Ref{Seq: c.Top(), Digest: d}
}

func wantStates(t *testing.T, v *Verdict, agreement, validity, integrity, termination State) {
	t.Helper()
	got := []State{v.Agreement, v.Validity, v.Integrity, v.Termination}
	want := []State{agreement, validity, integrity, termination}
	if !slices.Equal(got, want) {
		t.Errorf("agreement, validity, integrity, termination are %v, not %v; findings:\n%s",
			got, want, texts(v))
	}
}

func texts(v *Verdict) string {
	var lines []string
	for _, f := range v.Findings {
		lines = append(lines, fmt.Sprintf("%s %s: %s", f.Property, f.State, f.Text))
	}
	return strings.Join(append(lines, v.Notes...), "\n")
}

func wantCulprits(t *testing.T, v *Verdict, want ...int) {
	t.Helper()
	var got []int
	for _, name := range v.Culprits {
		got = append(got, name.Number)
	}
	if !slices.Equal(got, want) {
		t.Errorf("culprits are %v, not %v", got, want)
	}
	for _, p := range v.Proofs {
		if !slices.Contains(want, p.Culprit) {
			t.Errorf("a proof of %v against %d", p.Kind, p.Culprit)
		}
	}
}

func wantFinding(t *testing.T, v *Verdict, p Property, words ...string) {
	t.Helper()
	for _, f := range v.Findings {
		if f.Property != p {
			continue
		}
		all := true
		for _, w := range words {
			all = all && strings.Contains(f.Text, w)
		}
		if all {
			return
		}
	}
	t.Errorf("no finding about %s says %q; they are:\n%s", p, words, texts(v))
}
