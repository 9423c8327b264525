package judge

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"byzd/crypto"
	"byzd/daemon/disk"
	"byzd/daemon/journal"
	"byzd/pbft/message"
)

// worked is a network of four that wrote a little, and its journals.
func worked(t *testing.T) (*cluster, *logs) {
	t.Helper()
	c := newCluster(t, 4, ed25519)
	c.runFor(1000, nil)
	c.some(10)
	return c, c.logs()
}

func TestWrongCheckpointRootIsBroken(t *testing.T) {
	_, l := worked(t)
	l.edit(t, 2, message.RecordCheckpoint, func(r *message.Record) *message.Record {
		r.Checkpoint.Root[0] ^= 1
		return r
	})
	v := l.judge()
	wantStates(t, v, Broken, Held, Held, Held)
	wantFinding(t, v, Agreement, "node 2 came to root", "executing the same batches gives")
	wantCulprits(t, v)
}

// All nodes may have the same wrong root: only executing again shows it.
func TestSameWrongRootEverywhereIsBroken(t *testing.T) {
	_, l := worked(t)
	for i := range l.records {
		l.edit(t, i, message.RecordCheckpoint, func(r *message.Record) *message.Record {
			r.Checkpoint.Root[0] ^= 1
			return r
		})
	}
	wantStates(t, l.judge(), Broken, Held, Held, Held)
}

func TestCertifiedWrongRootIsBroken(t *testing.T) {
	c, l := worked(t)
	l.edit(t, 1, message.RecordStable, func(r *message.Record) *message.Record {
		wrong := &message.CheckpointCertificate{
			Seq: r.Stable.Seq, Digest: r.Stable.Digest, Root: crypto.Hash("wrong"),
		}
		var sigs [][]byte
		for _, i := range []int{0, 2, 3} {
			cp := &message.Checkpoint{Seq: wrong.Seq, Digest: wrong.Digest, Root: wrong.Root}
			c.sealer(i).Seal(cp)
			wrong.Signers = wrong.Signers.Add(i)
			sigs = append(sigs, cp.Sig)
		}
		var err error
		if wrong.Aggregate, err = c.cfg.Scheme.Aggregate(sigs); err != nil {
			t.Fatal(err)
		}
		r.Stable = wrong
		return r
	})
	v := l.judge()
	wantStates(t, v, Broken, Held, Held, Held)
	wantFinding(t, v, Agreement, "a quorum (node 0, node 2, node 3) certified")
}

// A batch may be ordered twice, and counts once. A node that executed it twice gives itself away by
// its root.
func TestOperationExecutedTwiceBreaksIntegrity(t *testing.T) {
	c, l := worked(t)
	top := l.top(t)
	again := c.bundle(3, 900, "x", "once")
	for {
		b, _ := c.batch(top, 0, again)
		top = l.decide(c, []int{0, 1, 2, 3}, b, 0, 0, 1, 2)
		if top.Seq%checkpointEvery == 0 {
			break
		}
	}
	v := l.judge()
	wantStates(t, v, Held, Held, Held, Held)
	if !strings.Contains(texts(v), "ordered again and executed once") {
		t.Errorf("the repetition is not mentioned:\n%s", texts(v))
	}
	h := l.history()
	h.chains(&Verdict{})
	l.add(2, &message.Record{Type: message.RecordCheckpoint, Checkpoint: &message.Checkpoint{
		Seq: top.Seq, Digest: top.Digest, Voter: 2, Root: twice(h, top.Seq),
	}})
	v = l.judge()
	wantStates(t, v, Broken, Held, Broken, Held)
	wantFinding(t, v, Integrity, "node 2", "900 of session 3")
}

// twice is the root of a node that executes what repeats.
func twice(h *History, seq uint64) crypto.Digest {
	r := h.replay(h.Logs[2].chain, nil, true)
	if r.executed != seq {
		panic(fmt.Sprintf("executed %d", r.executed))
	}
	return r.root(h.batches[h.Logs[2].chain.proof.ref.Digest])
}

func TestBundleThatIsNotItsGatewaysIsBroken(t *testing.T) {
	c, l := worked(t)
	forged := c.bundle(3, 900, "x", "forged")
	forged.Sig[5] ^= 1
	b, _ := c.batch(l.top(t), 0, reread(t, forged))
	l.decide(c, []int{0, 1, 2, 3}, b, 0, 0, 1, 2)
	v := l.judge()
	wantStates(t, v, Held, Broken, Broken, Held)
	wantFinding(t, v, Validity, "bundle 900 of node 3's gateway")
}

// reread fixes the name of a bundle that was changed after it was sealed, as the wire does.
func reread(t *testing.T, b *message.Bundle) *message.Bundle {
	t.Helper()
	batch := &message.Batch{Bundles: []*message.Bundle{{
		Gateway: b.Gateway, Session: b.Session, Seq: b.Seq, Ack: b.Ack, Items: b.Items, Sig: b.Sig,
	}}}
	back, err := message.DecodeBatch(message.EncodeBatch(batch))
	if err != nil {
		t.Fatal(err)
	}
	return back.Bundles[0]
}

func TestRequestThatItsClientDidNotSignIsBroken(t *testing.T) {
	c, l := worked(t)
	k := &client{key: crypto.NewNetworkKey([32]byte{9}), session: 1 << 20}
	req := c.request(k, 0, "x", "1")
	req.Op = putOp(t, "x", "2")
	bundle := &message.Bundle{Session: 3, Seq: 900, Items: []message.Item{{Signed: req}}}
	c.sealer(3).SealBundle(bundle)
	b, _ := c.batch(l.top(t), 0, bundle)
	l.decide(c, []int{0, 1, 2, 3}, b, 0, 0, 1, 2)
	v := l.judge()
	wantStates(t, v, Held, Broken, Broken, Held)
	wantFinding(t, v, Validity, "client "+k.key.ID().Short()+" did not sign")
}

// The bytes under a header must be those that the header names.
func TestBodyThatDoesNotFitItsHeaderIsBroken(t *testing.T) {
	c, l := worked(t)
	done := false
	l.edit(t, 2, message.RecordBatch, func(r *message.Record) *message.Record {
		if !done && r.Batch.Header.Seq == 5 {
			done = true
			r.Batch.Bundles = []*message.Bundle{c.bundle(0, 900, "x", "other")}
		}
		return r
	})
	v := l.judge()
	wantStates(t, v, Held, Held, Broken, Held)
	wantFinding(t, v, Integrity, "node 2 keeps a body of batch 5")
}

// A certificate with too few signers, or with a bad one, decides nothing.
func TestCertificateThatDoesNotVerifyProvesNothing(t *testing.T) {
	c, l := worked(t)
	top := l.top(t)
	b, ref := c.batch(top, 0, c.bundle(3, 900, "x", "1"))
	cert := c.certify(crypto.KindCommit, 0, ref, 0, 1, 2)
	cert.Aggregate[70] ^= 1
	l.add(2, &message.Record{Type: message.RecordBatch, Batch: b})
	l.add(2, &message.Record{Type: message.RecordCommitted, Cert: cert})
	v := l.judge()
	wantStates(t, v, Unknown, Unknown, Unknown, Unknown)
	if v.Sequence != top.Seq || v.ExitCode() != ExitNoProgress {
		t.Errorf("sequence %d, exit %d", v.Sequence, v.ExitCode())
	}
	wantFinding(t, v, Agreement, "node 2", "does not verify")
}

// The same below what the node executed: it does not make the node contradict itself.
func TestOldCertificateThatDoesNotVerifyIsUnknown(t *testing.T) {
	c, l := worked(t)
	ref := message.Ref{Seq: 5, Digest: crypto.Hash("other")}
	cert := c.certify(crypto.KindCommit, 0, ref, 0, 1, 2)
	cert.Aggregate[70] ^= 1
	l.add(2, &message.Record{Type: message.RecordCommitted, Cert: cert})
	v := l.judge()
	wantStates(t, v, Unknown, Unknown, Unknown, Held)
	wantFinding(t, v, Agreement, "node 2 keeps a certificate of batch 5 that does not verify")
}

// A node whose journal certifies another batch than the one it executed contradicts itself.
func TestSecondCertificateInOneJournalIsBroken(t *testing.T) {
	c, l := worked(t)
	_, ref := c.batch(message.Ref{Seq: 4, Digest: crypto.Hash("other")}, 0, c.bundle(3, 900, "x", "1"))
	l.add(2, &message.Record{
		Type: message.RecordCommitted, Cert: c.certify(crypto.KindCommit, 0, ref, 0, 1, 3),
	})
	v := l.judge()
	if v.Agreement != Broken {
		t.Errorf("agreement is %s:\n%s", v.Agreement, texts(v))
	}
	wantFinding(t, v, Agreement, "node 2 executed", "and keeps "+ref.Digest.Short())
}

// What was known and not executed when the nodes stopped may have been under way.
func TestKnownRequestThatWasNotExecutedIsUnknown(t *testing.T) {
	c, l := worked(t)
	b, _ := c.batch(l.top(t), 0, c.bundle(3, 900, "x", "1"))
	l.add(1, &message.Record{Type: message.RecordBatch, Batch: b})
	v := l.judge()
	wantStates(t, v, Held, Held, Held, Unknown)
	wantFinding(t, v, Termination, "1 bundles were known", "900 of node 3's gateway")
	// If it was executed under another batch, nothing waits.
	other, _ := c.batch(l.top(t), 1, c.bundle(3, 900, "x", "1"))
	l.decide(c, []int{0, 1, 2, 3}, other, 1, 0, 1, 3)
	wantStates(t, l.judge(), Held, Held, Held, Held)
	// A gateway that lost its memory goes on far above, and acknowledges what is below.
	far := &message.Bundle{
		Session: 3, Seq: 5000, Ack: 5000, Items: []message.Item{{Op: putOp(t, "x", "2")}},
	}
	c.sealer(3).SealBundle(far)
	b, _ = c.batch(l.top(t), 0, far)
	l.add(2, &message.Record{Type: message.RecordBatch, Batch: b})
	wantStates(t, l.judge(), Held, Held, Held, Unknown)
}

// A log that lost its beginning is judged from where it begins; in a testnet that is not enough.
func TestShortenedLogIsJudgedFromWhereItBegins(t *testing.T) {
	c, l := worked(t)
	cut := 0
	for i, raw := range l.records[1] {
		if message.RecordType(raw.Type) != message.RecordBatch {
			continue
		}
		rec, err := message.DecodeRecord(message.RecordBatch, raw.Version, raw.Body)
		if err != nil {
			t.Fatal(err)
		}
		if rec.Batch.Header.Seq == 5 {
			cut = i
		}
	}
	shortened := func(numbered bool) *Verdict {
		h := NewHistory(c.cfg)
		h.Numbered = numbered
		h.Fill(h.Add(-1, false), func(fn func(uint64, journal.Record) error) error {
			for i, r := range l.records[1][cut:] {
				if err := fn(uint64(cut+i)+1, r); err != nil {
					return err
				}
			}
			return nil
		})
		return Judge(h, nil)
	}
	v := shortened(false)
	// One log does not tell what was pending.
	wantStates(t, v, Held, Held, Held, Unknown)
	if v.From != 5 || v.Sequence < 9 {
		t.Errorf("judged from %d to %d", v.From, v.Sequence)
	}
	v = shortened(true) // a testnet's home without the state that stands for the beginning
	wantStates(t, v, Unknown, Held, Unknown, Unknown)
}

// A stopped network is held only if it is known that nothing was pending, and that nobody was
// behind: the journals do not tell what a gateway kept waiting.
func TestStoppedNetworkIsHeldOnlyIfNothingWasPending(t *testing.T) {
	_, l := worked(t)
	judged := func(change func(logs []*Log)) *Verdict {
		h := l.history()
		change(h.Logs)
		return Judge(h, nil)
	}
	v := judged(func(logs []*Log) { logs[1].Last = &Last{Pending: 2, OldestMS: 4500} })
	wantStates(t, v, Held, Held, Held, Unknown)
	wantFinding(t, v, Termination, "2 operations were pending at node 1", "for 4.5 s")
	v = judged(func(logs []*Log) { logs[0].Last, logs[2].Last = nil, nil })
	wantStates(t, v, Held, Held, Held, Unknown)
	wantFinding(t, v, Termination, "nobody asked node 0, node 2 then")
	// A node whose disk was wiped.
	v = judged(func(logs []*Log) {
		*logs[2] = *newLog(2, false)
		logs[2].Last = &Last{}
	})
	wantStates(t, v, Held, Held, Held, Unknown)
	wantFinding(t, v, Termination, "node 2 had executed up to 0 of 1")
	// One that said more than its journal holds.
	v = judged(func(logs []*Log) { logs[3].Last = &Last{Sequence: 5000} })
	wantFinding(t, v, Termination, "node 3 had executed", "of 5000")
	// Traitors do not count.
	l.traitors = []int{0}
	v = judged(func(logs []*Log) { logs[0].Last = nil })
	wantStates(t, v, Held, Held, Held, Held)
}

// Homes on a disk: a whole network, a missing home, a damaged journal, a traitor's missing home, a
// node that never ran, and somebody else's journal.
func TestHomes(t *testing.T) {
	c, _ := worked(t)
	root := t.TempDir()
	home := func(i int) string { return filepath.Join(root, fmt.Sprintf("node-%d", i)) }
	for i := range c.nodes {
		copyJournal(t, c, i, filepath.Join(home(i), journalName))
	}
	judged := func(nodes ...Node) *Verdict {
		h := NewHistory(c.cfg)
		h.Numbered = true
		if err := h.Read(t.Context(), nodes); err != nil {
			t.Fatal(err)
		}
		return Judge(h, nil)
	}
	all := func() []Node {
		var nodes []Node
		for i := range c.nodes {
			nodes = append(nodes, Node{Number: i, Home: home(i), Last: &Last{}})
		}
		return nodes
	}
	wantStates(t, judged(all()...), Held, Held, Held, Held)

	missing := all()
	missing[2].Home = filepath.Join(root, "nowhere")
	v := judged(missing...)
	wantStates(t, v, Unknown, Unknown, Unknown, Unknown)
	wantFinding(t, v, Agreement, "node 2: its journal is missing")
	if _, err := os.Stat(missing[2].Home); err == nil {
		t.Error("reading made a directory")
	}
	missing[2].Traitor = true
	wantStates(t, judged(missing...), Held, Held, Held, Held)
	missing[2].Traitor, missing[2].Unused = false, true
	v = judged(missing...)
	wantStates(t, v, Held, Held, Held, Unknown)
	wantFinding(t, v, Termination, "node 2 had executed up to 0 of")

	damage(t, filepath.Join(home(1), journalName))
	v = judged(all()...)
	wantStates(t, v, Unknown, Unknown, Unknown, Unknown)
	wantFinding(t, v, Agreement, "node 1: journal is damaged")
	if v.Sequence < 10 || v.Logs != 3 {
		t.Errorf("sequence %d, %d logs", v.Sequence, v.Logs)
	}

	other := newCluster(t, 4, bls)
	other.runFor(1000, nil)
	other.some(2)
	stranger := filepath.Join(root, "stranger")
	copyJournal(t, other, 1, filepath.Join(stranger, journalName))
	nodes := all()
	nodes[1].Home = stranger
	v = judged(nodes...)
	wantFinding(t, v, Agreement, "node 1: record", "of cluster")
}

// copyJournal writes a node's records into a journal on the real disk.
func copyJournal(t *testing.T, c *cluster, i int, dir string) {
	t.Helper()
	d, err := disk.OS(dir)
	if err != nil {
		t.Fatal(err)
	}
	j, err := journal.Open(d, journal.Options{Owner: c.cfg.Cluster})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records(t, c.nodes[i].disk) {
		j.Append(r)
		if err := j.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

// damage flips a byte in the middle of a journal.
func damage(t *testing.T, dir string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "journal-*"))
	if err != nil || len(names) == 0 {
		t.Fatal("no segment", err)
	}
	data, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	used := len(strings.TrimRight(string(data), "\x00"))
	data[used/2] ^= 0x10
	if err := os.WriteFile(names[0], data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A record that nobody can read ends a log; it is not skipped.
func TestUnreadableRecordEndsALog(t *testing.T) {
	_, l := worked(t)
	half := len(l.records[3]) / 2
	l.records[3][half] = journal.Record{Type: 99, Version: 1, Body: []byte("?")}
	v := l.judge()
	wantStates(t, v, Unknown, Unknown, Unknown, Unknown)
	wantFinding(t, v, Integrity, "node 3: record", "unknown type")
}
