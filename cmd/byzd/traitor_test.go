package main

import (
	"encoding/json"
	"strings"
	"testing"

	"byzd/pbft/traitor"
)

// The catalogue can be read by people and programs, and a typo gets a suggestion and exit code 2.
func TestTraitorCommands(t *testing.T) {
	inEmptyDir(t)
	people := must(t, "traitor", "list")
	var programs []struct {
		Name, Summary string
	}
	if err := json.Unmarshal([]byte(must(t, "traitor", "list", "--json")), &programs); err != nil {
		t.Fatal(err)
	}
	if len(programs) != len(traitor.Catalogue()) {
		t.Errorf("%d behaviours of %d", len(programs), len(traitor.Catalogue()))
	}
	for _, p := range programs {
		if !strings.Contains(people, p.Name+" ") || !strings.Contains(people, p.Summary) {
			t.Errorf("people are not shown %s", p.Name)
		}
		told := must(t, "traitor", "explain", p.Name)
		if !strings.Contains(told, p.Summary) || !strings.Contains(told, "defence") {
			t.Errorf("%s is explained as %q", p.Name, told)
		}
	}
	var one struct{ Name string }
	if err := json.Unmarshal([]byte(must(t, "traitor", "explain", "mute", "--json")), &one); err != nil ||
		one.Name != "mute" {
		t.Errorf("explained %q, %v", one.Name, err)
	}
	refuses(t, exitUsage, "no such behaviour", `"equivocate-votes"`, "traitor", "explain",
		"equivocate-vote")
	refuses(t, exitUsage, "argument", "NAME", "traitor", "explain")
	refuses(t, exitUsage, "arguments", "traitor list", "traitor", "list", "mute")
}
