package model

import (
	"os"
	"os/exec"
	"testing"
)

// TestModel_Quick runs the quick variants of the model: the clean ones must be searched to the end
// and hold, and every rule that is switched off must break what it is there for.
func TestModel_Quick(t *testing.T) {
	if testing.Short() {
		t.Skip("the model takes a minute")
	}
	for _, tool := range []string{"bash", "spin", "gcc"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("the model is not checked: %s is not installed (Debian: apt-get install spin gcc libc6-dev)", tool)
		}
	}
	run := exec.CommandContext(t.Context(), "bash", "run.sh", "quick")
	run.Stderr = os.Stderr
	table, err := run.Output()
	t.Logf("\n%s", table)
	if err != nil {
		t.Errorf("run.sh quick: %v; see a counterexample with: pbft/model/run.sh -v quick NAME", err)
	}
}
