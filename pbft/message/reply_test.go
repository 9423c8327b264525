package message_test

import (
	"bytes"
	"errors"
	"testing"

	"byzd/crypto"
	"byzd/pbft/message"
)

// replies are what one member says about n requests of a batch.
func (w *world) replies(member, n int) []*message.Reply {
	replies := make([]*message.Reply, n)
	leaves := make([]crypto.Digest, n)
	for i := range replies {
		replies[i] = &message.Reply{
			Member: member, Client: crypto.NodeID{1, byte(i)}, Batch: 9, Session: 70000 + uint64(i), Seq: 4,
			Outcome: 1, Result: []byte{byte(i), 0xaa}, Index: i, Count: n,
		}
		leaves[i] = replies[i].Leaf()
	}
	root := crypto.MerkleRoot(leaves)
	sig := w.sealer(member).SignReplyRoot(9, root)
	for i, p := range replies {
		p.Path, p.Root, p.Sig = crypto.MerkleProof(leaves, i), root, sig
	}
	return replies
}

type reply = message.Reply

func TestReplyRoundTrip(t *testing.T) {
	for _, scheme := range crypto.SchemeNames() {
		w := newWorld(t, 4, scheme)
		for _, n := range []int{1, 2, 3, 7} {
			for _, p := range w.replies(2, n) {
				data := message.EncodeReply(p)
				back, err := message.DecodeReply(data)
				if err != nil {
					t.Fatal(err)
				}
				if err := back.Verify(w.cfg); err != nil {
					t.Errorf("reply %d of %d: %v", p.Index, n, err)
				}
				if !bytes.Equal(message.EncodeReply(back), data) || back.Leaf() != p.Leaf() {
					t.Errorf("reply %d of %d came back as another one", p.Index, n)
				}
			}
		}
	}
}

// No byte of a reply can change, be missing or be added; nor can it speak for another member.
func TestReplyIsBound(t *testing.T) {
	w := newWorld(t, 4, crypto.SchemeEd25519)
	data := message.EncodeReply(w.replies(2, 5)[3])
	for i := range data {
		p, err := message.DecodeReply(flipped(data, i))
		if err == nil && p.Verify(w.cfg) == nil {
			t.Errorf("byte %d flipped: it holds", i)
		}
		if _, err := message.DecodeReply(data[:i]); !errors.Is(err, message.ErrMalformed) {
			t.Fatalf("the first %d bytes: %v", i, err)
		}
	}
	_, err := message.DecodeReply(append(bytes.Clone(data), 0))
	if !errors.Is(err, message.ErrMalformed) {
		t.Errorf("a byte more: %v", err)
	}
	good := w.replies(2, 5)[3]
	for name, c := range map[string]struct {
		want  message.Refusal
		spoil func(*reply)
	}{
		"another member":  {message.RefusedSignature, func(p *reply) { p.Member = 1 }},
		"no member":       {message.RefusedMember, func(p *reply) { p.Member = 4 }},
		"nobody":          {message.RefusedMember, func(p *reply) { p.Member = -1 }},
		"another client":  {message.RefusedProof, func(p *reply) { p.Client[31] ^= 1 }},
		"another batch":   {message.RefusedProof, func(p *reply) { p.Batch = 8 }},
		"another result":  {message.RefusedProof, func(p *reply) { p.Result = []byte("x") }},
		"another outcome": {message.RefusedProof, func(p *reply) { p.Outcome = 0 }},
		"another place":   {message.RefusedProof, func(p *reply) { p.Index = 2 }},
		"another count":   {message.RefusedProof, func(p *reply) { p.Count = 6 }},
		"no place":        {message.RefusedProof, func(p *reply) { p.Index = 5 }},
		"below place 0":   {message.RefusedProof, func(p *reply) { p.Index = -1 }},
		"none":            {message.RefusedProof, func(p *reply) { p.Index, p.Count = 0, 0 }},
		"too many":        {message.RefusedProof, func(p *reply) { p.Count = 1<<16 + 1 }},
		"short path":      {message.RefusedProof, func(p *reply) { p.Path = p.Path[1:] }},
		"another root":    {message.RefusedProof, func(p *reply) { p.Root = crypto.Hash("x") }},
		"no signature":    {message.RefusedSignature, func(p *reply) { p.Sig = nil }},
	} {
		if err := with(good, c.spoil).Verify(w.cfg); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if err := good.Verify(w.inEpoch(1).cfg); !errors.Is(err, message.RefusedSignature) {
		t.Errorf("in another epoch: %v", err)
	}
}

// Replies of correct members to one request have one leaf, whoever gives them.
func TestEqualRepliesHaveOneLeaf(t *testing.T) {
	w := newWorld(t, 4, crypto.SchemeEd25519)
	a, b := w.replies(1, 3)[2], w.replies(2, 3)[2]
	if a.Leaf() != b.Leaf() {
		t.Error("two members' equal replies differ")
	}
	if a.Leaf() == w.replies(1, 3)[1].Leaf() {
		t.Error("replies to two requests have one leaf")
	}
}

// The number of replies under one root is bounded, however well the tree is made.
func TestReplyCountIsBounded(t *testing.T) {
	w := newWorld(t, 4, crypto.SchemeEd25519)
	for _, n := range []int{message.MaxReplies, message.MaxReplies + 1} {
		p := w.replies(2, 1)[0]
		leaves := make([]crypto.Digest, n)
		leaves[n-1] = p.Leaf()
		p.Index, p.Count = n-1, n
		p.Path, p.Root = crypto.MerkleProof(leaves, n-1), crypto.MerkleRoot(leaves)
		p.Sig = w.sealer(2).SignReplyRoot(p.Batch, p.Root)
		if err := p.Verify(w.cfg); (err == nil) != (n == message.MaxReplies) {
			t.Errorf("one of %d replies: %v", n, err)
		}
	}
}
