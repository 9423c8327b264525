package pbft_test

import (
	"testing"

	"byzd/crypto"
	"byzd/pbft"
	"byzd/pbft/message"
	"byzd/pbft/pbfttest"
)

// proved returns the proof of a kind that a node holds.
func proved(node *pbfttest.Node, kind message.EvidenceKind, culprit int) *message.Evidence {
	for _, e := range node.Proofs {
		if e.Kind == kind && e.Culprit == culprit {
			return e
		}
	}
	return nil
}

// everybody fails unless all but some nodes hold the proof, and nobody else is accused.
func everybody(
	t *testing.T, net *pbfttest.Network, kind message.EvidenceKind, culprit int, but ...int,
) {
	t.Helper()
	skip := map[int]bool{}
	for _, i := range but {
		skip[i] = true
	}
	for i, node := range net.Nodes {
		if skip[i] {
			continue
		}
		e := proved(node, kind, culprit)
		if e == nil {
			t.Errorf("node %d has no %v against %d", i, kind, culprit)
			continue
		}
		if err := e.Verify(net.Config); err != nil {
			t.Errorf("node %d: the proof does not hold: %v", i, err)
		}
	}
	for _, v := range net.Violations {
		t.Error(v)
	}
}

// badProposal is what a lying primary of view 0 proposes first.
func badProposal(
	net *pbfttest.Network, bundles ...*message.Bundle,
) *message.PrePrepare {
	b := &message.Batch{Bundles: bundles, Header: message.Header{
		Cluster: net.Config.Cluster, Seq: 1, Parent: net.Config.Base.Digest, TimeMS: net.Now,
	}}
	for _, bundle := range bundles {
		b.Header.Requests += uint32(len(bundle.Items))
		b.Header.Bytes += uint32(bundle.Size())
	}
	b.Header.Root = message.BatchRoot(b.IDs())
	pp := &message.PrePrepare{Header: b.Header, IDs: b.IDs()}
	net.Nodes[0].Sealer.Seal(pp)
	return pp
}

func sealedBundle(net *pbfttest.Network, gateway int, seq uint64, op string) *message.Bundle {
	b := &message.Bundle{
		Session: uint64(gateway), Seq: seq, Items: []message.Item{{Op: []byte(op)}},
	}
	net.Nodes[gateway].Sealer.SealBundle(b)
	return b
}

type noCache struct{}

func (noCache) Has(crypto.Digest) bool { return false }
func (noCache) Add(crypto.Digest)      {}

func received(v message.Verified) pbft.Input { return pbft.Received{Msg: v} }

// reread changes a bundle's bytes after it was sealed, and reads them as they come over the wire.
func reread(t *testing.T, b *message.Bundle, change func(data []byte)) *message.Bundle {
	t.Helper()
	data := message.Encode(0, &message.Submission{Bundle: b})
	change(data)
	_, m, err := message.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	s, is := m.(*message.Submission)
	if !is {
		t.Fatalf("%T", m)
	}
	return s.Bundle
}

func toBackups(net *pbfttest.Network, from int, m message.Message, to ...int) {
	for _, i := range to {
		net.Inject(pbfttest.Envelope{From: from, To: i, Msg: m})
	}
}

// E7: a primary that proposes one request twice in a batch is proven a liar by whoever gets the
// batch, and deposed.
func TestRepeatedRequestConvictsThePrimary(t *testing.T) {
	net := pbfttest.New(4, params())
	net.Traitors[0] = true
	b := sealedBundle(net, 2, 0, "a")
	toBackups(net, 0, &message.Submission{Bundle: b}, 1, 2, 3)
	toBackups(net, 0, badProposal(net, b, b), 1, 2, 3)
	net.Run()
	everybody(t, net, message.EvidenceBadBatch, 0, 0)
	if !net.RunUntil(20_000, func() bool { return net.Nodes[1].Replica.State().View > 0 }) {
		t.Error("the primary stays")
	}
}

// E7: a primary that proposes a bundle which its gateway did not sign. Nobody takes the bundle in;
// what was refused is enough to convict whoever proposed it.
func TestForgedRequestConvictsThePrimary(t *testing.T) {
	net := pbfttest.New(4, params())
	net.Traitors[0] = true
	b := sealedBundle(net, 2, 0, "a")
	forged := reread(t, b, func(data []byte) { data[len(data)-1] ^= 1 })
	toBackups(net, 0, badProposal(net, forged), 1, 2, 3)
	net.Run()
	m := &message.Submission{Bundle: forged}
	_, why := message.Verify(net.Config, noCache{}, 0, 0, m)
	if why == nil {
		t.Fatal("a forged bundle is let in")
	}
	refused, ok := message.Incriminate(net.Config, 0, 0, m, why)
	if !ok {
		t.Fatal("a forged bundle is of no interest")
	}
	net.Step(1, received(refused))
	net.Run()
	everybody(t, net, message.EvidenceBadBatch, 0, 0)
	// A bundle that nobody proposed incriminates nobody.
	other := reread(t, sealedBundle(net, 3, 9, "b"), func(data []byte) { data[len(data)-1] ^= 1 })
	m = &message.Submission{Bundle: other}
	_, why = message.Verify(net.Config, noCache{}, 2, 0, m)
	refused, _ = message.Incriminate(net.Config, 2, 0, m, why)
	before := len(net.Nodes[1].Proofs)
	net.Step(1, received(refused))
	if len(net.Nodes[1].Proofs) != before {
		t.Error("a forged bundle alone convicts somebody")
	}
}

// E8: a root that no quorum certified is reported by everybody and deposes nobody.
func TestWrongRootIsPassedOnAndConvictsNobody(t *testing.T) {
	for _, late := range []bool{false, true} {
		net := pbfttest.New(4, params())
		net.Traitors[3] = true
		wrong := func() {
			ref := net.Nodes[1].Replica.Status().Executed
			c := &message.Checkpoint{
				Seq: 8, Digest: net.Nodes[1].Log[7].Header.Digest(), Root: crypto.Hash("wrong"),
			}
			if ref < 8 {
				t.Fatal("no checkpoint yet")
			}
			net.Nodes[3].Sealer.Seal(c)
			toBackups(net, 3, c, 0, 1, 2)
		}
		net.Pass = func(e pbfttest.Envelope) bool {
			c, is := e.Msg.(*message.Checkpoint)
			return !is || e.From != 3 || c.Root == crypto.Hash("wrong")
		}
		held := true
		if !late { // the lie comes before the third CHECKPOINT that makes it stable
			pass := net.Pass
			net.Pass = func(e pbfttest.Envelope) bool {
				_, is := e.Msg.(*message.Checkpoint)
				return pass(e) && (!is || !held || e.From == 3)
			}
		}
		for k := range 8 {
			net.Submit(k%3, string(rune('a'+k)))
			net.Run()
		}
		wrong()
		net.Run()
		held = false
		for k := range 16 {
			net.Submit(k%3, string(rune('A'+k)))
			net.RunFor(500)
		}
		everybody(t, net, message.EvidenceWrongRoot, 3, 3)
		if s := net.Nodes[1].Replica.State(); s.Convicted.Count() != 0 {
			t.Errorf("%v are convicted", s.Convicted.Members())
		}
	}
}

// E9: a gateway gives one place to two bundles, each to other nodes; when one of the two is
// ordered, those who hold the other have the proof.
func TestTwoBundlesConvictTheGateway(t *testing.T) {
	net := pbfttest.New(4, params())
	net.Traitors[3] = true
	toBackups(net, 3, &message.Submission{Bundle: sealedBundle(net, 3, 0, "a")}, 0)
	toBackups(net, 3, &message.Submission{Bundle: sealedBundle(net, 3, 0, "b")}, 1, 2)
	net.RunFor(2000)
	everybody(t, net, message.EvidenceRequests, 3, 3)
	// Also when the first was executed already.
	net = pbfttest.New(4, params())
	net.Traitors[3] = true
	toBackups(net, 3, &message.Submission{Bundle: sealedBundle(net, 3, 0, "a")}, 0, 1, 2)
	net.RunFor(2000)
	toBackups(net, 3, &message.Submission{Bundle: sealedBundle(net, 3, 0, "b")}, 2)
	net.RunFor(2000)
	everybody(t, net, message.EvidenceRequests, 3, 3)
}

// E2′: COMMITs of one view for two chains, with the headers that show it.
func TestForkedCommitsConvict(t *testing.T) {
	net := pbfttest.New(4, params())
	net.Traitors[3] = true
	net.Pass = func(e pbfttest.Envelope) bool { // nothing is committed yet
		v, is := e.Msg.(*message.Vote)
		return !is || v.Kind != crypto.KindCommit || v.Digest == crypto.Hash("other")
	}
	net.Submit(1, "a")
	net.Run()
	net.Submit(1, "b")
	net.Run()
	other := &message.Vote{Kind: crypto.KindCommit, Seq: 1, Digest: crypto.Hash("other")}
	net.Nodes[3].Sealer.Seal(other)
	toBackups(net, 3, other, 0, 1, 2)
	net.Run()
	net.Pass = nil
	for _, rec := range net.Nodes[3].Records { // its COMMIT of the second batch
		if rec.Type == message.RecordVote && rec.Vote.Kind == crypto.KindCommit &&
			rec.Vote.Seq == 2 {
			v := *rec.Vote
			net.Nodes[3].Sealer.Seal(&v)
			toBackups(net, 3, &v, 0, 1, 2)
		}
	}
	net.Run()
	everybody(t, net, message.EvidenceForkedCommits, 3, 3)
}
