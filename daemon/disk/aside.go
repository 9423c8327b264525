package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// MoveAside moves the files of dir whose names begin with prefix into a directory of dir, which it
// makes if it is missing, durably, and returns that directory's path. It never replaces a file.
// When it fails, or a crash interrupts it, some have been moved.
func MoveAside(dir, prefix, to string) (string, error) {
	if !goodPart(to) {
		return "", fmt.Errorf("%w: %.80q", ErrName, to)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", named(err)
	}
	target := filepath.Join(dir, to)
	if err := os.MkdirAll(target, 0o700); err != nil {
		return "", named(err)
	}
	for _, e := range entries {
		if e.IsDir() || !strings.HasPrefix(e.Name(), prefix) {
			continue
		}
		path := filepath.Join(target, e.Name())
		if _, err := os.Lstat(path); err == nil {
			return "", fmt.Errorf("%s is in the way: %w", path, os.ErrExist)
		}
		if err := os.Rename(filepath.Join(dir, e.Name()), path); err != nil {
			return "", named(err)
		}
	}
	return target, errors.Join(syncPath(target), syncPath(dir))
}

// syncPath makes the names in a directory durable.
func syncPath(dir string) error {
	f, err := os.Open(filepath.Clean(dir))
	if err != nil {
		return named(err)
	}
	return named(errors.Join(f.Sync(), f.Close()))
}
