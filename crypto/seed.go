package crypto

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// seedSalt keeps our derived seeds apart from those that others derive from the same bytes.
const seedSalt = "byzd/seed/1"

// NewSeed draws a seed from the system's source of randomness.
func NewSeed() ([SeedSize]byte, error) {
	var seed [SeedSize]byte
	if _, err := rand.Read(seed[:]); err != nil {
		return seed, fmt.Errorf("draw seed: %w", err)
	}
	return seed, nil
}

// DeriveSeed returns a seed that is independent of seed and of those for other labels to everyone
// who does not know seed (HKDF with SHA-256).
func DeriveSeed(seed [SeedSize]byte, label string) [SeedSize]byte {
	key, err := hkdf.Key(sha256.New, seed[:], []byte(seedSalt), label, SeedSize)
	if err != nil {
		panic(fmt.Sprintf("crypto: HKDF refuses %d bytes: %v", SeedSize, err))
	}
	return [SeedSize]byte(key)
}

// WriteSeed writes seed to a new file at path, in hexadecimal and a newline, readable by its owner
// only. It never overwrites: for an existing file the error wraps [os.ErrExist]. When it returns
// nil, the file survives a crash; when it fails it leaves no file of its own behind.
func WriteSeed(path string, seed [SeedSize]byte) error {
	file, err := os.OpenFile(filepath.Clean(path), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write seed: %w", err)
	}
	_, err = file.WriteString(hex.EncodeToString(seed[:]) + "\n")
	if err == nil {
		err = file.Sync()
	}
	err = errors.Join(err, file.Close())
	if err == nil {
		err = syncDirectory(filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("write seed %q: %w", path, errors.Join(err, os.Remove(path)))
	}
	return nil
}

// syncDirectory makes the directory's entries durable; a file's own sync does not.
func syncDirectory(path string) error {
	directory, err := os.Open(filepath.Clean(path))
	if err != nil {
		return err
	}
	return errors.Join(directory.Sync(), directory.Close())
}

// ReadSeed reads what [WriteSeed] wrote. It refuses a file that its group or others can access,
// with [ErrSeedPermissions], and one that holds anything else than one seed, with [ErrSeedFormat].
// No error quotes the content.
func ReadSeed(path string) (seed [SeedSize]byte, err error) {
	// Opening a pipe would wait for its writer, so the type is looked at first.
	info, err := os.Stat(path)
	if err != nil {
		return seed, fmt.Errorf("read seed: %w", err)
	}
	if !info.Mode().IsRegular() {
		return seed, fmt.Errorf("read seed %q: %w: not a regular file", path, ErrSeedFormat)
	}
	file, err := os.Open(filepath.Clean(path))
	if err != nil {
		return seed, fmt.Errorf("read seed: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()

	if info, err = file.Stat(); err != nil {
		return seed, fmt.Errorf("read seed: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return seed, fmt.Errorf("read seed %q: %w (mode %04o); run: chmod 600 %s",
			path, ErrSeedPermissions, mode, path)
	}
	const size = 2*SeedSize + 1
	text, err := io.ReadAll(io.LimitReader(file, size+1))
	if err != nil {
		return seed, fmt.Errorf("read seed: %w", err)
	}
	return parseSeed(path, string(text))
}

func parseSeed(path, text string) (seed [SeedSize]byte, err error) {
	digits := strings.TrimSuffix(text, "\n")
	if len(digits) != 2*SeedSize {
		return seed, fmt.Errorf("read seed %q: %w: want %d hexadecimal digits and a newline",
			path, ErrSeedFormat, 2*SeedSize)
	}
	raw, err := hex.DecodeString(digits)
	if err != nil {
		// The decoder's error would quote the content.
		return seed, fmt.Errorf("read seed %q: %w: not hexadecimal", path, ErrSeedFormat)
	}
	return [SeedSize]byte(raw), nil
}
