package acceptance_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// stateMiB is how much the store holds that a wiped node fetches. The figure is 100, as in
//
//	go test ./testnet/acceptance -run TestWipedUnderLoad -count=1 -v -state-mib 100
var stateMiB = flag.Int("state-mib", 4, "the `SIZE` of the state that a wiped node fetches, in MiB")

// A node whose data directory is wiped under load comes back by itself: it fetches the certified
// state, since the log is gone everywhere, although one of its sources lies in every second piece,
// which costs time and nothing else; it votes again, and nothing that was acknowledged is lost.
// Whether the liar has the state that is asked for when it is asked is a matter of chance under
// load, so the node is wiped until it was: what it told was refused, and counted.
func TestWipedUnderLoad(t *testing.T) {
	n := up(t, "--nodes", "4", "--traitor", "1=wrong-state:p=0.5",
		"--param", "checkpoint-every=8", "--param", "window=64",
		"--set", "snapshot-every=200ms", "--set", "keep-batches=8", "--set", "keep-bytes=1")
	n.fill(*stateMiB, 0) // there must be more pieces than one source is asked for
	l := n.write("w", 0, 2)
	n.until("a hundred batches are executed", func() bool {
		st, err := n.status(0)
		return err == nil && st.Sequence > 100
	})
	const rounds = 10
	noticed := uint64(0)
	for round := 0; noticed == 0 && round < rounds; round++ {
		noticed = n.wipe(l, 3)
	}
	if noticed == 0 {
		t.Errorf("of %d transfers none met the liar", rounds)
	}
	if v, _ := n.judge(); v.Fired["1=wrong-state"] == 0 {
		t.Errorf("%d lies were noticed, and none was told: %v", noticed, v.Fired)
	}
	// Its vote counts: without node 2 the others need it.
	n.testnet("kill", "2")
	before := l.count()
	n.until("it is needed, and there", func() bool { return l.count() > before+5 })
	n.testnet("restart", "2")
	l.end(3)
	// The logs may begin above the base, as that of the wiped node does: what is before is judged by
	// certificate, and all else is definite.
	if v := n.held(); v.Operations == 0 {
		t.Errorf("judged are %d operations from batch %d on", v.Operations, v.From)
	}
}

// fill writes so much through a node, in values of 64 KiB.
func (n *network) fill(mib, through int) {
	n.t.Helper()
	count := mib << 20 / (64 << 10)
	cli, err := etcdClient(n.state.Nodes[through].Client)
	if err != nil {
		n.t.Fatal(err)
	}
	defer cli.Close()
	value := strings.Repeat("l", 64<<10)
	for k := range count {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		err := put(ctx, cli, fmt.Sprintf("large-%d", k), value)
		cancel()
		if err != nil {
			n.t.Fatalf("put of a large value: %v", err)
		}
	}
}

// wipe kills a node, empties its data directory, and starts it again when the others have gone on
// for a while. It returns when the node takes part again, with the number of the pieces that it has
// refused.
func (n *network) wipe(l *load, node int) (noticed uint64) {
	n.t.Helper()
	n.testnet("kill", strconv.Itoa(node))
	before := l.count()
	n.until("work goes on without it", func() bool { return l.count() > before+20 })
	data := filepath.Join(n.state.Nodes[node].Home, "data")
	entries, err := os.ReadDir(data)
	if err != nil {
		n.t.Fatal(err)
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(data, e.Name())); err != nil {
			n.t.Fatal(err)
		}
	}
	began := time.Now()
	n.testnet("restart", strconv.Itoa(node))
	var st status
	n.until("the wiped node takes part again", func() bool {
		var err error
		st, err = n.status(node)
		return err == nil && st.Ready && st.Events["state-installed"] > 0 && st.Events["recovered"] > 0
	})
	noticed = st.Drops["state_part_not_certified"]
	n.t.Logf("votes again %v after its start; %d bytes came with the state and what goes with it; lies "+
		"that were noticed: %d; %v", time.Since(began).Round(time.Millisecond),
		n.counter(node, `byzd_transport_total{what="bytes_in_sync"}`), noticed, st.Events)
	return noticed
}

// A node that gets yesterday's copy of its home does no harm (PROTOCOL §4.6.4, R15): the cluster
// has gone on by thousands of operations and through view changes in which the node voted, and the
// copy knows of none of it. The node neither contradicts itself nor loses anything: it is judged
// like any correct node, by all journals, and nobody can convict it. In the end it is needed, and
// votes.
func TestOldHomeDoesNoHarm(t *testing.T) {
	n := up(t, "--nodes", "4")
	home := n.state.Nodes[3].Home
	yesterday := filepath.Join(t.TempDir(), "yesterday")
	n.puts("before", 50, 0, 1, 2, 3)
	n.testnet("kill", "3")
	backUp(t, home, yesterday)
	old := n.statusOf(0)
	n.testnet("restart", "3")
	n.isReady(3)
	l := n.write("k", 1)
	for range 2 {
		n.pastPrimary()
		n.isReady(3)
	}
	newer := n.statusOf(2).Sequence
	n.testnet("kill", "3")
	if err := os.RemoveAll(home); err != nil {
		t.Fatal(err)
	}
	backUp(t, yesterday, home)
	n.testnet("restart", "3")
	var st status
	n.until("it has noticed, follows, and may vote again", func() bool {
		var err error
		st, err = n.status(3)
		return err == nil && st.Ready && st.Events["recovered"] > 0
	})
	if newer < old.Sequence+500 || st.Sequence < newer || st.View < old.View+2 ||
		st.Events["forgot"] == 0 {
		t.Errorf("the copy is of %d, was put back at %d, and now it is in %+v",
			old.Sequence, newer, st)
	}
	t.Logf("the copy is %d batches old; view %d, %v", newer-old.Sequence, st.View, st.Events)
	n.testnet("kill", "2")
	l.resumes("it is needed, and votes")
	n.testnet("restart", "2")
	n.isReady(3)
	l.end(3)
	if v := n.held(); len(v.Culprits) > 0 || v.Operations < 2000 {
		t.Errorf("%d operations, culprits %v", v.Operations, v.Culprits)
	}
}

// backUp copies a home as an operator does, with who may read what.
func backUp(t *testing.T, from, to string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "cp", "-a", from, to).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v\n%s", err, out)
	}
}

// pastPrimary writes a thousand keys, kills the primary, and starts it again when the others have
// gone on to another view.
func (n *network) pastPrimary() {
	n.t.Helper()
	before := n.statusOf(0)
	var others []int
	for i := range n.state.Nodes {
		if i != before.Primary {
			others = append(others, i)
		}
	}
	n.puts(fmt.Sprintf("in-%d", before.View), 500, others[:2]...)
	n.testnet("kill", strconv.Itoa(before.Primary))
	n.puts(fmt.Sprintf("after-%d", before.View), 20, others[:2]...)
	n.until("the others are in another view", func() bool {
		return n.statusOf(others[0]).View > before.View
	})
	n.testnet("restart", strconv.Itoa(before.Primary))
}

func (n *network) statusOf(i int) status {
	n.t.Helper()
	st, err := n.status(i)
	if err != nil {
		n.t.Fatal(err)
	}
	return st
}

func (n *network) isReady(i int) {
	n.t.Helper()
	n.until(fmt.Sprintf("node %d is ready", i), func() bool {
		st, err := n.status(i)
		return err == nil && st.Ready
	})
}
