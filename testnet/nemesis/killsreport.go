package nemesis

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// KillsReport is what a series of kills came to.
type KillsReport struct {
	Whom    string `json:"whom"`
	Planned int    `json:"planned"`
	Done    int    `json:"done"`
	// Starting of the killed processes did not listen yet, CatchingUp did and were not ready.
	Starting   int     `json:"starting"`
	CatchingUp int     `json:"catching_up"`
	Seconds    float64 `json:"seconds"`
	// The time from the order to start a node until it was ready, of the generations that were.
	ReadyMinMS    int64       `json:"ready_min_ms"`
	ReadyMedianMS int64       `json:"ready_median_ms"`
	ReadyMostMS   int64       `json:"ready_most_ms"`
	Nodes         []KillsNode `json:"nodes"`
	// Generations are those that became ready, in their order.
	Generations []Generation `json:"generations"`
	// Leak says who holds more descriptors than before; empty if nobody does.
	Leak string `json:"leak,omitempty"`
}

// KillsNode is what one node took before the first kill, at the end, and at most when it was seen.
type KillsNode struct {
	Kills int   `json:"kills"`
	First Usage `json:"first"`
	Last  Usage `json:"last"`
	Most  Usage `json:"most"`
}

// Generation is one process of a node that became ready, after so many kills.
type Generation struct {
	Node    int   `json:"node"`
	Kills   int   `json:"kills"`
	ReadyMS int64 `json:"ready_ms"`
	Usage   Usage `json:"usage"`
}

func newKillsReport(o *Options) *KillsReport {
	return &KillsReport{
		Whom: o.Whom, Planned: o.Kills, Nodes: make([]KillsNode, o.Nodes),
		Generations: []Generation{},
	}
}

func (r *KillsReport) begin(i int, u Usage) {
	r.Nodes[i].First, r.Nodes[i].Last, r.Nodes[i].Most = u, u, u
}

func (r *KillsReport) end(i int, u Usage) {
	r.Nodes[i].Last = u
	r.Nodes[i].Most.more(u)
}

func (r *KillsReport) finish(took time.Duration, ready []time.Duration) {
	r.Seconds = took.Seconds()
	if len(ready) > 0 {
		r.ReadyMinMS = slices.Min(ready).Milliseconds()
		r.ReadyMedianMS = median(ready).Milliseconds()
		r.ReadyMostMS = slices.Max(ready).Milliseconds()
	}
}

// hit lists the nodes that were killed.
func (r *KillsReport) hit() []int {
	var list []int
	for i := range r.Nodes {
		if r.Nodes[i].Kills > 0 {
			list = append(list, i)
		}
	}
	return list
}

// leakLeast is how many descriptors more than half as many again a node may hold at the end: the
// clients' connections are where they are by chance.
const leakLeast = 24

// leak says which node holds too many descriptors.
func (r *KillsReport) leak() string {
	for i := range r.Nodes {
		first, last := r.Nodes[i].First.Descriptors, r.Nodes[i].Last.Descriptors
		if last > first+first/2+leakLeast {
			return fmt.Sprintf("node %d held %d descriptors before %d kills, and holds %d after "+
				"them", i, first, r.Done, last)
		}
	}
	return ""
}

// write prints it for people.
func (r *KillsReport) write(b *strings.Builder) {
	fmt.Fprintf(b, "\nkills            %d of %d in %.1f s: %d before the node listened, %d before "+
		"it was ready\n", r.Done, r.Planned, r.Seconds, r.Starting, r.CatchingUp)
	fmt.Fprintf(b, "ready after      %d ms at least, %d ms in the middle, %d ms at most, of %d "+
		"generations\n", r.ReadyMinMS, r.ReadyMedianMS, r.ReadyMostMS, len(r.Generations))
	fmt.Fprintf(b, "\n%-4s %5s %26s %20s %26s %26s\n", "NODE", "KILLS", "MEMORY first/last/most",
		"DESCRIPTORS", "JOURNAL", "DATA")
	for i := range r.Nodes {
		n := &r.Nodes[i]
		fmt.Fprintf(b, "%-4d %5d %26s %20s %26s %26s\n", i, n.Kills,
			mib(n.First.RSSBytes, n.Last.RSSBytes, n.Most.RSSBytes),
			fmt.Sprintf("%d/%d/%d", n.First.Descriptors, n.Last.Descriptors, n.Most.Descriptors),
			mib(n.First.JournalBytes, n.Last.JournalBytes, n.Most.JournalBytes),
			mib(n.First.DataBytes, n.Last.DataBytes, n.Most.DataBytes))
	}
}

// mib prints sizes.
func mib(first, last, most int64) string {
	const unit = 1 << 20
	return fmt.Sprintf("%.1f/%.1f/%.1f MiB", float64(first)/unit, float64(last)/unit,
		float64(most)/unit)
}
