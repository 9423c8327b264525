package nemesis_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"byzd/testnet"
	"byzd/testnet/judge/linear"
	"byzd/testnet/load"
	"byzd/testnet/nemesis"
)

// cell runs some faults on a network of real processes, and demands that nothing runs afterwards.
func cell(t *testing.T, o nemesis.Options) *nemesis.Report {
	t.Helper()
	o.Home, o.Binary = filepath.Join(t.TempDir(), "net"), binary
	o.For, o.Hold, o.Say = time.Second, time.Second, t.Logf
	r, err := nemesis.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := r.Write(&text); err != nil {
		t.Error(err)
	}
	t.Log(text.String())
	nothingRuns(t, o.Home)
	var saved nemesis.Report
	data, err := os.ReadFile(filepath.Join(o.Home, nemesis.ReportName))
	if err == nil {
		err = json.Unmarshal(data, &saved)
	}
	if err != nil || saved.Outcome != r.Outcome {
		t.Errorf("the saved report says %q: %v", saved.Outcome, err)
	}
	return r
}

// nothingRuns demands that a testnet has ended, and says so.
func nothingRuns(t *testing.T, home string) {
	t.Helper()
	st, err := testnet.ReadState(home)
	if err != nil {
		t.Fatal(err)
	}
	for i := range st.Nodes {
		if st.Nodes[i].PID != 0 || st.Nodes[i].Process.Alive() {
			t.Errorf("node %d still runs: %s", i, st.Nodes[i].Describe())
		}
	}
	if st.Supervisor.PID != 0 {
		t.Errorf("the supervisor is still there: %+v", st.Supervisor)
	}
}

// passed demands a good run in which everything that was planned happened.
func passed(t *testing.T, r *nemesis.Report, happened int) {
	t.Helper()
	if r.Outcome != nemesis.Passed || r.Happened != happened || r.Planned != happened {
		t.Errorf("%s, %d of %d happened, %v", r.Outcome, r.Happened, r.Planned, r.Reasons)
	}
	for _, e := range r.Events {
		if e.Skipped == "" && (!e.Done || e.How == "" || len(e.Nodes) == 0 && e.What == "") {
			t.Errorf("it is not said what happened: %+v", e)
		}
	}
	for _, w := range r.Workloads {
		if w.State != linear.Linearizable || w.Operations == 0 || len(w.Lost) > 0 {
			t.Errorf("%+v", w)
		}
	}
}

// command runs byzd nemesis and sends it an interrupt when stop is closed.
func command(
	t *testing.T, stop <-chan struct{}, args ...string,
) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), binary, append([]string{"nemesis"}, args...)...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		select {
		case <-stop:
			_ = cmd.Process.Signal(os.Interrupt)
		case <-ended:
		}
	}()
	err := cmd.Wait()
	close(ended)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// VERIFY §11, rows 2 and 17, as a user has them: the primary is killed, then a journal is damaged.
// The damaged node counts among the f, and the others go on.
func TestKillAndDamage(t *testing.T) {
	home := filepath.Join(t.TempDir(), "net")
	out, errs, code := command(t, nil, "--json", "--seed", "7", "--for", "1s", "--hold", "1s",
		"--faults", "kill-primary,journal-cut", "--workload", "register,bank", "--home", home)
	var r nemesis.Report
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != 0 {
		t.Fatalf("exit %d, %v\n%s%s", code, err, out, errs)
	}
	passed(t, &r, 2)
	nothingRuns(t, home)
	if len(r.Charged) != 1 {
		t.Errorf("charged: %v", r.Charged)
	}
}

// VERIFY §11, rows 4, 6 and 10, with a liar from the beginning: no more than f nodes are against
// the network only while nothing else is broken.
func TestPauseAndCutWithATraitor(t *testing.T) {
	r := cell(t, nemesis.Options{
		Seed: 8, Faults: []string{"pause-one", "one-way"}, Traitors: true,
		Workloads: []string{load.SetName, load.CounterName},
	})
	passed(t, r, 2)
	if r.Verdict == nil || len(r.Verdict.Traitors) != 1 || r.Verdict.Linearizable != "held" {
		t.Errorf("%+v", r.Verdict)
	}
}

// VERIFY §11, rows 15 and 6: a full disk has room again without a restart, and a cut heals.
func TestFullDiskAndHalves(t *testing.T) {
	r := cell(t, nemesis.Options{Seed: 9, Faults: []string{"disk-full-primary", "halves", "term-one"}})
	passed(t, r, 3)
	for _, e := range r.Events {
		if e.Withstood == (e.Fault == "halves") {
			t.Errorf("progress demanded under %s: %t", e.Fault, e.Withstood)
		}
	}
}

// VERIFY §11, row 8: everything is slow, lost, doubled and overtaken, without root; and a slow
// primary.
func TestBadWeather(t *testing.T) {
	r := cell(t, nemesis.Options{Seed: 11, Faults: []string{"bad-weather", "slow-primary"}})
	passed(t, r, 2)
	for _, e := range r.Events {
		if !e.Withstood || e.Fault == "bad-weather" && !strings.Contains(e.How, "duplicate +") {
			t.Errorf("%+v", e)
		}
	}
}

// What the kernel does to packets, where this machine lets us: what it does not is skipped, and
// says why. Nothing of it stays.
func TestKernelFaults(t *testing.T) {
	var able, all []string
	for _, f := range nemesis.Catalogue() {
		if !slices.Contains([]string{
			"packets-dropped-primary", "connections-reset", "narrow", "packets-late",
		}, f.Name) {
			continue
		}
		all = append(all, f.Name)
		if why := f.Unable(); why == "" {
			able = append(able, f.Name)
		} else {
			t.Logf("%s: %s", f.Name, why)
		}
	}
	r := cell(t, nemesis.Options{Seed: 12, Faults: all, Workloads: []string{load.RegisterName}})
	if len(able) == 0 {
		if r.Outcome != nemesis.Invalid || r.Planned != 0 {
			t.Errorf("%s, %d planned, although nothing can happen", r.Outcome, r.Planned)
		}
	} else {
		passed(t, r, len(able))
	}
	for _, e := range r.Events {
		if e.Done == (e.Skipped != "") {
			t.Errorf("%+v", e)
		}
	}
}

// Control C2: more traitors than the network withstands must be reported, as broken, and named.
func TestTooManyTraitorsBreakIt(t *testing.T) {
	r := cell(t, nemesis.Options{
		Seed: 1, Faults: []string{"pause-one"}, BeyondF: true, Patience: 5 * time.Second,
		Lies: []testnet.Lie{
			{Node: 0, Spec: "equivocate-preprepare"}, {Node: 3, Spec: "equivocate-votes"},
		},
	})
	if r.Outcome != nemesis.Broken || r.Verdict.Agreement != "broken" {
		t.Errorf("%s: %v", r.Outcome, r.Reasons)
	}
	var named []int
	for _, c := range r.Verdict.Culprits {
		named = append(named, c.Number)
	}
	if !slices.Equal(named, []int{0, 3}) {
		t.Errorf("named: %v", named)
	}
}

// Ctrl-C ends everything, processes that stand still among it, with the code of DESIGN §9.
func TestInterrupted(t *testing.T) {
	home := filepath.Join(t.TempDir(), "net")
	stop := make(chan struct{})
	go func() {
		defer close(stop)
		for t.Context().Err() == nil {
			st, err := testnet.ReadState(home)
			if err == nil && slices.ContainsFunc(st.Nodes, func(n testnet.NodeState) bool {
				return n.Process == testnet.Paused
			}) {
				return
			}
			<-time.After(10 * time.Millisecond)
		}
	}()
	out, errs, code := command(t, stop, "--seed", "2", "--faults", "pause-many", "--hold", "90s",
		"--home", home)
	if code != 130 || !strings.Contains(out, "INTERRUPTED") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	nothingRuns(t, home)
}

// One node is killed again and again, also while it starts; then whoever leads is. Everything that
// was acknowledged stays, and the figures say what happened.
func TestKilledAgainAndAgain(t *testing.T) {
	for whom, kills := range map[string]int{nemesis.KillOne: 12, nemesis.KillPrimary: 6} {
		t.Run(whom, func(t *testing.T) {
			r := cell(t, nemesis.Options{Seed: 3, Kills: kills, Whom: whom})
			passed(t, r, 1)
			k := r.Kills
			sum := 0
			for i := range k.Nodes {
				sum += k.Nodes[i].Kills
			}
			if k.Done != kills || sum != kills || k.Starting+k.CatchingUp > kills ||
				len(k.Generations) == 0 || k.ReadyMinMS <= 0 || k.ReadyMinMS > k.ReadyMostMS {
				t.Errorf("%+v", k)
			}
			if many := len(r.Events[0].Nodes) > 1; many != (whom == nemesis.KillPrimary) {
				t.Errorf("nodes %v were killed", r.Events[0].Nodes)
			}
		})
	}
}
