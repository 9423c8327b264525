package main

import (
	"slices"
	"strings"
	"testing"
)

func TestArrange_LetsFlagsStandAnywhere(t *testing.T) {
	for line, want := range map[string]string{
		"":                                       "",
		"version":                                "version",
		"version --json":                         "--json version",
		"--json version":                         "--json version",
		"genesis --json show x.toml":             "--json genesis show -- x.toml",
		"genesis show x.toml --json":             "--json genesis show -- x.toml",
		"genesis add x.toml --name a y.toml":     "genesis add --name a -- x.toml y.toml",
		"genesis add x.toml --name=a y.toml":     "genesis add --name=a -- x.toml y.toml",
		"genesis add x.toml -name a":             "genesis add -name a -- x.toml",
		"genesis new --testnet --out x":          "genesis new --testnet --out x",
		"keygen -- --show":                       "keygen -- --show",
		"keygen x -- y --show":                   "keygen -- x y --show",
		"keygen show --show":                     "keygen --show -- show",
		"keygen -":                               "keygen -- -",
		"keygen version":                         "keygen -- version",
		"run --home a --join b:1 --join c:2":     "--home a run --join b:1 --join c:2",
		"run --listen --home":                    "run --listen --home",
		"genesis new --help":                     "genesis new --help",
		"-h":                                     "-h",
		"nosuch version":                         "-- nosuch version",
		"--log-level debug config check -h":      "--log-level debug config check -h",
		"config print --origin --home a":         "--home a config print --origin",
		"init --loopback=false --scheme ed25519": "init --loopback=false --scheme ed25519",
	} {
		got, err := arrange(newApp(), append([]string{"byzd"}, strings.Fields(line)...))
		if err != nil || strings.Join(got[1:], " ") != want {
			t.Errorf("%q: got %q, %v, want %q", line, got[1:], err, want)
		}
	}
}

func TestArrange_KeepsWhatItIsGiven(t *testing.T) {
	args := []string{"byzd", "keygen", "", "a b", "--scheme", "", "\n"}
	got, err := arrange(newApp(), args)
	want := []string{"byzd", "keygen", "--scheme", "", "--", "", "a b", "\n"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

func TestFlags_AreNeverIgnored(t *testing.T) {
	inEmptyDir(t)
	refuses(t, exitUsage, "there is no flag --shceme here", "did you mean --scheme?",
		"keygen", "x", "--shceme", "ed25519")
	refuses(t, exitUsage, "there is no flag --hmoe", "did you mean --home?", "--hmoe", "x",
		"version")
	refuses(t, exitUsage, "there is no flag --zzzzzzz here", "see --help", "version", "--zzzzzzz")
	refuses(t, exitUsage, "there is no flag --listen here", "see --help", "version", "--listen",
		"x")
	refuses(t, exitUsage, "there is no flag --listen=x here", "see --help", "version", "--listen=x")
	refuses(t, exitUsage, "flag --scheme wants a value", "", "keygen", "x", "--scheme")
	refuses(t, exitUsage, `--nodes "x" is not a whole number`, "--nodes 4", "testnet", "up",
		"--nodes", "x")
	refuses(t, exitUsage, `--nodes "99999999999999999999" is not a whole number`, "--nodes 4",
		"testnet", "up", "--nodes=99999999999999999999")
	refuses(t, exitUsage, `--seed "-1" is not a whole number from 0`, "--seed 4", "bench", "--seed",
		"-1")
	refuses(t, exitUsage, `--timeout "10" is not a time`, "--timeout 10s", "get", "k", "--timeout",
		"10")
	refuses(t, exitUsage, `--json "yes" is not true or false`, "--json=false", "version",
		"--json=yes")
	refuses(t, exitUsage, `there is no command "genseis"`, `did you mean "genesis"?`, "genseis",
		"new")
	refuses(t, exitUsage, `there is no command "shwo"`, `did you mean "show"?`, "genesis", "shwo")
	refuses(t, exitUsage, `there is no command "frobnicate"`, "see byzd --help", "frobnicate")
	refuses(t, exitUsage, `there is no command "foo"`, "see byzd testnet --help", "testnet", "foo")
	refuses(t, exitUsage, `there is no command "supervice"`, "see byzd testnet --help", "testnet",
		"supervice") // no way to hidden commands
	refuses(t, exitUsage, "byzd version takes no arguments, but 1 is given",
		"usage: byzd version", "version", "x")
}
