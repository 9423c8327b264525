package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/urfave/cli/v2"

	"byzd/testnet/judge"
	"byzd/testnet/judge/linear"
)

func verdictCommand() *cli.Command {
	return &cli.Command{
		Name:  "verdict",
		Usage: "judge a network by what its nodes signed and executed, live or stopped",
		Description: "--home is the directory of a testnet, running or not, or of one node,\n" +
			"whose log is then judged alone. --endpoints judges running nodes by what they\n" +
			"hand out.\n" +
			"Exit code 4: agreement, validity, integrity or linearisability is broken;\n" +
			"3: no progress, or something is unknown; 0: held.",
		Flags: []cli.Flag{
			&cli.StringFlag{
				Name: "endpoints", Usage: "operator endpoints of the nodes, `URL[,URL]...`",
			},
			genesisFlag(),
			&cli.DurationFlag{
				Name: "bound", Value: judge.BoundDefault,
				Usage: "how long what is pending in a running network may take; waited for at most",
			},
			&cli.StringFlag{
				Name: "evidence", DefaultText: "evidence/ in the home",
				Usage: "`DIR` for the proofs that are found",
			},
		},
		Action: verdict,
	}
}

func genesisFlag() cli.Flag {
	return &cli.StringFlag{
		Name: "genesis", DefaultText: "genesis.toml in the home",
		Usage: "the network's genesis `FILE`",
	}
}

func verdict(c *cli.Context) error {
	if _, err := arguments(c, 0, 0, "--home DIR | --endpoints URL,... --genesis FILE"); err != nil {
		return err
	}
	if c.Duration("bound") <= 0 {
		return usagef("for instance --bound 30s", "the bound is %v", c.Duration("bound"))
	}
	s, err := findScope(c)
	if err != nil {
		return err
	}
	bar := newProgress(c.App.ErrWriter)
	h := judge.NewHistory(s.cluster)
	h.Numbered, h.Progress = s.numbered, bar.show
	h.Notice = func(text string) { say(c, "byzd: note: %s", text) }
	live, lies, err := judge.Watch(c.Context, h, s.nodes, c.Duration("bound"))
	if errors.Is(err, judge.ErrGenesis) {
		err = failf(exitFailed, "name the genesis of the nodes with --genesis, and nodes of one "+
			"cluster only with --endpoints", "%w", err)
	}
	if err == nil {
		s.dropSurplus()
		err = h.Read(c.Context, s.nodes)
	}
	if err != nil {
		bar.clear()
		return err
	}
	v := judge.Judge(h, live)
	bar.clear()
	v.TellLies(lies)
	tellHistory(c.String(flagHome), v)
	if err := h.WriteProofs(v, s.proofs); err != nil {
		v.Notes = append(v.Notes, fmt.Sprintf("the proofs are not on disk: %v", err))
	}
	if err := printVerdict(c, s, v); err != nil {
		return err
	}
	if code := v.ExitCode(); code != judge.ExitHeld {
		return silent(code)
	}
	return nil
}

// historyTime bounds the check of a recorded history.
const historyTime = time.Minute

// tellHistory adds what the clients saw, if byzd nemesis has recorded it in the home.
func tellHistory(home string, v *judge.Verdict) {
	if home == "" {
		return
	}
	r, found, err := linear.CheckFile(home, historyTime)
	switch {
	case err != nil:
		v.TellHistory(judge.Unknown, err.Error())
	case found:
		r.Tell(v)
	}
}

// printVerdict prints the table, or the result for programs and the reasons beside it.
func printVerdict(c *cli.Context, s *scope, v *judge.Verdict) error {
	if !c.Bool(flagJSON) {
		return writeVerdict(c.App.Writer, s, v)
	}
	writeReasons(c.App.ErrWriter, v)
	encoder := json.NewEncoder(c.App.Writer)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v.Result)
}

// writeReasons says why what is not held is not.
func writeReasons(w io.Writer, v *judge.Verdict) {
	for _, f := range v.Findings {
		if f.Property != judge.Linearizable || f.State == judge.Broken {
			_, _ = fmt.Fprintf(w, "byzd: %s is %s: %s\n", f.Property, f.State, f.Text)
		}
	}
	for _, note := range v.Notes {
		_, _ = fmt.Fprintf(w, "byzd: note: %s\n", note)
	}
}
