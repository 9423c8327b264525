package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"byzd/pbft/message"
	"byzd/testnet/judge"
)

// shownProof is a good proof with what was signed.
type shownProof struct {
	verifiedProof

	Epoch      uint64   `json:"epoch,omitempty"`
	Convicts   bool     `json:"convicts"`
	Statements []string `json:"statements"`
	Bytes      int      `json:"bytes"`
}

// showEvidence checks a proof and prints the statements that contradict each other.
func showEvidence(c *cli.Context) error {
	s, e, file, err := oneProof(c)
	if err != nil {
		return err
	}
	name := s.nameOf(e.In, e.Culprit)
	p := shownProof{
		verifiedProof: verifiedProof{
			Name: filepath.Base(file), Kind: e.Kind.String(), Culprit: name,
			Text: judge.Describe(nodeWord(s, name), e.Evidence),
		},
		Epoch: e.In.Epoch, Convicts: e.Kind.Convicts(), Statements: statementsOf(s, e),
		Bytes: len(message.EncodeProof(e.In, e.Evidence, e.Chain...)),
	}
	if c.Bool(flagJSON) {
		return json.NewEncoder(c.App.Writer).Encode(p)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n  kind      %s\n  culprit   %s\n", p.Text, p.Kind, nodeWord(s, name))
	if p.Epoch > 0 {
		fmt.Fprintf(&b, "  epoch     %d\n", p.Epoch)
	}
	for _, line := range p.Statements {
		fmt.Fprintf(&b, "  signed    %s\n", line)
	}
	fmt.Fprintf(&b, "  size      %d bytes\n", p.Bytes)
	_, err = c.App.Writer.Write([]byte(b.String()))
	return err
}

// statementsOf tells what was signed, and by whom.
func statementsOf(s *scope, e *message.OpenedProof) []string {
	var lines []string
	for _, st := range []*message.Statement{&e.First, &e.Second} {
		if st.Kind == 0 {
			continue
		}
		line := message.DescribeStatement(st.Kind, st.Body)
		if members := st.Signers.Members(); len(members) > 0 {
			names := make([]string, len(members))
			for i, m := range members {
				names[i] = nodeWord(s, s.nameOf(e.In, m))
			}
			line += ", in a certificate of " + strings.Join(names, ", ")
		}
		lines = append(lines, line)
	}
	for i := range e.Headers {
		h := &e.Headers[i]
		lines = append(lines, fmt.Sprintf("named by it: batch %s, number %d, on top of %s",
			h.Digest().Short(), h.Seq, h.Parent.Short()))
	}
	return lines
}
