package crypto

import (
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSeedFileRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "signing.seed")
	seed, err := NewSeed()
	if err != nil {
		t.Fatal(err)
	}
	if err = WriteSeed(path, seed); err != nil {
		t.Fatal(err)
	}
	got, err := ReadSeed(path)
	if err != nil || got != seed {
		t.Errorf("ReadSeed = %x, %v; wrote %x", got, err, seed)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("written with mode %o", info.Mode().Perm())
	}
	text, err := os.ReadFile(path)
	if err != nil || string(text) != hex.EncodeToString(seed[:])+"\n" {
		t.Errorf("content %q, %v", text, err)
	}
}

func TestWriteSeedNeverOverwrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "network.seed")
	first, second := testSeed(1), testSeed(2)
	if err := WriteSeed(path, first); err != nil {
		t.Fatal(err)
	}
	if err := WriteSeed(path, second); !errors.Is(err, os.ErrExist) {
		t.Errorf("the second write: %v", err)
	}
	if got, err := ReadSeed(path); err != nil || got != first {
		t.Errorf("after a refused write: %x, %v", got, err)
	}
	missing := filepath.Join(t.TempDir(), "missing", "x.seed")
	if err := WriteSeed(missing, first); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("into a missing directory: %v", err)
	}
}

func TestReadSeedPermissions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "signing.seed")
	if err := WriteSeed(path, testSeed(1)); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []os.FileMode{0o600, 0o400} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadSeed(path); err != nil {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
	hint := "chmod 600 " + path
	for _, mode := range []os.FileMode{0o640, 0o620, 0o610, 0o604, 0o602, 0o601, 0o644} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := ReadSeed(path)
		if !errors.Is(err, ErrSeedPermissions) || !strings.Contains(err.Error(), hint) {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
}

func TestReadSeedFormat(t *testing.T) {
	seed := testSeed(1)
	good := hex.EncodeToString(seed[:])
	cases := map[string]struct {
		text string
		want error
	}{
		"with a newline":    {good + "\n", nil},
		"without a newline": {good, nil},
		"empty":             {"", ErrSeedFormat},
		"newline only":      {"\n", ErrSeedFormat},
		"short":             {good[:62] + "\n", ErrSeedFormat},
		"odd":               {good[:63] + "\n", ErrSeedFormat},
		"long":              {good + "00\n", ErrSeedFormat},
		"two lines":         {good + "\n" + good + "\n", ErrSeedFormat},
		"blank line":        {good + "\n\n", ErrSeedFormat},
		"space":             {good + " ", ErrSeedFormat},
		"not hexadecimal":   {"zz" + good[2:] + "\n", ErrSeedFormat},
		"raw bytes":         {string(seed[:]), ErrSeedFormat},
		"large":             {strings.Repeat("00", 1<<20), ErrSeedFormat},
	}
	for name, c := range cases {
		path := filepath.Join(t.TempDir(), "seed")
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := ReadSeed(path)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if c.want == nil && got != seed {
			t.Errorf("%s: read %x", name, got)
		}
		for _, secret := range []string{good[8:16], "'z'"} {
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("%s: the error quotes the secret: %v", name, err)
			}
		}
	}
}

func TestReadSeedOfNoFile(t *testing.T) {
	dir := t.TempDir()
	if _, err := ReadSeed(filepath.Join(dir, "missing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	if _, err := ReadSeed(dir); !errors.Is(err, ErrSeedFormat) {
		t.Errorf("a directory: %v", err)
	}
	if _, err := ReadSeed(os.DevNull); !errors.Is(err, ErrSeedFormat) {
		t.Errorf("a device: %v", err)
	}
}

func TestNewSeedIsFresh(t *testing.T) {
	a, err := NewSeed()
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewSeed()
	if err != nil {
		t.Fatal(err)
	}
	if a == b || a == [SeedSize]byte{} {
		t.Errorf("seeds %x and %x", a, b)
	}
}

func TestDeriveSeed(t *testing.T) {
	// Computed from RFC 5869 by other means; testnets are reproduced from this derivation.
	const want = "9cd323bdb3084de3197f93dd2f44cba700803ff14fbb06356f5ec3a7983f7ac6"
	if got := DeriveSeed([SeedSize]byte{}, "label"); hex.EncodeToString(got[:]) != want {
		t.Errorf("DeriveSeed = %x, want %s", got, want)
	}
	seen := map[[SeedSize]byte]string{}
	for i := range 3 {
		for _, label := range []string{"", "a", "b", "ab"} {
			seed := DeriveSeed([SeedSize]byte{byte(i)}, label)
			if other, taken := seen[seed]; taken {
				t.Errorf("%d/%s and %s have the same seed", i, label, other)
			}
			seen[seed] = label
		}
	}
}
