package main

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"byzd/daemon/genesis/strict"
)

// arrange lets flags stand anywhere on the command line: the library stops at the first argument
// and would take what follows for more of them. Global flags go to the front, a command's own
// behind its name, arguments to the end. A flag that nobody knows is an error; behind "--" nothing
// is a flag.
func arrange(app *cli.App, args []string) ([]string, error) {
	if len(args) == 0 {
		return args, nil
	}
	a := arranger{globals: app.Flags, commands: app.Commands}
	for rest := args[1:]; len(rest) > 0; {
		used, err := a.take(rest)
		if err != nil {
			return nil, err
		}
		rest = rest[used:]
	}
	out := append([]string{args[0]}, a.front...)
	for i, name := range a.path {
		out = append(out, name)
		if i == len(a.path)-1 {
			out = append(out, a.own...)
		}
	}
	if len(a.path) == 0 {
		out = append(out, a.own...)
	}
	if len(a.positional) > 0 {
		out = append(append(out, "--"), a.positional...)
	}
	return out, nil
}

type arranger struct {
	globals, flags []cli.Flag // of the application, and of the command so far
	commands       []*cli.Command
	path           []string
	front, own     []string
	positional     []string
}

// take sorts in the next word, with its value where it is a flag that wants one, and returns how
// many words that were.
func (a *arranger) take(rest []string) (int, error) {
	word := rest[0]
	switch {
	case word == "--":
		a.positional = append(a.positional, rest[1:]...)
		return len(rest), nil
	case len(word) < 2 || word[0] != '-':
		a.word(word)
		return 1, nil
	case word == "-h" || word == "--help":
		a.own = append(a.own, word)
		return 1, nil
	}
	name, value, joined := strings.Cut(strings.TrimLeft(word, "-"), "=")
	to := &a.own
	flag := find(a.flags, name)
	if flag == nil {
		flag, to = find(a.globals, name), &a.front
	}
	if flag == nil {
		return 0, usagef(suggest(name, a.flags, a.globals), "there is no flag %s here", word)
	}
	used := 2
	if _, boolean := flag.(*cli.BoolFlag); boolean || joined {
		used = 1
	}
	if len(rest) < used {
		return 0, usagef("", "flag %s wants a value", word)
	}
	if used == 2 {
		value = rest[1]
	}
	if used == 2 || joined {
		if err := checkFlag(flag, value); err != nil {
			return 0, err
		}
	}
	*to = append(*to, rest[:used]...)
	return used, nil
}

// checkFlag refuses a value that the flag cannot have, before the library does in its own words.
func checkFlag(flag cli.Flag, value string) (err error) {
	var want, hint string
	name := "--" + flag.Names()[0]
	switch flag.(type) {
	case *cli.IntFlag, *cli.Int64Flag:
		_, err = strconv.ParseInt(value, 0, 64)
		want, hint = "a whole number", name+" 4"
	case *cli.Uint64Flag:
		_, err = strconv.ParseUint(value, 0, 64)
		want, hint = "a whole number from 0", name+" 4"
	case *cli.DurationFlag:
		_, err = time.ParseDuration(value)
		want, hint = "a time", name+" 10s, 500ms or 2m"
	case *cli.BoolFlag:
		_, err = strconv.ParseBool(value)
		want, hint = "true or false", name+", or "+name+"=false"
	}
	if err != nil {
		return usagef("for instance "+hint, "%s %.60q is not %s", name, value, want)
	}
	return nil
}

// word is a command's name, as long as there are commands to name, or an argument.
func (a *arranger) word(word string) {
	if len(a.positional) == 0 {
		for _, c := range a.commands {
			if c.HasName(word) {
				a.path = append(a.path, word)
				a.flags, a.commands = c.Flags, c.Subcommands
				return
			}
		}
	}
	a.positional = append(a.positional, word)
}

func find(flags []cli.Flag, name string) cli.Flag {
	for _, f := range flags {
		if slices.Contains(f.Names(), name) {
			return f
		}
	}
	return nil
}

// suggest names the flag that was probably meant.
func suggest(name string, lists ...[]cli.Flag) string {
	var names []string
	for _, flags := range lists {
		for _, f := range flags {
			if v, ok := f.(cli.VisibleFlag); !ok || v.IsVisible() {
				names = append(names, f.Names()[0])
			}
		}
	}
	if near := strict.Nearest(name, names); near != "" {
		return "did you mean --" + near + "?"
	}
	return "see --help of the command"
}
