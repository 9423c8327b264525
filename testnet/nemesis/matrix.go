package nemesis

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"byzd/testnet/judge/linear"
)

// MatrixReport is what a matrix came to: a run for each fault.
type MatrixReport struct {
	Outcome Outcome   `json:"outcome"` // the worst of all
	Seed    uint64    `json:"seed"`
	Runs    []*Report `json:"runs"`
}

// Matrix makes a run for each fault, or for each that the options name, on a network of its own in
// a directory of the home, with all workloads at the same time. The error is for a run that could
// not be made at all.
func Matrix(ctx context.Context, o Options) (*MatrixReport, error) {
	if err := o.Complete(); err != nil {
		return nil, err
	}
	pool := o.Faults
	if len(pool) == 0 {
		pool = names()
	}
	m := &MatrixReport{Outcome: Passed, Seed: o.Seed, Runs: []*Report{}}
	for i, name := range pool {
		one := o
		one.Home, one.Faults = filepath.Join(o.Home, name), []string{name}
		one.Seed += uint64(i) // other victims
		if why := find(name).Unable(); why != "" {
			o.Say("%s: skipped: %s", name, why)
			m.Runs = append(m.Runs, &Report{
				Outcome: Passed, Home: one.Home, Seed: o.Seed, Nodes: o.Nodes,
				Events: []*Event{{Fault: name, Skipped: why}},
			})
			continue
		}
		r, err := Run(ctx, one)
		if err != nil {
			return m, fmt.Errorf("%s: %w", name, err)
		}
		m.Runs = append(m.Runs, r)
		if rank(r.Outcome) > rank(m.Outcome) {
			m.Outcome = r.Outcome
		}
		if r.Outcome == Interrupted {
			break
		}
	}
	return m, nil
}

// Write prints a table of fault × workload, in Markdown, which people can read, too.
func (m *MatrixReport) Write(out io.Writer, workloads []string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "| fault | %s | outcome | answered | operations/s | quiet | recovered |\n",
		strings.Join(workloads, " | "))
	b.WriteString(strings.Repeat("|---", len(workloads)+6) + "|\n")
	var reasons []string
	for _, r := range m.Runs {
		name := r.Events[0].Fault
		var cells []string
		for _, w := range workloads {
			cells = append(cells, r.cell(w))
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", name, strings.Join(cells, " | "),
			strings.Join(r.summary(), " | "))
		for _, why := range r.Reasons {
			reasons = append(reasons, name+": "+why)
		}
		for _, e := range r.Events {
			if e.After != "" {
				reasons = append(reasons, e.Fault+": after it: "+e.After)
			}
		}
	}
	for _, text := range reasons {
		fmt.Fprintf(&b, "\n%s\n", text)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// cell is what one workload came to.
func (r *Report) cell(workload string) string {
	for i := range r.Workloads {
		w := &r.Workloads[i]
		switch {
		case w.Name != workload:
		case w.State == linear.Linearizable && len(w.Lost) == 0:
			return fmt.Sprintf("✓ %d", w.Operations)
		case w.State == linear.Undecided:
			return "?"
		default:
			return "BROKEN"
		}
	}
	return "–"
}

// summary is the rest of a row: outcome, operations, rate, the longest time without an answer, and
// the time of the recovery.
func (r *Report) summary() []string {
	if e := r.Events[0]; e.Skipped != "" {
		return []string{"skipped: " + e.Skipped, "–", "–", "–", "–"}
	}
	operations, quiet, recovered := 0, int64(0), int64(0)
	for i := range r.Workloads {
		operations += r.Workloads[i].Operations
	}
	for _, e := range r.Events {
		quiet, recovered = max(quiet, e.QuietMS), max(recovered, e.RecoveredMS)
	}
	return []string{
		string(r.Outcome), fmt.Sprint(operations), fmt.Sprintf("%.0f", r.Rate),
		seconds(quiet), seconds(recovered),
	}
}

func seconds(ms int64) string {
	return fmt.Sprintf("%.1f s", (time.Duration(ms) * time.Millisecond).Seconds())
}
