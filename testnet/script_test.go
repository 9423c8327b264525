package testnet_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The logs are printed, with the nodes' numbers, and followed.
func TestTestnet_Logs(t *testing.T) {
	home := up(t, "--nodes", "2")
	if r := must(t, home, "logs", "1"); !strings.Contains(r.out, "listening") ||
		strings.Contains(r.out, "1 | ") {
		t.Errorf("logs of one node:\n%s", r.out)
	}
	if r := must(t, home, "logs"); !strings.Contains(r.out, "0 | ") ||
		!strings.Contains(r.out, "1 | ") {
		t.Errorf("logs of all nodes:\n%s", r.out)
	}
	cmd := exec.CommandContext(t.Context(),
		byzd, "testnet", "logs", "--follow", "--json", "--home", home, "0")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	must(t, home, "restart", "0")
	lines, listening := json.NewDecoder(stdout), 0
	for listening < 2 { // once when it came up, once when it was restarted
		var entry struct {
			Node int
			Line string
		}
		if err := lines.Decode(&entry); err != nil || entry.Node != 0 {
			t.Fatalf("%+v, %v", entry, err)
		}
		if strings.Contains(entry.Line, "msg=listening") {
			listening++
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("code %d, want 130", code)
	}
}

// The script that people run does what testnet up does.
func TestLocalScript(t *testing.T) {
	script, err := filepath.Abs("local.sh")
	if err != nil {
		t.Fatal(err)
	}
	home := filepath.Join(t.TempDir(), "net")
	cmd := exec.CommandContext(t.Context(),
		script, "--nodes", "2", "--detach", "--home", home, "--wait", "60s")
	cmd.Dir = t.TempDir() // it may be called from anywhere
	cmd.Env = append(os.Environ(), "BYZD_BIN="+filepath.Join(t.TempDir(), "bin", "byzd"))
	out, err := cmd.CombinedOutput()
	defer func() { must(t, home, "down") }()
	if err != nil || !allReady(status(t, home)) {
		t.Errorf("%v\n%s", err, out)
	}
}
