package testnet_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"byzd/testnet"
)

// stopped writes a home that looks like that of a stopped testnet of n nodes.
func stopped(t *testing.T, n int) string {
	t.Helper()
	home := t.TempDir()
	nodes := make([]string, n)
	for i := range n {
		for _, name := range []string{"network.key", "signing.key", "genesis.toml"} {
			write(t, filepath.Join(home, fmt.Sprintf("node-%d", i), name), "x")
		}
		nodes[i] = fmt.Sprintf(`{"node":%d,"process":"exited"}`, i)
	}
	write(t, filepath.Join(home, "genesis.toml"), "x")
	write(t, filepath.Join(home, "testnet.json"),
		`{"scheme":"ed25519","nodes":[`+strings.Join(nodes, ",")+`]}`)
	return home
}

func TestPrepare_DirtyHomes(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "none")
	empty := t.TempDir()
	locked := t.TempDir() // what an Up that failed at once leaves
	write(t, filepath.Join(locked, "LOCK"), "")
	write(t, filepath.Join(locked, "supervisor.log"), "")
	foreign := t.TempDir()
	write(t, filepath.Join(foreign, "thesis.tex"), "x")
	half := stopped(t, 4)
	if err := os.Remove(filepath.Join(half, "node-2", "signing.key")); err != nil {
		t.Fatal(err)
	}
	damaged := stopped(t, 4)
	write(t, filepath.Join(damaged, "testnet.json"), "{")
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "x")

	for _, c := range []struct {
		name string
		o    testnet.Options
		kind testnet.Kind
		want string // of the error; empty if there is none
	}{
		{"missing", testnet.Options{Home: missing}, "", ""},
		{"empty", testnet.Options{Home: empty}, "", ""},
		{"locked", testnet.Options{Home: locked}, "", ""},
		{"stopped", testnet.Options{Home: stopped(t, 4)}, "", ""},
		{"stopped, same size", testnet.Options{Home: stopped(t, 4), Nodes: 4}, "", ""},
		{"stopped, forced", testnet.Options{Home: stopped(t, 4), Force: true, Nodes: 7}, "", ""},
		{"foreign", testnet.Options{Home: foreign}, testnet.Failed, "it holds thesis.tex"},
		{
			"foreign, forced",
			testnet.Options{Home: foreign, Force: true},
			testnet.Failed,
			"thesis.tex",
		},
		{"half made", testnet.Options{Home: half}, testnet.Failed, "signing.key is missing"},
		{"half made, forced", testnet.Options{Home: half, Force: true}, "", ""},
		{"damaged", testnet.Options{Home: damaged}, testnet.Failed, "unexpected end"},
		{"damaged, forced", testnet.Options{Home: damaged, Force: true}, "", ""},
		{"other size", testnet.Options{Home: stopped(t, 4), Nodes: 7}, testnet.Usage, "4 nodes"},
		{
			"other scheme",
			testnet.Options{Home: stopped(t, 4), Scheme: "bls12381"},
			testnet.Usage,
			"signs with ed25519",
		},
	} {
		err := c.o.Prepare()
		if c.want == "" && err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if c.want != "" {
			wantError(t, c.name, err, c.kind, c.want)
		}
	}
	o := testnet.Options{Home: file}
	if err := o.Prepare(); err == nil {
		t.Error("a file was taken for a home")
	}
	if _, err := os.Stat(missing); err == nil {
		t.Error("Prepare made a home that was named")
	}
}

// Traitors of the past count: a node that has lied is not correct any more.
func TestPrepare_CountsTraitorsOfThePast(t *testing.T) {
	home := stopped(t, 2)
	write(t, filepath.Join(home, "testnet.json"),
		`{"scheme":"ed25519","nodes":[{"node":0,"traitors":["mute"]},{"node":1}]}`)
	o := testnet.Options{Home: home}
	wantError(t, "0 of 2", o.Prepare(), testnet.Usage,
		"1 traitors (0) are more than 2 nodes can bear")
	o.BeyondF = true
	if err := o.Prepare(); err != nil {
		t.Error(err)
	}
}
