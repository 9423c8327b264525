package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"byzd/crypto"
	"byzd/daemon/disk"
	"byzd/daemon/genesis"
	"byzd/daemon/genesis/strict"
	"byzd/daemon/promises"
)

// ErrHomeExists says that there is something where a home was to be made.
var ErrHomeExists = errors.New("the directory is not empty")

// Create makes the home of a new node: fresh keys that only the owner can read, member.toml with
// their public halves, and byzd.toml with every setting explained and those of settings set. It
// never touches a directory that holds anything, and when it fails, or is interrupted, there is no
// home: everything is made elsewhere and moved into place at once.
func Create(
	h Home, name, scheme string, settings map[string][]string,
) (member genesis.Member, err error) {
	err = genesis.CheckName(name)
	if err != nil {
		return member, err
	}
	s, err := crypto.SchemeByName(scheme)
	if err != nil {
		return member, advise(strict.Suggest(scheme, crypto.SchemeNames()), "%w", err)
	}
	text, err := fileWith(settings)
	if err != nil {
		return member, err
	}
	err = vacant(h)
	if err != nil {
		return member, err
	}
	parent := filepath.Dir(filepath.Clean(string(h)))
	err = os.MkdirAll(parent, 0o750)
	if err != nil {
		return member, err
	}
	temp, err := os.MkdirTemp(parent, ".byzd-init-*") // mode 0700
	if err != nil {
		return member, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(temp))
		}
	}()
	if member, err = fill(Home(temp), name, s, text); err != nil {
		return member, err
	}
	// An empty directory makes room; Rmdir refuses everything else.
	if err := syscall.Rmdir(string(h)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return member, fmt.Errorf("make room for home %s: %w", h, err)
	}
	if err := os.Rename(temp, string(h)); err != nil {
		return member, fmt.Errorf("move the new home into place: %w", err)
	}
	return member, syncDir(parent)
}

// vacant returns an error unless nothing, or an empty directory, is where the home shall be.
func vacant(h Home) error {
	entries, err := os.ReadDir(string(h))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case len(entries) == 0:
		return nil
	}
	advice := "choose another directory for --home"
	if _, err := os.Stat(h.NetworkKey()); err == nil {
		advice = "it is a node's home already; choose another directory, or start the node: " +
			"byzd run --home " + string(h)
	}
	return advise(advice, "make home %s: %w", h, ErrHomeExists)
}

func fill(h Home, name string, s crypto.Scheme, text []byte) (m genesis.Member, err error) {
	network, err := freshSeed(h.NetworkKey())
	if err != nil {
		return m, err
	}
	signing, err := freshSeed(h.SigningKey())
	if err != nil {
		return m, err
	}
	signer, err := s.NewSigner(signing)
	if err != nil {
		return m, fmt.Errorf("make signing key: %w", err)
	}
	m = genesis.NewMember(name, crypto.NewNetworkKey(network), signer)
	if err := writeFile(h.Member(), genesis.EncodeMember(s.Name(), m)); err != nil {
		return m, err
	}
	if err := writeFile(h.Config(), text); err != nil {
		return m, err
	}
	d, err := disk.OS(h.Data())
	if err != nil {
		return m, err
	}
	if err := promises.MarkNew(d); err != nil {
		return m, err
	}
	return m, syncDir(string(h))
}

func freshSeed(path string) (seed [crypto.SeedSize]byte, err error) {
	if seed, err = crypto.NewSeed(); err == nil {
		err = crypto.WriteSeed(path, seed)
	}
	return seed, err
}

// writeFile writes a file of a new home durably. Nothing in it is secret, but the home is.
func writeFile(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // ours
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func syncDir(path string) error {
	d, err := os.Open(path) //nolint:gosec // ours
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

const fileHead = `# The settings of this byzd node.
#
# Variables (BYZD_LISTEN) and flags (--listen) go above them: "byzd config print --origin" shows
# what holds, and why. A line behind # shows the default.
`

// fileWith returns the text of a byzd.toml that explains every setting and sets some.
func fileWith(settings map[string][]string) ([]byte, error) {
	c := &Config{origins: map[string]string{}}
	if err := c.loadFlags(settings); err != nil {
		return nil, err
	}
	var b strings.Builder
	b.WriteString(fileHead)
	for _, k := range keys() {
		fmt.Fprintf(&b, "\n# %s\n", k.about)
		if values, ok := settings[k.name]; ok {
			fmt.Fprintf(&b, "%s = %s\n", k.name, k.literal(values))
			continue
		}
		fmt.Fprintf(&b, "# %s = %s\n", k.name, k.literal([]string{k.standard}))
	}
	return []byte(b.String()), nil
}

// literal writes values in TOML. All legal ones are plain ASCII without quotes.
func (k key) literal(values []string) string {
	switch k.kind {
	case texts:
		quoted := make([]string, 0, len(values))
		for _, v := range values {
			if v != "" {
				quoted = append(quoted, fmt.Sprintf("%q", v))
			}
		}
		return "[" + strings.Join(quoted, ", ") + "]"
	case size:
		if values[0] == k.standard {
			return values[0]
		}
	case text:
	}
	return fmt.Sprintf("%q", values[0])
}
