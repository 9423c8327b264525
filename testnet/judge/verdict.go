package judge

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// State is what is known about a property.
type State string

// The states.
const (
	Held    State = "held"
	Broken  State = "broken"
	Unknown State = "unknown"
)

// Property is one of the promises that are judged.
type Property string

// The properties, in the order in which they are shown.
const (
	Agreement    Property = "agreement"
	Validity     Property = "validity"
	Integrity    Property = "integrity"
	Termination  Property = "termination"
	Linearizable Property = "linearizable"
)

// Properties lists all of them.
func Properties() []Property {
	return []Property{Agreement, Validity, Integrity, Termination, Linearizable}
}

// Finding is a reason for a state.
type Finding struct {
	Property Property
	State    State
	Text     string
}

// Name is what a node is called in a result: its number in a testnet, its member's name elsewhere.
type Name struct {
	Number int
	Text   string // in place of the number if not empty
}

// MarshalJSON writes a number or a string.
func (n Name) MarshalJSON() ([]byte, error) {
	if n.Text != "" {
		return json.Marshal(n.Text)
	}
	return json.Marshal(n.Number)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (n *Name) UnmarshalJSON(data []byte) error {
	*n = Name{}
	if len(data) > 0 && data[0] == '"' {
		return json.Unmarshal(data, &n.Text)
	}
	return json.Unmarshal(data, &n.Number)
}

// String is the name for people.
func (n Name) String() string {
	if n.Text != "" {
		return n.Text
	}
	return fmt.Sprint(n.Number)
}

func (n Name) compare(other Name) int {
	return cmp.Or(cmp.Compare(n.Text, other.Text), cmp.Compare(n.Number, other.Number))
}

// ProofFile is where a proof lies.
type ProofFile struct {
	Kind    string `json:"kind"`
	Culprit Name   `json:"culprit"`
	File    string `json:"file"` // absolute
}

// Result is the verdict in the form that other programs read (DESIGN §9). Lists are sorted and
// without doubles.
type Result struct {
	Agreement    State          `json:"agreement"`
	Validity     State          `json:"validity"`
	Integrity    State          `json:"integrity"`
	Termination  State          `json:"termination"`
	Linearizable State          `json:"linearizable"`
	Sequence     uint64         `json:"sequence"`   // the highest that a correct node executed
	Operations   int            `json:"operations"` // executed up to there
	Culprits     []Name         `json:"culprits"`
	Evidence     []ProofFile    `json:"evidence"`
	Traitors     []Name         `json:"traitors"`
	Fired        map[string]int `json:"fired"` // lies told, by NODE=BEHAVIOUR
	// From is the first sequence number that could be judged, where logs do not reach back to the
	// beginning.
	From uint64 `json:"from,omitempty"`
	// Epoch is the last that the logs lead to.
	Epoch uint64 `json:"epoch,omitempty"`
}

// State returns what the result says about a property.
func (r *Result) State(p Property) State { return *r.state(p) }

func (r *Result) state(p Property) *State {
	switch p {
	case Agreement:
		return &r.Agreement
	case Validity:
		return &r.Validity
	case Integrity:
		return &r.Integrity
	case Termination:
		return &r.Termination
	case Linearizable:
		return &r.Linearizable
	default:
		panic("judge: no property " + string(p))
	}
}

// The exit codes that a verdict ends byzd with.
const (
	ExitHeld       = 0
	ExitNoProgress = 3 // no progress, or something is unknown
	ExitBroken     = 4
)

// ExitCode is what the verdict means for whoever started byzd. An unknown linearizability does not
// count: it takes a recorded history of the clients.
func (r *Result) ExitCode() int {
	for _, p := range []Property{Agreement, Validity, Integrity, Linearizable} {
		if r.State(p) == Broken {
			return ExitBroken
		}
	}
	for _, p := range []Property{Agreement, Validity, Integrity, Termination} {
		if r.State(p) != Held {
			return ExitNoProgress
		}
	}
	return ExitHeld
}

// Verdict is a result with its reasons.
type Verdict struct {
	Result

	Findings []Finding
	// Notes are what a person should know besides.
	Notes []string
	// Proofs are those behind Culprits, one for each culprit and kind, and of what convicts nobody.
	Proofs []Proof
	// Forks are where certified chains part, and how that came about.
	Forks []Fork
	// Nodes were asked for, of which Logs could be read whole; Signatures were verified, and
	// Roots of checkpoints computed anew and compared.
	Nodes, Logs, Signatures, Roots int
}

// Judge judges a history. live is what was seen of the running network, nil for one that is
// stopped. The history may be judged once.
func Judge(h *History, live *Live) *Verdict {
	v := &Verdict{Result: Result{
		Agreement: Held, Validity: Held, Integrity: Held, Termination: Held, Linearizable: Unknown,
		Culprits: []Name{}, Evidence: []ProofFile{}, Traitors: []Name{}, Fired: map[string]int{},
	}}
	v.say(Linearizable, Unknown, "no history of the clients was recorded")
	for _, l := range h.Logs {
		v.Nodes++
		if l.Gap == nil {
			v.Logs++
		}
		if l.Traitor {
			v.Traitors = append(v.Traitors, h.nameOf(l.Node))
		}
	}
	h.chains(v)
	replays := h.replays(v)
	h.judgeAgreement(v, replays)
	h.judgeBatches(v, replays)
	h.judgeTermination(v, replays, live)
	if v.Nodes == 1 && len(h.Config.Members) > 1 {
		v.note("one log of %d cannot disagree with any other: what it says of agreement is that "+
			"it does not contradict itself", len(h.Config.Members))
	}
	h.judgeCulprits(v)
	h.measure(v, replays)
	v.Signatures = h.checked
	slices.SortFunc(v.Traitors, Name.compare)
	return v
}

// measure says how far the network came, and from where on that could be judged: before the state
// that the longest chain was executed from, everything rests on what quorums signed.
func (h *History) measure(v *Verdict, replays []*replay) {
	v.Epoch = h.latest().cfg.Epoch
	for _, l := range h.correct() {
		v.Sequence = max(v.Sequence, l.chain.Top())
	}
	for _, r := range replays {
		v.Operations = max(v.Operations, r.operations)
	}
	first := h.Config.Base.Seq
	if len(replays) > 0 {
		first = replays[0].chain.Before.Seq
	} else if logs := h.tallest(); len(logs) > 0 {
		first = logs[0].chain.Before.Seq
	}
	if first == h.Config.Base.Seq {
		return
	}
	v.From = first + 1
	v.note("before batch %d: judged by certificate only, for the logs do not reach back further",
		v.From)
	for _, l := range h.correct() {
		if top := l.chain.Top(); top < first && top > h.Config.Base.Seq {
			v.note("the log of %s ends with batch %d, and nothing shows what others executed "+
				"there but certificates", h.who(l), top)
		}
	}
}

// TellLies adds what the traitors say they told.
func (v *Verdict) TellLies(lies []Lies) {
	for _, l := range lies {
		for name, count := range l.Fired {
			v.Fired[l.Node.String()+"="+name] += count
		}
	}
}

// say records a finding, and lowers the property's state to it: broken is the last word, and what
// is unknown is not held.
func (v *Verdict) say(p Property, s State, format string, args ...any) {
	at := v.state(p)
	if s == Broken || s == Unknown && *at == Held {
		*at = s
	}
	v.Findings = append(v.Findings, Finding{p, s, fmt.Sprintf(format, args...)})
}

func (v *Verdict) note(format string, args ...any) {
	v.Notes = append(v.Notes, fmt.Sprintf(format, args...))
}

// executionIsUnknown is for what no property can be judged without.
func (v *Verdict) executionIsUnknown(format string, args ...any) {
	for _, p := range []Property{Agreement, Validity, Integrity} {
		v.say(p, Unknown, format, args...)
	}
}

// nodes lists the nodes of some logs for people.
func (h *History) nodes(logs []*Log) string {
	names := make([]string, len(logs))
	for i, l := range logs {
		names[i] = h.who(l)
	}
	return strings.Join(names, ", ")
}
