package acceptance_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// behaviour is an entry of the catalogue, as byzd traitor list prints it.
type behaviour struct {
	Name            string   `json:"name"`
	Group           string   `json:"group"`
	Rises           []string `json:"rises"`
	Evidence        []string `json:"evidence"`
	NeedsPrimary    bool     `json:"needs_primary"`
	NeedsViewChange bool     `json:"needs_view_change"`
}

// turns reports whether the primary has to change for a node's lie to be told and noticed.
func (b behaviour) turns(node int) bool {
	return b.NeedsViewChange || node != 0 && (b.NeedsPrimary || slices.Contains(b.Rises, "view-change"))
}

func catalogue(t *testing.T) []behaviour {
	t.Helper()
	var all []behaviour
	if err := json.Unmarshal([]byte(must(t, "traitor", "list", "--json").stdout), &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// wanted are the behaviours that this milestone promises.
func wanted() []string {
	return strings.Fields(`mute ack-and-forget process-and-mute contradict equivocate-preprepare
		equivocate-per-peer equivocate-votes bad-signature impersonate corrupt replay-old
		wrong-digest withhold-commit silent-new-primary slow-primary censor view-change-spam
		duplicate-request two-bundles vc-hide-prepared fork-views newview-wrong lie-reply swim-false-dead`)
}

// rotating are the options under which every node becomes primary, and views change.
func rotating() []string {
	return []string{"--param", "checkpoint-every=4", "--param", "window=64", "--rotate-every", "4"}
}

// Each behaviour alone, on the first primary and on a backup: it lies, everything that is written
// through a correct node is acknowledged, the four properties hold, the defence's counter rises,
// and whoever can be convicted is, and nobody else.
func TestEachBehaviour(t *testing.T) {
	all := catalogue(t)
	for _, name := range wanted() {
		at := slices.IndexFunc(all, func(b behaviour) bool { return b.Name == name })
		if at < 0 {
			t.Errorf("there is no behaviour %s", name)
			continue
		}
		for _, node := range []int{0, 3} {
			t.Run(fmt.Sprintf("%s/%d", name, node), func(t *testing.T) {
				args := []string{"--nodes", "4", "--traitor", fmt.Sprintf("%d=%s", node, name)}
				if all[at].turns(node) {
					args = append(args, rotating()...)
				}
				n := up(t, args...)
				n.provoke(map[int]behaviour{node: all[at]})
				n.convicted(map[int]behaviour{node: all[at]})
			})
		}
	}
}

// Two different ones together, at seven nodes.
func TestTwoBehaviours(t *testing.T) {
	all := catalogue(t)
	find := func(name string) behaviour {
		return all[slices.IndexFunc(all, func(b behaviour) bool { return b.Name == name })]
	}
	for _, pair := range [][2]string{
		{"equivocate-preprepare", "equivocate-votes"},
		{"vc-hide-prepared", "newview-wrong"},
		{"mute", "corrupt"},
		{"censor", "lie-reply"},
		{"slow-primary", "bad-signature"},
		{"equivocate-per-peer", "view-change-spam"},
		{"silent-new-primary", "replay-old"},
		{"wrong-digest", "swim-false-dead"},
		{"impersonate", "withhold-commit"},
		{"ack-and-forget", "contradict"},
		{"process-and-mute", "equivocate-votes"},
	} {
		t.Run(pair[0]+"+"+pair[1], func(t *testing.T) {
			liars := map[int]behaviour{0: find(pair[0]), 2: find(pair[1])}
			args := []string{"--nodes", "7"}
			turn := false
			for node, b := range liars {
				args = append(args, "--traitor", fmt.Sprintf("%d=%s", node, b.Name))
				turn = turn || b.turns(node)
			}
			if turn {
				args = append(args, rotating()...)
			}
			n := up(t, args...)
			n.provoke(liars)
			n.convicted(liars)
		})
	}
}

// provoke writes through the correct nodes, and asks through the lying ones, until every liar has
// lied and its defence has risen on a correct node.
func (n *network) provoke(liars map[int]behaviour) {
	n.t.Helper()
	var correct []int
	for i := range n.state.Nodes {
		if _, lies := liars[i]; !lies {
			correct = append(correct, i)
		}
	}
	longest := time.Duration(0)
	began := time.Now()
	for round := 0; ; round++ {
		longest = max(longest, n.puts(fmt.Sprintf("r%d", round), 20, correct...))
		if n.t.Failed() {
			return
		}
		for node, b := range liars {
			if b.Group == "clients" {
				n.consult(node)
			}
		}
		if missing := n.missing(liars, correct); missing == "" {
			break
		} else if time.Since(began) > patience {
			n.t.Fatalf("after %d rounds: %s", round, missing)
		}
	}
	n.t.Logf("everything was acknowledged; the longest put took %v", longest.Round(time.Millisecond))
}

// consult asks the lying node itself. What it answers, and whether, is its affair.
func (n *network) consult(node int) {
	cli, err := etcdClient(n.state.Nodes[node].Client)
	if err != nil {
		n.t.Error(err)
		return
	}
	defer cli.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if _, err = cli.Put(ctx, "mine", "true"); err == nil {
		_, err = cli.Get(ctx, "mine")
	}
	if err != nil && ctx.Err() == nil {
		n.t.Logf("the liar answers with an error: %v", err)
	}
}

// missing says which liar has not lied yet, or whose defence has not risen on any correct node.
func (n *network) missing(liars map[int]behaviour, correct []int) string {
	n.t.Helper()
	v, _ := n.judge()
	for node, b := range liars {
		if v.Fired[fmt.Sprintf("%d=%s", node, b.Name)] == 0 {
			return fmt.Sprintf("node %d has not lied: %v", node, v.Fired)
		}
		rose := len(b.Rises) == 0
		for _, i := range correct {
			st, err := n.status(i)
			if err != nil {
				n.t.Fatal(err)
			}
			for _, name := range b.Rises {
				rose = rose || st.count(name) > 0
			}
		}
		if !rose {
			return fmt.Sprintf("none of %v has risen on a correct node", b.Rises)
		}
		if len(b.Evidence) > 0 && !slices.Contains(v.Culprits, node) {
			return fmt.Sprintf("node %d is not convicted: %v", node, v.Culprits)
		}
	}
	return ""
}

// count finds a counter by the name that the catalogue has for it.
func (st *status) count(name string) uint64 {
	switch name {
	case "proof":
		return uint64(len(st.Evidence))
	case "complaint":
		return st.Events["complained"]
	case "view-change", "committed":
		return st.Events[name]
	default:
		return st.Drops[name] + st.Refusals[name] + st.Gossip[name]
	}
}

// convicted demands that the four properties hold, and that exactly those liars are convicted whose
// lie can be proved, with proofs that anybody can check.
func (n *network) convicted(liars map[int]behaviour) {
	n.t.Helper()
	v := n.held()
	want := []int{}
	var kinds []string
	traitors := []int{}
	for node, b := range liars {
		traitors = append(traitors, node)
		kinds = append(kinds, b.Evidence...)
		if len(b.Evidence) > 0 {
			want = append(want, node)
		}
	}
	slices.Sort(want)
	slices.Sort(traitors)
	if !slices.Equal(v.Culprits, want) {
		n.t.Errorf("culprits %v, want %v: %v", v.Culprits, want, v.Evidence)
	}
	if !slices.Equal(v.Traitors, traitors) {
		n.t.Errorf("traitors %v, want %v", v.Traitors, traitors)
	}
	expected := len(kinds) == 0
	for _, e := range v.Evidence {
		expected = expected || slices.Contains(kinds, e.Kind)
		must(n.t, "evidence", "verify", e.File, "--genesis", n.home+"/genesis.toml")
	}
	if !expected {
		n.t.Errorf("none of the proofs %v is one of %v", v.Evidence, kinds)
	}
	n.t.Logf("culprits %v, lies %v", v.Culprits, v.Fired)
}
