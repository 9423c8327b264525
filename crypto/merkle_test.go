package crypto

import (
	"math"
	"slices"
	"testing"
)

func testLeaves(n int) []Digest {
	leaves := make([]Digest, n)
	for i := range leaves {
		leaves[i] = Hash("test leaf", []byte{byte(i), byte(i >> 8)})
	}
	return leaves
}

func TestMerkleShape(t *testing.T) {
	leaf := func(d Digest) []byte { h := Hash("byzd/merkle/leaf", d[:]); return h[:] }
	node := func(l, r []byte) []byte { h := Hash("byzd/merkle/node", l, r); return h[:] }
	root := func(n byte, top []byte) Digest {
		return Hash("byzd/merkle/root", []byte{7: n}, top)
	}
	d := testLeaves(5)
	pair := node(leaf(d[0]), leaf(d[1]))
	want := []Digest{
		Hash("byzd/merkle/empty"),
		root(1, leaf(d[0])),
		root(2, pair),
		root(3, node(pair, leaf(d[2]))),
		root(4, node(pair, node(leaf(d[2]), leaf(d[3])))),
		root(5, node(node(pair, node(leaf(d[2]), leaf(d[3]))), leaf(d[4]))),
	}
	for n := range want {
		before := slices.Clone(d[:n])
		if got := MerkleRoot(d[:n]); got != want[n] {
			t.Errorf("root of %d leaves is %s, want %s", n, got, want[n])
		}
		if !slices.Equal(before, d[:n]) {
			t.Errorf("MerkleRoot of %d leaves changed them", n)
		}
	}
}

// TestMerkleProofs tries each proof at every position of lists of every length: it holds only at
// its own.
func TestMerkleProofs(t *testing.T) {
	const most = 20
	leaves := testLeaves(most)
	for n := 1; n <= most; n++ {
		root := MerkleRoot(leaves[:n])
		for i := range n {
			path := MerkleProof(leaves[:n], i)
			if len(path) > 5 {
				t.Errorf("the path of leaf %d of %d has %d steps", i, n, len(path))
			}
			for length := range most + 2 {
				for at := -1; at <= length; at++ {
					got := VerifyMerkle(root, leaves[i], at, length, path)
					if want := at == i && length == n; got != want {
						t.Errorf("proof of leaf %d of %d as %d of %d: %v", i, n, at, length, got)
					}
				}
			}
		}
	}
}

func TestMerkleRefuses(t *testing.T) {
	leaves := testLeaves(7)
	root := MerkleRoot(leaves)
	for i := range leaves {
		path := MerkleProof(leaves, i)
		if VerifyMerkle(root, leaves[(i+1)%7], i, 7, path) {
			t.Errorf("another leaf at %d", i)
		}
		if VerifyMerkle(root, leaves[i], i, 7, path[:len(path)-1]) ||
			VerifyMerkle(root, leaves[i], i, 7, append(slices.Clone(path), Digest{})) {
			t.Errorf("leaf %d: a path of another length", i)
		}
		for step := range path {
			wrong := slices.Clone(path)
			wrong[step][0] ^= 1
			if VerifyMerkle(root, leaves[i], i, 7, wrong) {
				t.Errorf("leaf %d: step %d does not matter", i, step)
			}
		}
		root2 := root
		root2[31] ^= 1
		if VerifyMerkle(root2, leaves[i], i, 7, path) {
			t.Errorf("leaf %d under another root", i)
		}
	}
	if VerifyMerkle(Hash("byzd/merkle/empty"), Digest{}, 0, 0, nil) {
		t.Error("the empty list has a leaf")
	}
	for _, n := range []int{math.MinInt, -1, 0, math.MaxInt} {
		for _, i := range []int{math.MinInt, -1, 0, math.MaxInt - 1, math.MaxInt} {
			if VerifyMerkle(root, leaves[0], i, n, make([]Digest, 3)) {
				t.Errorf("leaf %d of %d", i, n)
			}
		}
	}
}

// TestMerkleNodeIsNoLeaf offers an inner node as if it were a leaf of a shorter list.
func TestMerkleNodeIsNoLeaf(t *testing.T) {
	d := testLeaves(2)
	left, right := Hash("byzd/merkle/leaf", d[0][:]), Hash("byzd/merkle/leaf", d[1][:])
	inner := merkleNode(left, right)
	if MerkleRoot(d) == MerkleRoot([]Digest{inner}) || MerkleRoot(d) == inner {
		t.Error("an inner node passes as a leaf or as the root")
	}
}

func TestMerkleProofOutsidePanics(t *testing.T) {
	for _, i := range []int{-1, 3} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("a proof for leaf %d of 3", i)
				}
			}()
			MerkleProof(testLeaves(3), i)
		}()
	}
}
