package sim

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestKeptCases replays what was once found, or must always be found.
func TestKeptCases(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no kept cases: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c, err := ParseScript(string(text))
			if err != nil {
				t.Fatal(err)
			}
			r := New(c.Seed, c.Setup()).Run()
			found := clean
			if r.Failure != nil {
				found = r.Failure.Oracle
				t.Log(r.Failure, r.Failure.Stack)
			}
			if found != c.Want {
				t.Errorf("found %s, wanted %s", found, c.Want)
			}
		})
	}
}

// What is printed is what is read: options and strikes survive a script.
func TestScriptsComeBack(t *testing.T) {
	for seed := uint64(1); seed <= 300; seed++ {
		c := Case{
			Seed: seed, Options: Draw(seed), Want: "O7",
			Only: []Decision{{"crash", 1}, {"drop", int(seed)}},
		}
		text := c.Script("why\nindeed")
		again, err := ParseScript(text)
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, text)
		}
		if again.Script("why\nindeed") != text || !slices.Equal(again.Only, c.Only) {
			t.Fatalf("seed %d comes back as\n%s, not\n%s", seed, again.Script("why\nindeed"), text)
		}
	}
	for _, bad := range []string{
		"want O1", "seed x", "seed 1\noptions m=4", "seed 1\nonly crash",
		"seed 1\nfoo",
	} {
		if _, err := ParseScript(bad); err == nil {
			t.Errorf("%q is read", bad)
		}
	}
}
