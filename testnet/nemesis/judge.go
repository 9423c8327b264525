package nemesis

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"byzd/daemon/config"
	"byzd/daemon/genesis"
	"byzd/testnet"
	"byzd/testnet/judge"
	"byzd/testnet/judge/linear"
	"byzd/testnet/load"
)

// judge says what the run came to. The network still runs when it begins, and does not when it
// ends.
func (r *run) judge(ctx context.Context) error {
	for i, why := range r.world.out {
		r.report.Charged[strconv.Itoa(i)] = why
	}
	r.report.Failures = r.crowd.failures
	if err := r.writeHistory(); err != nil {
		return err
	}
	all := r.checkHistory()
	if err := r.verdict(ctx, &all); err != nil {
		return err
	}
	if k := r.report.Kills; k != nil && k.Leak != "" {
		r.report.worse(Broken, "%s", k.Leak)
	}
	r.countFaults()
	r.measure()
	return nil
}

// checkHistory checks every workload, and what all came to.
func (r *run) checkHistory() linear.Report {
	began := time.Now()
	ops := r.history.Operations()
	var all linear.Report
	all.State = linear.Linearizable
	for _, name := range r.o.Workloads {
		own := slices.DeleteFunc(slices.Clone(ops), func(op load.Operation) bool {
			return op.Workload != name
		})
		w := WorkloadReport{
			Name: name, Lost: []string{},
			Report: linear.Check(own, r.o.CheckLimit-time.Since(began)),
		}
		if r.read {
			w.Lost = append(w.Lost, load.Lost(own)...)
		}
		r.weigh(&w)
		all.Operations += w.Operations
		all.Open += w.Open
		all.Objects += w.Objects
		all.Problems = append(all.Problems, w.Problems...)
		if all.State == linear.Linearizable || w.State == linear.Violated {
			all.State = w.State
		}
		r.report.Workloads = append(r.report.Workloads, w)
	}
	return all
}

// operationsLeast is how many operations of each workload must be answered at least, half of them
// changes: less shows nothing.
const operationsLeast = 20

// weigh says what one workload means for the run.
func (r *run) weigh(w *WorkloadReport) {
	switch w.State {
	case linear.Violated:
		r.report.worse(Broken, "the history of %s is not linearizable: %s: %s", w.Name,
			w.Problems[0].Object, w.Problems[0].Text)
		paths, err := w.Draw(r.o.Home)
		r.report.Pictures = append(r.report.Pictures, paths...)
		if err != nil {
			r.report.Findings = append(r.report.Findings, err.Error())
		}
	case linear.Undecided:
		r.report.worse(Invalid, "the history of %s could not be decided: %s: %s", w.Name,
			w.Problems[0].Object, w.Problems[0].Text)
	case linear.Linearizable:
	}
	for _, text := range w.Lost {
		r.report.worse(Broken, "%s", text)
	}
	if w.Operations < operationsLeast {
		r.report.worse(Invalid, "%s: %d operations were answered; fewer than %d show nothing",
			w.Name, w.Operations, operationsLeast)
	}
}

// verdict judges what the nodes did, charged ones left out as if they had lied.
func (r *run) verdict(ctx context.Context, all *linear.Report) error {
	g, err := genesis.Load(config.Home(r.o.Home).Genesis())
	if err != nil {
		return err
	}
	cluster, err := g.Config()
	if err != nil {
		return err
	}
	st, err := r.world.net.State()
	if err != nil {
		return err
	}
	nodes := r.judged(st)
	h := judge.NewHistory(cluster)
	h.Numbered = true
	live, lies, err := judge.Watch(ctx, h, nodes, r.o.Patience)
	if err != nil {
		return fmt.Errorf("watch the network: %w", err)
	}
	if err := r.world.net.Down(ctx); err != nil {
		return err
	}
	if err := h.Read(ctx, nodes); err != nil {
		return err
	}
	v := judge.Judge(h, live)
	v.TellLies(lies)
	all.Tell(v)
	if err := h.WriteProofs(v, judge.EvidenceDir(r.o.Home)); err != nil {
		return err
	}
	r.report.Verdict = &v.Result
	for _, f := range v.Findings {
		if f.State != judge.Held {
			r.report.Findings = append(r.report.Findings,
				fmt.Sprintf("%s is %s: %s", f.Property, f.State, f.Text))
		}
	}
	r.weighVerdict(v)
	return nil
}

// judged are the nodes as the judge is to see them.
func (r *run) judged(st *testnet.State) []judge.Node {
	charged := r.world.charged()
	nodes := make([]judge.Node, len(st.Nodes))
	for i := range st.Nodes {
		n := &st.Nodes[i]
		nodes[i] = judge.Node{
			Number: i, Name: n.Name, Home: n.Home,
			Traitor: n.Traitor() || slices.Contains(charged, i),
		}
		if n.Process == testnet.Running {
			nodes[i].Operator = n.Operator
		}
		if len(n.Fired) > 0 {
			nodes[i].Fired = map[string]int{}
			for name, count := range n.Fired {
				nodes[i].Fired[name] = int(min(count, 1<<30))
			}
		}
	}
	return nodes
}

// weighVerdict says what the verdict means for the run.
func (r *run) weighVerdict(v *judge.Verdict) {
	for _, p := range []judge.Property{judge.Agreement, judge.Validity, judge.Integrity} {
		switch v.State(p) {
		case judge.Broken:
			r.report.worse(Broken, "%s", reason(v, p))
		case judge.Unknown:
			r.report.worse(Invalid, "%s", reason(v, p))
		case judge.Held:
		}
	}
	if v.Termination != judge.Held {
		r.report.worse(NoProgress, "%s", reason(v, judge.Termination))
	}
	charged := r.world.charged()
	for _, name := range v.Culprits {
		if !slices.Contains(charged, name.Number) {
			r.report.worse(Broken, "node %d is accused, and was neither made to lie nor damaged",
				name.Number)
		}
	}
}

func reason(v *judge.Verdict, p judge.Property) string {
	var texts []string
	for _, f := range v.Findings {
		if f.Property == p && f.State == v.State(p) {
			texts = append(texts, f.Text)
		}
	}
	return fmt.Sprintf("%s is %s: %s", p, v.State(p), strings.Join(texts, "; "))
}

// countFaults refuses a run in which too little happened of what was planned.
func (r *run) countFaults() {
	for _, e := range r.report.Events {
		if e.Skipped != "" {
			continue
		}
		r.report.Planned++
		if e.Done {
			r.report.Happened++
		}
	}
	if r.report.Planned == 0 {
		r.report.worse(Invalid, "no fault was planned that can happen here")
		return
	}
	if part := float64(r.report.Happened) / float64(r.report.Planned); part < r.o.MinHappened {
		r.report.worse(Invalid, "%d of %d planned faults happened, which is less than %.0f %%",
			r.report.Happened, r.report.Planned, 100*r.o.MinHappened)
	}
}

// span is a time of a run, in nanoseconds.
type span struct{ from, to int64 }

// rate counts the answers per second in some spans, and their seconds.
func rate(ops []load.Operation, spans []span) (perSecond, seconds float64) {
	count, total := 0, int64(0)
	for _, s := range spans {
		total += s.to - s.from
	}
	for i := range ops {
		at := ops[i].Returned
		if ops[i].Answer != nil && slices.ContainsFunc(spans, func(s span) bool {
			return at >= s.from && at < s.to
		}) {
			count++
		}
	}
	seconds = float64(total) / 1e9
	if total == 0 {
		return 0, 0
	}
	return float64(count) / seconds, seconds
}

// measure refuses a run in which too little was asked. The time of faults that leave no quorum does
// not count, nor do the answers in it.
func (r *run) measure() {
	ops := r.history.Operations()
	end := int64(1)
	for i := range ops {
		end = max(end, ops[i].Returned)
	}
	var faults, quorum []span
	at := int64(0)
	for _, e := range r.report.Events {
		began, healed := e.BeganMS*int64(time.Millisecond), e.HealedMS*int64(time.Millisecond)
		switch {
		case e.Skipped != "" || began == 0:
		case e.Withstood && find(e.Fault) != nil && find(e.Fault).Slows:
			quorum = append(quorum, span{at, began})
			at = healed + e.RecoveredMS*int64(time.Millisecond)
		case e.Withstood:
			faults = append(faults, span{began, healed})
		default:
			quorum = append(quorum, span{at, began})
			at = healed + e.RecoveredMS*int64(time.Millisecond)
		}
	}
	quorum = append(quorum, span{at, max(at, end)})
	r.report.Rate, r.report.Seconds = rate(ops, quorum)
	if r.report.Rate < r.o.MinRate {
		r.report.worse(Invalid, "%.1f operations/s were answered while there was a quorum; fewer "+
			"than %.0f show too little", r.report.Rate, r.o.MinRate)
	}
	r.report.FaultRate, r.report.FaultSeconds = rate(ops, faults)
	if len(faults) > 0 && r.report.FaultRate < r.o.MinRate {
		r.report.worse(Invalid, "%.1f operations/s were answered under faults that are withstood; "+
			"fewer than %.0f show too little", r.report.FaultRate, r.o.MinRate)
	}
}
