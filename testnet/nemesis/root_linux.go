package nemesis

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// toolApart calls a tool of the system in a network of its own, which vanishes with it: what it
// does there shows whether it could be done here.
func toolApart(name string, args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), toolTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // our words
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// lockLoopback keeps other runs from shaping the loopback device, until release, or until this
// process ends.
func lockLoopback() (release func(), err error) {
	path := filepath.Join(os.TempDir(), "byzd-nemesis-lo.lock")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // our words
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("another run shapes the loopback device: %w", err),
			f.Close())
	}
	return func() { _ = f.Close() }, nil
}
