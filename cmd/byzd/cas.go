package main

import (
	"context"

	"github.com/urfave/cli/v2"

	"byzd/daemon/client"
	"byzd/daemon/kv"
)

const flagAbsent = "absent"

func casCommand() *cli.Command {
	return &cli.Command{
		Name: "cas", Usage: "write a key if it holds what is expected (compare and swap)",
		ArgsUsage: "KEY OLD NEW",
		Flags: clientFlags(&cli.BoolFlag{
			Name: flagAbsent, Usage: "expect that there is no such key; the arguments are KEY NEW",
		}),
		Action: func(c *cli.Context) error {
			key, expect, value, err := casArguments(c)
			if err != nil {
				return err
			}
			return withClient(c, func(ctx context.Context, to *client.Client) error {
				r, err := to.CompareAndSwap(ctx, []byte(key), expect, value)
				if err != nil {
					return err
				}
				return casResult(c, key, &r)
			})
		},
	}
}

// casArguments reads KEY OLD NEW, or KEY NEW where the key must be absent; then expect is nil.
func casArguments(c *cli.Context) (key string, expect, value []byte, err error) {
	what, count := "KEY OLD NEW", 3
	if c.Bool(flagAbsent) {
		what, count = "--absent KEY NEW", 2
	}
	args, err := arguments(c, count, count, what)
	if err != nil {
		return "", nil, nil, err
	}
	if count == 3 {
		if args[1] == "-" && args[2] == "-" {
			return "", nil, nil, usagef("only one of OLD and NEW can be -",
				"standard input can be read once")
		}
		if expect, err = valueArgument(c, args[1]); err != nil {
			return "", nil, nil, err
		}
		if expect == nil {
			expect = []byte{} // an empty value, and not no key
		}
	}
	value, err = valueArgument(c, args[count-1])
	return args[0], expect, value, err
}

// casJSON is the answer to a compare and swap.
type casJSON struct {
	Succeeded bool       `json:"succeeded"`
	Revision  int64      `json:"revision"`
	Found     *entryJSON `json:"found,omitempty"` // what is there, if it did not succeed
}

// casResult says what became of it. A key that holds something else is a failure.
func casResult(c *cli.Context, key string, r *kv.Result) error {
	out := casJSON{Succeeded: r.Succeeded, Revision: r.Revision}
	if r.Succeeded {
		return show(c, out, "OK")
	}
	if len(r.KVs) > 0 {
		out.Found = entryOf(&r.KVs[0])
	}
	if c.Bool(flagJSON) {
		if err := show(c, out, ""); err != nil {
			return err
		}
		return silent(exitFailed)
	}
	if out.Found == nil {
		return failf(exitFailed, "to write a key that is not there: byzd cas --absent KEY NEW",
			"nothing was changed: key %q is not there", key)
	}
	return failf(exitFailed, "", "nothing was changed: key %q holds %.200q", key, r.KVs[0].Value)
}
