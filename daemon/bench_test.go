package daemon_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"byzd/crypto"
)

// Four nodes in one process, written to by etcd's client through all of them: what a write costs,
// and, with -cpuprofile, where.
func BenchmarkPut(b *testing.B) {
	for _, bb := range []struct {
		scheme         string
		nodes, clients int
	}{
		{crypto.SchemeEd25519, 4, 1},
		{crypto.SchemeEd25519, 4, 64},
		{crypto.SchemeHybrid, 4, 1},
		{crypto.SchemeBLS12381, 4, 1},
		{crypto.SchemeBLS12381, 7, 1},
	} {
		b.Run(fmt.Sprintf("%s/%d/%d", bb.scheme, bb.nodes, bb.clients), func(b *testing.B) {
			c := newCluster(b, bb.nodes, bb.scheme)
			defer c.stopAll()
			for i := range bb.nodes {
				c.start(i)
			}
			c.put(1, "warm")
			value := strings.Repeat("x", 256)
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			for k := range bb.clients {
				cli := c.client(k % bb.nodes)
				wg.Go(func() {
					defer cli.Close()
					for next.Add(1) <= int64(b.N) {
						key := fmt.Sprint(k, next.Load()%1000)
						if _, err := cli.Put(context.Background(), key, value); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
		})
	}
}
