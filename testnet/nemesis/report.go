package nemesis

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"byzd/testnet/judge"
	"byzd/testnet/judge/linear"
)

// Outcome is what a run came to.
type Outcome string

// The outcomes.
const (
	Passed      Outcome = "passed"
	Invalid     Outcome = "invalid"
	NoProgress  Outcome = "no progress"
	Broken      Outcome = "broken"
	Interrupted Outcome = "interrupted"
)

// Event is one planned fault, and what became of it. Times are since the run began.
type Event struct {
	Fault string `json:"fault"`
	What  string `json:"what,omitempty"` // which links, which lies
	Nodes []int  `json:"nodes"`          // whom it hit
	// Done says that it really happened, and How how that was verified. Failed says why it did
	// not, Skipped why it was not tried.
	Done    bool   `json:"done"`
	How     string `json:"how,omitempty"`
	Failed  string `json:"failed,omitempty"`
	Skipped string `json:"skipped,omitempty"`
	// Began is when it was begun, Healed when it was healed, Recovered how long after that it took
	// until all nodes that count were ready and operations were answered.
	BeganMS     int64 `json:"began_ms,omitempty"`
	HealedMS    int64 `json:"healed_ms,omitempty"`
	RecoveredMS int64 `json:"recovered_ms,omitempty"`
	// Withstood says that progress was demanded while it lasted; Answered counts the operations
	// that were answered until it was healed, QuietMS is the longest time without any, from its
	// beginning until the recovery.
	Withstood bool  `json:"withstood"`
	Answered  int   `json:"answered"`
	QuietMS   int64 `json:"quiet_ms"`
	// After is what became of a node that was charged.
	After string `json:"after,omitempty"`
}

// done notes that the fault happened, and how that was verified.
func (e *Event) done(format string, args ...any) {
	e.Done, e.How = true, fmt.Sprintf(format, args...)
}

// state is one word for tables.
func (e *Event) state() string {
	switch {
	case e.Skipped != "":
		return "skipped"
	case e.Done:
		return "done"
	case e.Failed != "":
		return "FAILED"
	default:
		return "not reached"
	}
}

// WorkloadReport is what one workload came to.
type WorkloadReport struct {
	Name string `json:"name"`
	linear.Report
	Lost []string `json:"lost"` // found by plain counting
}

// Report is what a run was, and what it came to.
type Report struct {
	Outcome Outcome  `json:"outcome"`
	Reasons []string `json:"reasons"` // why it has not passed
	Seed    uint64   `json:"seed"`
	Nodes   int      `json:"nodes"`
	F       int      `json:"f"`
	Home    string   `json:"home"`
	Again   string   `json:"again"` // the command that plans the same
	// Charged are the nodes that counted among the f, and why.
	Charged map[string]string `json:"charged"`
	Events  []*Event          `json:"events"`
	// Planned were to happen, Happened did.
	Planned   int              `json:"planned"`
	Happened  int              `json:"happened"`
	Workloads []WorkloadReport `json:"workloads"`
	// Rate is of answered operations in each of the Seconds in which the network had a quorum,
	// FaultRate in those in which a fault lasted that it withstands.
	Rate         float64        `json:"rate"`
	Seconds      float64        `json:"seconds"`
	FaultRate    float64        `json:"fault_rate"`
	FaultSeconds float64        `json:"fault_seconds"`
	Kills        *KillsReport   `json:"kills,omitempty"` // of a series of kills
	Verdict      *judge.Result  `json:"verdict,omitempty"`
	Findings     []string       `json:"findings"` // of the verdict
	Failures     map[string]int `json:"failures"` // what clients were told instead of answers
	Pictures     []string       `json:"pictures,omitempty"`
}

// rank orders outcomes, from good to bad.
func rank(o Outcome) int {
	return slices.Index([]Outcome{Passed, Invalid, NoProgress, Broken, Interrupted}, o)
}

// worse notes a reason, and the outcome if it is worse than what is known.
func (r *Report) worse(o Outcome, format string, args ...any) {
	if rank(o) > rank(r.Outcome) {
		r.Outcome = o
	}
	r.Reasons = append(r.Reasons, string(o)+": "+fmt.Sprintf(format, args...))
}

// ReportName is the report's file in the home.
const ReportName = "nemesis.json"

// save writes the report into the home.
func (r *Report) save() error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.Home, ReportName), append(data, '\n'), 0o600)
}

// Write prints the report for people.
func (r *Report) Write(out io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "nemesis: %d nodes, f = %d, seed %d\n\n", r.Nodes, r.F, r.Seed)
	fmt.Fprintf(&b, "%-16s %-8s %-8s %8s %9s %8s  %s\n",
		"FAULT", "NODES", "STATE", "ANSWERED", "RECOVERED", "QUIET", "HOW IT IS KNOWN")
	for _, e := range r.Events {
		r.row(&b, e)
	}
	if r.Kills != nil {
		r.Kills.write(&b)
	}
	fmt.Fprintf(&b, "\n%-16s %-13s %10s %6s %8s %8s\n",
		"WORKLOAD", "HISTORY", "ANSWERED", "OPEN", "OBJECTS", "CHECKED")
	for i := range r.Workloads {
		w := &r.Workloads[i]
		fmt.Fprintf(&b, "%-16s %-13s %10d %6d %8d %6d ms\n",
			w.Name, w.State, w.Operations, w.Open, w.Objects, w.Millis)
	}
	if v := r.Verdict; v != nil {
		fmt.Fprintf(&b, "\nverdict          agreement %s, validity %s, integrity %s, "+
			"termination %s, linearizable %s\n",
			v.Agreement, v.Validity, v.Integrity, v.Termination, v.Linearizable)
	}
	fmt.Fprintf(&b, "faults           %d of %d planned happened\n", r.Happened, r.Planned)
	fmt.Fprintf(&b, "rate             %.0f operations/s in %.1f s with a quorum, %.0f/s in %.1f s "+
		"of faults that are withstood\n", r.Rate, r.Seconds, r.FaultRate, r.FaultSeconds)
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "finding          %s\n", f)
	}
	for _, p := range r.Pictures {
		fmt.Fprintf(&b, "picture          %s\n", p)
	}
	fmt.Fprintf(&b, "again            %s\n\n%s\n", r.Again, strings.ToUpper(string(r.Outcome)))
	for _, reason := range r.Reasons {
		fmt.Fprintf(&b, "  %s\n", reason)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// row prints one fault.
func (*Report) row(b *strings.Builder, e *Event) {
	how := e.How
	switch {
	case e.Skipped != "":
		how = e.Skipped
	case e.Failed != "":
		how = e.Failed
	}
	recovered := "-"
	if e.RecoveredMS > 0 {
		recovered = (time.Duration(e.RecoveredMS) * time.Millisecond).String()
	}
	fmt.Fprintf(b, "%-16s %-8s %-8s %8d %9s %8s  %s\n", e.Fault,
		strings.Trim(strings.ReplaceAll(fmt.Sprint(e.Nodes), " ", ","), "[]"), e.state(),
		e.Answered, recovered, (time.Duration(e.QuietMS) * time.Millisecond).String(), how)
	if e.What != "" {
		fmt.Fprintf(b, "%-16s %s\n", "", e.What)
	}
	if e.After != "" {
		fmt.Fprintf(b, "%-16s after: %s\n", "", e.After)
	}
}
