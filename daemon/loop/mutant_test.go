package loop_test

import (
	"bytes"
	"errors"
	"testing"

	"byzd/crypto"
	"byzd/daemon/snapshot"
	"byzd/pbft/message"
)

// Tests that the deliberate bugs of testnet/sim/mutants asked for: each was missing, and the mutant
// or the rule that it names lived without it.

// R1, M56: while its journal is not synced a node's own PREPARE makes no certificate, although the
// others' lack nothing but this one, and does not leave.
// PROTOCOL §3: B26.
func TestOwnVoteCountsWhenDurable(t *testing.T) {
	c := newCluster(t, 4)
	c.runFor(1000, nil) // fences
	c.crash(3)
	c.nodes[1].noSync = true
	said := 0
	c.tap = func(from, _ int, frame []byte) {
		if _, m, err := message.Decode(frame); err == nil && from == 1 && m.Type() == message.TypeVote {
			said++
		}
	}
	c.put(0, 1, "a", "1")
	c.runFor(100, nil)
	s := c.nodes[1].loop.Replica().Status()
	if s.Tip != 1 {
		t.Fatalf("node 1 PREPAREd up to %d, not 1", s.Tip)
	}
	if s.High.Seq != 0 || s.Committed.Seq != 0 {
		t.Errorf("node 1 holds certificates with its own vote, which is not durable: %+v", s)
	}
	if said > 0 {
		t.Errorf("%d votes left before they were durable", said)
	}
	c.nodes[1].noSync = false
	if !c.runFor(1000, func() bool { return executed(c, 1) == 1 }) {
		t.Errorf("node 1 executed %d batches after its journal was synced", executed(c, 1))
	}
}

// M38: the manifest of a state is compared with the certificate that names it (B39): who gives
// another one is a liar, and the state is had from the others.
func TestManifestIsComparedWithTheCertificate(t *testing.T) {
	c := newCluster(t, 4)
	shortMemory(c)
	c.crash(3)
	c.work(0, 60, 1000)
	lies := 0
	c.twist = func(_, to int, m message.Message) message.Message {
		part, is := m.(*message.StatePart)
		if !is || to != 3 || lies > 0 || part.Want.Tree != message.StateManifest || len(part.Data) == 0 {
			return m
		}
		lies++
		lie := *part
		lie.Data = bytes.Clone(part.Data)
		lie.Data[len(lie.Data)-1] ^= 1 // in the root of the ledger
		return &lie
	}
	c.open(3)
	if !c.runFor(60_000, c.caughtUp(3)) || lies == 0 {
		t.Fatalf("node 3 executed %d of %d after %d lies", executed(c, 3), executed(c, 0), lies)
	}
	if c.nodes[3].drops["state_part_not_certified"] != 1 {
		t.Errorf("the lie was not noticed: %v", c.nodes[3].drops)
	}
	c.runFor(3000, nil)
	c.sameRoot()
}

// M41: the journal is cut below a snapshot that is durable, and below no other (R14).
func TestNothingIsCutForASnapshotThatFailed(t *testing.T) {
	c := newCluster(t, 4)
	failed := 0
	c.save = func(i int, s *snapshot.Snapshot) {
		var err error
		if i == 0 {
			failed++
			err = errors.New("the disk does not take it")
		} else if err = snapshot.Write(c.nodes[i].disk, s); err != nil {
			t.Error(err)
		}
		c.nodes[i].loop.Saved(s, err)
	}
	shortMemory(c)
	c.work(0, 60, 1000)
	if cut := c.nodes[0].loop.Cut(); cut != 0 || failed == 0 {
		t.Errorf("node 0 would cut its journal at record %d after %d snapshots that failed", cut, failed)
	}
	if cut := c.nodes[1].loop.Cut(); cut == 0 {
		t.Error("node 1, whose snapshots are durable, never cut its journal")
	}
}

// M42 (B55): who installed a state repeats the replies that are kept in it.
func TestInstalledStateHasTheKeptReplies(t *testing.T) {
	c := newCluster(t, 4)
	shortMemory(c)
	c.crash(3)
	key := crypto.NewNetworkKey([32]byte{7})
	ask := func(r *message.ClientRequest) {
		message.SealClientRequest(c.cfg.RequestDomain(), key, r)
		if !c.nodes[0].loop.Submit(message.Item{Signed: r}, "client", 1) {
			t.Fatal("node 0 is busy")
		}
		c.runFor(500, nil)
	}
	ask(&message.ClientRequest{Seq: 1}) // REGISTER
	session := executed(c, 0) << 16     // named after the batch that made it, the last one
	ask(&message.ClientRequest{Session: session, Seq: 1})
	reply := func(i int) *message.Reply { return c.nodes[i].loop.Reply(session, 1) }
	if reply(0) == nil {
		t.Fatal("node 0 does not know the reply")
	}
	c.work(0, 60, 1000)
	c.open(3)
	if !c.runFor(60_000, c.caughtUp(3)) {
		t.Fatalf("node 3 executed %d of %d", executed(c, 3), executed(c, 0))
	}
	if p := reply(3); p == nil || p.Leaf() != reply(0).Leaf() {
		t.Errorf("node 3 does not know the reply to session %d: %+v", session, p)
	}
}
