package testnet_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"byzd/testnet"
)

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
