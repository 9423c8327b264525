package nemesis_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

var binary string

func TestMain(m *testing.M) {
	code, err := build(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// build makes the byzd that the networks run.
func build(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "byzd-nemesis-test-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "byzd")
	out, err := exec.Command("go", "build", "-o", binary, "byzd/cmd/byzd").CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("go build: %w\n%s", err, out)
	}
	code := m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		return 1, err
	}
	return code, nil
}
