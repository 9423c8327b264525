package daemon_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"byzd/crypto"
	"byzd/daemon"
	"byzd/daemon/operator"
	"byzd/membership"
)

// Timeouts that are too short for the machine's load make gossip suspect nodes that live. Agreement
// does not care: everything is acknowledged, and the primary stays.
func TestFalseSuspicions(t *testing.T) {
	c := newCluster(t, 4, crypto.SchemeEd25519)
	defer c.stopAll()
	hasty := func(o *daemon.Options) {
		o.Timing = membership.Timing{
			ProbeInterval: 20 * time.Millisecond, ProbeTimeout: time.Millisecond,
			SuspicionMult: 1, SuspicionMaxMult: 1, GossipInterval: 5 * time.Millisecond,
			RejoinInterval: 200 * time.Millisecond,
		}
	}
	for i := range 4 {
		c.start(i, hasty)
	}
	for i := range 4 {
		c.ready(i)
	}
	defer burn()()
	cli := c.client(2)
	defer cli.Close()
	puts := 0
	until(t, "a node that lives is suspected", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		for range 20 { // the load
			puts++
			if _, err := cli.Put(ctx, fmt.Sprint(puts), "v"); err != nil {
				t.Fatalf("put %d: %v", puts, err)
			}
		}
		return c.suspects() > 0
	})
	t.Logf("%d puts were acknowledged meanwhile", puts)
	for i := range 4 {
		if st := c.status(i); st.Events["complained"] == 0 && st.View != 0 {
			t.Errorf("node %d is in view %d, and nobody complained", i, st.View)
		}
	}
}

// burn keeps all processors but one busy until the returned function is called.
func burn() (stop func()) {
	var wg sync.WaitGroup
	var done atomic.Bool
	for range max(1, runtime.GOMAXPROCS(0)-1) {
		wg.Go(func() {
			for digest := (crypto.Digest{}); !done.Load(); {
				digest = crypto.Hash("burn", digest[:])
			}
		})
	}
	return func() {
		done.Store(true)
		wg.Wait()
	}
}

// suspects counts the opinions, of all nodes about all nodes, that somebody is not alive.
func (c *cluster) suspects() int {
	count := 0
	for i := range c.nodes {
		code, body := c.get(i, "/members")
		if code != http.StatusOK {
			c.t.Fatalf("members of node %d: %d", i, code)
		}
		var members []operator.Member
		if err := json.Unmarshal([]byte(body), &members); err != nil {
			c.t.Fatal(err)
		}
		for _, m := range members {
			if !m.Self && m.Swim != "alive" {
				count++
			}
		}
	}
	return count
}
