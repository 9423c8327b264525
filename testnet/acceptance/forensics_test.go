package acceptance_test

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"testing"

	"byzd/daemon/disk"
	"byzd/daemon/journal"
	"byzd/pbft/message"
)

// findings is what byzd forensics says.
type findings struct {
	Forks []struct {
		Sequence uint64 `json:"sequence"`
		Cause    string `json:"cause"`
		Guilty   []int  `json:"guilty"`
		Unproven string `json:"unproven"`
	} `json:"forks"`
	Needed   int   `json:"needed"`
	Culprits []int `json:"culprits"`
	Evidence []struct {
		Kind    string `json:"kind"`
		Culprit int    `json:"culprit"`
		File    string `json:"file"`
	} `json:"evidence"`
}

// forensics asks what the homes of some nodes tell.
func (n *network) forensics(nodes ...int) (findings, int) {
	n.t.Helper()
	args := []string{"forensics", "--json", "--evidence", filepath.Join(n.t.TempDir(), "found")}
	for _, i := range nodes {
		args = append(args, n.state.Nodes[i].Home)
	}
	o := byzd(n.t, args...)
	var f findings
	if err := json.Unmarshal([]byte(o.stdout), &f); err != nil {
		n.t.Fatalf("byzd forensics: exit %d, %v\n%s%s", o.code, err, o.stdout, o.stderr)
	}
	return f, o.code
}

// guilty fails unless the homes of the correct nodes alone show a fork and name exactly the
// traitors, f+1 of them at least, each with a proof that a stranger accepts (R7, P8).
func (n *network) guilty(traitors []int, correct ...int) findings {
	n.t.Helper()
	f, code := n.forensics(correct...)
	if code != 4 || len(f.Forks) == 0 || len(f.Culprits) < f.Needed {
		n.t.Fatalf("exit %d, %+v", code, f)
	}
	if !slices.Equal(f.Culprits, traitors) {
		n.t.Errorf("culprits are %v, not %v", f.Culprits, traitors)
	}
	for _, fork := range f.Forks {
		if fork.Unproven != "" {
			n.t.Errorf("at %d: %s", fork.Sequence, fork.Unproven)
		}
	}
	proven := map[int]bool{}
	for _, e := range f.Evidence {
		proven[e.Culprit] = true
		must(n.t, "evidence", "verify", e.File, "--genesis", n.home+"/genesis.toml")
		must(n.t, "evidence", "show", e.File, "--genesis", n.home+"/genesis.toml")
	}
	if len(proven) < f.Needed {
		n.t.Errorf("only %d have a proof", len(proven))
	}
	return f
}

// A fork across two views: two of four let node 3 commit a batch in view 0, while the network keeps
// it from node 2, and forget it in view 1, which node 1 leads. What nodes 2 and 3 keep, and nothing
// else, names both, also when the network is gone.
func TestForkAcrossViews(t *testing.T) {
	n := up(t, "--nodes", "4", "--beyond-f", "--traitor", "0=fork-views:to=3",
		"--traitor", "1=fork-views:to=3")
	n.testnet("partition", "2/3")
	var at uint64
	n.until("the correct nodes execute different batches", func() bool {
		n.attempt(2, "a")
		n.attempt(3, "b")
		at = split(executed(t, n.state.Nodes[2].Home), executed(t, n.state.Nodes[3].Home))
		return at > 0
	})
	t.Logf("at sequence number %d they differ", at)
	f := n.guilty([]int{0, 1}, 2, 3)
	if f.Forks[0].Sequence != at || !slices.Equal(f.Forks[0].Guilty, []int{0, 1}) {
		t.Errorf("the fork at %d is found at %+v", at, f.Forks)
	}
	kinds := map[string]bool{}
	for _, e := range f.Evidence {
		kinds[e.Kind] = true
	}
	if !kinds["E5-lock-hiding"] {
		t.Errorf("the proofs are %v", kinds)
	}
	n.testnet("down")
	n.guilty([]int{0, 1}, 2, 3)
	if views := archivedViews(t, n.state.Nodes[2].Home); views == 0 {
		t.Error("node 2 has not archived the NEW-VIEW that it accepted (R7.8)")
	}
	if v, code := n.judge(); code != 4 || v.Agreement != "broken" ||
		!slices.Equal(v.Culprits, []int{0, 1}) {
		t.Errorf("exit %d, verdict %+v", code, v)
	}
}

// archivedViews counts the NEW-VIEWs in a node's archive.
func archivedViews(t *testing.T, home string) int {
	t.Helper()
	d, err := disk.OS(filepath.Join(home, "archive"))
	if err != nil {
		t.Fatal(err)
	}
	views := 0
	err = journal.Scan(d, func(_ uint64, raw journal.Record) error {
		if message.RecordType(raw.Type) == message.RecordView {
			views++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return views
}

// One home alone, of a node that nothing happened to, names nobody.
func TestForensicsOfPeace(t *testing.T) {
	n := up(t, "--nodes", "4")
	n.attempt(1, "a")
	n.testnet("down")
	if f, code := n.forensics(0, 1, 2, 3); code != 0 || len(f.Forks)+len(f.Culprits) > 0 {
		t.Errorf("exit %d, %+v", code, f)
	}
}
