package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"byzd/daemon/genesis/strict"
)

// Main runs byzd with a command line and returns its exit code. Data goes to stdout, everything
// else to stderr. Cancelling the context is what Ctrl-C does.
func Main(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	app := newApp()
	if words, ok := completing(args); ok {
		return report(ctx, stderr, complete(app, words, stdout))
	}
	app.Reader, app.Writer, app.ErrWriter = stdin, stdout, stderr
	ordered, err := arrange(app, args)
	if err == nil {
		err = app.RunContext(ctx, ordered)
	}
	return report(ctx, stderr, err)
}

func newApp() *cli.App {
	app := &cli.App{
		Name:                   "byzd",
		Usage:                  "agreement among nodes of which fewer than a third lie",
		HideVersion:            true,
		HideHelpCommand:        true,
		UseShortOptionHandling: false,
		// A traitor's specification holds commas: a flag that is repeated is the only list.
		DisableSliceFlagSeparator: true,
		Flags:                     globalFlags(),
		Commands:                  commands(),
		ExitErrHandler:            func(*cli.Context, error) {}, // report does it
		OnUsageError: func(_ *cli.Context, err error, _ bool) error {
			return usageError(err)
		},
		Action: unknownCommand,
	}
	prepare(app.Commands)
	return app
}

// The names of the global flags. They may stand before or behind the command.
const (
	flagHome      = "home"
	flagJSON      = "json"
	flagLogLevel  = "log-level"
	flagLogFormat = "log-format"
)

func globalFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{
			Name: flagHome, EnvVars: []string{"BYZD_HOME"},
			Usage: "`DIR` of the node's (or the testnet's) files",
		},
		&cli.BoolFlag{Name: flagJSON, Usage: "print JSON"},
		&cli.StringFlag{
			Name: flagLogLevel, EnvVars: []string{"BYZD_LOG_LEVEL"},
			Usage: "`LEVEL` of the log: debug, info, warn or error", DefaultText: "info",
		},
		&cli.StringFlag{
			Name: flagLogFormat, EnvVars: []string{"BYZD_LOG_FORMAT"},
			Usage: "`FORMAT` of the log: text or json", DefaultText: "text",
		},
	}
}

// prepare gives every command what all have in common.
func prepare(all []*cli.Command) {
	for _, c := range all {
		c.HideHelpCommand = true
		c.OnUsageError = func(_ *cli.Context, err error, _ bool) error { return usageError(err) }
		if len(c.Subcommands) > 0 && c.Action == nil {
			c.Action = unknownCommand
		}
		prepare(c.Subcommands)
	}
}

// unknownCommand is what happens when no command fits.
func unknownCommand(c *cli.Context) error {
	if !c.Args().Present() {
		return cli.ShowSubcommandHelp(c)
	}
	var names []string
	for _, known := range c.Command.VisibleCommands() {
		names = append(names, known.Name)
	}
	name, hint := c.Args().First(), "see "+c.Command.HelpName+" --help"
	if near := strict.Nearest(name, names); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	return usagef(hint, "there is no command %q", name)
}

// arguments returns the command's arguments if there are at least low and at most high of them;
// high < 0 means any number. what describes them for the person who got it wrong.
func arguments(c *cli.Context, low, high int, what string) ([]string, error) {
	args := c.Args().Slice()
	if len(args) < low || high >= 0 && len(args) > high {
		return nil, usagef(strings.TrimSpace("usage: "+c.Command.HelpName+" "+what),
			"%s takes %s, but %s given", c.Command.HelpName, takes(low, high), given(len(args)))
	}
	return args, nil
}

// takes says in words how many arguments a command takes; high < 0 means any number.
func takes(low, high int) string {
	switch {
	case high == 0:
		return "no arguments"
	case high < 0:
		return "at least " + counted(low)
	case low < high:
		return "at most " + counted(high)
	}
	return counted(low)
}

func counted(n int) string {
	if n == 1 {
		return "1 argument"
	}
	return strconv.Itoa(n) + " arguments"
}

func given(n int) string {
	switch n {
	case 0:
		return "none is"
	case 1:
		return "1 is"
	}
	return strconv.Itoa(n) + " are"
}
