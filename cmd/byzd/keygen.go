package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"byzd/crypto"
	"byzd/daemon/genesis"
)

func keygenCommand() *cli.Command {
	return &cli.Command{
		Name: "keygen", Usage: "make a key file, or show the public half of one",
		ArgsUsage: "FILE",
		Flags: []cli.Flag{
			schemeFlag(),
			&cli.BoolFlag{Name: "show", Usage: "make nothing: FILE exists already"},
		},
		Action: keygen,
	}
}

func keygen(c *cli.Context) error {
	args, err := arguments(c, 1, 1, "FILE [--show] [--scheme SCHEME]")
	if err != nil {
		return err
	}
	scheme, err := crypto.SchemeByName(c.String(flagScheme))
	if err != nil {
		return usageError(err)
	}
	seed, err := seedOf(args[0], c.Bool("show"))
	if err != nil {
		return err
	}
	signer, err := scheme.NewSigner(seed)
	if err != nil {
		return fmt.Errorf("key of %s: %w", scheme.Name(), err)
	}
	m := genesis.NewMember("", crypto.NewNetworkKey(seed), signer)
	id := identity{
		File: args[0], Scheme: scheme.Name(), Peer: m.ID.String(), Key: genesis.EncodeKey(m.Key),
		Proof: genesis.EncodeKey(m.Proof),
	}
	if c.Bool(flagJSON) {
		return json.NewEncoder(c.App.Writer).Encode(id)
	}
	w := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(w, "peer\t%s\t(as a network key)\nkey\t%s\t(as a signing key of %s)\n",
		id.Peer, id.Key, id.Scheme)
	if id.Proof != "" {
		_, _ = fmt.Fprintf(w, "proof\t%s\t(of its possession)\n", id.Proof)
	}
	return w.Flush()
}

// seedOf reads the seed in a file, or makes both.
func seedOf(path string, exists bool) (seed [crypto.SeedSize]byte, err error) {
	if exists {
		seed, err = crypto.ReadSeed(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			err = failf(exitFailed, "make it: byzd keygen "+path, "%w", err)
		case errors.Is(err, crypto.ErrSeedPermissions):
			err = failf(exitFailed, "if nobody else can have read it: chmod 600 "+path+
				"; otherwise make another key", "%w", err)
		case errors.Is(err, crypto.ErrSeedFormat):
			err = failf(exitFailed, "it is another file, or damaged: restore it from a copy, or "+
				"make another key with byzd keygen FILE", "%w", err)
		}
		return seed, err
	}
	if seed, err = crypto.NewSeed(); err != nil {
		return seed, err
	}
	err = crypto.WriteSeed(path, seed)
	if errors.Is(err, fs.ErrExist) {
		err = failf(exitFailed, "show its public half: byzd keygen --show "+path,
			"a key is never overwritten: %w", err)
	}
	return seed, err
}
