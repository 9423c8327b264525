package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestComplete(t *testing.T) {
	inEmptyDir(t)
	for line, want := range map[string]struct {
		some []string // among the answers
		none []string
	}{
		"": {[]string{"init", "genesis", "run"}, []string{
			"add",
			"--home",
		}},
		"gen":                         {[]string{"genesis"}, []string{"init"}},
		"genesis ":                    {[]string{"new", "add", "show"}, []string{"init"}},
		"genesis --json ":             {[]string{"new", "add", "show"}, nil},
		"--home x genesis a":          {[]string{"add"}, []string{"new"}},
		"genesis add -":               {[]string{"--name", "--home", "--help"}, []string{"--out"}},
		"genesis add f.toml --na":     {[]string{"--name"}, []string{"--key"}},
		"genesis add f":               {nil, []string{"new", "add"}},
		"genesis new --out ":          {nil, []string{"new", "--out"}},
		"genesis new --no-such-flag ": {nil, []string{"new"}},
		"completion ":                 {[]string{"bash", "zsh", "fish"}, nil},
		"completion z":                {[]string{"zsh"}, []string{"bash"}},
		"testnet ":                    {[]string{"up", "down"}, []string{"supervise"}},
		"run -":                       {[]string{"--listen"}, []string{"--cut"}},
		"-":                           {[]string{"--home", "--json"}, []string{"--name"}},
	} {
		words := strings.Split(line, " ")
		answers := strings.Fields(must(t, append(words, completionWord)...))
		for _, word := range want.some {
			if !slices.Contains(answers, word) {
				t.Errorf("%q: %q is not among %q", line, word, answers)
			}
		}
		for _, word := range want.none {
			if slices.Contains(answers, word) {
				t.Errorf("%q: %q is among %q", line, word, answers)
			}
		}
	}
	refuses(t, exitUsage, `no completions for "csh"`, "bash, zsh and fish", "completion", "csh")
	refuses(t, exitUsage, "takes 1 argument", "usage: byzd completion", "completion")
}

// Each script asks byzd in its shell's own way and offers what it answers.
func TestCompletion_InTheShells(t *testing.T) {
	inEmptyDir(t)
	bin := asProgram(t)
	for shell, ask := range map[string]string{
		"bash": `source ./script; COMP_WORDS=(byzd genesis "$1"); COMP_CWORD=2; _byzd byzd
			printf '%s\n' "${COMPREPLY[@]}"`,
		// Outside of its line editor zsh has no compadd; what it would be given is what counts.
		"zsh": `compdef() { }; compadd() { print -l -- "${(@)@[2,-1]}" }; _files() { }
			source ./script; words=(byzd genesis "$1"); CURRENT=3; _byzd`,
		"fish": `source ./script; complete -C "byzd genesis $argv[1]"`,
	} {
		t.Run(shell, func(t *testing.T) {
			path, err := exec.LookPath(shell)
			if err != nil {
				t.Skipf("%v: the completion is not tried in it (Debian: apt-get install zsh fish)", err)
			}
			script := must(t, "completion", shell)
			if err := os.WriteFile("script", []byte(script), 0o600); err != nil {
				t.Fatal(err)
			}
			for word, want := range map[string]string{"": "new add show", "s": "show"} {
				args := []string{"-c", ask, "shell", word}
				if shell == "fish" {
					args = []string{"--no-config", "-c", ask, word}
				}
				cmd := exec.CommandContext(t.Context(), path, args...)
				cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"),
					"HOME="+t.TempDir())
				out, err := cmd.CombinedOutput()
				got := strings.Fields(string(out))
				slices.Sort(got)
				wanted := strings.Fields(want)
				slices.Sort(wanted)
				if err != nil || !slices.Equal(got, wanted) {
					t.Errorf("genesis %q: %v, offers %q, want %q", word, err, out, want)
				}
			}
		})
	}
}

// asProgram returns a directory with a program byzd, which is this test binary (see TestMain).
func asProgram(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	text := fmt.Sprintf("#!/bin/sh\n%s=1 exec '%s' \"$@\"\n", byzdProcess, self)
	if err := os.WriteFile(filepath.Join(dir, "byzd"), []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}
