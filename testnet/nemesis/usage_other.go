//go:build !linux

package nemesis

import "errors"

// processUsage is known on Linux only.
func processUsage(int) (rss int64, descriptors, threads int, err error) {
	return 0, 0, 0, errors.ErrUnsupported
}
