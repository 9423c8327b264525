package testnet_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"byzd/testnet"
)

// patience bounds every wait for something that takes seconds at most on an idle machine.
const patience = 90 * time.Second

// result is what a command of byzd did.
type result struct {
	code        int
	out, errors string
}

// testnetCommand runs byzd testnet.
func testnetCommand(t *testing.T, home string, args ...string) result {
	t.Helper()
	return byzdCommand(t, append([]string{"testnet", "--home", home}, args...)...)
}

func byzdCommand(t *testing.T, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, byzd, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatalf("byzd %s: %v\n%s", strings.Join(args, " "), err, errs.String())
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// must runs a command that has to succeed.
func must(t *testing.T, home string, args ...string) result {
	t.Helper()
	r := testnetCommand(t, home, args...)
	if r.code != 0 {
		t.Fatalf("byzd testnet %s: code %d\n%s", strings.Join(args, " "), r.code, r.errors)
	}
	return r
}

// refused runs a command that has to fail with a code and a text.
func refused(t *testing.T, code int, text, home string, args ...string) {
	t.Helper()
	r := testnetCommand(t, home, args...)
	if r.code != code || !strings.Contains(r.errors, text) {
		t.Errorf("byzd testnet %s: code %d, want %d, with %q in:\n%s",
			strings.Join(args, " "), r.code, code, text, r.errors)
	}
}

// status asks for a testnet's status through the command.
func status(t *testing.T, home string) testnet.Status {
	t.Helper()
	var st testnet.Status
	r := must(t, home, "status", "--json")
	if err := json.Unmarshal([]byte(r.out), &st); err != nil {
		t.Fatalf("%v in %s", err, r.out)
	}
	return st
}

// eventually waits until the status is as it should be.
func eventually(t *testing.T, home, what string, good func(testnet.Status) bool) {
	t.Helper()
	began := time.Now()
	poll := time.NewTicker(100 * time.Millisecond)
	defer poll.Stop()
	for {
		st := status(t, home)
		if good(st) {
			t.Logf("%s after %v", what, time.Since(began).Round(time.Millisecond))
			return
		}
		if time.Since(began) > patience {
			text, _ := json.MarshalIndent(st, "", "  ")
			t.Fatalf("not within %v: %s\n%s", patience, what, text)
		}
		<-poll.C
	}
}

func allReady(st testnet.Status) bool {
	for i := range st.Nodes {
		if !st.Nodes[i].Ready {
			return false
		}
	}
	return true
}

// pids returns the processes of a testnet, its supervisor's first.
func pids(t *testing.T, home string) []int {
	t.Helper()
	st, err := testnet.ReadState(home)
	if err != nil {
		t.Fatal(err)
	}
	list := []int{st.Supervisor.PID}
	for i := range st.Nodes {
		list = append(list, st.Nodes[i].PID)
	}
	return list
}

// wantGone waits until no process of a list runs. Some end a moment after who waited for them.
func wantGone(t *testing.T, what string, list []int) {
	t.Helper()
	limit := time.Now().Add(patience)
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for _, pid := range list {
		for pid != 0 && runsStill(pid) {
			if time.Now().After(limit) {
				t.Errorf("%s: process %d of %v runs", what, pid, list)
				break
			}
			<-poll.C
		}
	}
}

func runsStill(pid int) bool {
	if err := syscall.Kill(pid, 0); err != nil {
		return false
	}
	// A zombie whose parent does not care has ended too.
	out, err := exec.CommandContext(context.Background(),
		"ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && !strings.HasPrefix(strings.TrimSpace(string(out)), "Z")
}

// client connects to a node's client endpoint.
func client(t *testing.T, home string, node int) *clientv3.Client {
	t.Helper()
	st, err := testnet.ReadState(home)
	if err != nil {
		t.Fatal(err)
	}
	c, err := clientv3.New(clientv3.Config{
		Endpoints:   []string{st.Nodes[node].Client},
		DialOptions: []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// put writes through a node and is acknowledged.
func put(t *testing.T, home string, node int, key, value string) {
	t.Helper()
	c := client(t, home, node)
	defer func() { _ = c.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	began := time.Now()
	if _, err := c.Put(ctx, key, value); err != nil {
		t.Fatalf("put %s through node %d: %v", key, node, err)
	}
	t.Logf("put %s through node %d after %v", key, node, time.Since(began).Round(time.Millisecond))
}

// wantValue reads through a node.
func wantValue(t *testing.T, home string, node int, key, value string) {
	t.Helper()
	c := client(t, home, node)
	defer func() { _ = c.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	got, err := c.Get(ctx, key)
	if err != nil || len(got.Kvs) != 1 || string(got.Kvs[0].Value) != value {
		t.Errorf("get %s through node %d: %v, %v, want %s", key, node, got, err, value)
	}
}

// up starts a detached testnet, and sees to it that nothing stays behind.
func up(t *testing.T, args ...string) (home string) {
	t.Helper()
	home = filepath.Join(t.TempDir(), "net")
	t.Cleanup(func() {
		if _, err := testnet.ReadState(home); err == nil {
			must(t, home, "down")
		}
	})
	r := must(t, home, append([]string{"up", "--detach", "--wait", "60s"}, args...)...)
	t.Log(strings.ReplaceAll(r.errors, "\n", "; "))
	return home
}

func anyReady(st testnet.Status) bool {
	for i := range st.Nodes {
		if st.Nodes[i].Ready {
			return true
		}
	}
	return false
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// connected counts the members that a node is connected to, as it says itself.
func connected(t *testing.T, home string, node int) int {
	t.Helper()
	r := byzdCommand(t, "status", "--json",
		"--home", filepath.Join(home, fmt.Sprintf("node-%d", node)))
	var said struct {
		Peers []struct {
			Connected bool `json:"connected"`
		} `json:"peers"`
	}
	if err := json.Unmarshal([]byte(r.out), &said); err != nil {
		t.Fatalf("%v in %q, %s", err, r.out, r.errors)
	}
	count := 0
	for _, p := range said.Peers {
		if p.Connected {
			count++
		}
	}
	return count
}
