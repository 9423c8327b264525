package acceptance_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"
)

// load writes through some nodes until it is stopped, and remembers what was acknowledged.
type load struct {
	n    *network
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu    sync.Mutex
	acked []string
	last  time.Time
}

// write starts one client at each of the nodes.
func (n *network) write(prefix string, nodes ...int) *load {
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{n: n, stop: cancel, last: time.Now()}
	for _, i := range nodes {
		l.wg.Go(func() {
			for k := 0; ctx.Err() == nil; k++ {
				l.one(ctx, i, fmt.Sprintf("%s-%d-%d", prefix, i, k))
			}
		})
	}
	return l
}

// one writes a key once, with a short deadline: whether it is acknowledged is what is recorded.
func (l *load) one(ctx context.Context, i int, key string) {
	cli, err := etcdClient(l.n.client(i))
	if err != nil {
		return
	}
	defer cli.Close()
	attempt, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	if _, err := cli.Put(attempt, key, key); err != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acked = append(l.acked, key)
	l.last = time.Now()
}

// count returns how many writes were acknowledged.
func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked)
}

// end stops the load and demands that everything acknowledged is there, through some node.
func (l *load) end(through int) {
	l.n.t.Helper()
	l.stop()
	l.wg.Wait()
	if len(l.acked) == 0 {
		l.n.t.Error("nothing was acknowledged: this run shows nothing")
	}
	cli, err := etcdClient(l.n.client(through))
	if err != nil {
		l.n.t.Fatal(err)
	}
	defer cli.Close()
	lost := 0
	for _, key := range l.acked {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		r, err := cli.Get(ctx, key)
		cancel()
		if err != nil {
			l.n.t.Fatalf("get %s: %v", key, err)
		}
		if len(r.Kvs) != 1 || string(r.Kvs[0].Value) != key {
			lost++
		}
	}
	if lost > 0 {
		l.n.t.Errorf("%d of %d acknowledged writes are lost", lost, len(l.acked))
	}
	l.n.t.Logf("%d acknowledged writes, none lost", len(l.acked))
}

// resumes waits for the load's next acknowledgements.
func (l *load) resumes(what string) {
	l.n.t.Helper()
	at := l.count()
	l.n.until(what, func() bool { return l.count() >= at+3 })
}

func TestKilledPrimary(t *testing.T) {
	n := up(t, "--nodes", "4")
	l := n.write("k", 1, 2, 3)
	l.resumes("the load runs")
	n.testnet("kill", "0")
	l.resumes("the others go on without the primary")
	n.testnet("restart", "0")
	l.resumes("it is back")
	l.end(0)
	n.held()
}

func TestPausedPrimary(t *testing.T) {
	n := up(t, "--nodes", "4")
	l := n.write("k", 1, 2, 3)
	l.resumes("the load runs")
	n.testnet("pause", "0")
	l.resumes("the others go on without the primary")
	hold(10 * time.Second)
	n.testnet("resume", "0")
	l.resumes("it is back")
	l.end(0)
	n.held()
}

// hold lets a fault last.
func hold(d time.Duration) { <-time.After(d) }

func TestPartition(t *testing.T) {
	n := up(t, "--nodes", "4")
	l := n.write("k", 0, 1, 2, 3)
	l.resumes("the load runs")
	n.testnet("partition", "0,1/2,3")
	hold(5 * time.Second)
	during := l.count()
	hold(15 * time.Second)
	if after := l.count(); after != during {
		t.Errorf("%d writes were acknowledged without a quorum", after-during)
	}
	n.testnet("heal")
	l.resumes("work resumes after the heal")
	l.end(2)
	n.held()
}

// Killing all nodes at once, under load, again and again, loses nothing that was acknowledged.
func TestAllKilled(t *testing.T) {
	n := up(t, "--nodes", "4")
	l := n.write("k", 0, 1, 2, 3)
	for range 3 {
		l.resumes("the load runs")
		n.testnet("kill", "0", "1", "2", "3")
		n.testnet("restart", "0", "1", "2", "3")
	}
	l.resumes("the load runs again")
	l.end(1)
	n.held()
}
