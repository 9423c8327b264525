package acceptance_test

import "testing"

// A node that was stopped while the members changed from 4 to 5 and to 4 again, and finds the log
// of its epoch gone everywhere, comes back by itself, under load: it follows the proofs, fetches
// the certified state, and votes (PROTOCOL §4.9, R13). So does one that has never been there
// before, which only has its invitation.
func TestLeapOverEpochs(t *testing.T) {
	n := up(t, "--nodes", "4",
		"--param", "checkpoint-every=8", "--param", "window=64",
		"--set", "snapshot-every=200ms", "--set", "keep-batches=8", "--set", "keep-bytes=1")
	l := n.write("l", 0, 1, 2)
	l.resumes("the load runs")
	n.testnet("kill", "3")
	l.resumes("without node 3")
	n.testnet("add", "1")
	n.read()
	l.resumes("five go on")
	n.testnet("remove", "4")
	if e := n.epochOf(0); e.Epoch != 2 || len(e.Members) != 4 {
		t.Fatalf("after two changes: %+v", e)
	}
	was, err := n.status(0)
	if err != nil {
		t.Fatal(err)
	}
	n.until("the logs of the earlier epochs are cut", func() bool {
		st, err := n.status(0)
		return err == nil && st.Sequence > was.Sequence+100
	})

	n.testnet("restart", "3")
	n.read()
	n.until("the node that was away takes part again", func() bool {
		st, err := n.status(3)
		return err == nil && st.Ready && st.Events["state-installed"] > 0
	})
	if e := n.epochOf(3); e.Epoch != 2 {
		t.Errorf("it is ready in epoch %d", e.Epoch)
	}
	n.needed(l, "2")

	n.testnet("add", "1")
	n.read()
	if e := n.epochOf(5); e.Epoch != 3 || len(e.Members) != 5 {
		t.Errorf("the newcomer is in %+v", e)
	}
	st, err := n.status(5)
	if err != nil || st.Events["state-installed"] == 0 {
		t.Errorf("the newcomer did not come in by state transfer: %v %v", st.Events, err)
	}
	n.needed(l, "1")
	l.end(5)
	v, code := n.judge() // the logs begin above the base: some of it cannot be known
	if code != 0 || v.Agreement == "broken" || v.Validity == "broken" || v.Integrity == "broken" {
		t.Errorf("exit %d: %+v", code, v)
	}
}

// needed stops a node for as long as it takes the others to go on: they need everybody else for
// that.
func (n *network) needed(l *load, stopped string) {
	n.t.Helper()
	n.testnet("kill", stopped)
	l.resumes("without node " + stopped)
	n.testnet("restart", stopped)
}
