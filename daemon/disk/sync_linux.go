package disk

import (
	"errors"
	"os"
	"syscall"
)

// dataSync uses fdatasync, which leaves the times of the inode alone and so saves a commit of the
// file system's journal when no size has changed.
func dataSync(f *os.File) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = conn.Control(func(fd uintptr) {
		for {
			failed = syscall.Fdatasync(int(fd))
			if !errors.Is(failed, syscall.EINTR) {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	return os.NewSyscallError("fdatasync", failed)
}
