package main

import (
	_ "embed"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"
)

// completionWord ends a command line that a shell wants to have completed. It is the library's own
// word, but its answers know neither global flags nor flags behind arguments; complete does.
const completionWord = "--generate-bash-completion"

//go:embed completion/byzd.bash
var completionBash string

//go:embed completion/byzd.zsh
var completionZsh string

//go:embed completion/byzd.fish
var completionFish string

func completionCommand() *cli.Command {
	return &cli.Command{
		Name: "completion", Usage: "print the completions of a shell: bash, zsh or fish",
		ArgsUsage: "SHELL",
		Action: func(c *cli.Context) error {
			args, err := arguments(c, 1, 1, "bash|zsh|fish")
			if err != nil {
				return err
			}
			script, ok := map[string]string{
				"bash": completionBash, "zsh": completionZsh, "fish": completionFish,
			}[args[0]]
			if !ok {
				return usagef("there are bash, zsh and fish", "no completions for %.40q", args[0])
			}
			_, err = io.WriteString(c.App.Writer, script)
			return err
		},
	}
}

// completing returns the words before the cursor, the last of which may be empty, if a shell asks.
func completing(args []string) ([]string, bool) {
	if len(args) < 2 || args[len(args)-1] != completionWord {
		return nil, false
	}
	return args[1 : len(args)-1], true
}

// complete prints the words that may stand where the last of words does, one a line; none where
// file names are as good a guess.
func complete(app *cli.App, words []string, out io.Writer) error {
	current := ""
	if len(words) > 0 {
		current, words = words[len(words)-1], words[:len(words)-1]
	}
	for _, candidate := range candidates(app, words, current) {
		if !strings.HasPrefix(candidate, current) {
			continue
		}
		if _, err := fmt.Fprintln(out, candidate); err != nil {
			return err
		}
	}
	return nil
}

func candidates(app *cli.App, words []string, current string) []string {
	a := arranger{globals: app.Flags, commands: app.Commands}
	for len(words) > 0 {
		used, err := a.take(words)
		if err != nil {
			return nil // a flag that nobody knows, or one that waits for its value
		}
		words = words[used:]
	}
	var list []string
	if strings.HasPrefix(current, "-") {
		for _, flags := range [][]cli.Flag{a.flags, a.globals} {
			for _, f := range flags {
				if v, ok := f.(cli.VisibleFlag); !ok || v.IsVisible() {
					list = append(list, "--"+f.Names()[0])
				}
			}
		}
		return append(list, "--help")
	}
	if len(a.positional) > 0 {
		return nil
	}
	for _, c := range a.commands {
		if !c.Hidden {
			list = append(list, c.Name)
		}
	}
	if len(a.path) == 1 && a.path[0] == "completion" {
		list = append(list, "bash", "zsh", "fish")
	}
	return list
}
