package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"byzd/daemon/loop"
	"byzd/pbft/traitor"
)

// drawSpecs draws one to three lies that do not contradict each other.
func drawSpecs(r *rand.Rand, node, n int) []string {
	all := traitor.Catalogue()
	var texts []string
	var specs []traitor.Spec
	for want := 1 + r.IntN(3); want > 0; want-- {
		b := &all[r.IntN(len(all))]
		if b.Group == traitor.Gossip { // told by the membership agent, which is not simulated
			continue
		}
		text := drawSpec(r, b, node, n)
		spec, err := traitor.Parse(text)
		if err != nil {
			panic(fmt.Sprintf("sim: drew the spec %q: %v", text, err))
		}
		if traitor.Check(append(specs, spec)) != nil {
			continue
		}
		texts, specs = append(texts, text), append(specs, spec)
	}
	if len(texts) == 0 {
		return []string{"equivocate-preprepare"}
	}
	return texts
}

func drawSpec(r *rand.Rand, b *traitor.Behaviour, node, n int) string {
	var args []string
	has := func(key string) bool { return slices.Contains(b.Keys, key) }
	if has("p") && r.IntN(2) == 0 {
		args = append(args, fmt.Sprintf("p=%.2f", logUniform(r, 0.05, 1)))
	}
	if has("to") && r.IntN(3) == 0 {
		args = append(args, "to="+pick(r, "half", "one", fmt.Sprint((node+1+r.IntN(n-1))%n)))
	}
	if has("from-seq") && r.IntN(4) == 0 {
		args = append(args, fmt.Sprintf("from-seq=%d", 1+r.IntN(20)))
	}
	if has("after") && r.IntN(4) == 0 {
		args = append(args, fmt.Sprintf("after=%dms", 1+r.IntN(2000)))
	}
	if has("delay") && r.IntN(2) == 0 {
		args = append(args, fmt.Sprintf("delay=%dms", 1+int(logUniform(r, 5, 1500))))
	}
	if has("kind") && r.IntN(3) == 0 {
		args = append(args, "kind="+pick(r, "prepare", "commit", "view-change", "checkpoint",
			"prepare+commit", "submission", "status"))
	}
	if len(args) == 0 {
		return b.Name
	}
	return b.Name + ":" + strings.Join(args, ",")
}

// arm makes a node a traitor of an epoch; nil if it is no member of it.
func (w *World) arm(n *node, e *era) *traitor.Traitor {
	if !e.has(n.replica) {
		return nil
	}
	cfg := traitor.Config{
		Cluster: e.cfg, Self: e.place[n.replica], Sealer: w.sealer(e, n.replica),
		Forge: loop.Forger{}, Seed: w.seed,
	}
	for _, t := range w.opts.Traitors {
		if e.has(t.Node) {
			cfg.Coalition = append(cfg.Coalition, e.place[t.Node])
		}
	}
	for _, text := range n.specs {
		if text = e.placed(text, n.replica); text == "" {
			continue
		}
		spec, err := traitor.Parse(text)
		if err != nil {
			panic(fmt.Sprintf("sim: %v", err))
		}
		cfg.Specs = append(cfg.Specs, spec)
	}
	t, err := traitor.New(cfg)
	if err != nil {
		panic(fmt.Sprintf("sim: %v", err))
	}
	return t
}

// placed is a lie to one replica as it is told to the member that this is; empty if it is none.
func (e *era) placed(text string, liar int) string {
	before, rest, found := strings.Cut(text, "to=")
	if !found || rest == "" || rest[0] < '0' || rest[0] > '9' {
		return text
	}
	number, after, more := strings.Cut(rest, ",")
	r, err := strconv.Atoi(number)
	if err != nil || r >= maxPeople || !e.has(r) || r == liar {
		return ""
	}
	if more {
		after = "," + after
	}
	return before + "to=" + strconv.Itoa(e.place[r]) + after
}
