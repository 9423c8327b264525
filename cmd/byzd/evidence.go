package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"byzd/pbft/message"
	"byzd/testnet/judge"
)

func evidenceCommand() *cli.Command {
	return &cli.Command{
		Name: "evidence", Usage: "proofs of lies",
		Subcommands: []*cli.Command{
			{
				Name: "list", Usage: "list the proofs in the home of a testnet or of a node",
				Flags:  []cli.Flag{genesisFlag(), epochsFlag()},
				Action: listEvidence,
			},
			{
				Name: "verify", ArgsUsage: "FILE",
				Usage:  "check a proof with nothing but the genesis",
				Flags:  []cli.Flag{genesisFlag(), epochsFlag()},
				Action: verifyEvidence,
			},
			{
				Name: "show", ArgsUsage: "FILE",
				Usage:  "check a proof, and show what was signed",
				Flags:  []cli.Flag{genesisFlag(), epochsFlag()},
				Action: showEvidence,
			},
		},
	}
}

// listedProof is a line of the list.
type listedProof struct {
	Name    string      `json:"name"`
	Kind    string      `json:"kind,omitempty"`
	Culprit *judge.Name `json:"culprit,omitempty"`
	File    string      `json:"file"`
	Error   string      `json:"error,omitempty"` // why it proves nothing
}

func listEvidence(c *cli.Context) error {
	if _, err := arguments(c, 0, 0, "--home DIR"); err != nil {
		return err
	}
	const hint = "name a testnet's or a node's directory with --home DIR"
	if c.String(flagHome) == "" {
		return usagef(hint, "nothing is named to be listed")
	}
	s, err := homeScope(c, c.String(flagHome), hint)
	if err != nil {
		return err
	}
	list, err := findProofs(s)
	if err != nil {
		return err
	}
	if c.Bool(flagJSON) {
		return json.NewEncoder(c.App.Writer).Encode(list)
	}
	if len(list) == 0 {
		_, err := fmt.Fprintln(c.App.ErrWriter, "There are no proofs.")
		return err
	}
	w := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "NAME\tCULPRIT\tKIND")
	for _, p := range list {
		if p.Error != "" {
			_, _ = fmt.Fprintf(w, "%s\t-\tproves nothing: %s\n", p.Name, p.Error)
			continue
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\n", p.Name, nodeWord(s, *p.Culprit), p.Kind)
	}
	return w.Flush()
}

// findProofs lists the judge's proofs of a testnet and those in every node's home.
func findProofs(s *scope) ([]listedProof, error) {
	list := []listedProof{}
	dirs := []string{s.proofs}
	for _, n := range s.nodes {
		if dir := judge.EvidenceDir(n.Home); dir != s.proofs {
			dirs = append(dirs, dir)
		}
	}
	for i, dir := range dirs {
		found, err := judge.ListProofs(s.cluster, s.epochs, dir)
		if err != nil {
			return nil, err
		}
		for _, p := range found {
			l := listedProof{Name: p.Name, Kind: p.Kind, File: p.File}
			if i > 0 {
				l.Name = filepath.Join(filepath.Base(filepath.Dir(dir)), p.Name)
			}
			if p.Err != nil {
				l.Error = p.Err.Error()
			} else {
				l.Culprit = new(s.nameOf(p.In, p.Culprit))
			}
			list = append(list, l)
		}
	}
	return list, nil
}

// nameOf is what a member of an epoch is called: its number in a testnet, as far as that is known,
// its name elsewhere.
func (s *scope) nameOf(in *message.Config, member int) judge.Name {
	m := &in.Members[member]
	if !s.numbered {
		return judge.Name{Text: m.Name}
	}
	if i := s.cluster.Member(m.Node); i >= 0 {
		return judge.Name{Number: i}
	}
	for _, n := range s.nodes {
		if n.Number >= 0 && n.Name == m.Name {
			return judge.Name{Number: n.Number}
		}
	}
	return judge.Name{Text: m.Name}
}

// verifiedProof is what a good proof says.
type verifiedProof struct {
	Name    string     `json:"name"`
	Kind    string     `json:"kind"`
	Culprit judge.Name `json:"culprit"`
	Text    string     `json:"text"`
}

func verifyEvidence(c *cli.Context) error {
	s, e, file, err := oneProof(c)
	if err != nil {
		return err
	}
	name := s.nameOf(e.In, e.Culprit)
	text := judge.Describe(nodeWord(s, name), e.Evidence)
	if c.Bool(flagJSON) {
		return json.NewEncoder(c.App.Writer).Encode(verifiedProof{
			Name: filepath.Base(file), Kind: e.Kind.String(), Culprit: name, Text: text,
		})
	}
	_, err = fmt.Fprintln(c.App.Writer, text)
	return err
}

// oneProof reads and verifies the proof that the command line names.
func oneProof(c *cli.Context) (s *scope, e *message.OpenedProof, file string, err error) {
	args, err := arguments(c, 1, 1, "FILE --genesis FILE")
	if err != nil {
		return nil, nil, "", err
	}
	home := c.String(flagHome)
	if home == "" && c.String("genesis") == "" {
		return nil, nil, "", usagef(
			"add --genesis FILE", "a proof cannot be checked without the members' keys")
	}
	if s, err = newScope(c, home); err != nil {
		return nil, nil, "", err
	}
	e, err = judge.ReadProof(s.cluster, s.epochs, args[0])
	switch {
	case errors.Is(err, message.RefusedEpoch):
		err = failf(exitFailed, "byzd member proof writes what leads there from the genesis; name "+
			"it with --epochs FILE", "%s: %w", args[0], err)
	case errors.Is(err, message.ErrProof):
		err = failf(exitFailed, "see that file and genesis are the right ones, and unchanged",
			"%s proves nothing: %w", args[0], err)
	case errors.Is(err, fs.ErrNotExist):
		err = failf(exitFailed, "byzd evidence list --home DIR lists proofs", "%w", err)
	}
	return s, e, args[0], err
}
