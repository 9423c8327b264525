package judge

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"byzd/daemon/journal"
)

// endpoint is an operator endpoint that plays a list of answers; the last one stays.
type endpoint struct {
	*httptest.Server

	mu      sync.Mutex
	answers []string
	records []journal.Record
}

func newEndpoint(t *testing.T, answers ...string) *endpoint {
	t.Helper()
	e := &endpoint{answers: answers}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		e.mu.Lock()
		defer e.mu.Unlock()
		answer := e.answers[0]
		if len(e.answers) > 1 {
			e.answers = e.answers[1:]
		}
		if answer == "" {
			http.Error(w, "not now", http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte(answer))
	})
	mux.HandleFunc("GET /journal", func(w http.ResponseWriter, _ *http.Request) {
		_ = journal.WriteStream(w, source(e.records))
	})
	e.Server = httptest.NewServer(mux)
	t.Cleanup(e.Close)
	return e
}

func answer(node int, view, sequence uint64, pending int, oldestMS int64) string {
	return fmt.Sprintf(`{"node":%d,"view":%d,"sequence":%d,"peers":[],
		"pending":{"count":%d,"oldest_ms":%d}}`, node, view, sequence, pending, oldestMS)
}

// quick is a pace for nodes that answer at once.
func quick() pace { return pace{look: 5 * time.Millisecond, silent: 50 * time.Millisecond} }

func watchAll(t *testing.T, bound time.Duration, nodes ...Node) (*Live, []Lies, *History) {
	t.Helper()
	h := worldHistory(t)
	live, lies, err := watchAt(t.Context(), h, nodes, bound, quick())
	if err != nil {
		t.Fatal(err)
	}
	return live, lies, h
}

func worldHistory(t *testing.T) *History {
	t.Helper()
	h := NewHistory(newCluster(t, 4, ed25519).cfg)
	h.Numbered = true
	return h
}

func termination(h *History, live *Live) *Verdict { return Judge(h, live) }

func TestWatch_WaitsUntilWhatWasPendingIsExecuted(t *testing.T) {
	a := newEndpoint(t, answer(0, 0, 5, 3, 10), answer(0, 0, 6, 2, 200), answer(0, 0, 9, 0, 0))
	b := newEndpoint(t, answer(1, 0, 9, 0, 0))
	live, _, h := watchAll(t, time.Minute,
		Node{Number: 0, Operator: a.URL}, Node{Number: 1, Operator: b.URL})
	v := termination(h, live)
	if v.Termination != Held {
		t.Errorf("termination is %s:\n%s", v.Termination, texts(v))
	}
	if w := live.Nodes[0]; w.Executed != 9 || w.Target != 9 {
		t.Errorf("node 0 was left at %d of %d", w.Executed, w.Target)
	}
}

func TestWatch_NoProgressIsBroken(t *testing.T) {
	stuck := newEndpoint(t, answer(0, 0, 5, 3, 60_000))
	fine := newEndpoint(t, answer(1, 0, 5, 0, 0))
	live, _, h := watchAll(t, 300*time.Millisecond,
		Node{Number: 0, Operator: stuck.URL}, Node{Number: 1, Operator: fine.URL})
	v := termination(h, live)
	if v.Termination != Broken || v.ExitCode() != ExitNoProgress {
		t.Errorf("termination is %s, exit %d", v.Termination, v.ExitCode())
	}
	wantFinding(t, v, Termination, "no progress", "node 0", "3 operations are pending")

	behind := newEndpoint(t, answer(0, 0, 4, 0, 0))
	live, _, h = watchAll(t, 300*time.Millisecond,
		Node{Number: 0, Operator: behind.URL}, Node{Number: 1, Operator: fine.URL})
	wantFinding(t, termination(h, live), Termination, "node 0 executed up to 4 of 5")
}

// What has been pending for longer than the bound is not waited for; nodes that would have needed a
// moment are not blamed then. Before a wait it is said what is waited for.
func TestWatch_DoesNotWaitForWhatIsLate(t *testing.T) {
	late := newEndpoint(t, answer(0, 0, 5, 3, 3_600_000))
	behind := newEndpoint(t, answer(1, 0, 4, 0, 0))
	h := worldHistory(t)
	h.Notice = func(text string) { t.Errorf("it waits: %s", text) }
	nodes := []Node{{Number: 0, Operator: late.URL}, {Number: 1, Operator: behind.URL}}
	live, _, err := watchAt(t.Context(), h, nodes, time.Hour, quick())
	if err != nil {
		t.Fatal(err)
	}
	v := termination(h, live)
	wantFinding(t, v, Termination, "node 0", "3 operations are pending, the oldest for 3600.0 s")
	if v.Termination != Broken || strings.Contains(texts(v), "node 1") {
		t.Errorf("termination is %s:\n%s", v.Termination, texts(v))
	}
}

func TestWatch_SaysWhatItWaitsFor(t *testing.T) {
	work := newEndpoint(t, answer(0, 0, 5, 3, 10), answer(0, 0, 5, 3, 20), answer(0, 0, 9, 0, 0))
	behind := newEndpoint(t, answer(1, 0, 4, 0, 0), answer(1, 0, 5, 0, 0))
	h := worldHistory(t)
	var notices []string
	h.Notice = func(text string) { notices = append(notices, text) }
	nodes := []Node{{Number: 0, Operator: work.URL}, {Number: 1, Operator: behind.URL}}
	if _, _, err := watchAt(t.Context(), h, nodes, time.Minute, quick()); err != nil {
		t.Fatal(err)
	}
	want := "[waiting 60.0 s at most for 3 operations pending at node 0, node 1 to get from 4 to 5]"
	if got := fmt.Sprint(notices); got != want {
		t.Errorf("said %s, want %s", got, want)
	}
	// Nodes that do not answer are not waited for as long.
	gone := newEndpoint(t, "")
	notices = nil
	nodes = []Node{{Number: 0, Operator: gone.URL}}
	p := pace{look: 5 * time.Millisecond, silent: 100 * time.Millisecond}
	if _, _, err := watchAt(t.Context(), h, nodes, time.Minute, p); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(notices); got != "[waiting 0.1 s at most for node 0 to answer]" {
		t.Errorf("said %s", got)
	}
}

// A network under load is never empty; it makes progress if its oldest work is new and some is
// executed; neither alone is enough.
func TestWatch_LoadIsNotMistakenForAStandstill(t *testing.T) {
	var answers []string
	for i := range uint64(1000) {
		answers = append(answers, answer(0, 0, 5+i, 40, 0))
	}
	live, _, h := watchAll(t, time.Minute,
		Node{Number: 0, Operator: newEndpoint(t, answers...).URL})
	if v := termination(h, live); v.Termination != Held {
		t.Errorf("load is %s:\n%s", v.Termination, texts(v))
	}
	// It may change its view all the time, as one with planned rotation does.
	answers = nil
	for i := range uint64(1000) {
		answers = append(answers, answer(0, i, 5+i, 40, 0))
	}
	live, _, h = watchAll(t, time.Minute, Node{Number: 0, Operator: newEndpoint(t, answers...).URL})
	if v := termination(h, live); v.Termination != Held {
		t.Errorf("load in changing views is %s:\n%s", v.Termination, texts(v))
	}
	for name, at := range map[string]func(i uint64) string{
		"views that change":                func(i uint64) string { return answer(0, i, 5, 40, 0) },
		"young work, and none is executed": func(uint64) string { return answer(0, 0, 5, 40, 0) },
		"others' work is executed": func(i uint64) string {
			return answer(0, i, 5+i, 40, 60_000+int64(i))
		},
	} {
		answers = nil
		for i := range uint64(1000) {
			answers = append(answers, at(i))
		}
		live, _, h = watchAll(t, 100*time.Millisecond,
			Node{Number: 0, Operator: newEndpoint(t, answers...).URL})
		if v := termination(h, live); v.Termination != Broken {
			t.Errorf("%s: termination is %s", name, v.Termination)
		}
	}
}

func TestWatch_NodesThatDoNotRunDoNotCount(t *testing.T) {
	gone := newEndpoint(t, "")
	gone.Close()
	fine := newEndpoint(t, answer(1, 0, 5, 0, 0))
	live, _, h := watchAll(t, time.Minute,
		Node{Number: 0, Operator: gone.URL}, Node{Number: 1, Operator: fine.URL})
	v := termination(h, live)
	if v.Termination != Held || len(v.Notes) != 1 {
		t.Errorf("termination is %s, notes %q", v.Termination, v.Notes)
	}
	live, _, _ = watchAll(t, time.Minute, Node{Number: 0, Operator: gone.URL})
	if live != nil {
		t.Error("a network of which nobody answers was called live")
	}
}

// A port may have been given to somebody else meanwhile.
func TestWatch_StrangersAreNotBelieved(t *testing.T) {
	other := newEndpoint(t, answer(3, 0, 500, 9, 0))
	fine := newEndpoint(t, answer(1, 0, 5, 0, 0))
	live, _, h := watchAll(t, time.Minute,
		Node{Number: 0, Operator: other.URL}, Node{Number: 1, Operator: fine.URL})
	v := termination(h, live)
	if v.Termination != Held || live.Nodes[0].Target != 5 || len(v.Notes) != 1 {
		t.Errorf("termination is %s, target %d, notes %q",
			v.Termination, live.Nodes[0].Target, v.Notes)
	}
}

func TestWatch_TraitorsTellTheirLies(t *testing.T) {
	liar := newEndpoint(t, `{"node":0,"sequence":0,"pending":{"count":7,"oldest_ms":99999},
		"traitors":[{"spec":"mute:p=0.5","fired":{"mute":12}},{"spec":"corrupt","fired":{"corrupt":0}}]}`)
	fine := newEndpoint(t, answer(1, 0, 5, 0, 0))
	live, lies, h := watchAll(t, time.Minute,
		Node{Number: 0, Operator: liar.URL, Traitor: true}, Node{Number: 1, Operator: fine.URL})
	v := termination(h, live)
	v.TellLies(lies)
	if v.Termination != Held || v.Fired["0=mute"] != 12 {
		t.Errorf("termination is %s, fired %v", v.Termination, v.Fired)
	}
	if n, armed := v.Fired["0=corrupt"]; !armed || n != 0 {
		t.Error("what is armed only is not listed")
	}
}

// What was noted of a node before counts where it does not answer, and where that is more than what
// it says now.
func TestWatch_LiesThatWereNotedCount(t *testing.T) {
	liar := newEndpoint(t, `{"node":0,"traitors":[{"fired":{"mute":12}},{"fired":{"corrupt":3}}]}`)
	gone := newEndpoint(t, "")
	gone.Close()
	nodes := []Node{
		{Number: 0, Operator: liar.URL, Traitor: true, Fired: map[string]int{"mute": 5, "corrupt": 7}},
		{Number: 1, Operator: gone.URL, Traitor: true, Fired: map[string]int{"mute": 4}},
		{Number: 2, Traitor: true, Fired: map[string]int{"censor": 0}},
	}
	for name, c := range map[string]struct {
		nodes []Node
		want  map[string]int
	}{
		"a live network": {nodes, map[string]int{
			"0=mute": 12, "0=corrupt": 7, "1=mute": 4, "2=censor": 0,
		}},
		"a stopped network": {nodes[2:], map[string]int{"2=censor": 0}},
	} {
		_, lies, h := watchAll(t, time.Minute, c.nodes...)
		v := termination(h, nil)
		v.TellLies(lies)
		if !maps.Equal(v.Fired, c.want) {
			t.Errorf("%s: fired %v, want %v", name, v.Fired, c.want)
		}
	}
}

func TestWatch_EndsWithItsContext(t *testing.T) {
	stuck := newEndpoint(t, answer(0, 0, 5, 3, 60_000))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := Watch(ctx, worldHistory(t), []Node{{Number: 0, Operator: stuck.URL}}, time.Hour)
	if err == nil {
		t.Error("the watch went on")
	}
}

// Nodes that are reached over HTTP only are judged like homes, and say their own numbers.
func TestRemoteNodes(t *testing.T) {
	c, l := worked(t)
	var nodes []Node
	var endpoints []*endpoint
	for i := range c.nodes {
		e := newEndpoint(t, answer(i, 0, 10, 0, 0))
		e.records = l.records[i]
		endpoints = append(endpoints, e)
		nodes = append(nodes, Node{Number: -1, Operator: e.URL})
	}
	judged := func() *Verdict {
		h := NewHistory(c.cfg)
		live, _, err := watchAt(t.Context(), h, nodes, time.Minute, quick())
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Read(t.Context(), nodes); err != nil {
			t.Fatal(err)
		}
		return Judge(h, live)
	}
	wantStates(t, judged(), Held, Held, Held, Held)
	if nodes[3].Number != 3 {
		t.Errorf("node 3 is taken for %d", nodes[3].Number)
	}
	endpoints[2].Close()
	v := judged()
	wantStates(t, v, Unknown, Unknown, Unknown, Held)
	wantFinding(t, v, Agreement, "r2: it does not answer")
}

func TestResultIsTheContract(t *testing.T) {
	_, l := worked(t)
	v := l.judge()
	data, err := json.Marshal(v.Result)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{
		"agreement", "validity", "integrity", "termination", "linearizable", "sequence",
		"operations", "culprits", "evidence", "traitors", "fired",
	} {
		if got[key] == nil {
			t.Errorf("%s is missing or null in %s", key, data)
		}
		delete(got, key)
	}
	if len(got) > 0 {
		t.Errorf("more than the contract: %v", got)
	}
	for _, c := range []struct {
		property Property
		state    State
		want     int
	}{
		{Agreement, Broken, ExitBroken},
		{Validity, Broken, ExitBroken},
		{Integrity, Broken, ExitBroken},
		{Linearizable, Broken, ExitBroken},
		{Termination, Broken, ExitNoProgress},
		{Agreement, Unknown, ExitNoProgress},
		{Linearizable, Unknown, ExitHeld},
	} {
		r := v.Result
		*r.state(c.property) = c.state
		if got := r.ExitCode(); got != c.want {
			t.Errorf("%s %s ends with %d, not %d", c.property, c.state, got, c.want)
		}
	}
}
