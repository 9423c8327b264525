package acceptance_test

import (
	"os"
	"path/filepath"
	"testing"
)

// A node whose data directory is wiped under load comes back by itself: it fetches the certified
// state, since the log is gone everywhere, although one of its sources lies (whether it
// is asked is a matter of chance; daemon/loop has the test where it is); it votes again, and nothing that was acknowledged is lost.
func TestWipedUnderLoad(t *testing.T) {
	n := up(t, "--nodes", "4", "--traitor", "1=wrong-state",
		"--param", "checkpoint-every=8", "--param", "window=64",
		"--set", "snapshot-every=200ms", "--set", "keep-batches=8", "--set", "keep-bytes=1")
	l := n.write("w", 0, 2)
	n.until("a hundred batches are executed", func() bool {
		st, err := n.status(0)
		return err == nil && st.Sequence > 100
	})
	n.testnet("kill", "3")
	before := l.count()
	n.until("work goes on without it", func() bool { return l.count() > before+20 })
	data := filepath.Join(n.state.Nodes[3].Home, "data")
	entries, err := os.ReadDir(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(data, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	n.testnet("restart", "3")
	n.until("the wiped node takes part again", func() bool {
		st, err := n.status(3)
		return err == nil && st.Ready && st.Events["state-installed"] > 0 && st.Events["recovered"] > 0
	})
	st, err := n.status(3)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("lies that were noticed: %d; %v", st.Drops["state_part_not_certified"], st.Events)
	// Its vote counts: without node 2 the others need it.
	n.testnet("kill", "2")
	before = l.count()
	n.until("it is needed, and there", func() bool { return l.count() > before+5 })
	n.testnet("restart", "2")
	l.end(3)
	v, code := n.judge() // the logs begin above the base: some of it cannot be known
	if code != 0 || v.Agreement == "broken" || v.Validity == "broken" || v.Integrity == "broken" {
		t.Errorf("exit %d: %+v", code, v)
	}
}
