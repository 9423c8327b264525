package testnet_test

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"byzd/testnet"
)

// A network that does not come up says which node, why and where its log is, and stops.
func TestTestnet_UpFails(t *testing.T) {
	home := filepath.Join(t.TempDir(), "slow")
	r := testnetCommand(t, home, "up", "--detach", "--wait", "1ms")
	if r.code != 3 || !strings.Contains(r.errors, "node 0") || !strings.Contains(r.errors, "1ms") ||
		!strings.Contains(r.errors, filepath.Join(home, "node-0", "byzd.log")) {
		t.Errorf("code %d:\n%s", r.code, r.errors)
	}
	wantGone(t, "up that failed", pids(t, home))

	// Two silent nodes leave the others without the answers that they need when they start.
	home = filepath.Join(t.TempDir(), "mute")
	r = testnetCommand(t, home, "up", "--traitor", "0=mute", "--traitor", "1=mute", "--beyond-f",
		"--wait", "5s")
	if r.code != 3 || !strings.Contains(r.errors, "not within 5s") ||
		!strings.Contains(r.errors, "node 2: ") || !strings.Contains(r.errors, "node 3: ") ||
		strings.Contains(r.errors, "node 1: ") {
		t.Errorf("code %d:\n%s", r.code, r.errors)
	}
	wantGone(t, "up that failed", pids(t, home))

	// Somebody has a port that a node needs: it says so, in its own words.
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatal(l.Addr())
	}
	home = filepath.Join(t.TempDir(), "occupied")
	// The port of node 0's client endpoint.
	base := strconv.Itoa(addr.Port - 2)
	r = testnetCommand(t, home, "up", "--nodes", "1", "--port-base", base)
	if r.code != 1 || !strings.Contains(r.errors, "node 0 has exited (exit status") ||
		!strings.Contains(r.errors, "address already in use") ||
		!strings.Contains(r.errors, "hint: choose another --port-base") {
		t.Errorf("code %d:\n%s", r.code, r.errors)
	}

	// A key that others can read: the node that refuses is named, and nobody else is harmed.
	home = up(t, "--nodes", "4")
	key := filepath.Join(home, "node-3", "signing.key")
	must(t, home, "kill", "3")
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	refused(t, 1, "node 3 has exited (exit status 1)", home, "restart", "3")
	refused(t, 1, "chmod 600", home, "restart", "3")
	st := status(t, home)
	if n := st.Nodes[3]; n.Process != testnet.Exited || *n.ExitCode != 1 || !st.Nodes[0].Ready {
		t.Errorf("after a restart that failed: %+v", st)
	}
	refused(t, 1, "a testnet runs in "+home, home, "up", "--force")
	if err := os.Chmod(key, 0o600); err != nil {
		t.Fatal(err)
	}
	must(t, home, "restart", "3")
	// Its home is gone: it is not stopped for nothing.
	dir := filepath.Join(home, "node-3")
	if err := os.Rename(dir, dir+"-away"); err != nil {
		t.Fatal(err)
	}
	refused(t, 1, "node 3 cannot be started: "+dir+" is missing", home, "restart", "3")
	refused(t, 1, "hint: put it back", home, "restart", "3")
	if n := status(t, home).Nodes[3]; n.Process != testnet.Running {
		t.Errorf("a restart that was refused: %+v", n)
	}
	if err := os.Rename(dir+"-away", dir); err != nil {
		t.Fatal(err)
	}
	// One damaged node of a stopped testnet: which it is, where its log is, and what can be done.
	must(t, home, "down")
	if err := os.WriteFile(filepath.Join(dir, "byzd.toml"), []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, 1, "node 3 has exited", home, "up")
	refused(t, 1, filepath.Join(dir, "byzd.log"), home, "up")
	refused(t, 1, "put this one right and start the testnet again; --force", home, "up")
	if err := os.Remove(filepath.Join(dir, "byzd.toml")); err != nil {
		t.Fatal(err)
	}
	must(t, home, "up", "--detach", "--wait", "60s")
	refused(t, 2, "there is no node 4", home, "kill", "4")
	refused(t, 2, "is not the number of a node", home, "kill", "x")
	refused(t, 2, "", home, "kill")
}

// --force wipes what a testnet made, and nothing else.
func TestTestnet_Force(t *testing.T) {
	home := up(t, "--nodes", "1")
	must(t, home, "down")
	write(t, filepath.Join(home, "thesis.tex"), "mine")
	old, err := os.ReadFile(filepath.Join(home, "genesis.toml"))
	if err != nil {
		t.Fatal(err)
	}
	refused(t, 2, "has 1 nodes, not 2", home, "up", "--nodes", "2")
	must(t, home, "up", "--detach", "--force", "--nodes", "2", "--wait", "60s")
	now, err := os.ReadFile(filepath.Join(home, "genesis.toml"))
	if err != nil || bytes.Equal(now, old) {
		t.Errorf("the genesis is the old one (%v)", err)
	}
	text, err := os.ReadFile(filepath.Join(home, "thesis.tex"))
	if err != nil || string(text) != "mine" {
		t.Errorf("a file of somebody else: %q, %v", text, err)
	}
}
