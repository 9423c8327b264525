package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"byzd/daemon/api/apitest"
	"byzd/daemon/config"
	"byzd/daemon/kv"
)

// byzdProcess is the variable that makes the test binary byzd, for tests of several processes. It
// is not one of byzd's own, which run would refuse.
const byzdProcess = "RUN_AS_BYZD"

// byzdIn runs the command line in this process.
func byzdIn(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	args = append([]string{"byzd"}, args...)
	code = Main(t.Context(), args, strings.NewReader(stdin), &out, &err)
	return code, out.String(), err.String()
}

// clientHome makes a home as a running node leaves it, for the member of a cluster.
func clientHome(t *testing.T, c *apitest.Cluster, member int) string {
	t.Helper()
	home := config.Home(t.TempDir())
	if err := c.Genesis.Save(home.Genesis()); err != nil {
		t.Fatal(err)
	}
	if err := home.WriteAddresses(config.Addresses{Client: c.Endpoints[member]}); err != nil {
		t.Fatal(err)
	}
	return string(home)
}

// The client commands as a user types them, with what they print and how they exit.
func TestClientCommands(t *testing.T) {
	cluster := apitest.Start(t, "commands", 4)
	home := clientHome(t, cluster, 2)
	for _, one := range []struct {
		line   string
		stdin  string
		code   int
		stdout string
		stderr string // a part of it
	}{
		{line: "get k", code: 1, stderr: `key "k" is not there`},
		{line: "put k old", stdout: "OK\n"},
		{line: "get k", stdout: "old\n"},
		{line: "cas k wrong new", code: 1, stderr: `holds "old"`},
		{
			line: "cas k wrong new --json", code: 1,
			stdout: `{"succeeded":false,"revision":2,"found":{"key":"k","value":"old",` +
				`"create_revision":2,"mod_revision":2,"version":1}}` + "\n",
		},
		{line: "cas k old new", stdout: "OK\n"},
		{line: "cas --absent k other", code: 1, stderr: `holds "new"`},
		{line: "cas nothing a b", code: 1, stderr: "--absent"},
		{line: "cas --absent fresh value", stdout: "OK\n"},
		{line: "put k - --json", stdin: "from\nstdin", stdout: `{"revision":5}` + "\n"},
		{line: "get k", stdout: "from\nstdin\n"},
		{
			line: "--json get fresh",
			stdout: `{"key":"fresh","value":"value","create_revision":4,"mod_revision":4,` +
				`"version":1}` + "\n",
		},
		{line: "get k --raw", stdout: "from\nstdin"},
		{line: "get k --raw --json", code: 2, stderr: "exclude each other"},
		{line: "put binary -", stdin: "\xff\x00\n", stdout: "OK\n"},
		{line: "get binary --raw", stdout: "\xff\x00\n"},
		{
			line: "get binary --json",
			stdout: `{"key":"binary","value_base64":"/wAK","create_revision":6,` +
				`"mod_revision":6,"version":1}` + "\n",
		},
		{line: "put \xfe -", stdin: "", stdout: "OK\n"},
		{
			line: "get \xfe --json",
			stdout: `{"key_base64":"/g==","value":"","create_revision":7,"mod_revision":7,` +
				`"version":1}` + "\n",
		},
		{line: "del k", stdout: "1\n"},
		{line: "del k", stdout: "0\n"},
		{line: "del k --json", stdout: `{"deleted":0}` + "\n"},
		{line: "put k", code: 2, stderr: "KEY VALUE"},
		{
			line: "put k -", stdin: strings.Repeat("v", kv.ValueBytesMax+1), code: 1,
			stderr: "byzd: hint: a key has at most 4096 bytes and a value at most 1048576",
		},
		{line: "put k " + strings.Repeat("v", kv.ValueBytesMax+1), code: 1, stderr: "1048576"},
		{
			line: "get " + strings.Repeat("k", kv.KeyBytesMax+1), code: 1,
			stderr: "byzd: hint: a key has at most 4096 bytes",
		},
		{line: "get k --timeout 0s", code: 2, stderr: "--timeout"},
		{line: "cas k - -", code: 2, stderr: "only one"},
		{line: "put  v --endpoints nonsense", code: 2, stderr: "KEY VALUE"},
	} {
		args := append([]string{"--home", home}, strings.Fields(one.line)...)
		code, stdout, stderr := byzdIn(t, one.stdin, args...)
		if code != one.code || stdout != one.stdout || !strings.Contains(stderr, one.stderr) ||
			one.stderr == "" && stderr != "" {
			t.Errorf("byzd %s: exit %d\n%s%s", one.line, code, stdout, stderr)
		}
	}
	info, err := os.Stat(config.Home(home).ClientKey())
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key made on first use: %v, %v", info, err)
	}
}

// A key file that cannot be used is named, with what to do.
func TestClientKey_Refused(t *testing.T) {
	cluster := apitest.Start(t, "badkeys", 4)
	home := clientHome(t, cluster, 0)
	key := config.Home(home).ClientKey()
	if err := os.WriteFile(key, []byte("no seed\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	refuses(t, exitFailed, key, "restore the file from a copy, or remove it", "get", "k", "--home",
		home)
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	refuses(t, exitFailed, key, "chmod 600 "+key, "get", "k", "--home", home)
}

// Without a home the key and the pinned genesis stand with the user's settings.
func TestClientWithEndpointsOnly(t *testing.T) {
	settings := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", settings)
	t.Setenv("HOME", settings)
	cluster, other := apitest.Start(t, "endpoints", 4), apitest.Start(t, "stranger", 1)
	endpoints := "--endpoints=" + strings.Join(cluster.Endpoints[:2], ",")
	code, stdout, stderr := byzdIn(t, "", "put", "k", "v", endpoints)
	if code != 0 || stdout != "OK\n" {
		t.Fatalf("put: exit %d\n%s%s", code, stdout, stderr)
	}
	code, stdout, stderr = byzdIn(t, "", "get", endpoints, "k")
	if code != 0 || stdout != "v\n" {
		t.Fatalf("get: exit %d\n%s%s", code, stdout, stderr)
	}
	code, _, stderr = byzdIn(t, "", "get", "k", "--endpoints", other.Endpoints[0])
	if code != 1 || !strings.Contains(stderr, "another cluster") ||
		!strings.Contains(stderr, "hint") {
		t.Errorf("endpoints of another cluster: exit %d\n%s", code, stderr)
	}
	for _, args := range [][]string{{"get", "k"}, {"get", "k", "--endpoints", "nonsense"}} {
		code, _, stderr = byzdIn(t, "", args...)
		if code != 2 || !strings.Contains(stderr, "hint") {
			t.Errorf("byzd %v: exit %d\n%s", args, code, stderr)
		}
	}
}

// A cluster that does not answer in time is exit code 3, and says what to do.
func TestClientWithoutQuorum(t *testing.T) {
	cluster := apitest.Start(t, "quorum", 4)
	home := clientHome(t, cluster, 0)
	if code, _, stderr := byzdIn(t, "", "put", "k", "v", "--home", home); code != 0 {
		t.Fatal(stderr)
	}
	for i := 1; i < 4; i++ {
		cluster.StopEndpoint(i)
	}
	code, _, stderr := byzdIn(t, "", "put", "k", "w", "--home", home, "--timeout", "500ms")
	if code != 3 || !strings.Contains(stderr, "unknown") ||
		!strings.Contains(stderr, "byzd: hint:") {
		t.Errorf("put: exit %d\n%s", code, stderr)
	}
	cluster.StopEndpoint(0)
	code, _, stderr = byzdIn(t, "", "put", "k", "v", "--home", home, "--timeout", "100ms")
	if code != 3 || !strings.Contains(stderr, "nothing was sent") {
		t.Errorf("put to nobody: exit %d\n%s", code, stderr)
	}
	code, _, stderr = byzdIn(t, "", "put", "k", "v", "--home", t.TempDir())
	if code != 3 || !strings.Contains(stderr, "testnet up") {
		t.Errorf("put to an empty home: exit %d\n%s", code, stderr)
	}
}

// Ctrl-C says that it was Ctrl-C, whatever was under way.
func TestClientInterrupted(t *testing.T) {
	cluster := apitest.Start(t, "interrupted", 4)
	for i := range 4 {
		cluster.StopEndpoint(i)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, where := range []string{
		"--home=" + clientHome(t, cluster, 0), "--endpoints=" + cluster.Endpoints[0],
	} {
		var stdout, stderr bytes.Buffer
		args := []string{
			"byzd", "put", "k", "v", where, "--key", filepath.Join(t.TempDir(), "key"),
		}
		code := Main(ctx, args, strings.NewReader(""), &stdout, &stderr)
		if code != exitInterrupted || !strings.Contains(stderr.String(), "interrupted") ||
			strings.Contains(stderr.String(), "in time") ||
			strings.Contains(stderr.String(), "hint") ||
			strings.Contains(stderr.String(), "canceled") {
			t.Errorf("%s: exit %d\n%s", where, code, stderr.String())
		}
	}
}

// A command that waits for nodes finds them where they were started again.
func TestClientFindsRestartedNodes(t *testing.T) {
	gone, now := apitest.Start(t, "restarted", 1), apitest.Start(t, "restarted", 1)
	home := testnetHome(t, gone, gone.Endpoints[0])
	gone.StopEndpoint(0)
	type result struct {
		code   int
		stderr string
	}
	done := make(chan result, 1)
	go func() {
		code, _, stderr := byzdIn(t, "", "put", "k", "v", "--home", home, "--timeout", "1m")
		done <- result{code, stderr}
	}()
	// The session's directory is made behind the first look at the endpoints.
	for {
		live, err := filepath.Glob(filepath.Join(home, "client.key.d", "live-*"))
		if err != nil || len(done) > 0 {
			t.Fatal(err, len(done))
		}
		if len(live) > 0 {
			break
		}
		<-time.After(time.Millisecond)
	}
	other := testnetHome(t, now, now.Endpoints[0])
	const state = "testnet.json"
	if err := os.Rename(filepath.Join(other, state), filepath.Join(home, state)); err != nil {
		t.Fatal(err)
	}
	if r := <-done; r.code != 0 {
		t.Errorf("put: exit %d\n%s", r.code, r.stderr)
	}
}

// Processes that share a key file at the same time do not get into each other's way: each write
// runs once, and each is acknowledged.
func TestProcessesShareAKey(t *testing.T) {
	cluster := apitest.Start(t, "processes", 4)
	home := clientHome(t, cluster, 1)
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var running []*exec.Cmd
	outputs := make([]bytes.Buffer, 8)
	for i := range outputs {
		cmd := exec.CommandContext(t.Context(), program, "put", fmt.Sprintf("k%d", i), "v",
			"--home", home, "--timeout", "1m")
		cmd.Env = append(os.Environ(), byzdProcess+"=1")
		cmd.Stdout, cmd.Stderr = &outputs[i], &outputs[i]
		if err = cmd.Start(); err != nil {
			t.Fatal(err)
		}
		running = append(running, cmd)
	}
	for i, cmd := range running {
		if err = cmd.Wait(); err != nil {
			t.Errorf("process %d: %v\n%s", i, err, outputs[i].String())
		}
		var op []byte
		op, err = kv.Encode(kv.Put{Key: fmt.Appendf(nil, "k%d", i), Value: []byte("v")})
		if err != nil {
			t.Fatal(err)
		}
		if n := cluster.Executed(0, op); n != 1 {
			t.Errorf("put %d was executed %d times", i, n)
		}
	}
	left, err := filepath.Glob(filepath.Join(home, "client.key.d", "live-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestMain(m *testing.M) {
	if os.Getenv(byzdProcess) != "" {
		main()
	}
	os.Exit(m.Run())
}
