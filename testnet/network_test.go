package testnet_test

import (
	"context"
	"path/filepath"
	"testing"

	"byzd/testnet"
)

// A network is broken and healed in every way that there is a command for.
func TestTestnet_BreakAndHeal(t *testing.T) {
	home := up(t)
	if !allReady(status(t, home)) {
		t.Errorf("up returned before all nodes were ready: %+v", status(t, home))
	}
	put(t, home, 0, "a", "1")
	wantValue(t, home, 3, "a", "1")

	must(t, home, "kill", "0")
	if n := status(t, home).Nodes[0]; n.Process != testnet.Killed || n.Signal != 9 || n.PID != 0 ||
		n.Ready || n.Reason != "killed by signal 9" {
		t.Errorf("a killed node: %+v", n)
	}
	refused(t, 1, "node 0 does not run (killed by signal 9)", home, "kill", "0")
	refused(t, 1, "node 0 does not run", home, "pause", "1", "0")
	put(t, home, 1, "b", "2")

	before := pids(t, home)
	must(t, home, "restart", "0")
	after := pids(t, home)
	if n := status(t, home).Nodes[0]; n.Process != testnet.Running || n.PID == 0 || !n.Answers {
		t.Errorf("a restarted node: %+v", n)
	}
	if before[2] != after[2] {
		t.Error("restart 0 has touched node 1")
	}
	eventually(t, home, "ready after the restart", allReady)
	wantValue(t, home, 0, "b", "2")

	must(t, home, "pause", "1")
	if n := status(t, home).Nodes[1]; n.Process != testnet.Paused || n.PID != after[2] || n.Ready {
		t.Errorf("a paused node: %+v", n)
	}
	refused(t, 1, "node 1 is paused already", home, "pause", "1")
	refused(t, 1, "node 2 is not paused", home, "resume", "1", "2")
	if n := status(t, home).Nodes[1]; n.Process != testnet.Paused {
		t.Errorf("a refused resume has resumed node 1: %+v", n)
	}
	put(t, home, 2, "c", "3")
	must(t, home, "resume", "1")
	eventually(t, home, "ready after the pause", allReady)

	must(t, home, "partition", "0,1/2,3")
	eventually(t, home, "nobody has a quorum", func(st testnet.Status) bool {
		return !anyReady(st)
	})
	must(t, home, "heal")
	eventually(t, home, "ready after the heal", allReady)
	put(t, home, 3, "d", "4")

	list := pids(t, home)
	must(t, home, "down")
	wantGone(t, "down", list)
	must(t, home, "down")
	if st := status(t, home); st.Supervisor.Running || st.Nodes[0].Process != testnet.Exited {
		t.Errorf("after down: %+v", st)
	}
	refused(t, 1, "does not run", home, "restart", "0")

	// It is started again from its disks.
	must(t, home, "up", "--detach", "--wait", "60s")
	wantValue(t, home, 1, "d", "4")
}

// Two testnets, through the package this time, do not disturb each other.
func TestUp_TwoAtOnce(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	var nets []*testnet.Network
	for range 2 {
		n, err := testnet.Up(ctx, testnet.Options{
			Home: filepath.Join(t.TempDir(), "net"), Binary: byzd, Nodes: 3, Wait: patience,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := n.Down(context.Background()); err != nil {
				t.Error(err)
			}
		})
		nets = append(nets, n)
	}
	put(t, nets[0].Home(), 0, "k", "first")
	put(t, nets[1].Home(), 0, "k", "second")
	first := pids(t, nets[0].Home())
	if err := nets[0].Kill(ctx, 2, 0); err != nil {
		t.Error(err)
	}
	if err := nets[0].Down(ctx); err != nil {
		t.Error(err)
	}
	<-nets[0].Done()
	wantGone(t, "down of the first", first[1:])
	wantValue(t, nets[1].Home(), 2, "k", "second")
	st, err := nets[1].Status(ctx)
	if err != nil || !allReady(*st) {
		t.Errorf("the second: %+v, %v", st, err)
	}
}
