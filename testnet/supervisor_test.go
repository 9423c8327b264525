package testnet_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"byzd/testnet"
)

// Ctrl-C in the foreground stops everything.
func TestTestnet_Interrupt(t *testing.T) {
	home := filepath.Join(t.TempDir(), "net")
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), byzd, "testnet", "up", "--home", home, "--json")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = &errs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// The object is printed when all are ready.
	var shown testnet.State
	if err := json.NewDecoder(stdout).Decode(&shown); err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		t.Fatalf("%v\n%s", err, errs.String())
	}
	list := pids(t, home)
	if len(shown.Nodes) != 4 || shown.Nodes[3].PID != list[4] || list[0] != cmd.Process.Pid {
		t.Errorf("shown %+v, want the processes %v", shown, list)
	}
	// A terminal sends it to the whole group: the nodes are not in it, so that they end in the
	// supervisor's order.
	if group, err := syscall.Getpgid(list[1]); err != nil || group != list[1] {
		t.Errorf("node 0 is process %d in group %d (%v)", list[1], group, err)
	}
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_, _ = out.ReadFrom(stdout)
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("code %d, want 130", code)
	}
	if want := "the logs are in " + home; !strings.Contains(errs.String(), want) {
		t.Errorf("%q is missing in:\n%s", want, errs.String())
	}
	wantGone(t, "Ctrl-C", list)
	for i := range 4 {
		// They were asked to end, and did: nobody had to kill them.
		n := status(t, home).Nodes[i]
		if n.Process != testnet.Exited || *n.ExitCode != 0 {
			t.Errorf("node %d: %s", i, n.Describe())
		}
	}
}

// A supervisor that is killed takes its nodes along; down cleans up, and the network starts again.
func TestTestnet_SupervisorKilled(t *testing.T) {
	home := up(t, "--nodes", "3")
	list := pids(t, home)
	must(t, home, "pause", "2")
	if err := syscall.Kill(list[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	wantGone(t, "the supervisor's end", list)
	st := status(t, home)
	if st.Supervisor.Running || st.Nodes[0].Process != testnet.Lost ||
		st.Nodes[2].Process != testnet.Lost {
		t.Errorf("after the supervisor was killed: %+v", st)
	}
	refused(t, 1, "does not run", home, "kill", "0")
	must(t, home, "down")
	if after := pids(t, home); fmt.Sprint(after) != "[0 0 0 0]" {
		t.Errorf("down has left %v in testnet.json", after)
	}
	must(t, home, "up", "--detach", "--wait", "60s")
}

// A supervisor that was frozen says so at once; down ends it all the same.
func TestTestnet_SupervisorFrozen(t *testing.T) {
	home := up(t, "--nodes", "1")
	list := pids(t, home)
	if err := syscall.Kill(list[0], syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	refused(t, 1, fmt.Sprintf("stands still: its process %d", list[0]), home, "kill", "0")
	refused(t, 1, fmt.Sprintf("kill -CONT %d", list[0]), home, "pause", "0")
	if !runsStill(list[1]) {
		t.Error("an order was carried out that was refused")
	}
	must(t, home, "down")
	wantGone(t, "down", list)
}

// What a dead supervisor left is ended by down; a stranger with the number of a node is not.
func TestDown_EndsWhatIsLeft(t *testing.T) {
	home := up(t, "--nodes", "2")
	supervisor := pids(t, home)[0]
	// A process that is not a child of the supervisor stands for a node that outlived it, as on
	// systems without the death signal.
	orphan, stranger := sleeper(t), sleeper(t)
	if err := syscall.Kill(supervisor, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	wantGone(t, "the supervisor's end", []int{supervisor})
	path := filepath.Join(home, "testnet.json")
	st, err := testnet.ReadState(home)
	if err != nil {
		t.Fatal(err)
	}
	st.Nodes[0].PID, st.Nodes[0].Started = orphan.Process.Pid, testnet.Identity(orphan.Process.Pid)
	st.Nodes[1].PID = stranger.Process.Pid // but started at another time
	data, err := json.Marshal(st)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, string(data))
	refused(t, 1, "nodes of an earlier testnet still run", home, "up")
	must(t, home, "down")
	wantGone(t, "down", []int{orphan.Process.Pid})
	if !runsStill(stranger.Process.Pid) {
		t.Error("down has killed a stranger")
	}
}

// sleeper is a process that does nothing until the test ends.
func sleeper(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() }) // its context has ended by then
	return cmd
}
