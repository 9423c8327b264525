package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/urfave/cli/v2"

	"byzd/daemon/config"
	"byzd/daemon/disk"
	"byzd/daemon/promises"
)

func recoverCommand() *cli.Command {
	return &cli.Command{
		Name:  "recover",
		Usage: "let a node recover whose disk does not hold all that it has voted",
		Description: "A node that lost its disk, or whose data directory was put back to an " +
			"older state, notices\nand recovers by itself when it is started: it is for nodes " +
			"that cannot notice, for instance after\nall nodes were restored at once, and for " +
			"nodes that an older byzd stopped with AMNESIA.\n\nThe node's next start votes for " +
			"nothing. It asks the other members in which views it may have voted,\nfetches what " +
			"was decided, and votes again two views later, which they see to. Until then it " +
			"counts as\none of the members that may be faulty: recover one node at a time. " +
			"Nothing is deleted; a damaged\njournal is set aside in the data directory.",
		Action: recoverNode,
	}
}

func recoverNode(c *cli.Context) error {
	if _, err := arguments(c, 0, 0, "--home DIR"); err != nil {
		return err
	}
	home := config.Home(c.String(flagHome))
	if home == "" {
		return usagef("byzd recover --home DIR", "no home is named")
	}
	if _, err := os.Stat(home.NetworkKey()); errors.Is(err, fs.ErrNotExist) {
		return failf(exitFailed, "make one with: byzd init --home "+string(home),
			"%s is not a node's home: %s is missing", home, home.NetworkKey())
	}
	unlock, err := disk.Lock(string(home))
	if errors.Is(err, disk.ErrLocked) {
		return failf(exitFailed, "stop that process first", "the node runs: %w", err)
	}
	if err != nil {
		return err
	}
	d, err := disk.OS(home.Data())
	if err == nil {
		err = promises.Forget(d, "byzd recover was called")
	}
	if err := errors.Join(err, unlock()); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.App.ErrWriter, "The next start of the node in %s recovers: it votes "+
		"for nothing before the other\nmembers have told it in which views it may.\n"+
		"  byzd run --home %s\n", home, home)
	return err
}
