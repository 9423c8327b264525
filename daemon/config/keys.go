package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"byzd/crypto"
)

// ReadKeys reads the two secrets of a node: its network key, and the seed of its signing key, which
// needs the genesis' scheme to become one. It refuses key files that others than their owner can
// access. Errors never quote what the files hold.
func ReadKeys(h Home) (
	network crypto.NetworkKey, signingSeed [crypto.SeedSize]byte, err error,
) {
	seed, err := readSeed(h.NetworkKey())
	if err != nil {
		return network, signingSeed, fmt.Errorf("network key: %w", err)
	}
	if signingSeed, err = readSeed(h.SigningKey()); err != nil {
		return network, signingSeed, fmt.Errorf("signing key: %w", err)
	}
	return crypto.NewNetworkKey(seed), signingSeed, nil
}

// Rekey makes the next signing key of a home the first, and removes that one; likewise with the
// public halves. It can be done again after a crash in the middle, and then finds less to do. What
// a file system keeps of a removed file it does not promise to have wiped.
func Rekey(h Home) error {
	for _, move := range [][2]string{
		{h.NextMember(), h.Member()},
		{h.NextKey(), h.SigningKey()}, // the last: as long as it is there, there is something to do
	} {
		if err := os.Rename(move[0], move[1]); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return syncDir(string(h))
}

func readSeed(path string) ([crypto.SeedSize]byte, error) {
	seed, err := crypto.ReadSeed(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return seed, advise("make a home with its keys: byzd init --home DIR", "%w", err)
	case errors.Is(err, crypto.ErrSeedPermissions):
		return seed, advise("if nobody else can have read it: chmod 600 "+path+
			"; otherwise make new keys", "%w", err)
	case errors.Is(err, crypto.ErrSeedFormat):
		return seed, advise("restore the file from a copy; without it this node cannot come back, "+
			"and the members must replace it", "%w", err)
	}
	return seed, err
}
