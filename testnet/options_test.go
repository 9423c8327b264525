package testnet_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"byzd/testnet"
)

func TestParseLie(t *testing.T) {
	got, err := testnet.ParseLie("3=equivocate-preprepare:to=half,from-seq=10")
	want := testnet.Lie{Node: 3, Spec: "equivocate-preprepare:to=half,from-seq=10"}
	if err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	for _, text := range []string{
		"", "mute", "=mute", "0=", "x=mute", "-1=mute", "128=mute", "mute=0",
	} {
		_, err := testnet.ParseLie(text)
		wantError(t, text, err, testnet.Usage, "is not NODE=BEHAVIOUR")
	}
}

// Whatever makes no sense is refused before anything is made or started.
func TestOptions_Refuses(t *testing.T) {
	lies := func(texts ...string) (list []testnet.Lie) {
		for _, text := range texts {
			l, err := testnet.ParseLie(text)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, l)
		}
		return list
	}
	for _, c := range []struct {
		want string
		o    testnet.Options
	}{
		{"1 to 128 nodes, not 129", testnet.Options{Nodes: 129}},
		{"1 to 128 nodes, not -1", testnet.Options{Nodes: -1}},
		{"no signature scheme", testnet.Options{Scheme: "rsa"}},
		{"no parameter", testnet.Options{Params: map[string]string{"windw": "3"}}},
		{"whole number", testnet.Options{Params: map[string]string{"window": "x"}}},
		{"window is 1", testnet.Options{Params: map[string]string{"window": "1"}}},
		{"--wait must not be negative", testnet.Options{Wait: -time.Second}},
		{"--port-base 80", testnet.Options{PortBase: 80}},
		{"--port-base 65530", testnet.Options{PortBase: 65530}},
		{"no such behaviour", testnet.Options{Traitors: lies("0=muet")}},
		{"no such key", testnet.Options{Traitors: lies("0=mute:too=half")}},
		{"node 4 is to be a traitor", testnet.Options{Traitors: lies("4=mute")}},
		{"there is no node 4", testnet.Options{Traitors: lies("0=mute:to=4")}},
		{"same behaviour twice", testnet.Options{Traitors: lies("0=mute", "0=mute")}},
		{"2 traitors (0, 3)", testnet.Options{Traitors: lies("3=mute", "0=mute")}},
		{"1 traitors (0)", testnet.Options{Nodes: 3, Traitors: lies("0=mute")}},
	} {
		c.o.Home = filepath.Join(t.TempDir(), "home")
		err := c.o.Prepare()
		wantError(t, c.want, err, testnet.Usage, c.want)
		if _, err := os.Stat(c.o.Home); err == nil {
			t.Errorf("%s: the home was made all the same", c.want)
		}
	}
	for _, o := range []testnet.Options{
		{Traitors: lies("0=mute", "1=mute"), BeyondF: true},
		{Traitors: lies("0=mute:to-seq=5", "0=mute:from-seq=10")},
		{Nodes: 7, Traitors: lies("0=mute", "6=mute")},
		{Nodes: 1},
		{Nodes: 128, PortBase: 20000},
	} {
		o.Home = filepath.Join(t.TempDir(), "home")
		if err := o.Prepare(); err != nil {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

// A temporary home that was made for nothing does not stay.
func TestOptions_LeavesNoHome(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	o := testnet.Options{Nodes: 4, Traitors: []testnet.Lie{{Node: 9, Spec: "mute"}}}
	wantError(t, "node 9", o.Prepare(), testnet.Usage, "node 9")
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("left %v, %v", entries, err)
	}
	o.Traitors = nil
	if err := o.Prepare(); err != nil || filepath.Dir(o.Home) != dir {
		t.Errorf("home is %q, %v", o.Home, err)
	}
}
