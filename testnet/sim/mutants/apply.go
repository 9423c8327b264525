package mutants

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// occurs checks that a text stands exactly once in a file of the tree.
func occurs(root string, e Edit) error {
	text, err := os.ReadFile(filepath.Join(root, e.File)) //nolint:gosec // named by the list
	if err != nil {
		return err
	}
	if n := strings.Count(string(text), e.Old); n != 1 {
		return fmt.Errorf("%s holds %q %d times, not once", e.File, e.Old, n)
	}
	return nil
}

// Check reports why a mutant cannot be applied to a tree, or does not say all that it must.
func (m *Mutant) Check(root string) error {
	kinds := 0
	for _, is := range []bool{len(m.Edits) > 0, len(m.Impossible) > 0, m.Later} {
		if is {
			kinds++
		}
	}
	switch {
	case kinds != 1:
		return fmt.Errorf("%s is not exactly one of: edited, impossible, later", m.ID)
	case len(m.Edits) > 0 && len(m.Kills) == 0:
		return fmt.Errorf("%s has nobody who kills it", m.ID)
	case len(m.Edits) == 0 && m.Why == "":
		return fmt.Errorf("%s does not say why there is no edit", m.ID)
	}
	for _, e := range append(m.Edits, m.Impossible...) {
		if err := occurs(root, e); err != nil {
			return fmt.Errorf("%s no longer applies: %w", m.ID, err)
		}
		if e.Old == e.New {
			return fmt.Errorf("%s changes nothing in %s", m.ID, e.File)
		}
	}
	return nil
}

// overlay writes the changed files and the go command's description of them into a directory, and
// returns the description's name.
func (m *Mutant) overlay(root, dir string) (string, error) {
	replace := map[string]string{}
	for _, e := range m.Edits {
		path := filepath.Join(root, e.File)
		from := path
		if replace[path] != "" {
			from = replace[path] // the second edit of a file
		}
		text, err := os.ReadFile(from) //nolint:gosec // named by the list
		if err != nil {
			return "", err
		}
		to := filepath.Join(dir, fmt.Sprintf("%d-%s", len(replace), filepath.Base(e.File)))
		if replace[path] != "" {
			to = replace[path]
		}
		changed := strings.Replace(string(text), e.Old, e.New, 1)
		if err := os.WriteFile(to, []byte(changed), 0o600); err != nil { //nolint:gosec // as above
			return "", err
		}
		replace[path] = to
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "overlay.json")
	return name, os.WriteFile(name, text, 0o600)
}
