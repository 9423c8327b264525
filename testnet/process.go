package testnet

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// A launcher starts processes that end with this one, from a single thread that it keeps. Linux
// ends such children when the *thread* that made them ends, and Go ends threads as it likes; so a
// goroutine that is bound to its thread makes them all, and lives as long as they.
type launcher struct {
	work chan func()
}

func newLauncher() *launcher {
	l := &launcher{work: make(chan func())}
	go func() {
		// The thread is never given back: it ends with the goroutine, when all children have.
		runtime.LockOSThread()
		for f := range l.work {
			f()
		}
	}()
	return l
}

// start starts the command and returns its error.
func (l *launcher) start(cmd *exec.Cmd) error {
	failed := make(chan error)
	l.work <- func() { failed <- cmd.Start() }
	return <-failed
}

// close ends the thread, and with it whatever of its children should still run.
func (l *launcher) close() { close(l.work) }

// child is one running process of a node.
type child struct {
	cmd     *exec.Cmd
	started string        // its identity
	logFrom int64         // where its lines begin in the log
	gone    chan struct{} // closed when the process has ended and the state says so
}

// command is the process of a node. Its output goes to its log, behind that of earlier ones.
func command(
	binary, home string, args, environ []string, group uint32,
) (*exec.Cmd, *os.File, error) {
	log, err := openLog(filepath.Join(home, nodeLogName))
	if err != nil {
		return nil, nil, err
	}
	cmd := exec.Command(binary, args...) //nolint:gosec,noctx // our own; it outlives its caller
	cmd.Dir, cmd.Env = home, environ
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = childAttr()
	if group != 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{
			Uid: uint32(os.Getuid()), //nolint:gosec // never negative
			Gid: group, NoSetGroups: true,
		}
	}
	return cmd, log, nil
}

func openLog(path string) (*os.File, error) {
	log, err := os.OpenFile(filepath.Clean(path), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	return log, nil
}

// environment is what a node inherits: everything but configuration. A BYZD_LISTEN that is meant
// for one node must not reach all of them.
func environment() []string {
	var out []string
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "BYZD_") {
			out = append(out, entry)
		}
	}
	return out
}

// ended translates how a process ended.
func ended(state *os.ProcessState) (process Process, code *int, signal int) {
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return Killed, nil, int(ws.Signal())
	}
	return Exited, new(state.ExitCode()), 0
}

// same reports whether the process with this number is the one that started says, and still runs.
func same(pid int, started string) bool {
	if pid <= 0 || started == "" {
		return false
	}
	now, _, alive := inspect(pid)
	return alive && now == started
}
