package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/term"

	"byzd/daemon/api"
	"byzd/testnet"
)

// The colours of the table, as ANSI codes.
const (
	red     = "31"
	green   = "32"
	yellow  = "33"
	magenta = "35"
)

// screen shows a testnet's status: on a terminal a table in place of the last one, elsewhere the
// table once and then a line for whatever changes.
type screen struct {
	w        io.Writer
	file     *os.File // nil if it is no terminal
	colour   bool
	drawn    int      // lines of the last table
	lastSeen []string // of each node, what a new line is printed for
}

func newScreen(w io.Writer) *screen {
	s := &screen{w: w}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		s.file = f
		s.colour = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	}
	return s
}

// show shows a status. footer stands below the table on a terminal.
func (s *screen) show(st *testnet.Status, footer string) error {
	if s.file == nil {
		return s.showChanges(st)
	}
	width, height, err := term.GetSize(int(s.file.Fd()))
	if err != nil || width < 20 || height < 5 {
		width, height = 80, 24
	}
	lines := s.table(st, width)
	if most := height - 3; len(lines) > most {
		more := len(lines) - most
		lines = append(lines[:most], fmt.Sprintf("... and %d more nodes", more))
	}
	lines = append(lines, cut(footer, width))
	var b strings.Builder
	if s.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", s.drawn)
	}
	for _, line := range lines {
		b.WriteString("\r\x1b[K" + line + "\n")
	}
	b.WriteString("\x1b[J")
	s.drawn = len(lines)
	_, err = io.WriteString(s.w, b.String())
	return err
}

// showChanges prints the table, and from the second time on only the nodes whose state has changed.
// What changes all the time is left out.
func (s *screen) showChanges(st *testnet.Status) error {
	seen := make([]string, len(st.Nodes))
	var changed []string
	for i := range st.Nodes {
		n := &st.Nodes[i]
		line := fmt.Sprintf("node %d: %s, %s, view %s, proofs %d", i, n.Describe(), readiness(n),
			number(n, n.View), n.Evidence)
		seen[i] = withoutCounts(line, n)
		if len(s.lastSeen) > i && seen[i] != s.lastSeen[i] {
			changed = append(changed, line+lies(n, " TRAITOR "))
		}
	}
	lines := changed
	if s.lastSeen == nil {
		lines = s.table(st, 1<<10)
	}
	s.lastSeen = seen
	for _, line := range lines {
		if _, err := fmt.Fprintln(s.w, line); err != nil {
			return err
		}
	}
	return nil
}

// withoutCounts is a node's line without what counts on: how often it lied, and the numbers in why
// it is not ready.
func withoutCounts(line string, n *testnet.NodeStatus) string {
	words := []string{strings.Replace(line, reason(n), withoutDigits(reason(n)), 1)}
	for _, l := range n.Lies {
		words = append(words, l.Spec, strconv.FormatBool(l.Fired > 0))
	}
	return strings.Join(words, " ")
}

func withoutDigits(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, text)
}

// table returns the table's lines, none wider than width.
func (s *screen) table(st *testnet.Status, width int) []string {
	const form = "%-5s %-20s %-6s %5s %8s %9s %9s %7s  %s"
	head := fmt.Sprintf(form, "NODE", "PROCESS", "READY", "VIEW", "PRIMARY", "SEQUENCE", "STABLE",
		"PROOFS", "")
	lines := []string{cut(strings.TrimRight(head, " "), width)}
	for i := range st.Nodes {
		n := &st.Nodes[i]
		process := n.Describe()
		if n.PID != 0 {
			process += " (" + strconv.Itoa(n.PID) + ")"
		}
		ready, primary, proofs := "no", "-", number(n, uint64(max(0, n.Evidence)))
		if n.Ready {
			ready = "yes"
		}
		if n.Answers {
			primary = strconv.Itoa(n.Primary)
		}
		line := fmt.Sprintf(form, strconv.Itoa(i), process, ready, number(n, n.View), primary,
			number(n, n.Sequence), number(n, n.Stable), proofs, remarks(n))
		lines = append(lines, s.paint(n, cut(strings.TrimRight(line, " "), width)))
	}
	return lines
}

// remarks are what has no column, the most important first: the line may be cut off.
func remarks(n *testnet.NodeStatus) string {
	var list []string
	if text := lies(n, "TRAITOR "); text != "" {
		list = append(list, text)
	}
	if len(n.Cut) > 0 {
		list = append(list, "cut off from "+strings.Trim(fmt.Sprint(n.Cut), "[]"))
	}
	if !n.Ready && n.Process == testnet.Running {
		list = append(list, reason(n))
	}
	return strings.Join(list, "; ")
}

func (s *screen) paint(n *testnet.NodeStatus, line string) string {
	code := green
	switch {
	case !n.Process.Alive():
		code = red
	case n.Traitor():
		code = magenta
	case !n.Ready:
		code = yellow
	}
	if !s.colour {
		return line
	}
	return "\x1b[" + code + "m" + line + "\x1b[0m"
}

// number is what a node said of itself, if it said something.
func number(n *testnet.NodeStatus, v uint64) string {
	if !n.Answers {
		return "-"
	}
	return strconv.FormatUint(v, 10)
}

func readiness(n *testnet.NodeStatus) string {
	if n.Ready {
		return "ready"
	}
	return "not ready: " + reason(n)
}

// reason is why a node is not ready, without that it is not: the column, or the line, says that.
func reason(n *testnet.NodeStatus) string {
	return strings.TrimPrefix(n.Reason, api.ErrNotReady.Error()+": ")
}

// lies describes a traitor, behind prefix; it is empty for a node that never was one.
func lies(n *testnet.NodeStatus, prefix string) string {
	if !n.Traitor() {
		return ""
	}
	if len(n.Lies) == 0 {
		return prefix + "of the past"
	}
	words := make([]string, len(n.Lies))
	for i, l := range n.Lies {
		words[i] = l.Spec + ": armed, not fired"
		if l.Fired > 0 {
			words[i] = fmt.Sprintf("%s: fired %d", l.Spec, l.Fired)
		}
	}
	return prefix + strings.Join(words, "; ")
}

// cut shortens a line to what fits beside the cursor.
func cut(line string, width int) string {
	if r := []rune(line); len(r) >= width {
		return string(r[:width-1])
	}
	return line
}
