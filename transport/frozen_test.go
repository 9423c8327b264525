//go:build unix

package transport_test

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"byzd/crypto"
	"byzd/transport"
)

// TestFrozen_RealProcess stops a real process with SIGSTOP: its kernel goes on to acknowledge
// everything, and only its silence shows. The limit of five seconds is that of the default
// heartbeats, which package memory checks in exact time; here it is printed.
func TestFrozen_RealProcess(t *testing.T) {
	t.Parallel()
	h := newWatching()
	node, other, err := frozenNode(0, h)
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	peer := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	peer.Env = append(os.Environ(), frozenEnv+"="+node.Addr())
	stdin, err := peer.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := peer.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := peer.Start(); err != nil {
		t.Fatal(err)
	}
	addr, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	node.Heard(other, []string{strings.TrimSpace(addr)})
	within(t, "connected", h.up)
	settle(t, node, other)
	if err := peer.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	within(t, "frozen peer noticed", h.down)
	if node.Counters()["heartbeat_lost"] == 0 {
		t.Error("heartbeat_lost was not counted")
	}
	if err := peer.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	within(t, "connected again", h.up)
	if err := stdin.Close(); err != nil {
		t.Error(err)
	}
	if err := peer.Wait(); err != nil {
		t.Logf("the peer: %v", err)
	}
	within(t, "its end is noticed", h.down)
}

// settle waits until all streams are open and heartbeats are answered, so that nothing but silence
// can end the connection.
func settle(t *testing.T, node transport.Transport, other crypto.NodeID) {
	t.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	classes := []transport.Class{
		transport.Votes, transport.Proposals, transport.Requests, transport.Sync,
	}
	for begin := time.Now(); time.Since(begin) < 50*time.Second; <-ticker.C {
		open := node.Peers()[0].RTT > 0
		for _, class := range classes {
			node.Send(other, class, []byte("x"))
			open = open && node.Counters()["frames_out_"+class.String()] > 0
		}
		if open {
			return
		}
	}
	t.Fatal("not all streams are open after 50 s")
}
