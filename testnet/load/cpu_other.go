//go:build !linux

package load

import (
	"errors"
	"time"
)

// CPUTime returns the processor time of a process, which is known on Linux only.
func CPUTime(int) (time.Duration, error) {
	return 0, errors.ErrUnsupported
}
