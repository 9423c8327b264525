package testnet_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
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

func anyReady(st testnet.Status) bool {
	for i := range st.Nodes {
		if st.Nodes[i].Ready {
			return true
		}
	}
	return false
}

// What the network was told is told again to a node that is restarted; a traitor stays listed.
func TestTestnet_KeepsLiesAndCuts(t *testing.T) {
	home := up(t, "--traitor", "2=slow-primary:delay=1ms,p=0.5")
	lies := func() (list []string) {
		for _, l := range status(t, home).Nodes[2].Lies {
			list = append(list, l.Spec)
		}
		return list
	}
	if got := fmt.Sprint(lies()); got != "[slow-primary:delay=1ms,p=0.5]" {
		t.Errorf("node 2 tells %s", got)
	}
	refused(t, 2, "2 traitors (1, 2)", home, "traitor", "1=mute")
	refused(t, 2, "did you mean", home, "traitor", "2=muet")
	must(t, home, "traitor", "2=mute:to=3", "2=lie-reply")
	if got := fmt.Sprint(lies()); got != "[mute:to=3 lie-reply]" {
		t.Errorf("node 2 tells %s", got)
	}
	must(t, home, "kill", "2")
	must(t, home, "partition", "2/0,1,3")
	must(t, home, "restart", "2")
	if got := fmt.Sprint(lies()); got != "[mute:to=3 lie-reply]" {
		t.Errorf("after its restart node 2 tells %s", got)
	}
	// A node that starts later is connected and ready; node 2 would be too if it were not cut off.
	must(t, home, "restart", "1")
	eventually(t, home, "node 1 is ready", func(st testnet.Status) bool {
		return st.Nodes[1].Ready
	})
	// It was told whom it does not reach before it could reach anybody.
	if text := read(t, filepath.Join(home, "supervisor.log")); !strings.Contains(text,
		"--traitor lie-reply --cut 0+1+3") {
		t.Errorf("it was restarted without its cuts:\n%s", text)
	}
	if count := connected(t, home, 2); count != 0 {
		t.Errorf("node 2 is cut off, and connected to %d", count)
	}
	must(t, home, "traitor", "2", "none")
	must(t, home, "heal")
	eventually(t, home, "node 2 is back", func(st testnet.Status) bool {
		return connected(t, home, 2) == 3 && len(st.Nodes[2].Lies) == 0
	})
	st, err := testnet.ReadState(home)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(st.Nodes[2].Traitors)
	if got != "[slow-primary:delay=1ms,p=0.5 mute:to=3 lie-reply]" {
		t.Errorf("node 2 is listed with %s", got)
	}
	// Two liars of four, since somebody wants to see it; each is told of the other.
	must(t, home, "traitor", "1=equivocate-votes", "2=equivocate-votes", "--beyond-f")
	eventually(t, home, "the accomplices know each other", func(st testnet.Status) bool {
		one, two := st.Nodes[1].Lies, st.Nodes[2].Lies
		return len(one) == 1 && one[0].Spec == "equivocate-votes:with=2" &&
			len(two) == 1 && two[0].Spec == "equivocate-votes:with=1"
	})
}

// How often a node lied is known after its end, over restarts and changes of its lies, and the
// verdict on the stopped network tells it.
func TestTestnet_KeepsWhatFired(t *testing.T) {
	home := up(t, "--traitor", "2=mute:to=3", "--nodes", "4")
	noted := func() map[string]uint64 {
		st, err := testnet.ReadState(home)
		if err != nil {
			t.Fatal(err)
		}
		return st.Nodes[2].Fired
	}
	fires := func(what string) {
		put(t, home, 0, "k", what)
		eventually(t, home, what, func(st testnet.Status) bool {
			return len(st.Nodes[2].Lies) == 1 && st.Nodes[2].Lies[0].Fired > 0
		})
	}
	fires("node 2 lies")
	must(t, home, "kill", "2")
	first := noted()["mute"]
	if first == 0 {
		t.Error("killed: nothing is noted")
	}
	must(t, home, "restart", "2")
	fires("node 2 lies again")
	must(t, home, "traitor", "2=corrupt:once")
	second := noted()["mute"]
	if second <= first {
		t.Errorf("restarted and told otherwise: %d lies are noted, after %d", second, first)
	}
	must(t, home, "traitor", "2=mute:to=3")
	fires("node 2 lies as before")
	must(t, home, "down")
	third := noted()["mute"]
	if third <= second {
		t.Errorf("stopped: %d lies are noted, after %d", third, second)
	}
	var verdict struct {
		Fired map[string]uint64 `json:"fired"`
	}
	r := byzdCommand(t, "verdict", "--home", home, "--json")
	if err := json.Unmarshal([]byte(r.out), &verdict); err != nil {
		t.Fatalf("%v in %q, %s", err, r.out, r.errors)
	}
	if _, armed := verdict.Fired["2=corrupt"]; verdict.Fired["2=mute"] != third || !armed {
		t.Errorf("the verdict says %v fired, %d times mute is noted", verdict.Fired, third)
	}
}

// What was pending when a network was stopped is in no journal: the supervisor asks for it, and the
// verdict on the stopped network does not say that everything was done.
func TestTestnet_KeepsWhatWasPending(t *testing.T) {
	home := up(t, "--nodes", "4")
	put(t, home, 1, "k", "done")
	termination := func() string {
		t.Helper()
		var verdict struct {
			Termination string `json:"termination"`
		}
		r := byzdCommand(t, "verdict", "--home", home, "--json")
		if err := json.Unmarshal([]byte(r.out), &verdict); err != nil {
			t.Fatalf("%v in %q, %s", err, r.out, r.errors)
		}
		return verdict.Termination
	}
	last := func(node int) *testnet.Last {
		t.Helper()
		st, err := testnet.ReadState(home)
		if err != nil {
			t.Fatal(err)
		}
		return st.Nodes[node].Last
	}
	if got := termination(); got != "held" {
		t.Errorf("the live network is %s", got)
	}
	must(t, home, "down")
	for i := range 4 {
		if l := last(i); l == nil || l.Pending != 0 || l.Sequence == 0 {
			t.Errorf("stopped: of node %d %+v is noted", i, l)
		}
	}
	if got := termination(); got != "held" {
		t.Errorf("the stopped network is %s", got)
	}
	must(t, home, "up", "--detach", "--wait", "60s")
	must(t, home, "pause", "0", "3")
	if l := last(0); l == nil {
		t.Error("paused: nothing is noted")
	}
	if l := last(1); l != nil {
		t.Errorf("a node that runs: %+v is noted", l)
	}
	c := client(t, home, 1)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = c.Put(ctx, "k", "never")
	}()
	defer func() { cancel(); <-ended; _ = c.Close() }()
	eventually(t, home, "node 1 waits", func(testnet.Status) bool {
		r := byzdCommand(t, "status", "--json", "--home", filepath.Join(home, "node-1"))
		var said struct {
			Pending struct{ Count int } `json:"pending"`
		}
		if err := json.Unmarshal([]byte(r.out), &said); err != nil {
			t.Fatalf("%v in %q, %s", err, r.out, r.errors)
		}
		return said.Pending.Count > 0
	})
	must(t, home, "down")
	if l := last(1); l == nil || l.Pending == 0 {
		t.Errorf("stopped with a put that waits: %+v is noted", l)
	}
	if got := termination(); got != "unknown" {
		t.Errorf("the stopped network with a put that waited is %s", got)
	}
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

// A node that is started again is where it was, so that clients that were told of it find it; where
// somebody has its port meanwhile it gets another, and testnet.json says so.
func TestTestnet_KeepsPorts(t *testing.T) {
	home := up(t, "--nodes", "2")
	where := func(i int) [4]string {
		t.Helper()
		st, err := testnet.ReadState(home)
		if err != nil {
			t.Fatal(err)
		}
		n := st.Nodes[i]
		return [4]string{n.Listen, n.Gossip, n.Client, n.Operator}
	}
	first, other := where(0), where(1)
	must(t, home, "restart", "0")
	if got := where(0); got != first {
		t.Errorf("restarted: node 0 listens at %v, before at %v", got, first)
	}
	must(t, home, "down")
	must(t, home, "up", "--detach", "--wait", "60s")
	if got := [2][4]string{where(0), where(1)}; got != [2][4]string{first, other} {
		t.Errorf("started again: %v, before %v and %v", got, first, other)
	}

	must(t, home, "kill", "0")
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", first[2])
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	must(t, home, "restart", "0")
	got := where(0)
	if got[2] == first[2] || got[0] != first[0] || got[1] != first[1] || got[3] != first[3] {
		t.Errorf("its client port is taken: node 0 listens at %v, before at %v", got, first)
	}
	eventually(t, home, "ready on another port", allReady)
	put(t, home, 0, "k", "v")

	// A port that is found taken only by the node itself: gossip needs UDP as well.
	must(t, home, "kill", "1")
	u, err := lc.ListenPacket(t.Context(), "udp", other[1])
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = u.Close() }()
	must(t, home, "restart", "1")
	if got := where(1); got[1] == other[1] {
		t.Errorf("its gossip port is taken: node 1 listens at %v", got)
	}
	eventually(t, home, "ready on another gossip port", allReady)
}

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
