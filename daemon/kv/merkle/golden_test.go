package merkle_test

import (
	"encoding/hex"
	"testing"
)

// These were computed by a few lines in another language, from DESIGN.md.
const (
	goldenEmpty = "fc0de5994f27def262847b69dff4861d9ad4b4f6ec04bca267e5926873ea80de"
	goldenOne   = "ef5dec34054255d4bfd5ae3f24dc21c55390a5d6eee3217ab824eee533a8f0c5"
	goldenThree = "9e8572c9b243032f349687615380b6b1b9af9b159273aab2d42af7ec64dbd430"
)

// The proofs and the chunk of {a: 1, b: 2, c: 3, d: 4}; a verifier in another language, written
// from DESIGN.md, accepts them.
const (
	goldenPresent = "03000161b2aa796173a992afcf63afbdef1a194a5db08d06540ac631d8e04581cf6542cc000200010000" +
		"0001633301dd0b3461b451f8ae899abe4a23f4abed251984d257407713b5dbbfc15d904277019054b965" +
		"5206e9125ea3515aa9b4026d818b375e031be7765f2474a4c39198e8"
	goldenAbsent = "03000161b2aa796173a992afcf63afbdef1a194a5db08d06540ac631d8e04581cf6542cc000300016331" +
		"9390af955fc7d91861baf811b9a27b31c722cd2c12c3d30b7dcf4a77c8578b030001624b3a728dc9cb82" +
		"565757b9883bf690ea4958c16249fd1d55b698287d8f4c59bc0000019054b9655206e9125ea3515aa9b4" +
		"026d818b375e031be7765f2474a4c39198e8"
	goldenLimited = "03000161b2aa796173a992afcf63afbdef1a194a5db08d06540ac631d8e04581cf6542cc000200010000" +
		"000163330200010000000162320000030001643d92f77d3fe2e5a4a2fefb29736b552043820339c6e263" +
		"297b8b111216cc65d40000"
	goldenChunk = "0200010000000161310002000100000001633302000100000001623200000200010000000164340000"
)

// Proofs and chunks have one form, and show no more than they must.
func TestProof_IsFixed(t *testing.T) {
	tree := model{"a": "1", "b": "2", "c": "3", "d": "4"}.tree()
	chunk, err := tree.Chunk("", 100)
	if err != nil {
		t.Fatal(err)
	}
	for want, got := range map[string][]byte{
		goldenPresent: tree.Prove([]byte("c")),
		goldenAbsent:  tree.Prove([]byte("bb")),
		goldenLimited: tree.ProveRange([]byte("b"), nil, 2),
		goldenChunk:   chunk,
	} {
		if hex.EncodeToString(got) != want {
			t.Errorf("%x, want %s", got, want)
		}
	}
}
