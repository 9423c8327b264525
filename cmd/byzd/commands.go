package main

import "github.com/urfave/cli/v2"

// commands lists every command of byzd; each stands in a file of its name.
func commands() []*cli.Command {
	return []*cli.Command{
		benchCommand(),
		casCommand(),
		completionCommand(),
		configCommand(),
		delCommand(),
		evidenceCommand(),
		forensicsCommand(),
		genesisCommand(),
		getCommand(),
		initCommand(),
		keygenCommand(),
		memberCommand(),
		membersCommand(),
		nemesisCommand(),
		putCommand(),
		recoverCommand(),
		rejuvenateCommand(),
		runCommand(),
		simCommand(),
		statusCommand(),
		testnetCommand(),
		traitorCommand(),
		verdictCommand(),
		versionCommand(),
	}
}
