package mutants

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
)

// command is what the command line says.
type command struct {
	only     string
	dozen    int
	list     bool
	controls bool
	json     bool
	first    bool
	ask      string
	out      io.Writer
	errs     io.Writer
}

// Main is the command. It returns its exit code: 0 if every mutant was killed, 1 if one survived or
// does not build, 2 if the list or the command line is wrong.
func Main(ctx context.Context, args []string, out, errs io.Writer) int {
	c := command{out: out, errs: errs, dozen: -1}
	flags := flag.NewFlagSet("mutants", flag.ContinueOnError)
	flags.SetOutput(errs)
	flags.StringVar(&c.only, "only", "", "run only these `IDs`, separated by commas")
	flags.IntVar(&c.dozen, "dozen", -1, "run the twelve of day `K`, in turn")
	flags.BoolVar(&c.list, "list", false, "list the mutants and run none")
	flags.BoolVar(&c.controls, "controls", false, "run the controls C1 to C4 instead")
	flags.BoolVar(&c.first, "first", false, "ask only the layer that must find each")
	flags.StringVar(&c.ask, "ask", "", "ask this `LAYER`, such as \"walk 60\", and no other")
	flags.BoolVar(&c.json, "json", false, "print one JSON object a line")
	if flags.Parse(args) != nil || flags.NArg() > 0 {
		return 2
	}
	code, err := c.run(ctx)
	if err == nil {
		return code
	}
	if _, err := fmt.Fprintf(errs, "mutants: %v\n", err); err != nil {
		return 2 // nobody hears why
	}
	return 2
}

func (c *command) run(ctx context.Context) (int, error) {
	root, err := Root()
	if err != nil {
		return 0, err
	}
	all, err := List()
	if err != nil {
		return 0, err
	}
	for _, m := range all {
		if err := m.Check(root); err != nil {
			return 0, err
		}
	}
	chosen, err := c.choose(all)
	if err != nil {
		return 0, err
	}
	temp, err := os.MkdirTemp("", "mutants-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(temp) //nolint:errcheck // scratch
	r := &Runner{Root: root, Temp: temp}
	if err := c.narrow(chosen); err != nil {
		return 0, err
	}
	switch {
	case c.list:
		return 0, c.print(all)
	case c.controls:
		return c.runControls(ctx, r, chosen)
	}
	return c.kill(ctx, r, chosen)
}

// Root finds the module's directory from the current one upward.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("there is no go.mod here or above")
		}
		dir = up
	}
}

// choose picks the mutants to run.
func (c *command) choose(all []*Mutant) ([]*Mutant, error) {
	var chosen []*Mutant
	if c.only != "" {
		for id := range strings.SplitSeq(c.only, ",") {
			at := slices.IndexFunc(all, func(m *Mutant) bool { return m.ID == id })
			if at < 0 {
				return nil, fmt.Errorf("there is no mutant %q", id)
			}
			chosen = append(chosen, all[at])
		}
		return chosen, nil
	}
	for _, m := range all {
		if (isCounted(m.ID) || c.controls) && (c.dozen < 0 || len(m.Edits) > 0) {
			chosen = append(chosen, m)
		}
	}
	if c.dozen < 0 {
		return chosen, nil
	}
	return dozen(chosen, c.dozen), nil
}

// narrow leaves of the layers the first, or takes the one that the command line names.
func (c *command) narrow(list []*Mutant) error {
	for _, m := range list {
		switch {
		case len(m.Kills) == 0:
		case c.ask != "":
			l, err := parseLayer(c.ask)
			if err != nil {
				return err
			}
			m.Kills = []Layer{l}
		case c.first:
			m.Kills = m.Kills[:1]
		}
	}
	return nil
}

// isCounted tells the mutants of VERIFY §10, of the rules and of epochs from the controls.
func isCounted(id string) bool { return id[0] == 'M' || id[0] == 'R' || id[0] == 'N' }

// dozen takes every n-th mutant, beginning with the k-th: twelve of all groups, and each in turn.
func dozen(list []*Mutant, k int) []*Mutant {
	turns := max(1, (len(list)+11)/12)
	var chosen []*Mutant
	for i := k % turns; i < len(list); i += turns {
		chosen = append(chosen, list[i])
	}
	return chosen
}

func (c *command) print(list []*Mutant) error {
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	var failed error
	for _, m := range list {
		how := "later: " + m.Why
		switch {
		case len(m.Impossible) > 0:
			how = "impossible: " + m.Why
		case len(m.Edits) > 0:
			how = m.Edits[0].File + "; " + m.Kills[0].Text
		}
		_, err := fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", m.ID, m.Name, strings.Join(m.Bugs, " "), how)
		failed = errors.Join(failed, err)
	}
	return errors.Join(failed, w.Flush())
}

// kill runs mutants and prints what became of them.
func (c *command) kill(ctx context.Context, r *Runner, list []*Mutant) (int, error) {
	code, count := 0, map[string]int{}
	for _, m := range list {
		res, err := r.Kill(ctx, m)
		if err != nil {
			return 0, err
		}
		count[res.Outcome]++
		if res.Bad() {
			code = 1
		}
		if err := c.show(res); err != nil {
			return 0, err
		}
	}
	if c.json {
		return code, nil
	}
	_, err := fmt.Fprintf(c.out,
		"%d killed, %d survived, %d do not build, %d impossible, %d of later parts\n",
		count["killed"], count["survived"], count["unbuildable"],
		count["impossible"], count["later"])
	return code, err
}

// show prints one row as soon as it is known.
func (c *command) show(res *Result) error {
	if c.json {
		return json.NewEncoder(c.out).Encode(res)
	}
	by := res.Layer
	if res.By != "" {
		by += " " + res.By
	}
	if res.Outcome != "killed" {
		by = strings.ToUpper(res.Outcome)
	} else if !res.First {
		by += " (not the first asked)"
	}
	seed := res.Seed
	if seed == "" {
		seed = "–"
	}
	_, err := fmt.Fprintf(c.out, "| %s | %s | %s | %s | %.1f | %s |\n",
		res.ID, res.Name, by, seed, res.Seconds, strings.ReplaceAll(res.Evidence, "|", "/"))
	return err
}
