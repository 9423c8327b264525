package main

import "github.com/urfave/cli/v2"

// commands lists every command of byzd; each stands in a file of its name.
func commands() []*cli.Command {
	return []*cli.Command{
		completionCommand(),
		configCommand(),
		genesisCommand(),
		initCommand(),
		keygenCommand(),
		membersCommand(),
		runCommand(),
		statusCommand(),
		testnetCommand(),
		traitorCommand(),
		versionCommand(),
	}
}
