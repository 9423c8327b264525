package acceptance_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// patience is ten times what any step takes on an idle machine.
const patience = 100 * time.Second

var binary string

func TestMain(m *testing.M) {
	code, err := build(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// build makes the binary that all tests run.
func build(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "byzd-acceptance-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "byzd")
	out, err := exec.Command("go", "build", "-o", binary, "byzd/cmd/byzd").CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("go build: %w\n%s", err, out)
	}
	return m.Run(), nil
}

// output is what a command printed, and how it ended.
type output struct {
	stdout, stderr string
	code           int
}

// byzd runs a command to its end.
func byzd(t *testing.T, args ...string) output {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("byzd %s: %v", strings.Join(args, " "), err)
	}
	return output{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// must runs a command that has to succeed.
func must(t *testing.T, args ...string) output {
	t.Helper()
	o := byzd(t, args...)
	if o.code != 0 {
		t.Fatalf("byzd %s: exit %d\n%s%s", strings.Join(args, " "), o.code, o.stdout, o.stderr)
	}
	return o
}

// network is a testnet that runs in the background.
type network struct {
	t     *testing.T
	home  string
	state state // of the test's own goroutine

	mu      sync.Mutex
	clients []string // the nodes' client endpoints, for whoever writes meanwhile
}

// state is what testnet.json says.
type state struct {
	Nodes []struct {
		Node     int      `json:"node"`
		PID      int      `json:"pid"`
		Home     string   `json:"home"`
		Client   string   `json:"client"`
		Listen   string   `json:"listen"`
		Operator string   `json:"operator"`
		Traitors []string `json:"traitors"`
	} `json:"nodes"`
}

// client is where a node serves clients now.
func (n *network) client(i int) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.clients[i]
}

// up starts a testnet; it is taken down when the test ends.
func up(t *testing.T, args ...string) *network {
	t.Helper()
	n := &network{t: t, home: filepath.Join(t.TempDir(), "net")}
	began := time.Now()
	t.Cleanup(func() {
		byzd(t, "testnet", "down", "--home", n.home)
		if t.Failed() {
			n.logs()
		}
	})
	must(t, append([]string{"testnet", "up", "--home", n.home, "--detach", "--wait", "100s"}, args...)...)
	t.Logf("up after %v", time.Since(began).Round(time.Millisecond))
	n.read()
	return n
}

// logs prints the end of every node's log.
func (n *network) logs() {
	files, _ := filepath.Glob(filepath.Join(n.home, "*", "byzd.log"))
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err == nil {
			n.t.Logf("%s:\n%s", file, data[max(0, len(data)-3000):])
		}
	}
}

func (n *network) read() {
	n.t.Helper()
	data, err := os.ReadFile(filepath.Join(n.home, "testnet.json"))
	if err != nil {
		n.t.Fatal(err)
	}
	n.state = state{}
	if err := json.Unmarshal(data, &n.state); err != nil {
		n.t.Fatal(err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.clients = nil
	for _, node := range n.state.Nodes {
		n.clients = append(n.clients, node.Client)
	}
}

// testnet runs a command on the network.
func (n *network) testnet(args ...string) {
	n.t.Helper()
	must(n.t, append(append([]string{"testnet"}, args...), "--home", n.home)...)
	n.read()
}

// status is what a node says of itself.
type status struct {
	View     uint64            `json:"view"`
	Primary  int               `json:"primary"`
	Sequence uint64            `json:"sequence"`
	Ready    bool              `json:"ready"`
	Reason   string            `json:"reason"`
	UptimeMS int64             `json:"uptime_ms"`
	Drops    map[string]uint64 `json:"drops"`
	Refusals map[string]uint64 `json:"refusals"`
	Gossip   map[string]uint64 `json:"gossip"`
	Events   map[string]uint64 `json:"events"`
	Peers    []struct {
		Name      string `json:"name"`
		Connected bool   `json:"connected"`
		LastVote  struct {
			Sequence uint64 `json:"sequence"`
		} `json:"last_vote"`
	} `json:"peers"`
	Evidence []struct {
		Kind    string `json:"kind"`
		Culprit int    `json:"culprit"`
		File    string `json:"file"`
	} `json:"evidence"`
}

// connected reports whether the node has a connection to another of the testnet. Members have other
// numbers after a change of who they are, and the old names.
func (st *status) connected(node int) bool {
	for _, p := range st.Peers {
		if p.Name == fmt.Sprintf("node-%d", node) {
			return p.Connected
		}
	}
	return false
}

func (n *network) status(i int) (status, error) {
	var st status
	data, err := n.page(i, "/status")
	if err != nil {
		return st, err
	}
	return st, json.Unmarshal(data, &st)
}

// page reads what a node serves to its operator.
func (n *network) page(i int, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	url := n.state.Nodes[i].Operator + path
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("node %d: %s", i, data)
	}
	return data, err
}

// counter reads a number from a node's metrics.
func (n *network) counter(i int, name string) int64 {
	n.t.Helper()
	data, err := n.page(i, "/metrics")
	if err != nil {
		n.t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		text, is := strings.CutPrefix(line, name+" ")
		if value, err := strconv.ParseFloat(strings.TrimSpace(text), 64); is && err == nil {
			return int64(value)
		}
	}
	n.t.Fatalf("node %d does not count %s", i, name)
	return 0
}

// until waits for a condition and prints how long that took.
func (n *network) until(what string, done func() bool) {
	n.t.Helper()
	began := time.Now()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for !done() {
		if time.Since(began) > patience {
			n.t.Fatalf("%s: not within %v", what, patience)
		}
		<-ticker.C
	}
	n.t.Logf("%s: after %v", what, time.Since(began).Round(time.Millisecond))
}

// puts writes count keys through each of the nodes, at the same time, with etcd's own client, one
// client for each node. It returns the longest that one put took.
func (n *network) puts(prefix string, count int, nodes ...int) time.Duration {
	n.t.Helper()
	var mu sync.Mutex
	var longest time.Duration
	var wg sync.WaitGroup
	for _, i := range nodes {
		wg.Go(func() {
			cli, err := etcdClient(n.state.Nodes[i].Client)
			if err != nil {
				n.t.Error(err)
				return
			}
			defer cli.Close()
			for k := range count {
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				began := time.Now()
				err := put(ctx, cli, fmt.Sprintf("%s-%d-%d", prefix, i, k), "v")
				cancel()
				if err != nil {
					n.t.Errorf("put %d through node %d: %v", k, i, err)
					return
				}
				mu.Lock()
				longest = max(longest, time.Since(began))
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return longest
}

// attempt writes a key through one node, once, and does not care what becomes of it.
func (n *network) attempt(i int, key string) {
	n.t.Helper()
	cli, err := etcdClient(n.state.Nodes[i].Client)
	if err != nil {
		n.t.Fatal(err)
	}
	defer cli.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if _, err := cli.Put(ctx, key, "v"); err != nil {
		n.t.Logf("put %s through node %d: %v", key, i, err)
	}
}

// put writes a key until it is acknowledged. Writing the same value again harms nobody.
func put(ctx context.Context, cli *clientv3.Client, key, value string) error {
	for {
		attempt, cancel := context.WithTimeout(ctx, 15*time.Second)
		_, err := cli.Put(attempt, key, value)
		cancel()
		if err == nil || ctx.Err() != nil {
			return err
		}
	}
}

func etcdClient(endpoint string) (*clientv3.Client, error) {
	return clientv3.New(clientv3.Config{
		Endpoints: []string{endpoint}, DialTimeout: patience, Logger: zap.NewNop(),
		DialOptions: []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())},
	})
}

// verdict is what byzd verdict says.
type verdict struct {
	Agreement   string            `json:"agreement"`
	Validity    string            `json:"validity"`
	Integrity   string            `json:"integrity"`
	Termination string            `json:"termination"`
	Sequence    uint64            `json:"sequence"`
	Operations  uint64            `json:"operations"`
	From        uint64            `json:"from"`
	Epoch       uint64            `json:"epoch"`
	Culprits    []int             `json:"culprits"`
	Traitors    []int             `json:"traitors"`
	Fired       map[string]uint64 `json:"fired"`
	Evidence    []struct {
		Kind    string `json:"kind"`
		Culprit int    `json:"culprit"`
		File    string `json:"file"`
	} `json:"evidence"`
}

// judge asks for the verdict and returns it with the exit code.
func (n *network) judge() (verdict, int) {
	n.t.Helper()
	o := byzd(n.t, "verdict", "--home", n.home, "--json")
	var v verdict
	if err := json.Unmarshal([]byte(o.stdout), &v); err != nil {
		n.t.Fatalf("verdict: exit %d, %v\n%s%s", o.code, err, o.stdout, o.stderr)
	}
	return v, o.code
}

// held demands that the four properties hold.
func (n *network) held() verdict {
	n.t.Helper()
	v, code := n.judge()
	if code != 0 || v.Agreement != "held" || v.Validity != "held" || v.Integrity != "held" ||
		v.Termination != "held" {
		n.t.Errorf("exit %d, verdict %+v\n%s", code, v,
			byzd(n.t, "verdict", "--home", n.home).stdout)
	}
	return v
}
