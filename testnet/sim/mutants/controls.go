package mutants

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
)

// runControls shows that the layers themselves can be trusted (VERIFY §10):
//
//   - C1: without a mutant every layer passes;
//   - C2: with more than f traitors the searches find a broken agreement;
//   - C3: the canary, a quorum of f+1, is found by the simulator;
//   - C4: for each oracle of the simulator there is a mutant that it alone finds.
func (c *command) runControls(ctx context.Context, r *Runner, list []*Mutant) (int, error) {
	code, failed := 0, error(nil)
	report := func(name string, good bool, say string) {
		word := "ok"
		if !good {
			word, code = "FAILED", 1
		}
		_, err := fmt.Fprintf(c.out, "| %s | %s | %s |\n", name, word, say)
		failed = errors.Join(failed, err)
	}
	for _, l := range layersOf(list) {
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		f := r.look(ctx, &l, "", r.Temp)
		report("C1", !f.found && !f.unbuildable, l.Text+" "+f.by+" "+f.line)
	}
	beyond := []string{
		"test testnet/sim/scope ^TestControlIsFoundBroken$",
		"test testnet/sim/twins ^TestControlIsFoundUnsafe$",
		"test testnet/sim ^TestOneTraitorTooManyIsNamed$",
		"test testnet/judge ^TestForensicsNamesTheCoalition$",
		"test daemon/loop ^TestCoalitionForksAcrossViews$",
	}
	if c.only != "" {
		beyond = nil
	}
	for _, text := range beyond {
		l, err := parseLayer(text)
		if err != nil {
			return 0, err
		}
		f := r.look(ctx, &l, "", r.Temp)
		report("C2", !f.found && !f.unbuildable, l.Text+" "+f.by+" "+f.line)
	}
	for _, m := range list {
		if isCounted(m.ID) || ctx.Err() != nil {
			continue
		}
		if err := r.oracle(ctx, m, report); err != nil {
			return 0, err
		}
	}
	return code, errors.Join(failed, ctx.Err())
}

// layersOf lists the layers that some mutants name, each once.
func layersOf(list []*Mutant) []Layer {
	var layers []Layer
	for _, m := range list {
		for _, l := range m.Kills {
			if isCounted(m.ID) &&
				!slices.ContainsFunc(layers, func(o Layer) bool { return o.Text == l.Text }) {
				layers = append(layers, l)
			}
		}
	}
	return layers
}

// oracle runs C3 or one of C4: mutants whose numbers begin with C, each of C4 with the name of the
// oracle that it is for in place of a bug. With all oracles on that one finds it; with that one
// off it lives through the same seeds, up to the one where it was found. (Beyond it another may
// see what comes of it.)
func (r *Runner) oracle(
	ctx context.Context, m *Mutant, report func(name string, good bool, say string),
) error {
	dir, err := os.MkdirTemp(r.Temp, m.ID+"-")
	if err != nil {
		return err
	}
	overlay, err := m.overlay(r.Root, dir)
	if err != nil {
		return err
	}
	l := &m.Kills[0]
	with := r.look(ctx, l, overlay, dir)
	if len(m.Bugs) == 0 {
		report(m.ID, with.found, m.Name+": "+with.line)
		return nil
	}
	if with.seed == "" {
		report(m.ID, false, m.Name+": nothing was found "+with.line)
		return nil
	}
	same := *l
	if same.Seeds, err = strconv.Atoi(with.seed); err != nil {
		return err
	}
	without := r.look(ctx, &same, overlay, dir, m.Bugs...)
	report(m.ID, with.found && with.by == m.Bugs[0] && !without.found && !without.unbuildable,
		fmt.Sprintf("%s: %s; off: %q", m.Name, with.line, without.line))
	return nil
}
