package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"

	"byzd/testnet/judge"
)

// reasonsShown bounds the reasons that are printed for one property.
const reasonsShown = 8

// writeVerdict prints a verdict for people.
func writeVerdict(out io.Writer, s *scope, v *judge.Verdict) error {
	var b strings.Builder
	line := func(name string, state judge.State, text string) {
		row := fmt.Sprintf("  %-12s  %-7s  %s", name, state, text)
		b.WriteString(strings.TrimRight(row, " ") + "\n")
	}
	fmt.Fprintf(&b, "verdict on %s\n\n", s.title)
	for _, p := range judge.Properties() {
		reasons := reasonsFor(v, p)
		if len(reasons) == 0 {
			reasons = []string{""}
		}
		line(string(p), v.State(p), reasons[0])
		for _, r := range reasons[1:] {
			line("", "", r)
		}
	}
	b.WriteString("\n")
	for _, f := range facts(s, v) {
		fmt.Fprintf(&b, "  %-12s  %s\n", f[0], f[1])
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// reasonsFor are the findings that make a property what it is.
func reasonsFor(v *judge.Verdict, p judge.Property) []string {
	var reasons []string
	for _, f := range v.Findings {
		if f.Property == p && f.State == v.State(p) {
			reasons = append(reasons, f.Text)
		}
	}
	if more := len(reasons) - reasonsShown; more > 0 {
		reasons = append(reasons[:reasonsShown], fmt.Sprintf("and %d more", more))
	}
	var lines []string
	for _, r := range reasons {
		parts := strings.Split(r, "; ")
		lines = append(lines, parts[0])
		for _, part := range parts[1:] {
			lines = append(lines, "  "+part)
		}
	}
	return lines
}

// facts are the lines below the properties: a name and a text each.
func facts(s *scope, v *judge.Verdict) [][2]string {
	var lines [][2]string
	add := func(name, format string, args ...any) {
		lines = append(lines, [2]string{name, fmt.Sprintf(format, args...)})
	}
	add("executed", "up to batch %d, %d operations", v.Sequence, v.Operations)
	if v.Epoch > 0 {
		add("epochs", "%d, each with its own members", v.Epoch+1)
	}
	if v.From > 0 {
		add("judged", "from batch %d on: the logs do not reach back further", v.From)
	}
	add("checked", "%d of %d journals, %d signatures, %d checkpoint roots",
		v.Logs, v.Nodes, v.Signatures, v.Roots)
	for _, name := range v.Traitors {
		add("traitor", "%s%s", nodeWord(s, name), liesOf(v, name))
	}
	if len(v.Culprits) == 0 {
		add("culprits", "none: nobody is accused without proof")
	}
	for _, name := range v.Culprits {
		add("culprit", "%s", nodeWord(s, name))
		for _, p := range v.Evidence {
			if p.Culprit == name {
				add("proof", "%s %s", p.Kind, p.File)
			}
		}
	}
	for _, note := range v.Notes {
		add("note", "%s", note)
	}
	return lines
}

func nodeWord(s *scope, name judge.Name) string {
	if s.numbered && name.Text == "" {
		return "node " + name.String()
	}
	return name.String()
}

// liesOf says what a traitor did, as far as it says so itself.
func liesOf(v *judge.Verdict, name judge.Name) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(v.Fired)) {
		node, behaviour, _ := strings.Cut(key, "=")
		switch {
		case node != name.String():
		case v.Fired[key] == 0:
			parts = append(parts, behaviour+" armed, not fired")
		default:
			parts = append(parts, fmt.Sprintf("%s fired %d times", behaviour, v.Fired[key]))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return ": " + strings.Join(parts, ", ")
}

// progress shows on a terminal how far a long work is, after a moment of silence.
type progress struct {
	w     io.Writer // nil if it is no terminal
	began time.Time
	last  time.Time
	drawn bool
}

// progressAfter is the silence before the first line, progressEvery between two.
const (
	progressAfter = time.Second
	progressEvery = 100 * time.Millisecond
)

func newProgress(w io.Writer) *progress {
	p := &progress{began: time.Now()}
	f, ok := w.(*os.File)
	if ok && term.IsTerminal(int(f.Fd())) {
		p.w = w
	}
	return p
}

func (p *progress) show(what string, done, total int) {
	now := time.Now()
	if p.w == nil || now.Sub(p.began) < progressAfter || now.Sub(p.last) < progressEvery {
		return
	}
	p.last, p.drawn = now, true
	_, _ = fmt.Fprintf(p.w, "\r\x1b[K%s: %d %%", what, 100*done/max(total, 1))
}

func (p *progress) clear() {
	if p.drawn {
		_, _ = fmt.Fprint(p.w, "\r\x1b[K")
	}
}
