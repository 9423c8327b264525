package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"byzd/pbft/message"
	"byzd/testnet/judge"
)

func forensicsCommand() *cli.Command {
	return &cli.Command{
		Name:      "forensics",
		Usage:     "find out from what correct nodes keep who broke agreement",
		ArgsUsage: "[HOME|PROOF]...",
		Description: "Reads the journals and archives in the homes of nodes that are trusted,\n" +
			"running or not, and files of proofs; of a testnet's home, the nodes that are no\n" +
			"traitors.\n" +
			"Those of the guilty are not needed: nobody hands out what convicts him.\n" +
			"If two batches were certified for one sequence number, more than f members lied;\n" +
			"at least f+1 are named, each with a proof that byzd evidence verify accepts.\n" +
			"Exit code 4: there is a fork; 3: something could not be read; 0: there is none.",
		Flags: []cli.Flag{
			genesisFlag(), epochsFlag(),
			&cli.StringFlag{
				Name: "evidence", DefaultText: "evidence/ in the first home",
				Usage: "`DIR` for the proofs that are found",
			},
		},
		Action: forensics,
	}
}

func forensics(c *cli.Context) error {
	sources, err := arguments(c, 0, maxSources, "[HOME|PROOF]... | --home DIR")
	if err != nil {
		return err
	}
	if home := c.String(flagHome); home != "" {
		sources = append([]string{home}, sources...)
	}
	s, proofs, err := findSources(c, sources)
	if err != nil {
		return err
	}
	bar := newProgress(c.App.ErrWriter)
	h := judge.NewHistory(s.cluster)
	h.Numbered, h.Progress = s.numbered, bar.show
	for _, end := range s.epochs {
		h.HearIn(end.Manifest.Header.Epoch, end)
	}
	for _, p := range proofs {
		for _, end := range p.Chain {
			h.HearIn(end.Manifest.Header.Epoch, end)
		}
		h.HearIn(p.In.Epoch, p.Evidence)
	}
	if err := h.Read(c.Context, s.nodes); err != nil {
		bar.clear()
		return err
	}
	f := judge.Investigate(h)
	bar.clear()
	if s.proofs != "" {
		if err := h.WriteFindings(f, s.proofs); err != nil {
			f.Notes = append(f.Notes, fmt.Sprintf("the proofs are not on disk: %v", err))
		}
	}
	if err := printForensics(c, s, f); err != nil {
		return err
	}
	switch {
	case len(f.Forks) > 0:
		return silent(judge.ExitBroken)
	case h.Gaps() > 0:
		return silent(judge.ExitNoProgress)
	}
	return nil
}

// maxSources bounds the homes and files on one command line: those of all members, and all proofs.
const maxSources = 4096

// findSources sorts out what was named: homes of testnets and of nodes, and proofs.
func findSources(c *cli.Context, sources []string) (*scope, []*message.OpenedProof, error) {
	const hint = "name the homes of nodes that you trust, or that of a testnet, and files of " +
		"proofs with --genesis FILE"
	var s *scope
	var files []string
	for _, source := range sources {
		info, err := os.Stat(source)
		if err != nil {
			return nil, nil, failf(exitFailed, hint, "%w", err)
		}
		if !info.IsDir() {
			files = append(files, source)
			continue
		}
		found, err := homeScope(c, source, hint)
		if err != nil {
			return nil, nil, err
		}
		if s == nil {
			s = found
			s.nodes = trusted(found.nodes)
			continue
		}
		if found.cluster.Cluster != s.cluster.Cluster {
			return nil, nil, failf(exitFailed, "name homes of one network", "%s is of cluster %s, "+
				"and the first home of cluster %s", source, found.cluster.Cluster.Short(),
				s.cluster.Cluster.Short())
		}
		s.nodes = append(s.nodes, trusted(found.nodes)...)
	}
	if s == nil {
		if c.String("genesis") == "" {
			return nil, nil, usagef(hint, "nothing is named to be looked into")
		}
		var err error
		if s, err = newScope(c, ""); err != nil {
			return nil, nil, err
		}
		s.proofs = ""
	}
	if dir := c.String("evidence"); dir != "" {
		s.proofs = dir
	}
	s.title = fmt.Sprintf("%d journals and %d proofs", len(s.nodes), len(files))
	proofs, err := readProofs(s, files)
	return s, proofs, err
}

// trusted leaves out a testnet's traitors: forensics does without what they keep.
func trusted(nodes []judge.Node) []judge.Node {
	var list []judge.Node
	for _, n := range nodes {
		if !n.Traitor {
			n.Operator = "" // its files tell
			list = append(list, n)
		}
	}
	return list
}

func readProofs(s *scope, files []string) ([]*message.OpenedProof, error) {
	var proofs []*message.OpenedProof
	for _, file := range files {
		p, err := judge.ReadProof(s.cluster, s.epochs, file)
		if err != nil {
			return nil, failf(exitFailed, "see that file and genesis are the right ones",
				"%s proves nothing: %w", file, err)
		}
		proofs = append(proofs, p)
	}
	return proofs, nil
}

// inEpoch says of which epoch something is, if it is not the first.
func inEpoch(epoch uint64) string {
	if epoch == 0 {
		return ""
	}
	return fmt.Sprintf(" in epoch %d", epoch)
}

// printForensics prints the findings for people or for programs.
func printForensics(c *cli.Context, s *scope, f *judge.Forensics) error {
	if c.Bool(flagJSON) {
		encoder := json.NewEncoder(c.App.Writer)
		encoder.SetIndent("", "  ")
		return encoder.Encode(f)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "forensics on %s\n\n", s.title)
	if len(f.Forks) == 0 {
		b.WriteString("  no fork: no two certificates contradict each other\n")
	}
	for _, fork := range f.Forks {
		fmt.Fprintf(&b, "  fork      at sequence number %d%s\n            %s\n            %s\n"+
			"  cause     %s\n",
			fork.Sequence, inEpoch(fork.Epoch), fork.One, fork.Other, fork.Cause)
		if fork.Unproven != "" {
			fmt.Fprintf(&b, "  missing   %s\n", fork.Unproven)
		}
	}
	if len(f.Culprits) > 0 {
		fmt.Fprintf(&b, "\n  %d guilty", len(f.Culprits))
		if len(f.Forks) > 0 {
			fmt.Fprintf(&b, "; a fork takes %d at least", f.Needed)
		}
		b.WriteString("\n")
	}
	for _, name := range f.Culprits {
		fmt.Fprintf(&b, "  culprit   %s\n", nodeWord(s, name))
		for _, p := range f.Evidence {
			if p.Culprit == name {
				fmt.Fprintf(&b, "  proof     %s %s\n", p.Kind, filepath.Clean(p.File))
			}
		}
	}
	_, err := io.WriteString(c.App.Writer, b.String())
	for _, note := range f.Notes {
		_, _ = fmt.Fprintf(c.App.ErrWriter, "byzd: note: %s\n", note)
	}
	return err
}
