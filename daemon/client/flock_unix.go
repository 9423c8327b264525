//go:build unix

package client

import (
	"errors"
	"os"
	"syscall"
)

// flock takes a file's lock if nobody holds it.
func flock(f *os.File) (locked bool, err error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return false, err
	}
	var failed error
	err = conn.Control(func(fd uintptr) {
		failed = syscall.Flock(int(fd), syscall.LOCK_EX|syscall.LOCK_NB)
	})
	if errors.Is(failed, syscall.EWOULDBLOCK) {
		return false, err
	}
	return failed == nil, errors.Join(err, failed)
}
