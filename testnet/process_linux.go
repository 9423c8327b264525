package testnet

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// childAttr gives a node a process group of its own, so that Ctrl-C on the terminal reaches only
// the supervisor, and ends it when the supervisor ends, however that ends.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// inspect tells the identity of a process, whether it is stopped, and whether it runs at all. The
// identity is when it started, in ticks of this boot of the machine: no other process has both
// that and the number.
func inspect(pid int) (started string, stopped, alive bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", false, false
	}
	// proc(5): the name, in parentheses, may hold anything; the state follows it as field 3, the
	// start as field 22.
	end := bytes.LastIndexByte(stat, ')')
	fields := strings.Fields(string(stat[end+1:]))
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return "", false, false
	}
	ticks, err := strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		return "", false, false
	}
	return fmt.Sprintf("%s/%d", bootID(), ticks), fields[0] == "T", true
}

// bootID tells this boot of the machine from others: ticks begin again with each.
//
//nolint:gochecknoglobals // read once, never changes
var bootID = sync.OnceValue(func() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "?"
	}
	return strings.TrimSpace(string(id))
})
