package acceptance_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

// epoch is what byzd member list and byzd member verify say.
type epoch struct {
	Epoch   uint64 `json:"epoch"`
	F       int    `json:"f"`
	Members []struct {
		Name string `json:"name"`
	} `json:"members"`
}

func (e epoch) names() []string {
	var names []string
	for _, m := range e.Members {
		names = append(names, m.Name)
	}
	return names
}

// TestMembersChangeUnderLoad takes a network from 4 to 7 members and back to 4 others, under load
// and one traitor, while a node is killed and started again at each hand-over (PROTOCOL §4.10,
// B52). What was acknowledged stays; a client that has the genesis and nothing else verifies who
// the members are.
func TestMembersChangeUnderLoad(t *testing.T) {
	n := up(t, "--nodes", "4", "--traitor", "3=equivocate-votes")
	l := n.write("k", 0, 1, 2)
	l.resumes("the load runs")

	n.meanwhile(l, 2, "add", "3")
	l.resumes("seven go on")
	if e := n.epochOf(1); e.Epoch != 1 || len(e.Members) != 7 || e.F != 2 {
		t.Errorf("after the first change: %+v", e)
	}
	l.end(5)
	n.provedIn(1, 1)

	l = n.write("m", 1, 2, 5, 6)
	l.resumes("the load runs on")
	n.meanwhile(l, 6, "remove", "0", "3", "4")
	l.resumes("four go on")
	want := []string{"node-1", "node-2", "node-5", "node-6"}
	if e := n.epochOf(2); e.Epoch != 2 || !slices.Equal(e.names(), want) {
		t.Errorf("after the second change: %+v", e)
	}
	n.until("the removed nodes end by themselves", func() bool {
		n.read()
		return n.state.Nodes[0].PID == 0 && n.state.Nodes[3].PID == 0 && n.state.Nodes[4].PID == 0
	})
	l.resumes("without them as well")
	l.end(6)
	// Through all epochs: everything is executed again, and the members that left are correct ones.
	if v := n.held(); v.Epoch != 2 || v.From != 0 || v.Operations < 100 {
		t.Errorf("judged are %d operations from batch %d on, up to epoch %d", v.Operations, v.From, v.Epoch)
	}

	proof := filepath.Join(t.TempDir(), "epochs.byzd")
	must(t, "member", "proof", "--home", n.state.Nodes[5].Home, "--out", proof)
	genesis := filepath.Join(n.home, "genesis.toml")
	n.testnet("down") // nobody is left to ask
	if v := n.held(); v.Epoch != 2 || v.From != 0 {
		t.Errorf("after its end it is judged from batch %d on, up to epoch %d", v.From, v.Epoch)
	}
	var e epoch
	o := must(t, "member", "verify", "--json", "--genesis", genesis, proof)
	if err := json.Unmarshal([]byte(o.stdout), &e); err != nil {
		t.Fatal(err)
	}
	if e.Epoch != 2 || e.F != 1 || !slices.Equal(e.names(), want) {
		t.Errorf("proved are %+v", e)
	}
}

// meanwhile changes the members, and kills a node that stays and starts it again while that goes
// on.
func (n *network) meanwhile(l *load, victim int, args ...string) {
	n.t.Helper()
	made := make(chan output, 1)
	go func() {
		made <- byzd(n.t, append(append([]string{"testnet"}, args...), "--home", n.home)...)
	}()
	// Both moments are as good as any: when the newcomers have homes, or the load went on a little;
	// and when somebody has noticed that the victim is gone.
	members, written := len(n.state.Nodes), l.count()
	n.until("the change is under way", func() bool {
		n.read()
		return len(n.state.Nodes) > members || l.count() > written+2
	})
	n.testnet("kill", strconv.Itoa(victim))
	n.until("the others have noticed", func() bool {
		st, err := n.status(1)
		return err == nil && !st.connected(victim)
	})
	n.testnet("restart", strconv.Itoa(victim))
	if o := <-made; o.code != 0 {
		n.t.Fatalf("testnet %v: exit %d\n%s%s", args, o.code, o.stdout, o.stderr)
	}
	n.read()
	n.until("it is in the next epoch as well", func() bool {
		st, err := n.status(victim)
		return err == nil && st.Ready
	})
}

// provedIn waits until a node has proved that node 3 lied in a later epoch, and checks the proof with
// nothing but the genesis.
func (n *network) provedIn(epoch, node int) {
	n.t.Helper()
	pattern := fmt.Sprintf("*-epoch%d-node-3.proof", epoch)
	var files []string
	n.until("a lie of that epoch is proved", func() bool {
		n.attempt(node, "lie")
		files, _ = filepath.Glob(filepath.Join(n.state.Nodes[node].Home, "evidence", pattern))
		return len(files) > 0
	})
	o := must(n.t, "evidence", "show", "--json", "--genesis", filepath.Join(n.home, "genesis.toml"), files[0])
	var shown struct {
		Culprit  int  `json:"culprit"`
		Epoch    int  `json:"epoch"`
		Convicts bool `json:"convicts"`
	}
	if err := json.Unmarshal([]byte(o.stdout), &shown); err != nil {
		n.t.Fatal(err)
	}
	if shown.Culprit != 3 || shown.Epoch != epoch || !shown.Convicts {
		n.t.Errorf("%s shows %+v", files[0], shown)
	}
}

func (n *network) epochOf(i int) epoch {
	n.t.Helper()
	var e epoch
	o := must(n.t, "member", "list", "--json", "--home", n.state.Nodes[i].Home)
	if err := json.Unmarshal([]byte(o.stdout), &e); err != nil {
		n.t.Fatal(err)
	}
	return e
}
