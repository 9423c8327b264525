//go:build !linux

package disk

import "os"

// dataSync syncs everything, since fdatasync is not to be had everywhere.
func dataSync(f *os.File) error { return f.Sync() }
