package promises_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"byzd/daemon/disk"
	"byzd/daemon/promises"
)

// A new directory is new until its first start, and one whose journal went away has forgotten, for
// ever, until the journal says so itself (rule R15; B27, B29).
func TestWhatADirectoryKnows(t *testing.T) {
	dir := t.TempDir()
	d, err := disk.OS(dir)
	if err != nil {
		t.Fatal(err)
	}
	knows := func(step, want string) {
		t.Helper()
		why, err := promises.Forgotten(d)
		if err != nil || (want == "") != (why == "") || !strings.Contains(why, want) {
			t.Errorf("%s: %q, want %q (%v)", step, why, want, err)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	knows("an empty directory", "no journal")
	must(promises.MarkNew(d))
	knows("a new one", "")
	must(d.WriteAtomic("journal.mark", []byte("x")))
	knows("begun and not recorded", "")
	must(promises.Recorded(d))
	knows("started", "")
	must(promises.Recorded(d)) // it may be said twice
	must(d.Remove("journal.mark"))
	knows("wiped", "no journal")
	must(promises.Forget(d, "the reason"))
	must(d.WriteAtomic("journal.mark", []byte("x")))
	knows("a new journal that does not know it yet", "the reason")
	to, err := promises.SetAside(dir, "1")
	must(err)
	if text, err := os.ReadFile(filepath.Join(to, "journal.mark")); err != nil || string(text) != "x" {
		t.Errorf("what was set aside: %q, %v", text, err)
	}
	knows("set aside", "the reason")
	must(d.WriteAtomic("journal.mark", []byte("y")))
	if _, err := promises.SetAside(dir, "1"); err == nil {
		t.Error("a file that was set aside is replaced")
	}
	must(promises.Recorded(d))
	knows("recorded", "")
	must(os.WriteFile(filepath.Join(dir, "forgotten"), nil, 0o600))
	knows("by hand", "?")
}
