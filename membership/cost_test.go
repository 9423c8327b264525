package membership

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"
)

// costEnv names one more size of cluster to measure.
const costEnv = "BYZD_TEST_COST_N"

// TestTime_Cost measures what an idle cluster sends, with the default timing; the figures stand in
// DESIGN.md. What a node sends must not grow with n.
func TestTime_Cost(t *testing.T) {
	sizes := []int{4, 16}
	if more, err := strconv.Atoi(os.Getenv(costEnv)); err == nil {
		sizes = append(sizes, more)
	}
	for _, n := range sizes {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			inEther(t, n, func(c *cluster) {
				all := upTo(n)
				c.startAll(all...)
				took := wait(c.t, time.Minute, "start", c.sees(all, all, Alive))
				joined := c.ether.packets.Load()
				elapse(10 * time.Second) // Until the news of the start has died down.
				const during = 20 * time.Second
				packets, bytes, streams := c.ether.packets.Load(), c.ether.bytes.Load(), c.ether.streams.Load()
				elapse(during)
				rate := func(now, before uint64) float64 {
					return float64(now-before) / during.Seconds() / float64(n)
				}
				p := rate(c.ether.packets.Load(), packets)
				b := rate(c.ether.bytes.Load(), bytes)
				s := rate(c.ether.streams.Load(), streams)
				c.t.Logf("n=%d: all see all after %s and %d packets; then each node sends %.1f packets/s, "+
					"%.0f bytes/s, and %.2f bytes/s over streams", n, took, joined, p, b, s)
				if p < 1 || p > 10 || b > 2000 {
					c.t.Errorf("an idle node of %d sends %.1f packets/s, %.0f bytes/s", n, p, b)
				}
				if err := c.sees(all, all, Alive)(); err != nil {
					c.t.Error(err)
				}
			})
		})
	}
}
