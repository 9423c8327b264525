package judge

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"byzd/crypto"
	"byzd/daemon/disk"
	"byzd/daemon/kv/merkle"
	"byzd/daemon/loop"
	"byzd/daemon/snapshot"
	"byzd/pbft/message"
)

// short makes a town whose nodes save every stable checkpoint and keep next to nothing else.
func short(t *testing.T, members, others int) *cluster {
	t.Helper()
	c := newTown(t, members, others, ed25519)
	c.keep = loop.Retention{SnapshotEvery: 1, Batches: 4, Bytes: 1}
	c.segment = 8 << 10
	for i := range c.nodes {
		c.crash(i)
		c.open(i)
	}
	c.runFor(1000, nil)
	return c
}

// work lets clients write, with values that fill journals.
func (c *cluster) work(writes int, through ...int) {
	c.t.Helper()
	for k := range writes {
		c.put(through[k%len(through)], fmt.Sprintf("w%d", k%9), strings.Repeat("x", 800)+fmt.Sprint(k))
		c.runFor(10, nil) // or time stands still, and no snapshot is due
	}
}

// homes writes the nodes' disks into directories, as a daemon has them.
func (c *cluster) homes(traitors ...int) []Node {
	c.t.Helper()
	root := c.t.TempDir()
	var nodes []Node
	for i, n := range c.nodes {
		home := filepath.Join(root, fmt.Sprintf("r%d", i))
		d, err := disk.OS(filepath.Join(home, journalName))
		if err != nil {
			c.t.Fatal(err)
		}
		names, err := n.disk.List("")
		if err != nil {
			c.t.Fatal(err)
		}
		for _, name := range names {
			data, err := n.disk.ReadFile(name)
			if err != nil {
				c.t.Fatal(err)
			}
			if err := d.WriteAtomic(name, data); err != nil {
				c.t.Fatal(err)
			}
		}
		nodes = append(nodes, Node{
			Number: i, Name: fmt.Sprintf("r%d", i), Home: home,
			Traitor: slices.Contains(traitors, i), Last: &Last{},
		})
	}
	return nodes
}

func judged(t *testing.T, c *cluster, nodes []Node) *Verdict {
	t.Helper()
	h := NewHistory(c.cfg)
	h.Numbered = true
	if err := h.Read(t.Context(), nodes); err != nil {
		t.Fatal(err)
	}
	return Judge(h, nil)
}

// lived is a town with short logs, one of whose nodes lies and another was so far behind that it
// was given a state, and in which a client wrote through it all.
func lived(t *testing.T) *cluster {
	t.Helper()
	c := short(t, 4, 0)
	k := c.register(1, 1)
	sign := func() {
		req := c.request(k, k.seq, "signed", fmt.Sprint(k.seq))
		tag := c.submit(0, message.Item{Signed: req})
		c.runFor(60_000, func() bool { return c.nodes[0].done[tag] })
	}
	sign()
	c.arm(map[int]string{3: "equivocate-votes"}, []int{3})
	c.work(30, 0, 1, 2)
	c.crash(2)
	for range 3 {
		sign()
		c.work(30, 0, 1)
	}
	c.open(2)
	c.runFor(60_000, func() bool {
		return c.nodes[2].loop.Replica().State().Executed >= c.nodes[0].loop.Replica().State().Executed
	})
	sign()
	c.work(30, 0, 1, 2)
	c.runFor(1000, nil)
	for i := range c.nodes {
		if first, _ := c.nodes[i].journal.Bounds(); first < 50 {
			t.Fatalf("the journal of node %d still begins with record %d", i, first)
		}
	}
	return c
}

// Shortened logs, under one traitor and with a node that was given a state: the verdict is definite
// from the earliest certified state on, and says from where.
func TestShortenedLogsHaveADefiniteVerdict(t *testing.T) {
	c := lived(t)
	v := judged(t, c, c.homes(3))
	wantStates(t, v, Held, Held, Held, Held)
	if v.From < 20 || v.From >= v.Sequence || v.Roots < 4 || v.Operations == 0 {
		t.Errorf("from %d to %d, %d roots, %d operations:\n%s", v.From, v.Sequence, v.Roots,
			v.Operations, texts(v))
	}
	for _, name := range v.Culprits {
		if name.Number != 3 {
			t.Errorf("%v is accused", name)
		}
	}
	if !strings.Contains(texts(v), "judged by certificate only") {
		t.Errorf("it is not said what could not be known:\n%s", texts(v))
	}
}

// What is wrong behind the earliest state is found as it is with whole logs.
func TestWrongRootInAShortenedLogIsBroken(t *testing.T) {
	c := lived(t)
	nodes := c.homes(3)
	h := NewHistory(c.cfg)
	h.Numbered = true
	if err := h.Read(t.Context(), nodes); err != nil {
		t.Fatal(err)
	}
	h.settle()
	cps := h.Logs[1].checkpoints
	cps[len(cps)-1].Root[0] ^= 1
	v := Judge(h, nil)
	wantStates(t, v, Broken, Held, Held, Held)
	wantFinding(t, v, Agreement, "node 1 came to root", "executing the same batches gives")
}

// A damaged state is not used, and breaks nothing: there are others. Without any it is unknown, and
// not held, what the logs came from.
func TestDamagedStatesAreNotUsed(t *testing.T) {
	c := lived(t)
	nodes := c.homes(3)
	spoil := func(n Node) {
		d, err := disk.OS(filepath.Join(n.Home, journalName))
		if err != nil {
			t.Fatal(err)
		}
		names, _ := d.List(statePrefix)
		for _, name := range names {
			data, err := d.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			data[len(data)-100] ^= 1
			if err := d.WriteAtomic(name, data); err != nil {
				t.Fatal(err)
			}
		}
	}
	spoil(nodes[0])
	v := judged(t, c, nodes)
	wantStates(t, v, Held, Held, Held, Held)
	if !strings.Contains(texts(v), "node 0 keeps a state that is none") {
		t.Errorf("nobody says that a state is damaged:\n%s", texts(v))
	}
	for _, n := range nodes[1:] {
		spoil(n)
	}
	v = judged(t, c, nodes)
	if v.Agreement != Unknown || v.Integrity != Unknown || v.ExitCode() != ExitNoProgress {
		t.Errorf("without a state agreement is %s, integrity %s:\n%s", v.Agreement, v.Integrity,
			texts(v))
	}
}

// More liars than the cluster withstands may certify any state: what executing goes on to from it
// is not what the correct nodes came to.
func TestForgedStateIsBroken(t *testing.T) {
	c := lived(t)
	nodes := c.homes(3)
	d, err := disk.OS(filepath.Join(nodes[1].Home, journalName))
	if err != nil {
		t.Fatal(err)
	}
	seqs, err := d.List(statePrefix)
	if err != nil || len(seqs) == 0 {
		t.Fatal(err)
	}
	at := func(uint64) *message.Config { return c.cfg }
	s, damaged, err := snapshot.Latest(d, at)
	if err != nil || len(damaged) > 0 {
		t.Fatal(err, damaged)
	}
	var key []byte // of some entry whose value is a client's
	s.Store.Ascend(nil, nil, func(k, value []byte) bool {
		if bytes.Contains(value, []byte("xxxx")) {
			key = bytes.Clone(k)
		}
		return true
	})
	value, _ := s.Store.Get(key)
	s.Store = s.Store.Set(key, bytes.Replace(value, []byte("xxxx"), []byte("xyxx"), 1))
	s.Manifest.Store = s.Store.Root()
	s.Certificate = c.certifyState(s.Manifest, 0, 1, 3)
	for i, n := range nodes { // nobody has an earlier one to compare it with
		d, err := disk.OS(filepath.Join(n.Home, journalName))
		if err != nil {
			t.Fatal(err)
		}
		names, _ := d.List(statePrefix)
		for _, name := range names {
			if err := d.Remove(name); err != nil {
				t.Fatal(err)
			}
		}
		if i == 1 {
			if err := snapshot.Write(d, s); err != nil {
				t.Fatal(err)
			}
		}
	}
	v := judged(t, c, nodes)
	if v.Agreement != Broken {
		t.Errorf("agreement is %s:\n%s", v.Agreement, texts(v))
	}
}

// certifyState makes a certificate of some members for a state.
func (c *cluster) certifyState(
	m *message.Manifest, members ...int,
) *message.CheckpointCertificate {
	c.t.Helper()
	cert := &message.CheckpointCertificate{
		Seq: m.Header.Seq, Digest: m.Header.Digest(), Root: m.Root(),
	}
	var sigs [][]byte
	for _, i := range members {
		cp := &message.Checkpoint{Seq: cert.Seq, Digest: cert.Digest, Root: cert.Root}
		c.sealer(i).Seal(cp)
		cert.Signers, sigs = cert.Signers.Add(i), append(sigs, cp.Sig)
	}
	var err error
	if cert.Aggregate, err = c.cfg.Scheme.Aggregate(sigs); err != nil {
		c.t.Fatal(err)
	}
	return cert
}

// The judge believes no file: one that is cut off or changed anywhere is no state, and nothing that
// it says makes the judge fail or take more memory than the file has.
func TestStatesAreNotBelieved(t *testing.T) {
	c := lived(t)
	names, err := c.nodes[0].disk.List(statePrefix)
	if err != nil || len(names) == 0 {
		t.Fatal(err)
	}
	data, err := c.nodes[0].disk.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	read := func(data []byte) *Log {
		d := disk.NewMemory()
		if err := d.WriteAtomic(names[0], data); err != nil {
			t.Fatal(err)
		}
		h := NewHistory(c.cfg)
		l := h.Add(0, false)
		h.readStates(l, d)
		h.settle()
		return l
	}
	if l := read(data); len(l.states) != 1 || len(l.damaged) > 0 {
		t.Fatalf("a good one: %v", l.damages())
	}
	for i := 0; i < len(data); i += 1 + len(data)/120 {
		changed := bytes.Clone(data)
		changed[i] ^= 0x40
		if l := read(changed); len(l.states) > 0 {
			t.Errorf("byte %d flipped: it is used", i)
		}
		if l := read(data[:i]); len(l.states) > 0 {
			t.Errorf("cut off after %d bytes: it is used", i)
		}
	}
	if l := read(append(bytes.Clone(data), 0)); len(l.states) > 0 {
		t.Error("with a byte more it is used")
	}
}

// What is certified of one sequence number is one thing: a node whose state is of another batch
// than what others executed there has forked from them.
func TestStateOfAnotherChainIsBroken(t *testing.T) {
	c := lived(t)
	nodes := c.homes(3)
	h := NewHistory(c.cfg)
	h.Numbered = true
	if err := h.Read(t.Context(), nodes); err != nil {
		t.Fatal(err)
	}
	h.settle()
	s := *h.Logs[2].states[0]
	m := *s.manifest
	m.Header.TimeMS++ // another batch
	s.manifest, s.cert, s.store = &m, c.certifyState(&m, 0, 2, 3), merkle.Tree{}
	l := h.Logs[2]
	l.bodies, l.decided, l.states = map[crypto.Digest]*message.Batch{}, nil, nil
	l.kept, l.checkpoints = []*state{&s}, nil
	v := Judge(h, nil)
	if v.Agreement != Broken {
		t.Errorf("agreement is %s:\n%s", v.Agreement, texts(v))
	}
	wantFinding(t, v, Agreement, "different batches at sequence number", "node 2")
}

// Members that change while logs are short: the earliest state may be of any epoch, and the end of
// an epoch among them.
func TestShortenedLogsThroughEpochs(t *testing.T) {
	c := short(t, 4, 3)
	c.register(2, 1)
	c.work(20, 0, 1, 2, 3)
	c.change(1, 0, 1, 2, 3, 4, 5, 6)
	c.work(20, 0, 3, 5)
	c.change(5, 6, 5, 3, 1)
	c.work(12, 1, 6)
	c.runFor(1000, nil)
	v := judged(t, c, c.homes())
	wantStates(t, v, Held, Held, Held, Held)
	if v.Epoch != 2 || v.From == 0 {
		t.Errorf("epoch %d, from %d", v.Epoch, v.From)
	}
	c.work(60, 1, 6) // now the epochs before are gone
	c.runFor(1000, nil)
	v = judged(t, c, c.homes())
	wantStates(t, v, Held, Held, Held, Held)
	if base := c.config(6).Base.Seq; v.From <= base {
		t.Errorf("from %d, though epoch 2 begins behind %d", v.From, base)
	}
}

// A node that keeps its whole log and was given a state in the middle of it shows two chains: both
// are compared with what others executed, and what the second one builds on is no gap.
func TestLogWithAStateInTheMiddle(t *testing.T) {
	c := short(t, 4, 0)
	few := c.keep
	c.crash(2)
	c.keep = loop.Retention{}
	c.open(2)
	c.keep = few
	c.work(30, 0, 1, 2)
	c.crash(2)
	c.work(90, 0, 1)
	c.keep = loop.Retention{}
	c.open(2)
	c.runFor(60_000, func() bool {
		return c.nodes[2].loop.Replica().State().Executed >= c.nodes[0].loop.Replica().State().Executed
	})
	c.work(10, 0, 1, 2)
	c.runFor(1000, nil)
	nodes := c.homes()
	h := NewHistory(c.cfg)
	h.Numbered = true
	if err := h.Read(t.Context(), nodes); err != nil {
		t.Fatal(err)
	}
	v := Judge(h, nil)
	wantStates(t, v, Held, Held, Held, Held)
	l := h.Logs[2]
	if len(l.earlier) != 1 || l.First != 1 || l.earlier[0].Before != c.cfg.Base ||
		l.earlier[0].Top() >= l.chain.Before.Seq {
		t.Fatalf("the log from %d shows %d earlier chains", l.First, len(l.earlier))
	}
	if v.Sequence != l.chain.Top() || v.From != h.Logs[0].states[0].ref().Seq+1 {
		t.Errorf("judged from %d to %d", v.From, v.Sequence)
	}
	// What the first chain holds is compared as well.
	h = NewHistory(c.cfg)
	h.Numbered = true
	if err := h.Read(t.Context(), nodes); err != nil {
		t.Fatal(err)
	}
	h.settle()
	for _, cp := range h.Logs[2].checkpoints {
		if cp.Seq < l.chain.Before.Seq {
			cp.Root[0] ^= 1
		}
	}
	if v := Judge(h, nil); v.Agreement != Broken {
		t.Errorf("a wrong root before the gap: agreement is %s", v.Agreement)
	}
}
