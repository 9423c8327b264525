package pbft_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"byzd/pbft/pbfttest"
)

// TestGoldenTraces runs the stories of testdata. After a change that is meant to alter them:
//
//	go test ./pbft -run TestGoldenTraces -rewrite
//
// and read the difference as a reader of the story would.
func TestGoldenTraces(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		if strings.Contains(path, "/fuzz/") {
			return // the fuzzers' corpora
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(text), "#") {
			t.Errorf("%s does not open with its story", path)
		}
		s := pbfttest.NewScript()
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			args := make([]pbfttest.Arg, len(d.CmdArgs))
			for k, a := range d.CmdArgs {
				args[k] = pbfttest.Arg{Key: a.Key, Vals: a.Vals}
			}
			out := s.Run(d.Cmd, args)
			rewriting := flag.Lookup("rewrite").Value.String() == "true" // it wants no failures
			if !rewriting && (strings.Contains(out, "error: ") || strings.Contains(out, "VIOLATION")) {
				t.Errorf("%s: %s: %s", d.Pos, d.Cmd, out)
			}
			return out
		})
	})
}
