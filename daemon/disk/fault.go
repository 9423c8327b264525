package disk

import "syscall"

// unlimited is the room of a disk that cannot be full.
const unlimited = -1

// faults decides which calls fail. Counters run down to the failing call; zero means none.
type faults struct {
	room       int64 // bytes that files may still grow by, or unlimited
	failCall   int
	failSyncIn int
}

// call counts one call that changes something and says whether it fails.
func (f *faults) call() error {
	if f.failCall > 0 {
		f.failCall--
		if f.failCall == 0 {
			return syscall.EIO
		}
	}
	return nil
}

// write says how many of n bytes at offset off get written into a file of the given size. Like a
// real disk it writes half before an I/O error, and what fits before it is full.
func (f *faults) write(n, off, size int64) (int64, error) {
	if err := f.call(); err != nil {
		return n / 2, err
	}
	grow := max(0, off+n-size)
	if f.room == unlimited {
		return n, nil
	}
	if grow > f.room {
		n = max(0, n-(grow-f.room))
		f.room = 0
		return n, syscall.ENOSPC
	}
	f.room -= grow
	return n, nil
}

func (f *faults) sync() error {
	if err := f.call(); err != nil {
		return err
	}
	if f.failSyncIn > 0 {
		f.failSyncIn--
		if f.failSyncIn == 0 {
			return syscall.EIO
		}
	}
	return nil
}

// Fail makes the n-th call from now that changes something (create, write, sync, truncate,
// remove) fail once with EIO. The next call is number one; zero takes the fault back.
func (m *Memory) Fail(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.faults.failCall = max(0, n)
}

// FailSync makes the n-th sync from now, of a file or of the names, fail once with EIO.
func (m *Memory) FailSync(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.faults.failSyncIn = max(0, n)
}

// Full says whether the disk is full. Overwriting works on a full disk, growing does not.
func (m *Memory) Full(full bool) {
	if full {
		m.Room(0)
		return
	}
	m.Room(unlimited)
}

// Room lets files grow by n bytes more before the disk is full. A negative n lifts the limit.
// Removing files does not give room back.
func (m *Memory) Room(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.faults.room = max(unlimited, n)
}

// Syncs returns how many syncs, of files and of names, have been asked for.
func (m *Memory) Syncs() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.syncs
}

// UnsyncedBytes returns how many written bytes a power cut could lose now.
func (m *Memory) UnsyncedBytes() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	var n int64
	for _, c := range m.pending {
		n += int64(len(c.data))
	}
	return n
}

// Damage changes a file at rest, behind everybody's back: change gets the content and returns what
// the file holds from now on, durably.
func (m *Memory) Damage(name string, change func([]byte) []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	node, err := m.find("damage", name)
	if err != nil {
		return err
	}
	content := change(append([]byte(nil), node.current...))
	node.current = content
	node.durable = append([]byte(nil), content...)
	return nil
}
