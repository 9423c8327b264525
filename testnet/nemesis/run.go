package nemesis

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"byzd/testnet"
	"byzd/testnet/judge/linear"
	"byzd/testnet/load"
)

// run is a run under way.
type run struct {
	o       *Options
	plan    *plan
	report  *Report
	world   *world
	crowd   *crowd
	history *load.History
	read    bool // the history ends with the final reads
}

// recoveredBy is how many operations must be answered after a heal.
const recoveredBy = 5

// leaveTime bounds what is done after an interruption.
const leaveTime = 60 * time.Second

// Run makes a run and returns its report, which is in the home as well. The error is for runs that
// could not be made at all; a context that ends makes the report say so, and everything that was
// started has ended in any case.
func Run(ctx context.Context, o Options) (*Report, error) {
	if err := o.Complete(); err != nil {
		return nil, err
	}
	p, err := makePlan(&o)
	if err != nil {
		return nil, err
	}
	r := &run{o: &o, plan: p, report: &Report{
		Outcome: Passed, Reasons: []string{}, Seed: o.Seed, Nodes: o.Nodes, F: p.sizes.F,
		Home: o.Home, Again: o.again(), Charged: map[string]string{}, Findings: []string{},
		Workloads: []WorkloadReport{}, Kills: p.kills,
	}}
	for _, s := range p.strikes {
		r.report.Events = append(r.report.Events, s.event)
	}
	err = r.whole(ctx)
	if ctx.Err() != nil {
		r.report.worse(Interrupted, "the run was interrupted; nothing runs any more")
		err = nil
	}
	if err != nil {
		return nil, err
	}
	return r.report, r.report.save()
}

// again is the command that plans the same run.
func (o *Options) again() string {
	words := []string{
		"byzd nemesis", fmt.Sprintf("--seed %d", o.Seed), fmt.Sprintf("--nodes %d", o.Nodes),
		fmt.Sprintf("--for %v", o.For), fmt.Sprintf("--hold %v", o.Hold),
		fmt.Sprintf("--clients %d", o.Clients),
	}
	if o.Kills > 0 {
		words = append(words, fmt.Sprintf("--kills %d --whom %s", o.Kills, o.Whom))
	}
	if len(o.Faults) > 0 {
		words = append(words, "--faults "+strings.Join(o.Faults, ","))
	}
	if len(o.Workloads) < len(load.WorkloadNames()) {
		words = append(words, "--workload "+strings.Join(o.Workloads, ","))
	}
	if o.Traitors {
		words = append(words, "--traitors")
	}
	for _, l := range o.Lies {
		words = append(words, fmt.Sprintf("--traitor %d=%s", l.Node, l.Spec))
	}
	for _, name := range slices.Sorted(maps.Keys(o.Settings)) {
		words = append(words, fmt.Sprintf("--set %s=%s", name, o.Settings[name]))
	}
	if o.BeyondF {
		words = append(words, "--beyond-f")
	}
	return strings.Join(words, " ")
}

// whole brings the network up, runs everything, and takes it down.
func (r *run) whole(ctx context.Context) (err error) {
	if err := sweep(); err != nil {
		r.o.Say("what an earlier run has left in the kernel stays: %v", err)
	}
	net, err := testnet.Up(ctx, testnet.Options{
		Home: r.o.Home, Binary: r.o.Binary, Nodes: r.o.Nodes, Wait: r.o.Patience,
		Traitors: r.plan.lies, BeyondF: r.o.BeyondF, Settings: r.o.Settings,
		Groups: r.plan.groups(),
	})
	if err != nil {
		return err
	}
	defer func() {
		away, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTime)
		defer cancel()
		err = errors.Join(err, net.Down(away))
		r.cleanUp()
	}()
	scratch := filepath.Join(r.o.Home, "nemesis")
	if err := os.MkdirAll(scratch, 0o700); err != nil {
		return err
	}
	r.history = load.NewHistory()
	r.world = &world{
		net: net, history: r.history, sizes: [2]int{r.o.Nodes, r.plan.sizes.F},
		patience: r.o.Patience, scratch: scratch, out: map[int]string{}, say: r.o.Say,
	}
	for _, l := range r.plan.lies {
		r.world.charge(l.Node, "it lies from the beginning: "+l.Spec)
	}
	if r.crowd, err = gather(ctx, r.o, r.history, r.plan.charged); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.crowd.close()) }()
	if r.world.filler, err = r.crowd.filler(ctx); err != nil {
		return err
	}
	good := r.warm(ctx) && r.faults(ctx) && r.warm(ctx)
	r.crowd.end()
	if good {
		r.finish(ctx)
	}
	return r.judge(ctx)
}

// warm lets every workload be answered some operations by a network that is whole.
func (r *run) warm(ctx context.Context) bool {
	err := r.world.progress(ctx, operationsLeast*len(r.o.Workloads))
	if err != nil && ctx.Err() == nil {
		r.report.worse(NoProgress, "of a network that is whole: %v", err)
	}
	return err == nil
}

// cleanUp undoes what a fault has left on the machine.
func (r *run) cleanUp() {
	for _, s := range r.plan.strikes {
		if s.clean != nil {
			s.clean()
		}
	}
}

// faults carries out the plan, and reports whether the network recovered from all.
func (r *run) faults(ctx context.Context) bool {
	for _, s := range r.plan.strikes {
		if s.event.Skipped != "" {
			r.o.Say("%s: skipped: %s", s.Name, s.event.Skipped)
			continue
		}
		s.world = r.world
		recovered := r.strike(ctx, s)
		r.o.Say("%s: %s", s.Name, s.event.line())
		if !recovered || ctx.Err() != nil {
			return false
		}
	}
	return true
}

// line says in one line what became of a fault.
func (e *Event) line() string {
	how := e.How
	if e.Failed != "" {
		how = e.Failed
	}
	return fmt.Sprintf("nodes %v, %s: %s; %d answered, recovered after %d ms, %d ms without any "+
		"answer", e.Nodes, e.state(), how, e.Answered, e.RecoveredMS, e.QuietMS)
}

// strike carries out one fault, heals it, and reports whether the network recovered.
func (r *run) strike(ctx context.Context, s *strike) bool {
	e := s.event
	began := r.history.Now()
	e.BeganMS = began / int64(time.Millisecond)
	err := r.begin(ctx, s)
	if err == nil {
		err = r.keepUp(ctx, s)
	}
	if len(e.Nodes) == 0 { // who chooses victims itself has said whom
		e.Nodes = append([]int{}, s.nodes...)
	}
	if err != nil {
		e.Failed = err.Error()
	}
	if s.undo != nil {
		if err := s.undo(context.WithoutCancel(ctx), s); err != nil && e.Failed == "" {
			e.Failed = err.Error()
		}
	}
	if e.Failed != "" {
		e.Done = false
	}
	healed := r.history.Now()
	e.HealedMS = healed / int64(time.Millisecond)
	err = r.recover(ctx, s)
	ended := r.history.Now()
	e.Answered, e.QuietMS = quiet(r.history.Operations(), began, healed, ended)
	if err == nil {
		e.RecoveredMS = max(1, (ended-healed)/int64(time.Millisecond))
		return true
	}
	if ctx.Err() == nil {
		r.report.worse(NoProgress, "after %s was healed: %v", e.Fault, err)
	}
	return false
}

// begin makes the fault happen.
func (r *run) begin(ctx context.Context, s *strike) error {
	if s.hits == primary {
		leader, err := r.world.leader(ctx)
		if err != nil {
			return err
		}
		s.nodes = []int{leader}
	}
	s.event.Withstood = !s.Halts && r.world.withstands(s.nodes)
	return s.do(ctx, s)
}

// keepUp lets the fault last, and demands progress of a network that must withstand it.
func (r *run) keepUp(ctx context.Context, s *strike) error {
	hold := s.hold
	if hold == nil {
		hold = func(ctx context.Context, _ *strike, d time.Duration) error { return pause(ctx, d) }
	}
	if err := hold(ctx, s, s.lasts); err != nil {
		return err
	}
	if !s.event.Withstood {
		return nil
	}
	if err := r.world.progress(ctx, recoveredBy); err != nil && ctx.Err() == nil {
		r.report.worse(NoProgress, "under %s, which hits no more than f nodes: %v", s.Name, err)
	}
	return nil
}

// recover waits until all nodes that count are ready and clients are answered. A charged node that
// is expected back must come back, of the others it is said what became of them.
func (r *run) recover(ctx context.Context, s *strike) error {
	later, err := r.world.back(ctx, r.world.healthy()...)
	if err != nil {
		return err
	}
	if len(later) > 0 {
		s.event.After = fmt.Sprintf("nodes %v follow, and PREPARE again in the next view", later)
	}
	if err := r.world.progress(ctx, recoveredBy); err != nil {
		return err
	}
	if !s.Charges || len(s.nodes) == 0 {
		return nil
	}
	if s.Returns {
		_, err := r.world.back(ctx, s.nodes...)
		if err == nil {
			s.event.After = "it came back by itself"
		}
		return err
	}
	st, err := r.world.net.Status(ctx)
	if err != nil {
		return err
	}
	n := &st.Nodes[s.nodes[0]]
	switch {
	case n.Ready:
		s.event.After = "it is ready again"
	case s.event.After == "":
		s.event.After = "it stays out: " + n.Reason
	}
	return nil
}

// quiet counts the answers between two times, and the longest time without any until a third.
func quiet(ops []load.Operation, from, healed, to int64) (answered int, longestMS int64) {
	var times []int64
	for i := range ops {
		if at := ops[i].Returned; ops[i].Answer != nil && at >= from && at <= to {
			times = append(times, at)
			if at <= healed {
				answered++
			}
		}
	}
	slices.Sort(times)
	last, longest := from, int64(0)
	for _, at := range append(times, to) {
		longest = max(longest, at-last)
		last = at
	}
	return answered, longest / int64(time.Millisecond)
}

// finish reads everything once more from the healed network.
func (r *run) finish(ctx context.Context) {
	err := r.crowd.final(ctx, r.world)
	r.read = err == nil
	if err != nil && ctx.Err() == nil {
		r.report.worse(NoProgress, "%v", err)
	}
}

// writeHistory keeps the history beside the report.
func (r *run) writeHistory() (err error) {
	f, err := os.OpenFile(filepath.Join(r.o.Home, linear.FileName),
		os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write the history: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = r.history.WriteTo(f)
	return err
}
