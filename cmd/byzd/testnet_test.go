package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"byzd/testnet"
)

func someStatus() *testnet.Status {
	code := 1
	node := func(i int, p testnet.Process) testnet.NodeStatus {
		return testnet.NodeStatus{NodeState: testnet.NodeState{Node: i, Process: p}}
	}
	st := &testnet.Status{
		Supervisor: testnet.SupervisorStatus{Running: true},
		Nodes: []testnet.NodeStatus{
			node(0, testnet.Running), node(1, testnet.Exited), node(2, testnet.Running),
			node(3, testnet.Running),
		},
	}
	st.Nodes[0].PID, st.Nodes[0].Answers, st.Nodes[0].Ready = 4711, true, true
	st.Nodes[0].View, st.Nodes[0].Primary, st.Nodes[0].Sequence = 5, 1, 77
	st.Nodes[1].ExitCode = &code
	st.Nodes[2].Reason = "it runs and does not answer: refused"
	st.Nodes[2].Cut = []int{0, 3}
	st.Nodes[3].Answers = true
	st.Nodes[3].Reason = "no quorum"
	st.Nodes[3].Traitors = []string{"mute", "censor"}
	st.Nodes[3].Lies = []testnet.LieStatus{{Spec: "mute", Fired: 9}, {Spec: "censor"}}
	return st
}

// An exited process, a silent one and a traitor can be told apart.
func TestTable(t *testing.T) {
	const want = `NODE  PROCESS              READY   VIEW  PRIMARY  SEQUENCE    STABLE  PROOFS
0     running (4711)       yes        5        1        77         0       0
1     exited, code 1       no         -        -         -         -       -
2     running              no         -        -         -         -       -  ` +
		`cut off from 0 3; it runs and does not answer: refused
3     running              no         0        0         0         0       0  ` +
		`TRAITOR mute: fired 9; censor: armed, not fired; no quorum`
	got := strings.Join((&screen{}).table(someStatus(), 200), "\n")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, line := range (&screen{}).table(someStatus(), 40) {
		if len(line) >= 40 {
			t.Errorf("a line is wider than the terminal: %q", line)
		}
	}
	st := someStatus()
	st.Supervisor.Running, st.Home = false, "lab"
	if got := strings.Join((&screen{}).table(st, 200), "\n"); got != want {
		t.Errorf("a table without a supervisor has other lines:\n%s", got)
	}
	if got := stoppedNote(st); !strings.Contains(got, "testnet down --home lab") {
		t.Errorf("nodes without a supervisor: %q", got)
	}
	for i := range st.Nodes {
		st.Nodes[i].Process = testnet.Exited
	}
	if got := stoppedNote(st); !strings.Contains(got, "testnet up --home lab") {
		t.Errorf("a stopped testnet: %q", got)
	}
	if got := (&screen{colour: true}).table(someStatus(), 200)[2]; got[:5] != "\x1b[31m" {
		t.Errorf("a dead node is not red: %q", got)
	}
}

// Without a terminal the table comes once, and then what has changed, without any colour.
func TestScreen_WithoutATerminal(t *testing.T) {
	var out bytes.Buffer
	s := newScreen(&out)
	show := func(st *testnet.Status) string {
		out.Reset()
		if err := s.show(st, "footer"); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	if got := show(someStatus()); strings.Count(got, "\n") != 5 || strings.Contains(got, "\x1b") {
		t.Errorf("at first: %q", got)
	}
	st := someStatus()
	st.Nodes[0].Sequence++ // it changes all the time, as do a mute node's lies, and what it misses
	st.Nodes[3].Lies = []testnet.LieStatus{{Spec: "mute", Fired: 10}, {Spec: "censor"}}
	st.Nodes[3].Reason = "this node is not ready: it reaches 2 of 4"
	show(st)
	st.Nodes[3].Lies = []testnet.LieStatus{{Spec: "mute", Fired: 12}, {Spec: "censor"}}
	st.Nodes[3].Reason = "this node is not ready: it reaches 1 of 4"
	if got := show(st); got != "" {
		t.Errorf("nothing has changed: %q", got)
	}
	st.Nodes[3].Lies = []testnet.LieStatus{{Spec: "mute", Fired: 12}, {Spec: "censor", Fired: 1}}
	if got := show(st); !strings.Contains(got, "censor: fired 1") ||
		!strings.Contains(got, "not ready: it reaches 1 of 4") || strings.Count(got, "\n") != 1 {
		t.Errorf("its first lie of a kind: %q", got)
	}
	st.Nodes[0].Process, st.Nodes[0].Signal = testnet.Killed, 9
	st.Nodes[0].Ready, st.Nodes[0].Answers = false, false
	if got := show(st); !strings.HasPrefix(got, "node 0: killed by signal 9") ||
		strings.Count(got, "\n") != 1 {
		t.Errorf("node 0 was killed: %q", got)
	}
}

func TestReadLies(t *testing.T) {
	for _, c := range []struct {
		words string
		want  []nodeLies
	}{
		{"0=mute", []nodeLies{{0, []string{"mute"}}}},
		{"3 none", []nodeLies{{3, nil}}},
		{"3=none", []nodeLies{{3, nil}}},
		{"1=mute 2=censor:to=0,p=0.5 1=lie-reply", []nodeLies{
			{1, []string{"mute", "lie-reply"}}, {2, []string{"censor:to=0,p=0.5"}},
		}},
	} {
		got, err := readLies(4, strings.Fields(c.words))
		diff := cmp.Diff(c.want, got, cmp.AllowUnexported(nodeLies{}))
		if err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", c.words, err, diff)
		}
	}
	for _, words := range []string{"mute", "4=mute", "0", "x none", "0 mute", "0=mute 1 none"} {
		if got, err := readLies(4, strings.Fields(words)); err == nil {
			t.Errorf("%s: got %v", words, got)
		}
	}
}

// A line is printed when it is whole, and a log that begins later is no error.
func TestTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	var out bytes.Buffer
	l := &tail{node: 7, path: path}
	defer l.close()
	p := &logPrinter{w: &out, named: true}
	step := func(more, want string) {
		t.Helper()
		if more != "" {
			f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteString(more); err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
		}
		out.Reset()
		if err := l.copy(p); err != nil || out.String() != want {
			t.Errorf("after %.20q: got %.40q, %v, want %.40q", more, out.String(), err, want)
		}
	}
	step("", "")
	step("one\ntw", "7 | one\n")
	step("", "")
	step("o\n\nthree", "7 | two\n7 | \n")
	step("\n", "7 | three\n")
	long := strings.Repeat("x", lineMax)
	step(long+"yy\n", "7 | "+long+"\n7 | yy\n")
}
