package mutants

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Result says what became of a mutant.
type Result struct {
	ID       string  `json:"id"`
	Name     string  `json:"name"`
	Outcome  string  `json:"outcome"` // killed, survived, unbuildable, impossible, later
	Layer    string  `json:"layer,omitempty"`
	By       string  `json:"by,omitempty"` // the test or the oracle
	Seed     string  `json:"seed,omitempty"`
	First    bool    `json:"first"` // by the layer that must
	Seconds  float64 `json:"seconds"`
	Evidence string  `json:"evidence,omitempty"` // a line of what was printed
}

// Bad reports whether the result fails a run.
func (r *Result) Bad() bool { return r.Outcome == "survived" || r.Outcome == "unbuildable" }

// Runner runs layers over a tree.
type Runner struct {
	Root string // of the module
	Temp string // for what is built
}

// Kill applies a mutant and asks its layers in turn until one finds it.
func (r *Runner) Kill(ctx context.Context, m *Mutant) (*Result, error) {
	res := &Result{ID: m.ID, Name: m.Name}
	switch {
	case m.Later:
		res.Outcome, res.Evidence = "later", m.Why
		return res, nil
	case len(m.Impossible) > 0:
		res.Outcome, res.Evidence = "impossible", m.Why
		return res, nil
	}
	dir, err := os.MkdirTemp(r.Temp, m.ID+"-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // scratch
	overlay, err := m.overlay(r.Root, dir)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	res.Outcome = "survived"
	for i := range m.Kills {
		f := r.look(ctx, &m.Kills[i], overlay, dir)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		res.Seconds = time.Since(start).Seconds()
		if f.unbuildable {
			res.Outcome, res.Evidence = "unbuildable", f.line
			return res, nil
		}
		if f.found {
			res.Outcome, res.First = "killed", i == 0
			res.Layer, res.By, res.Seed, res.Evidence = m.Kills[i].name(), f.by, f.seed, f.line
			return res, nil
		}
	}
	return res, nil
}

// finding is what a layer says.
type finding struct {
	found, unbuildable bool
	by, seed, line     string
}

// look runs one layer, with an overlay or, if that is empty, without.
func (r *Runner) look(ctx context.Context, l *Layer, overlay, dir string, off ...string) finding {
	if l.Seeds > 0 {
		return r.simulate(ctx, l, overlay, dir, off)
	}
	args := []string{"test", "-vet=off", "-count=1", "-run", l.Run}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	limit := l.Limit
	args = append(args, "-timeout", limit.String(), l.Pkg)
	args = append(args, l.Extra...)
	out, err := r.run(ctx, limit+testLimit, "go", args...)
	text := string(out)
	switch {
	case err == nil && strings.Contains(text, "no tests to run"):
		return finding{unbuildable: true, line: "no test is called " + l.Run}
	case err == nil:
		return finding{}
	case strings.Contains(text, "[build failed]") || strings.Contains(text, "[setup failed]"):
		return finding{unbuildable: true, line: firstLine(text)}
	case strings.Contains(text, "panic: test timed out"):
		return finding{found: l.Hangs, by: failedTest(text), line: "it hangs"}
	}
	return finding{
		found: true, by: failedTest(text), seed: match(seedLine(), text), line: reason(text),
	}
}

// simulate builds byzd and runs the simulator until the first failure.
func (r *Runner) simulate(
	ctx context.Context, l *Layer, overlay, dir string, off []string,
) finding {
	binary := filepath.Join(dir, "byzd")
	if _, err := os.Stat(binary); err != nil {
		args := []string{"build", "-o", binary}
		if overlay != "" {
			args = append(args, "-overlay", overlay)
		}
		if out, err := r.run(ctx, testLimit, "go", append(args, "./cmd/byzd")...); err != nil {
			return finding{unbuildable: true, line: firstLine(string(out))}
		}
	}
	args := []string{"sim", "--seeds", fmt.Sprint(l.Seeds), "--failures", "1"}
	for _, o := range off {
		args = append(args, "--off", o)
	}
	out, err := r.run(ctx, l.Limit, binary, args...)
	text := string(out)
	failure := simFailure().FindStringSubmatch(text)
	if err == nil || failure == nil {
		return finding{} // a limit, or rare states that were not reached
	}
	return finding{found: true, seed: failure[1], by: failure[2], line: failure[0]}
}

// run runs a command and returns all that it prints.
func (r *Runner) run(
	ctx context.Context, limit time.Duration, name string, args ...string,
) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // our own commands
	cmd.Dir = r.Root
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	if _, is := errors.AsType[*exec.ExitError](err); err != nil && !is {
		fmt.Fprintf(&out, "\n%v\n", err)
	}
	return out.Bytes(), err
}

func seedLine() *regexp.Regexp { return regexp.MustCompile(`seed (\d+)`) }

func simFailure() *regexp.Regexp {
	return regexp.MustCompile(`byzd: seed (\d+): (\w+)[^\n]*`)
}

func failLine() *regexp.Regexp { return regexp.MustCompile(`(?m)^ *--- FAIL: (\S+)`) }

func runningLine() *regexp.Regexp { return regexp.MustCompile(`(?m)^\s+(Test\S+) \(`) }

func panicLine() *regexp.Regexp { return regexp.MustCompile(`(?m)^panic: ([^\n]*)`) }

func errorLine() *regexp.Regexp { return regexp.MustCompile(`(?m)^ +(\w+_?\w*\.go:\d+:[^\n]*)`) }

func match(re *regexp.Regexp, text string) string {
	if m := re.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}

// failedTest is the innermost of the first tests that failed.
func failedTest(text string) string {
	all := failLine().FindAllStringSubmatch(text, 8)
	name := match(runningLine(), text)
	for i, m := range all {
		if i == 0 || strings.HasPrefix(m[1], name+"/") {
			name = m[1]
		}
	}
	return name
}

// reason is the line that says most about a failure.
func reason(text string) string {
	for _, re := range []*regexp.Regexp{panicLine(), errorLine()} {
		if line := match(re, text); line != "" {
			return clip(line)
		}
	}
	return firstLine(text)
}

func firstLine(text string) string {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			return clip(line)
		}
	}
	return ""
}

func clip(line string) string {
	const most = 160
	if r := []rune(line); len(r) > most {
		return string(r[:most]) + "…"
	}
	return line
}
