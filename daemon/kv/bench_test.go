package kv_test

import (
	"fmt"
	"testing"

	"byzd/daemon/kv"
)

// large is a store of n keys with values of 256 bytes.
func large(b *testing.B, n int) *kv.Store {
	b.Helper()
	s := kv.New()
	for i := range n {
		s.Apply(mustEncode(b, kv.Put{Key: fmt.Appendf(nil, "key-%08d", i), Value: make([]byte,
			256)}))
	}
	s.Root()
	return s
}

func BenchmarkApply(b *testing.B) {
	const keys = 100_000
	s := large(b, keys)
	ops := make([][]byte, 1024)
	for i := range ops {
		key := fmt.Appendf(nil, "key-%08d", i*7919%keys)
		ops[i] = mustEncode(b, kv.Put{Key: key, Value: make([]byte, 256)})
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		s.Apply(ops[i%len(ops)])
	}
}

// BenchmarkRoot is the cost of a root after a checkpoint's worth of changes.
func BenchmarkRoot(b *testing.B) {
	for _, changes := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprintf("changes=%d", changes), func(b *testing.B) {
			const keys = 100_000
			s := large(b, keys)
			b.ReportAllocs()
			b.ResetTimer()
			for n := range b.N {
				b.StopTimer()
				for i := range changes {
					key := fmt.Appendf(nil, "key-%08d", (n+i)*7919%keys)
					s.Apply(mustEncode(b, kv.Put{Key: key, Value: []byte{1}}))
				}
				b.StartTimer()
				s.Root()
			}
		})
	}
}

func BenchmarkClone(b *testing.B) {
	s := large(b, 100_000)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		s.Clone()
	}
}
