package main

import (
	"bytes"
	"os"
	"strings"
	"sync"
	"testing"
)

// ran is how a command ended.
type ran struct {
	code        int
	out, errors string
}

// runMain runs byzd in this process, in an environment without settings.
func runMain(t *testing.T, args ...string) ran {
	t.Helper()
	var out, errors lockedBuffer
	code := Main(t.Context(), append([]string{"byzd"}, args...), strings.NewReader(""), &out, &errors)
	return ran{code: code, out: out.String(), errors: errors.String()}
}

// inEmptyDir gives the test a working directory of its own and takes the BYZD_ variables away.
func inEmptyDir(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	for _, assignment := range os.Environ() {
		if name, value, _ := strings.Cut(assignment, "="); strings.HasPrefix(name, "BYZD_") {
			t.Setenv(name, value) // so that it comes back
			if err := os.Unsetenv(name); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// must runs a command that has to end well and returns what it printed.
func must(t *testing.T, args ...string) string {
	t.Helper()
	r := runMain(t, args...)
	if r.code != exitGood {
		t.Fatalf("byzd %s: exit %d\n%s", strings.Join(args, " "), r.code, r.errors)
	}
	return r.out
}

// refuses runs a command that has to fail with a code, an error and a hint.
func refuses(t *testing.T, code int, want, hint string, args ...string) {
	t.Helper()
	r := runMain(t, args...)
	line := "byzd " + strings.Join(args, " ")
	if r.code != code {
		t.Errorf("%s: exit %d, want %d\n%s%s", line, r.code, code, r.errors, r.out)
	}
	said, hinted, _ := strings.Cut(r.errors, "byzd: hint: ")
	if !strings.HasPrefix(said, "byzd: error: ") || !strings.Contains(said, want) {
		t.Errorf("%s: error %q, want %q", line, said, want)
	}
	if !strings.Contains(hinted, hint) || hint == "" && hinted != "" {
		t.Errorf("%s: hint %q, want %q", line, hinted, hint)
	}
	if r.out != "" {
		t.Errorf("%s: a failure prints data: %q", line, r.out)
	}
}

// lockedBuffer is written by a node and read by its test.
type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}
