package nemesis

import (
	"slices"
	"strings"
	"testing"
	"time"

	"byzd/testnet/judge"
	"byzd/testnet/judge/linear"
	"byzd/testnet/load"
)

// judging is a run of which only the end is tested.
func judging(t *testing.T, events ...*Event) *run {
	t.Helper()
	return &run{
		o: complete(t, Options{}), history: load.NewHistory(),
		report: &Report{Outcome: Passed, Events: events},
		world:  &world{sizes: [2]int{4, 1}, out: map[int]string{3: "it lies"}},
	}
}

func (r *run) expect(t *testing.T, what string, want Outcome) {
	t.Helper()
	if r.report.Outcome != want {
		t.Errorf("%s: %s, not %s: %v", what, r.report.Outcome, want, r.report.Reasons)
	}
}

// VERIFY §8: less than 80 % of the planned faults make a run invalid. What was skipped was not
// planned, but nothing at all is no run.
func TestTooFewFaults(t *testing.T) {
	done, missed, skipped := Event{Done: true}, Event{Failed: "why"}, Event{Skipped: "no root"}
	for name, c := range map[string]struct {
		events []Event
		want   Outcome
	}{
		"all":             {[]Event{done, done}, Passed},
		"four of five":    {[]Event{done, done, missed, done, done}, Passed},
		"three of four":   {[]Event{done, done, missed, done}, Invalid},
		"all but skipped": {[]Event{done, skipped}, Passed},
		"only skipped":    {[]Event{skipped, skipped}, Invalid},
		"not reached":     {[]Event{done, {}}, Invalid},
	} {
		r := judging(t)
		for i := range c.events {
			r.report.Events = append(r.report.Events, &c.events[i])
		}
		r.countFaults()
		r.expect(t, name, c.want)
	}
}

// VERIFY §8: a run in which little is answered is invalid, also if only faults are to blame that
// the network must withstand. What is answered and asked without a quorum does not count.
func TestTooFewOperations(t *testing.T) {
	second := int64(time.Second)
	// answers puts so many answers into each second.
	answers := func(r *run, perSecond ...int) {
		for s, count := range perSecond {
			for i := range count {
				at := int64(s)*second + int64(i)*second/int64(count) + 1
				r.history.Add(load.Operation{
					Action: load.Write, Answer: &load.Answer{}, Called: at, Returned: at,
				})
			}
		}
	}
	for name, c := range map[string]struct {
		perSecond []int
		withstood bool
		want      Outcome
	}{
		"enough":                            {[]int{50, 50, 50, 50}, true, Passed},
		"too few":                           {[]int{10, 10, 10, 10}, true, Invalid},
		"too few under the fault":           {[]int{90, 5, 5, 90}, true, Invalid},
		"too few while there was no quorum": {[]int{90, 0, 0, 90}, false, Passed},
		"nothing":                           {nil, true, Invalid},
	} {
		r := judging(t, &Event{BeganMS: 1000, HealedMS: 3000, Withstood: c.withstood, Done: true})
		answers(r, c.perSecond...)
		r.measure()
		r.expect(t, name, c.want)
	}
}

// Undecided is no pass, too few operations are none, and what is lost is broken even if porcupine
// has not seen it.
func TestWeigh(t *testing.T) {
	fine := linear.Report{State: linear.Linearizable, Operations: operationsLeast}
	problem := []linear.Problem{{Object: "set/0/", State: linear.Undecided, Text: "no time"}}
	for name, c := range map[string]struct {
		w    WorkloadReport
		want Outcome
	}{
		"fine": {WorkloadReport{Report: fine}, Passed},
		"few":  {WorkloadReport{Report: linear.Report{State: linear.Linearizable, Operations: 3}}, Invalid},
		"lost": {WorkloadReport{Report: fine, Lost: []string{"element 3"}}, Broken},
		"undecided": {WorkloadReport{Report: linear.Report{
			State: linear.Undecided, Operations: 99, Problems: problem,
		}}, Invalid},
		"violated": {WorkloadReport{Report: linear.Report{
			State: linear.Violated, Operations: 99, Problems: problem,
		}}, Broken},
	} {
		r := judging(t)
		r.weigh(&c.w)
		r.expect(t, name, c.want)
	}
}

// O16: a correct node that is accused breaks the run; a liar or a damaged one does not. What is
// unknown is no pass.
func TestWeighVerdict(t *testing.T) {
	held := judge.Result{
		Agreement: judge.Held, Validity: judge.Held, Integrity: judge.Held, Termination: judge.Held,
	}
	for name, c := range map[string]struct {
		change func(*judge.Result)
		want   Outcome
	}{
		"held":             {func(*judge.Result) {}, Passed},
		"a liar named":     {func(v *judge.Result) { v.Culprits = []judge.Name{{Number: 3}} }, Passed},
		"an honest named":  {func(v *judge.Result) { v.Culprits = []judge.Name{{Number: 1}} }, Broken},
		"disagreement":     {func(v *judge.Result) { v.Agreement = judge.Broken }, Broken},
		"integrity broken": {func(v *judge.Result) { v.Integrity = judge.Broken }, Broken},
		"unknown":          {func(v *judge.Result) { v.Validity = judge.Unknown }, Invalid},
		"no progress":      {func(v *judge.Result) { v.Termination = judge.Broken }, NoProgress},
	} {
		r := judging(t)
		v := &judge.Verdict{Result: held}
		c.change(&v.Result)
		r.weighVerdict(v)
		r.expect(t, name, c.want)
	}
}

// What is worse counts, in whatever order it is found.
func TestWorse(t *testing.T) {
	r := &Report{Outcome: Passed}
	r.worse(Broken, "a")
	r.worse(Invalid, "b")
	if r.Outcome != Broken || len(r.Reasons) != 2 {
		t.Errorf("%+v", r)
	}
}

// The longest time without an answer, and what was answered before the heal.
func TestQuiet(t *testing.T) {
	var ops []load.Operation
	for _, ms := range []int64{5, 12, 20, 70, 80} {
		ops = append(ops, load.Operation{Answer: &load.Answer{}, Returned: ms * 1e6})
	}
	ops = append(ops, load.Operation{Called: 40e6}) // without an answer
	if answered, quiet := quiet(ops, 10e6, 60e6, 100e6); answered != 2 || quiet != 50 {
		t.Errorf("%d answered, %d ms without", answered, quiet)
	}
}

// Lost finds what plain counting can find.
func TestLost(t *testing.T) {
	done, told := &load.Answer{Done: true}, func(a load.Answer) *load.Answer { return &a }
	for name, c := range map[string]struct {
		ops  []load.Operation
		want string
	}{
		"lost element": {[]load.Operation{
			{Workload: load.SetName, Action: load.Add, From: 3, Answer: done},
			{Workload: load.SetName, Action: load.List, Called: 9, Answer: told(load.Answer{})},
		}, "element 3 was acknowledged and is lost"},
		"phantom": {[]load.Operation{
			{Workload: load.SetName, Action: load.List, Answer: told(load.Answer{Elements: []int{4}})},
		}, "nobody added element 4"},
		"counted twice": {[]load.Operation{
			{Workload: load.CounterName, Action: load.Swap, Answer: done},
			{Workload: load.CounterName, Action: load.Read, Called: 9, Answer: told(load.Answer{Value: "2"})},
		}, "counts 2, and between 1 and 1"},
		"money made": {[]load.Operation{
			{Workload: load.BankName, Action: load.List, Answer: told(load.Answer{Balances: []uint64{99, 2}})},
		}, "which is 101 and not 100"},
		"never read": {[]load.Operation{
			{Workload: load.CounterName, Action: load.Swap, Answer: done},
		}, "never read"},
	} {
		if got := load.Lost(c.ops); !slices.ContainsFunc(got, func(text string) bool {
			return strings.Contains(text, c.want)
		}) {
			t.Errorf("%s: %v", name, got)
		}
	}
	if got := load.Lost([]load.Operation{
		{Workload: load.CounterName, Action: load.Swap, Answer: done},
		{Workload: load.CounterName, Action: load.Swap},
		{Workload: load.CounterName, Action: load.Read, Called: 9, Answer: told(load.Answer{Value: "2"})},
	}); len(got) > 0 {
		t.Errorf("an increment without an answer may count: %v", got)
	}
}
