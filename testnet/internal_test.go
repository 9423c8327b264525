package testnet

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestWithAccomplices(t *testing.T) {
	for _, c := range []struct {
		text  string
		nodes []int
		want  string
	}{
		{"equivocate-preprepare", nil, "equivocate-preprepare"},
		{"equivocate-preprepare", []int{1, 3}, "equivocate-preprepare:with=1+3"},
		{"equivocate-votes:to=half,p=0.5", []int{0}, "equivocate-votes:to=half,p=0.5,with=0"},
		{"equivocate-votes:with=none", []int{0}, "equivocate-votes:with=none"},
		{"equivocate-votes:with=2", []int{0}, "equivocate-votes:with=2"},
	} {
		if got := withAccomplices(c.text, c.nodes); got != c.want {
			t.Errorf("%s with %v: got %s, want %s", c.text, c.nodes, got, c.want)
		}
	}
}

// Counts are added up over processes and changes of lies, and only those of lies that the node was
// told to tell.
func TestAddFired(t *testing.T) {
	n := &NodeState{
		Traitors: []string{"mute:p=0.5", "mute", "corrupt"}, Fired: map[string]uint64{"mute": 5},
	}
	sums, now := addFired(n, nil, map[string]uint64{"mute": 3, "corrupt": 0, "of its own": 9})
	if got := fmt.Sprint(sums, now); got != "map[corrupt:0 mute:8] map[corrupt:0 mute:3]" {
		t.Errorf("got %s", got)
	}
	n.Fired = sums
	sums, now = addFired(n, now, map[string]uint64{"mute": 4, "corrupt": 1})
	if got := fmt.Sprint(sums, now); got != "map[corrupt:1 mute:9] map[corrupt:1 mute:4]" {
		t.Errorf("got %s", got)
	}
	// An answer that is older than another one takes nothing away.
	n.Fired = sums
	sums, now = addFired(n, now, map[string]uint64{"mute": 2})
	if got := fmt.Sprint(sums, now); got != "map[corrupt:1 mute:9] map[corrupt:1 mute:4]" {
		t.Errorf("got %s", got)
	}
}

// Several errors are one line, with the advice of each, once.
func TestJoined(t *testing.T) {
	err := joined([]error{
		nil, failf("look", "one"), usagef("look", "two"), errors.New("three"), failf("go", "four"),
	})
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Kind != Failed || e.Error() != "one; two; three; four" || e.Hint() != "look; go" {
		t.Errorf("got %+v", e)
	}
	if joined([]error{nil, nil}) != nil {
		t.Error("nothing is an error")
	}
}

// A supervisor that takes connections and answers nothing is named, with advice.
func TestCall_SilentSupervisor(t *testing.T) {
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	err = call(t.Context(), "http://"+l.Addr().String()+pathKill, order{}, time.Millisecond)
	e, ok := errors.AsType[*Error](err)
	if !ok || !strings.Contains(e.Error(), "does not answer in time") || e.Hint() == "" {
		t.Errorf("got %v", err)
	}
}

// Stamps of all times are equally wide.
func TestStampForm(t *testing.T) {
	whole := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC).Format(stampForm)
	odd := time.Date(2030, 1, 2, 3, 4, 5, 123456789, time.UTC).Format(stampForm)
	if whole != "2030-01-02T03:04:05.000Z" || odd != "2030-01-02T03:04:05.123Z" {
		t.Errorf("%s and %s", whole, odd)
	}
}

// The contact that a node is told: the best of those that run.
func TestSupervisor_Contact(t *testing.T) {
	node := func(p Process, gossip string) NodeState {
		return NodeState{Process: p, Gossip: gossip}
	}
	s := &supervisor{runtime: make([]liveness, 5), state: &State{Nodes: []NodeState{
		node(Running, "a"), node(Running, "b"), node(Running, "c"), node(Paused, "d"),
		node(Exited, "e"),
	}}}
	for i := range s.runtime {
		s.runtime[i].listening = true
	}
	nodes := s.state.Nodes
	check := func(what string, i int, want string) {
		t.Helper()
		if got := s.contact(i); got != want {
			t.Errorf("%s: node %d is told %q, want %q", what, i, got, want)
		}
	}
	check("the first", 4, "a")
	check("not itself", 0, "b")
	nodes[0].Traitors = []string{"mute"}
	check("no traitor", 4, "b")
	nodes[1].Cut = []int{4}
	check("not cut off", 4, "c")
	nodes[4].Cut = []int{2}
	check("not cut off, the other way", 4, "a")
	nodes[0].Process, nodes[1].Process = Killed, Killed
	s.runtime[2].listening = false
	check("a paused one at last", 4, "d")
	nodes[3].Process = Exited
	check("nobody runs: where one was", 4, "d")
	for i := range nodes {
		nodes[i].Gossip = ""
	}
	check("nobody ever ran", 4, "")
}

func TestLastWords(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	earlier := "byzd: error: of an earlier run\nbyzd: hint: old\n"
	for _, c := range []struct{ text, words, hint string }{
		{"", "", ""},
		{"msg=listening\n\n", "msg=listening", ""},
		{"x\nbyzd: error: no room\nbyzd: hint: make some\n", "no room", "make some"},
		{"byzd: error: no room\nbyzd: hint: make some\nbyzd: error: and more", "and more", ""},
		{strings.Repeat("x\n", lastWordsBytes) + "byzd: error: far\n", "far", ""},
	} {
		if err := os.WriteFile(path, []byte(earlier+c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		words, hint := lastWords(path, int64(len(earlier)))
		if words != c.words || hint != c.hint {
			t.Errorf("%.40q: got %q, %q, want %q, %q", c.text, words, hint, c.words, c.hint)
		}
	}
}

// A process is known by when it started, not by its number alone.
func TestSame(t *testing.T) {
	me, still, alive := inspect(os.Getpid())
	if !alive || still || me == "" {
		t.Fatalf("this very process: %q, stopped %v, alive %v", me, still, alive)
	}
	if !same(os.Getpid(), me) {
		t.Error("this process is not itself")
	}
	if same(os.Getpid(), me+"0") || same(os.Getpid(), "") || same(os.Getppid(), me) || same(0, me) {
		t.Error("another process was taken for this one")
	}
}

// A process that has ended and was not waited for yet has ended.
func TestSame_Zombie(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	started, _, alive := inspect(cmd.Process.Pid)
	if !alive || !same(cmd.Process.Pid, started) {
		t.Fatalf("a process that runs is not alive: %q", started)
	}
	_ = in.Close()
	limit := time.NewTimer(time.Minute)
	defer limit.Stop()
	for poll := time.NewTicker(time.Millisecond); same(cmd.Process.Pid, started); {
		select {
		case <-limit.C:
			t.Fatal("a zombie counts as alive")
		case <-poll.C:
		}
	}
	_ = cmd.Wait()
}

// What the nodes inherit does not configure them.
func TestEnvironment(t *testing.T) {
	t.Setenv("BYZD_LISTEN", "127.0.0.1:1")
	t.Setenv("OTHER", "kept")
	text := strings.Join(environment(), "\n")
	if strings.Contains(text, "BYZD_") || !strings.Contains(text, "OTHER=kept") {
		t.Errorf("nodes inherit:\n%s", text)
	}
}

// Nodes that are started at the same time are told of each other: where nobody listens, the place
// where somebody did is a contact. Without that four nodes killed and started at once never met.
func TestContact(t *testing.T) {
	s := &supervisor{
		state: &State{Nodes: []NodeState{
			{Gossip: "a:1", Process: Killed},
			{Gossip: "b:1", Process: Running},
			{Gossip: "c:1", Process: Running, Traitors: []string{"mute"}},
			{Process: New},
		}},
		runtime: make([]liveness, 4),
	}
	contacts := func() (list []string) {
		for i := range s.state.Nodes {
			list = append(list, s.contact(i))
		}
		return list
	}
	if got := contacts(); !slices.Equal(got, []string{"b:1", "a:1", "a:1", "a:1"}) {
		t.Errorf("while nobody listens: %v", got)
	}
	s.runtime[2].listening = true
	if got := contacts(); !slices.Equal(got, []string{"c:1", "c:1", "a:1", "c:1"}) {
		t.Errorf("while a traitor listens: %v", got)
	}
	s.runtime[1].listening = true
	if got := contacts(); !slices.Equal(got, []string{"b:1", "c:1", "b:1", "b:1"}) {
		t.Errorf("while two listen: %v", got)
	}
	s.state.Nodes = s.state.Nodes[3:]
	if got := s.contact(0); got != "" {
		t.Errorf("with nobody else: %q", got)
	}
}
