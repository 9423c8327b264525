//go:build unix && !linux

package testnet

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// childAttr gives a node a process group of its own, so that Ctrl-C on the terminal reaches only
// the supervisor. These systems cannot end a child with its parent: down does it.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

// inspect tells the identity of a process, whether it is stopped, and whether it runs at all. The
// identity is when it started, to the second, and its command line, which names its home.
func inspect(pid int) (started string, stopped, alive bool) {
	out, err := exec.Command("ps", "-ww", "-o", "stat=,lstart=,command=", "-p",
		strconv.Itoa(pid)).Output() //nolint:noctx // it takes milliseconds
	if err != nil {
		return "", false, false
	}
	state, rest, ok := strings.Cut(strings.TrimSpace(string(out)), " ")
	if !ok || strings.HasPrefix(state, "Z") {
		return "", false, false
	}
	return strings.TrimSpace(rest), strings.HasPrefix(state, "T"), true
}
