package disk

import "slices"

// SectorBytes is the unit in which [Memory.CrashKeeping] loses or keeps unsynced writes: the
// smallest that real disks write at once.
const SectorBytes = 512

// changeKind says what a change that a crash can undo is about.
type changeKind uint8

const (
	changeData changeKind = iota // data written at an offset
	changeSize                   // the file cut or lengthened
	changeName                   // a name given to an inode, or taken away if the inode is nil
)

// change is a step that has been done but is not durable.
type change struct {
	kind changeKind
	name string
	node *inode
	at   int64
	data []byte
}

// apply makes the change durable.
func (c change) apply(m *Memory) {
	switch c.kind {
	case changeData:
		c.node.durable = patched(c.node.durable, c.data, c.at)
	case changeSize:
		c.node.durable = resized(c.node.durable, c.at)
	case changeName:
		if c.node == nil {
			delete(m.durable, c.name)
			return
		}
		m.durable[c.name] = c.node
	}
}

// syncLocked makes the bytes of one file durable. When it fails they are lost for good, although
// the running process still reads them: later syncs have nothing left to write.
func (m *Memory) syncLocked(node *inode, name string) error {
	m.syncs++
	failed := m.faults.sync()
	rest := m.pending[:0]
	for _, c := range m.pending {
		switch {
		case c.kind == changeName || c.node != node:
			rest = append(rest, c)
		case failed == nil:
			c.apply(m)
		}
	}
	clear(m.pending[len(rest):])
	m.pending = rest
	if failed != nil {
		return &syncError{path: m.Path(name), err: failed}
	}
	return nil
}

func (m *Memory) syncDirLocked() error {
	m.syncs++
	if err := m.faults.sync(); err != nil {
		return &syncError{path: m.Path("."), err: err}
	}
	m.pending = slices.DeleteFunc(m.pending, func(c change) bool {
		if c.kind == changeName {
			c.apply(m)
		}
		return c.kind == changeName
	})
	return nil
}

// syncError keeps Sync's errors readable without pretending to be a path operation of the kernel.
type syncError struct {
	path string
	err  error
}

func (e *syncError) Error() string { return "sync " + e.path + ": " + e.err.Error() }
func (e *syncError) Unwrap() error { return e.err }

// Crash is a power cut that loses everything unsynced. Open files are dead afterwards.
func (m *Memory) Crash() {
	m.CrashKeeping(func(Unsynced) bool { return false })
}

// CrashTorn is a power cut that keeps the first n bytes of the unsynced writes, in the order in
// which they were made, and every change of a name or size before that point.
func (m *Memory) CrashTorn(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.pending {
		if n <= 0 {
			break
		}
		c.data = c.data[:min(n, int64(len(c.data)))]
		n -= int64(len(c.data))
		c.apply(m)
	}
	m.rebootLocked()
}

// Unsynced is a piece of work that a power cut may keep or lose: at most a sector of one write, or
// the change of a name or a size.
type Unsynced struct {
	// Name is the file's, when the change was made.
	Name string
	// Data tells a write from a change of name or size.
	Data bool
	// Offset and Length of a write, in bytes; it does not cross a multiple of SectorBytes.
	Offset, Length int64
}

// CrashKeeping is a power cut that keeps exactly the pieces that keep accepts, as a disk does that
// reorders its writes. It asks in the order in which the work was done.
func (m *Memory) CrashKeeping(keep func(Unsynced) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.pending {
		if c.kind != changeData {
			if keep(Unsynced{Name: c.name}) {
				c.apply(m)
			}
			continue
		}
		for piece := range c.sectors {
			u := Unsynced{
				Name: c.name, Data: true, Offset: piece.at, Length: int64(len(piece.data)),
			}
			if keep(u) {
				piece.apply(m)
			}
		}
	}
	m.rebootLocked()
}

// sectors cuts a write at the boundaries of sectors.
func (c change) sectors(yield func(change) bool) {
	for len(c.data) > 0 {
		piece := c
		n := min(int64(len(c.data)), SectorBytes-c.at%SectorBytes)
		piece.data = c.data[:n]
		if !yield(piece) {
			return
		}
		c.data, c.at = c.data[n:], c.at+n
	}
}

// rebootLocked shows to the next process what is durable.
func (m *Memory) rebootLocked() {
	m.boots++
	m.pending = nil
	m.names = make(map[string]*inode, len(m.durable))
	copies := make(map[*inode]*inode, len(m.durable))
	for name, node := range m.durable {
		if copies[node] == nil {
			copies[node] = &inode{
				current: slices.Clone(node.durable), durable: slices.Clone(node.durable),
			}
		}
		m.names[name] = copies[node]
		m.durable[name] = copies[node]
	}
}

// Clone returns an independent copy with the same content, durable and not, and the same faults
// ahead. Files that are open on m stay m's.
func (m *Memory) Clone() *Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	nodes := map[*inode]*inode{nil: nil}
	copied := func(node *inode) *inode {
		if _, done := nodes[node]; !done {
			nodes[node] = &inode{
				current: slices.Clone(node.current), durable: slices.Clone(node.durable),
			}
		}
		return nodes[node]
	}
	out := NewMemory()
	out.boots, out.syncs, out.faults = m.boots, m.syncs, m.faults
	for name, node := range m.names {
		out.names[name] = copied(node)
	}
	for name, node := range m.durable {
		out.durable[name] = copied(node)
	}
	for _, c := range m.pending {
		c.node = copied(c.node)
		out.pending = append(out.pending, c) // The data of a change is never written again.
	}
	return out
}
