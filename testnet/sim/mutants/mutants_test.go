package mutants

import (
	"fmt"
	"strings"
	"testing"
)

// impossibleMost is how many of the 72 may be impossible here (issue 3).
const impossibleMost = 12

// Every edit applies to the tree as it is, exactly once; all mutants of VERIFY §10 and all rules of
// PROTOCOL §4.0 are there, each once.
func TestListAppliesAndIsComplete(t *testing.T) {
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	list, err := List()
	if err != nil {
		t.Fatal(err)
	}
	seen, impossible := map[string]bool{}, 0
	for _, m := range list {
		if seen[m.ID] {
			t.Errorf("there are two mutants %s", m.ID)
		}
		seen[m.ID] = true
		if err := m.Check(root); err != nil {
			t.Error(err)
		}
		if len(m.Impossible) > 0 && m.ID[0] == 'M' {
			impossible++
		}
	}
	for _, group := range []struct {
		letter string
		last   int
	}{{"M", 72}, {"R", 19}} {
		for i := 1; i <= group.last; i++ {
			if id := fmt.Sprintf("%s%d", group.letter, i); !seen[id] {
				t.Errorf("there is no mutant %s", id)
			}
		}
	}
	if impossible > impossibleMost {
		t.Errorf("%d mutants are impossible; more than %d are too many", impossible, impossibleMost)
	}
}

// In turn, every mutant with an edit is in some dozen.
func TestDozensCoverAll(t *testing.T) {
	list, err := List()
	if err != nil {
		t.Fatal(err)
	}
	missing := map[string]bool{}
	for _, m := range list {
		if isCounted(m.ID) && len(m.Edits) > 0 {
			missing[m.ID] = true
		}
	}
	for k := range 365 {
		c := command{dozen: k}
		chosen, err := c.choose(list)
		if err != nil || len(chosen) > 12 {
			t.Fatalf("dozen %d has %d mutants: %v", k, len(chosen), err)
		}
		for _, m := range chosen {
			delete(missing, m.ID)
		}
	}
	if len(missing) > 0 {
		t.Errorf("no day runs %v", missing)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"bug B1", "before the first mutant"},
		{"mutant M1 x\n- a", "without a file"},
		{"mutant M1 x\nfile f\n+ a", "without a -"},
		{"mutant M1 x\nkill prayer", "is no layer"},
		{"mutant M1 x\nkill test pbft", "is no layer"},
		{"mutant M1 x\nnonsense", "unknown word"},
	} {
		if _, err := parse(c.text); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, expected %q", c.text, err, c.want)
		}
	}
}

// An edit that does not stand exactly once in its file fails by name.
func TestEditThatDoesNotApplyIsNamed(t *testing.T) {
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	for _, old := range []string{"return", "this text is in no other file"} {
		m := &Mutant{
			ID: "M99", Edits: []Edit{{File: "testnet/sim/mutants/apply.go", Old: old}},
			Kills: []Layer{{}},
		}
		if err := m.Check(root); err == nil || !strings.Contains(err.Error(), "M99 no longer applies") {
			t.Errorf("%q: %v", old, err)
		}
	}
}
