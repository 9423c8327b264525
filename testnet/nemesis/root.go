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
	"time"

	"byzd/daemon/config"
)

// rootFaults need root, and tools that not every machine has.
func rootFaults() []*Fault {
	return []*Fault{{
		Name: "tmpfs-full", Text: "a node's data stand on a small file system, which really fills",
		Needs: "root, and mount with tmpfs", missing: noTmpfs,
		hits: one, do: fillTmpfs, undo: emptyTmpfs,
	}}
}

// noTmpfs says why no file system can be mounted here; empty if one can.
func noTmpfs() string {
	if os.Geteuid() != 0 {
		return "it needs root"
	}
	dir, err := os.MkdirTemp("", "byzd-nemesis-")
	if err != nil {
		return err.Error()
	}
	defer func() { _ = os.Remove(dir) }()
	if err := mount(dir, 1<<20); err != nil {
		return "it cannot mount a tmpfs: " + err.Error()
	}
	if err := unmount(dir); err != nil {
		return err.Error()
	}
	return ""
}

// toolTime bounds one call of a tool of the system.
const toolTime = 10 * time.Second

func tool(name string, args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), toolTime)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput() //nolint:gosec // our words
	if err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(string(out)))
	}
	return nil
}

func mount(dir string, bytes int64) error {
	return tool("mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%d", bytes), "tmpfs", dir)
}

func unmount(dir string) error { return tool("umount", dir) }

// tmpfsRoom is what is free on a node's file system at first.
const tmpfsRoom = 32 << 20

// ballastName is the file that fills a file system.
const ballastName = "ballast"

// fillTmpfs moves a node's data onto a file system of their own and fills it.
func fillTmpfs(ctx context.Context, s *strike) error {
	node := s.nodes[0]
	if err := s.world.net.Stop(ctx, node); err != nil {
		return err
	}
	n, err := s.world.node(node)
	if err != nil {
		return err
	}
	data := config.Home(n.Home).Data()
	disk := data + ".disk"
	size, err := journalEnd(data)
	if err != nil {
		return err
	}
	if err := errors.Join(os.Rename(data, disk), os.Mkdir(data, 0o700)); err != nil {
		return err
	}
	if err := mount(data, int64(size)+tmpfsRoom); err != nil {
		return errors.Join(err, os.Remove(data), os.Rename(disk, data))
	}
	s.clean = func() { _ = unmount(data) }
	if err := os.CopyFS(data, os.DirFS(disk)); err != nil {
		return err
	}
	if err := s.world.net.Restart(ctx, node); err != nil {
		return err
	}
	if _, err := s.world.back(ctx, node); err != nil {
		return err
	}
	if err := ballast(filepath.Join(data, ballastName)); err != nil {
		return err
	}
	return s.untilFull(ctx)
}

// ballast writes a file until there is no room for more of it.
func ballast(path string) (err error) {
	f, err := os.OpenFile(filepath.Clean(path), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	block := make([]byte, 4<<10)
	for range 2 * tmpfsRoom / len(block) {
		if _, err := f.Write(block); errors.Is(err, syscall.ENOSPC) {
			return nil
		} else if err != nil {
			return err
		}
	}
	return errors.New("the small file system does not become full")
}

// emptyTmpfs makes room, waits until the node goes on without having been started again, and puts
// its data back onto the disk.
func emptyTmpfs(ctx context.Context, s *strike) error {
	node := s.nodes[0]
	n, err := s.world.node(node)
	if err != nil {
		return err
	}
	data := config.Home(n.Home).Data()
	if err := os.Remove(filepath.Join(data, ballastName)); err != nil {
		return err
	}
	if _, err := s.world.back(ctx, node); err != nil {
		return err
	}
	if err := s.world.net.Stop(ctx, node); err != nil {
		return err
	}
	disk := data + ".disk"
	err = errors.Join(os.RemoveAll(disk), os.CopyFS(disk, os.DirFS(data)), unmount(data),
		os.Remove(data), os.Rename(disk, data))
	if err != nil {
		return err
	}
	s.clean = nil
	return s.world.net.Restart(ctx, node)
}
