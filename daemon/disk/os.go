package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// osDisk is the real door. The os.Root refuses every path, and every symbolic link, that leads out.
type osDisk struct {
	dir  string
	root *os.Root

	atomic sync.Mutex // one WriteAtomic at a time, since they share temporary names
}

// OS opens the directory dir as a [Disk] and creates it, readable by its owner only, if it is
// missing.
func OS(dir string) (Disk, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create data directory: %w", named(err))
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open data directory: %w", err)
	}
	return &osDisk{dir: dir, root: root}, nil
}

func (d *osDisk) Path(name string) string { return filepath.Join(d.dir, name) }

func (d *osDisk) Create(name string) (File, error) {
	return d.open(name, os.O_CREATE|os.O_EXCL)
}

func (d *osDisk) Append(name string) (File, error) {
	return d.open(name, os.O_CREATE)
}

// open does not use O_APPEND, which would forbid WriteAt, but starts at the end.
func (d *osDisk) open(name string, flags int) (File, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	if err := d.makeDirOf(name); err != nil {
		return nil, err
	}
	f, err := d.root.OpenFile(name, os.O_WRONLY|flags, 0o600)
	if err != nil {
		return nil, named(err)
	}
	if _, err := f.Seek(0, io.SeekEnd); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &osFile{f: f}, nil
}

func (d *osDisk) makeDirOf(name string) error {
	dir, _, nested := strings.Cut(name, "/")
	if !nested {
		return nil
	}
	if err := d.root.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return named(err)
	}
	return nil
}

func (d *osDisk) OpenRead(name string) (ReaderAtCloser, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	f, err := d.root.Open(name)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (d *osDisk) ReadFile(name string) ([]byte, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	return d.root.ReadFile(name)
}

// WriteAtomic follows the only order that survives a crash at any point: the bytes are durable
// before the name shows them, and the name is durable before the caller is told.
func (d *osDisk) WriteAtomic(name string, data []byte) error {
	if err := checkName(name); err != nil {
		return err
	}
	if err := d.makeDirOf(name); err != nil {
		return err
	}
	d.atomic.Lock()
	defer d.atomic.Unlock()
	temp := name + tempSuffix
	if err := d.writeTemp(temp, data); err != nil {
		if rm := d.root.Remove(temp); rm != nil && !errors.Is(rm, fs.ErrNotExist) {
			err = errors.Join(err, rm)
		}
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := d.root.Rename(temp, name); err != nil {
		return fmt.Errorf("write %s: %w", name, named(err))
	}
	if err := d.SyncDir(); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

func (d *osDisk) writeTemp(temp string, data []byte) error {
	f, err := d.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return named(err)
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return named(errors.Join(err, f.Close()))
}

func (d *osDisk) Truncate(name string, size int64) error {
	if err := checkName(name); err != nil {
		return err
	}
	f, err := d.root.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return named(err)
	}
	err = f.Truncate(size)
	if err == nil {
		err = f.Sync()
	}
	return named(errors.Join(err, f.Close()))
}

func (d *osDisk) Remove(name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	return d.root.Remove(name)
}

func (d *osDisk) List(prefix string) ([]string, error) {
	if err := checkPrefix(prefix); err != nil {
		return nil, err
	}
	dir := "."
	if sub, _, nested := strings.Cut(prefix, "/"); nested {
		dir = sub
	}
	entries, err := fs.ReadDir(d.root.FS(), dir)
	if errors.Is(err, fs.ErrNotExist) && dir != "." {
		return nil, nil // A directory comes into being with its first file.
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		name := e.Name()
		if dir != "." {
			name = dir + "/" + name
		}
		if e.Type().IsRegular() && strings.HasPrefix(name, prefix) && checkName(name) == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

func (d *osDisk) Size(name string) (int64, error) {
	if err := checkName(name); err != nil {
		return 0, err
	}
	info, err := d.root.Stat(name)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// SyncDir syncs the root and the directories in it, innermost first, so that no name is durable
// in a directory that is not.
func (d *osDisk) SyncDir() error {
	entries, err := fs.ReadDir(d.root.FS(), ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() && goodPart(e.Name()) {
			if err := d.syncOne(e.Name()); err != nil {
				return err
			}
		}
	}
	return d.syncOne(".")
}

func (d *osDisk) syncOne(dir string) error {
	f, err := d.root.Open(dir)
	if err != nil {
		return err
	}
	return named(errors.Join(f.Sync(), f.Close()))
}

// osFile adds the named errors and the cheaper sync to an os.File.
type osFile struct{ f *os.File }

func (f *osFile) Write(p []byte) (int, error) {
	n, err := f.f.Write(p)
	return n, named(err)
}

func (f *osFile) WriteAt(p []byte, off int64) (int, error) {
	n, err := f.f.WriteAt(p, off)
	return n, named(err)
}

func (f *osFile) Sync() error  { return named(dataSync(f.f)) }
func (f *osFile) Close() error { return named(f.f.Close()) }
