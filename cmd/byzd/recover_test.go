package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"byzd/daemon/config"
	"byzd/daemon/disk"
	"byzd/daemon/promises"
)

// R15: the operator says that a node forgot; not of a node that runs, and not of what is no home.
func TestRecover(t *testing.T) {
	t.Chdir(t.TempDir())
	must(t, "init", "--home", "alice")
	data, err := disk.OS(config.Home("alice").Data())
	if err != nil {
		t.Fatal(err)
	}
	forgot := func() string {
		why, err := promises.Forgotten(data)
		if err != nil {
			t.Fatal(err)
		}
		return why
	}
	if why := forgot(); why != "" {
		t.Errorf("a new node has forgotten: %s", why)
	}
	unlock, err := disk.Lock("alice")
	if err != nil {
		t.Fatal(err)
	}
	refuses(t, exitFailed, "the node runs", "stop that process first", "recover", "--home", "alice")
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	if why := forgot(); why != "" {
		t.Errorf("the refused call says: %s", why)
	}
	r := runMain(t, "recover", "--home", "alice")
	if r.code != 0 || !strings.Contains(r.errors, "votes for nothing") {
		t.Errorf("%d: %s", r.code, r.errors)
	}
	if why := forgot(); !strings.Contains(why, "byzd recover") {
		t.Errorf("afterwards: %q", why)
	}
	refuses(t, exitUsage, "no home is named", "byzd recover --home DIR", "recover")
	refuses(t, exitFailed, "is not a node's home", "byzd init", "recover", "--home", "bob")
	if _, err := os.Stat(filepath.Join("bob", "data")); err == nil {
		t.Error("a refused call makes a directory")
	}
}
