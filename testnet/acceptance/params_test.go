package acceptance_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

// TestParametersChange changes parameters through agreement, as an operator would, under load; and
// what cannot be is refused with the reason.
func TestParametersChange(t *testing.T) {
	n := up(t, "--nodes", "4")
	l := n.write("p", 0, 1, 2, 3)
	l.resumes("the load runs")
	home, file := n.state.Nodes[0].Home, filepath.Join(t.TempDir(), "change.byzd")
	params := func(args ...string) []string {
		return append([]string{"member", "params", "--home", home, "--change", file}, args...)
	}
	for _, c := range []struct{ set, says string }{
		{"view-timeuot=7", `no parameter "view-timeuot"`},
		{"view-timeout=soon", "must be a whole number"},
		{"view-timeout", "sets no parameter"},
		{"window=1", "window is 1"},
		{"max-bundle-bytes=4096", "cannot become smaller"},
		{"view-timeout=1000", "changes nothing"},
	} {
		o := byzd(t, params("--set", c.set)...)
		if o.code == 0 || !strings.Contains(o.stderr, c.says) {
			t.Errorf("--set %s: exit %d, %s", c.set, o.code, o.stderr)
		}
	}
	o := must(t, params("--set", "view-timeout=3000", "--set", "checkpoint-every=16")...)
	if !strings.Contains(o.stdout, "view-timeout: 1000 becomes 3000") {
		t.Errorf("it says: %s", o.stdout)
	}
	genesis := filepath.Join(n.home, "genesis.toml")
	o = must(t, "member", "approve", file, "--genesis", genesis,
		"--key", filepath.Join(n.home, "admin.key"))
	if !strings.Contains(o.stdout, "checkpoint-every: 16") {
		t.Errorf("whoever signs is told: %s", o.stdout)
	}
	must(t, "member", "submit", file, "--home", home, "--wait", "60s")
	for i := range n.state.Nodes {
		n.until("it is in the next epoch", func() bool { return n.epochOf(i).Epoch == 1 })
		var now map[string]int64
		o := must(t, "member", "params", "--home", n.state.Nodes[i].Home, "--json")
		if err := json.Unmarshal([]byte(o.stdout), &now); err != nil {
			t.Fatal(err)
		}
		if now["view-timeout"] != 3000 || now["checkpoint-every"] != 16 || now["in-flight"] != 8 {
			t.Errorf("node %d goes by %v", i, now)
		}
	}
	l.resumes("the load runs on")
	n.testnet("kill", "1")
	n.testnet("restart", "1")
	l.resumes("a node starts with the new parameters")
	l.end(1)
}
