package main

import (
	"github.com/urfave/cli/v2"
)

func memberCommand() *cli.Command {
	out := &cli.StringFlag{
		Name: "change", Value: "change.byzd", Usage: "`FILE` of the change; made, or added to",
	}
	return &cli.Command{
		Name: "member", Usage: "change who the members are",
		Description: "A change is a file: add and remove write it, enough administrators approve " +
			"it, and submit hands it to any member. Newcomers join with what invite writes. The " +
			"change is made by itself as soon as those whom it names are ready.",
		Subcommands: append([]*cli.Command{
			{
				Name: "list", Usage: "list the members, and the change that is announced",
				Flags: []cli.Flag{operatorFlag()}, Action: memberList,
			},
			{
				Name:        "add",
				Usage:       "write a change: more members, or new keys of old ones",
				Description: "The member.toml of a node that is a member replaces its signing key.",
				ArgsUsage:   "MEMBER.toml...", Flags: []cli.Flag{operatorFlag(), out},
				Action: memberAdd,
			},
			{
				Name: "remove", Usage: "write a change: fewer members", ArgsUsage: "NAME...",
				Flags: []cli.Flag{operatorFlag(), out}, Action: memberRemove,
			},
			{
				Name:  "params",
				Usage: "write a change: other parameters",
				Description: "They hold from the next epoch on. byzd genesis show lists those of " +
					"the first one, and without --set this command lists today's.",
				Flags: []cli.Flag{
					operatorFlag(), memberGenesisFlag(), out,
					&cli.StringSliceFlag{
						Name:  "set",
						Usage: "`KEY=VALUE`, such as view-timeout=2000; may be repeated",
					},
				},
				Action: memberParams,
			},
			{
				Name: "approve", Usage: "sign a change as an administrator", ArgsUsage: "FILE",
				Flags: []cli.Flag{
					&cli.StringFlag{Name: "key", Usage: "`FILE` of the administrator's key"},
					memberGenesisFlag(),
				},
				Action: memberApprove,
			},
			{
				Name: "submit", Usage: "hand a change that enough administrators signed to a node",
				ArgsUsage: "FILE",
				Flags: []cli.Flag{
					operatorFlag(),
					&cli.DurationFlag{Name: "wait", Usage: "until it is made, for so long at most"},
				},
				Action: memberSubmit,
			},
		}, memberJoinCommands()...),
	}
}

// memberJoinCommands are those for who comes, and for who wants to know.
func memberJoinCommands() []*cli.Command {
	return []*cli.Command{
		{
			Name: "invite", Usage: "write what a newcomer needs to find the members",
			Flags: []cli.Flag{
				operatorFlag(), memberGenesisFlag(),
				&cli.StringFlag{
					Name: "out", Value: "invitation.json", Usage: "write `FILE`",
				},
			},
			Action: memberInvite,
		},
		{
			Name: "join", Usage: "put an invitation into a newcomer's home",
			ArgsUsage: "INVITATION", Action: memberJoin,
		},
		{
			Name:   "rekey",
			Usage:  "make the signing key that is to take the place of a node's",
			Action: memberRekey,
		},
		{
			Name: "proof", Usage: "write what proves who the members are",
			Flags: []cli.Flag{
				operatorFlag(),
				&cli.StringFlag{Name: "out", Value: "epochs.byzd", Usage: "write `FILE`"},
			},
			Action: memberProof,
		},
		{
			Name:      "verify",
			Usage:     "verify such proofs with the genesis alone, and say who the members are",
			ArgsUsage: "FILE", Flags: []cli.Flag{memberGenesisFlag()}, Action: memberVerify,
		},
	}
}

func memberGenesisFlag() cli.Flag {
	return &cli.StringFlag{
		Name: "genesis", Usage: "`FILE` of the genesis (default: that in --home)",
	}
}
