package disk

import (
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Memory is a [Disk] in memory that keeps what is durable apart from what is merely written. The
// methods beyond Disk are for tests and the simulator: crashes are in crash.go, faults in fault.go.
type Memory struct {
	mu      sync.Mutex
	names   map[string]*inode // what a process sees
	durable map[string]*inode // what a crash leaves
	pending []change          // what lies between the two, oldest first
	boots   int               // crashes so far; a File of an earlier boot is dead
	syncs   int
	faults  faults
}

// inode is a file without its name.
type inode struct {
	current []byte
	durable []byte
}

var _ Disk = (*Memory)(nil)

// NewMemory returns an empty disk without limit and without faults.
func NewMemory() *Memory {
	return &Memory{
		names:   map[string]*inode{},
		durable: map[string]*inode{},
		faults:  faults{room: unlimited},
	}
}

// Path returns a name that no real file has.
func (*Memory) Path(name string) string { return "memory:" + name }

// Create implements [Disk].
func (m *Memory) Create(name string) (File, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.names[name] != nil {
		return nil, &fs.PathError{Op: "create", Path: m.Path(name), Err: fs.ErrExist}
	}
	return m.createLocked(name)
}

func (m *Memory) createLocked(name string) (File, error) {
	if err := m.faults.call(); err != nil {
		return nil, &fs.PathError{Op: "create", Path: m.Path(name), Err: err}
	}
	node := &inode{}
	m.names[name] = node
	m.pending = append(m.pending, change{kind: changeName, name: name, node: node})
	return &memoryFile{m: m, node: node, name: name, boot: m.boots}, nil
}

// Append implements [Disk].
func (m *Memory) Append(name string) (File, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	node := m.names[name]
	if node == nil {
		return m.createLocked(name)
	}
	at := int64(len(node.current))
	return &memoryFile{m: m, node: node, name: name, boot: m.boots, at: at}, nil
}

// OpenRead implements [Disk].
func (m *Memory) OpenRead(name string) (ReaderAtCloser, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	node, err := m.find("open", name)
	if err != nil {
		return nil, err
	}
	return &memoryReader{m: m, node: node}, nil
}

// find returns the file that a process would see under name.
func (m *Memory) find(op, name string) (*inode, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	node := m.names[name]
	if node == nil {
		return nil, &fs.PathError{Op: op, Path: m.Path(name), Err: fs.ErrNotExist}
	}
	return node, nil
}

// ReadFile implements [Disk].
func (m *Memory) ReadFile(name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	node, err := m.find("read", name)
	if err != nil {
		return nil, err
	}
	return slices.Clone(node.current), nil
}

// WriteAtomic implements [Disk]. It fails at the same three places as the real one: while the
// temporary file is written, while it is synced, and after the rename.
func (m *Memory) WriteAtomic(name string, data []byte) error {
	if err := checkName(name); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	_, err := m.faults.write(int64(len(data)), 0, 0)
	if err == nil {
		err = m.faults.sync()
		m.syncs++
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name, named(err))
	}
	node := &inode{current: slices.Clone(data), durable: slices.Clone(data)}
	m.names[name] = node
	m.pending = append(m.pending, change{kind: changeName, name: name, node: node})
	if err := m.syncDirLocked(); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// Truncate implements [Disk].
func (m *Memory) Truncate(name string, size int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	node, err := m.find("truncate", name)
	if err != nil {
		return err
	}
	if size < 0 {
		return &fs.PathError{Op: "truncate", Path: m.Path(name), Err: fs.ErrInvalid}
	}
	if err := m.faults.call(); err != nil {
		return &fs.PathError{Op: "truncate", Path: m.Path(name), Err: err}
	}
	node.current = resized(node.current, size)
	m.pending = append(m.pending, change{kind: changeSize, name: name, node: node, at: size})
	return m.syncLocked(node, name)
}

// Remove implements [Disk].
func (m *Memory) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.find("remove", name); err != nil {
		return err
	}
	if err := m.faults.call(); err != nil {
		return &fs.PathError{Op: "remove", Path: m.Path(name), Err: err}
	}
	delete(m.names, name)
	m.pending = append(m.pending, change{kind: changeName, name: name})
	return nil
}

// List implements [Disk].
func (m *Memory) List(prefix string) ([]string, error) {
	if err := checkPrefix(prefix); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	nested := strings.Contains(prefix, "/")
	var names []string
	for _, name := range slices.Sorted(maps.Keys(m.names)) {
		if strings.HasPrefix(name, prefix) && strings.Contains(name, "/") == nested {
			names = append(names, name)
		}
	}
	return names, nil
}

// Size implements [Disk].
func (m *Memory) Size(name string) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	node, err := m.find("stat", name)
	if err != nil {
		return 0, err
	}
	return int64(len(node.current)), nil
}

// SyncDir implements [Disk].
func (m *Memory) SyncDir() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.syncDirLocked()
}

// memoryFile is an open file. Its offsets are its own, its bytes the inode's.
type memoryFile struct {
	m    *Memory
	node *inode
	name string
	boot int
	at   int64
	shut bool
}

func (f *memoryFile) Write(p []byte) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	n, err := f.writeLocked(p, f.at)
	f.at += int64(n)
	return n, err
}

func (f *memoryFile) WriteAt(p []byte, off int64) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	return f.writeLocked(p, off)
}

func (f *memoryFile) writeLocked(p []byte, off int64) (int, error) {
	if err := f.alive("write"); err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, &fs.PathError{Op: "write", Path: f.m.Path(f.name), Err: fs.ErrInvalid}
	}
	n, err := f.m.faults.write(int64(len(p)), off, int64(len(f.node.current)))
	if n > 0 {
		data := slices.Clone(p[:n])
		f.node.current = patched(f.node.current, data, off)
		f.m.pending = append(f.m.pending,
			change{kind: changeData, name: f.name, node: f.node, at: off, data: data})
	}
	if err != nil {
		err = &fs.PathError{Op: "write", Path: f.m.Path(f.name), Err: err}
	}
	return int(n), named(err)
}

func (f *memoryFile) Sync() error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.alive("sync"); err != nil {
		return err
	}
	return f.m.syncLocked(f.node, f.name)
}

func (f *memoryFile) Close() error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.alive("close"); err != nil {
		return err
	}
	f.shut = true
	return nil
}

// alive refuses the use of a file after Close or after the machine has crashed.
func (f *memoryFile) alive(op string) error {
	if f.shut || f.boot != f.m.boots {
		return &fs.PathError{Op: op, Path: f.m.Path(f.name), Err: fs.ErrClosed}
	}
	return nil
}

type memoryReader struct {
	m    *Memory
	node *inode
}

func (r *memoryReader) ReadAt(p []byte, off int64) (int, error) {
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	if off < 0 {
		return 0, &fs.PathError{Op: "read", Path: "memory", Err: fs.ErrInvalid}
	}
	if off >= int64(len(r.node.current)) {
		return 0, io.EOF
	}
	n := copy(p, r.node.current[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (*memoryReader) Close() error { return nil }

// resized cuts b to size or lengthens it with zeros, which also hide what a cut left behind.
func resized(b []byte, size int64) []byte {
	if size <= int64(len(b)) {
		return b[:size]
	}
	return append(b, make([]byte, size-int64(len(b)))...)
}

// patched writes data into b at offset off.
func patched(b, data []byte, off int64) []byte {
	if end := off + int64(len(data)); end > int64(len(b)) {
		b = resized(b, end)
	}
	copy(b[off:], data)
	return b
}
