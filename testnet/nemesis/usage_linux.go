package nemesis

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// processUsage says what the system knows of a process: resident memory in bytes, descriptors and
// threads.
func processUsage(pid int) (rss int64, descriptors, threads int, err error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, 0, err
	}
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		fields := bytes.Fields(lines.Bytes())
		if len(fields) < 2 {
			continue
		}
		switch n, err := strconv.ParseInt(string(fields[1]), 10, 64); string(fields[0]) {
		case "VmRSS:":
			if err != nil {
				return 0, 0, 0, fmt.Errorf("memory of process %d: %w", pid, err)
			}
			rss = n << 10 // it is told in kB
		case "Threads:":
			threads = int(n)
		}
	}
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return 0, 0, 0, err
	}
	return rss, len(open), threads, nil
}
