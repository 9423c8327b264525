package merkle_test

import (
	"fmt"
	"testing"

	"byzd/daemon/kv/merkle"
)

// BenchmarkPut is the cost of one of so many puts between two roots and snapshots.
func BenchmarkPut(b *testing.B) {
	const keys = 100_000
	tree := filled(keys, 16)
	tree.Root()
	names := make([][]byte, keys)
	for i := range names {
		names[i] = fmt.Appendf(nil, "key-%08d", i*7919%keys)
	}
	for _, batch := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			b.ReportAllocs()
			t, value := tree, make([]byte, 16)
			for i := 0; i < b.N; {
				e := t.Edit()
				for j := 0; j < batch && i < b.N; j++ {
					value[0] = byte(i / keys)
					e.Set(names[i%keys], value)
					i++
				}
				t = e.Tree()
				t.Root()
			}
		})
	}
}

func BenchmarkGet(b *testing.B) {
	const keys = 100_000
	tree := filled(keys, 16)
	names := make([][]byte, keys)
	for i := range names {
		names[i] = fmt.Appendf(nil, "key-%08d", i*7919%keys)
	}
	for i := 0; b.Loop(); i++ {
		tree.Get(names[i%keys])
	}
}

func BenchmarkProve(b *testing.B) {
	tree := filled(100_000, 16)
	root := tree.Root()
	k := []byte("key-00012345")
	proof := tree.Prove(k)
	b.Run("make", func(b *testing.B) {
		for b.Loop() {
			tree.Prove(k)
		}
		b.ReportMetric(float64(len(proof)), "proof-bytes")
	})
	b.Run("verify", func(b *testing.B) {
		for b.Loop() {
			if _, ok, err := proof.Verify(root, k); !ok || err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkChunk(b *testing.B) {
	tree := filled(100_000, 256)
	for b.Loop() {
		chunk, err := tree.Chunk("", 256<<10)
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(chunk)))
	}
}

func BenchmarkBuild(b *testing.B) {
	tree := filled(100_000, 256)
	b.SetBytes(tree.Bytes())
	for b.Loop() {
		builder := merkle.NewBuilder(tree.Root())
		fetch(b, builder, tree, 256<<10)
		if _, ok := builder.Done(); !ok {
			b.Fatal("not done")
		}
	}
}
