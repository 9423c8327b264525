package acceptance_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A node that begins anew believes nothing of what is stored that it does not check: one bit that is
// flipped meanwhile, in a snapshot of the state or in the journal, is noticed in the new process and
// not before, and what it spoilt comes from the others (issue 3, proactive recovery).
func TestRejuvenationFindsFlippedBits(t *testing.T) {
	n := up(t, "--nodes", "4", "--param", "checkpoint-every=8", "--param", "window=64",
		"--set", "snapshot-every=200ms")
	l := n.write("f", 0, 1, 2, 3)
	data := func(i int) string { return filepath.Join(n.state.Nodes[i].Home, "data") }
	for i, c := range []struct{ files, told string }{
		{"snapshot-*", "a snapshot is damaged and was not used"},
		{"journal-*", "the journal is damaged and was set aside"},
	} {
		n.until("there is something to damage", func() bool {
			return len(stored(t, data(i), c.files)) > 0 && l.count() > 100
		})
		l.end(3) // so that no newer snapshot takes the place of the damaged one
		n.until("everything is executed and saved", func() bool {
			st, err := n.status(i)
			return err == nil && st.Ready && n.quiet(i, c.files)
		})
		for _, path := range stored(t, data(i), c.files) {
			flip(t, path)
		}
		if n.logged(i, c.told) {
			t.Fatalf("node %d knows it already", i)
		}
		must(t, "rejuvenate", "--home", n.state.Nodes[i].Home, "--wait", patience.String())
		if !n.logged(i, c.told) {
			t.Errorf("node %d has not noticed that a bit of %s is flipped", i, c.files)
		}
		l = n.write("after-"+c.files[:1], 0, 1, 2, 3)
		l.resumes("work goes on")
	}
	l.end(1)
	v, code := n.judge()
	if code != 0 || v.Agreement == "broken" || v.Validity == "broken" || v.Integrity == "broken" {
		t.Errorf("exit %d: %+v", code, v)
	}
}

// snapshots is longer than two of the network of these tests are apart.
const snapshots = 600 * time.Millisecond

func stored(t *testing.T, dir, pattern string) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// quiet reports whether the files of a node stay as they are for longer than a snapshot takes.
func (n *network) quiet(i int, pattern string) bool {
	n.t.Helper()
	look := func() string {
		var b strings.Builder
		for _, path := range stored(n.t, filepath.Join(n.state.Nodes[i].Home, "data"), pattern) {
			if info, err := os.Stat(path); err == nil {
				b.WriteString(path + info.ModTime().String())
			}
		}
		return b.String()
	}
	before := look()
	hold(snapshots)
	return look() == before
}

func (n *network) logged(i int, text string) bool {
	n.t.Helper()
	log, err := os.ReadFile(filepath.Join(n.state.Nodes[i].Home, "byzd.log"))
	if err != nil {
		n.t.Fatal(err)
	}
	return strings.Contains(string(log), text)
}

// flip flips a bit in the middle of what a file holds.
func flip(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	at := info.Size() / 2
	b := make([]byte, 1)
	for b[0] == 0 && at > 0 { // a journal's file is longer than what is written so far
		at /= 2
		if _, err := f.ReadAt(b, at); err != nil {
			t.Fatal(err)
		}
	}
	b[0] ^= 1
	if _, err := f.WriteAt(b, at); err != nil {
		t.Fatal(err)
	}
}
