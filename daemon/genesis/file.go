package genesis

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"byzd/crypto"
	"byzd/daemon/genesis/strict"
)

// MaxFileBytes bounds the files that are read. 128 members of the largest scheme need 400 kB.
const MaxFileBytes = 1 << 20

// Load reads and checks the genesis in a file.
func Load(path string) (*Genesis, error) {
	hint := "copy it from another member, or make one with byzd genesis new"
	home := filepath.Dir(path)
	if _, err := os.Stat(home); errors.Is(err, fs.ErrNotExist) {
		hint = fmt.Sprintf("there is no directory %s; a node's home is made with byzd init "+
			"--home %s", home, home)
	}
	data, err := readFile(path, hint)
	if err != nil {
		return nil, err
	}
	return parse(path, data)
}

// LoadMember reads the file that a node's owner hands in, and returns the member and the scheme
// that its key belongs to. Name, keys and proof are checked.
func LoadMember(path string) (m Member, scheme string, err error) {
	data, err := readFile(path, "byzd init writes it into the node's home")
	if err != nil {
		return Member{}, "", err
	}
	return parseMemberFile(path, data)
}

func parseMemberFile(file string, data []byte) (m Member, scheme string, err error) {
	doc, err := open(file, data)
	if err != nil {
		return Member{}, "", err
	}
	scheme = doc.String("scheme")
	m = parseMember(doc)
	err = doc.Err()
	if err != nil {
		return Member{}, "", err
	}
	s, err := crypto.SchemeByName(scheme)
	if err != nil {
		doc.Failf("scheme", strict.Suggest(scheme, crypto.SchemeNames()), "%w", err)
	} else if err := m.check(s); err != nil {
		doc.Failf("", hintOf(err), "%w", err)
	}
	if err := doc.Err(); err != nil {
		return Member{}, "", err
	}
	return m, scheme, nil
}

func readFile(path, ifMissing string) ([]byte, error) {
	f, err := os.Open(filepath.Clean(path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &adviceError{err, ifMissing}
	}
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, MaxFileBytes+1))
	if errors.Is(err, syscall.EISDIR) {
		return nil, &adviceError{
			errors.Join(fmt.Errorf("%s is a directory", path), f.Close()), "name the file in it",
		}
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if len(data) > MaxFileBytes {
		return nil, fmt.Errorf("%s is larger than %d bytes; it is not what byzd wrote", path,
			MaxFileBytes)
	}
	return data, nil
}

// Save checks the genesis and writes it to a file, readable by all, in place of what was there. A
// crash leaves the old file or the new one.
func (g *Genesis) Save(path string) error {
	if err := g.Check(); err != nil {
		return fmt.Errorf("save %s: %w", path, err)
	}
	if err := replace(path, g.Encode()); err != nil {
		return fmt.Errorf("save %s: %w", path, err)
	}
	return nil
}

func replace(path string, data []byte) error {
	dir := filepath.Dir(path)
	temp, err := os.CreateTemp(dir, filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	_, err = temp.Write(data)
	if err == nil {
		err = temp.Chmod(0o644) // it is public
	}
	if err == nil {
		err = temp.Sync()
	}
	err = errors.Join(err, temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	d, err := os.Open(filepath.Clean(dir))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
