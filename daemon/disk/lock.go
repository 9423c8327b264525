//go:build unix

package disk

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// ErrLocked says that another process uses the directory. The error that wraps it names the
// process.
var ErrLocked = errors.New("disk: directory is in use")

// lockName is the file that is locked. It stays behind, since removing it would let two processes
// lock two files of that name.
const lockName = "LOCK"

// pidBytesMax bounds what is read from a lock file that somebody else wrote.
const pidBytesMax = 32

// Lock takes the directory for this process until unlock is called or the process ends, however it
// ends. If another process (or an earlier Lock of this one) holds it, the error matches
// [ErrLocked] and names the holder.
func Lock(dir string) (unlock func() error, err error) {
	path := filepath.Join(dir, lockName)
	f, err := os.OpenFile(filepath.Clean(path), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock file: %w", named(err))
	}
	if err := flock(f); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = fmt.Errorf("%w: %s is held by %s", ErrLocked, dir, holder(f))
		}
		return nil, errors.Join(err, f.Close())
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("write lock file: %w", named(err)), f.Close())
	}
	return f.Close, nil // Closing the only descriptor gives the lock back.
}

func flock(f *os.File) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = conn.Control(func(fd uintptr) {
		failed = syscall.Flock(int(fd), syscall.LOCK_EX|syscall.LOCK_NB)
	})
	return errors.Join(err, failed)
}

// holder reads who wrote the lock file. It may be empty for a moment while its owner starts.
func holder(f io.ReaderAt) string {
	text := make([]byte, pidBytesMax)
	n, err := f.ReadAt(text, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return "an unknown process"
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text[:n])))
	if err != nil {
		return "an unknown process"
	}
	return "process " + strconv.Itoa(pid)
}
