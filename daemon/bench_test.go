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
	for _, clients := range []int{1, 64} {
		b.Run(fmt.Sprint(clients), func(b *testing.B) {
			c := newCluster(b, 4, crypto.SchemeEd25519)
			defer c.stopAll()
			for i := range 4 {
				c.start(i)
			}
			c.put(1, "warm")
			value := strings.Repeat("x", 256)
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			for k := range clients {
				cli := c.client(k % 4)
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
