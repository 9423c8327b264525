package sim

import (
	"errors"
	"fmt"

	"byzd/daemon/disk"
)

// errPowerCut ends a sync in whose middle the power goes.
var errPowerCut = errors.New("sim: the power is cut")

// faultyDisk is a node's disk: the memory disk, with the faults that lie above it.
type faultyDisk struct {
	*disk.Memory

	node     *node
	cut      bool  // the next sync does not happen: what was written may be torn
	lying    bool  // syncs are acknowledged and not done
	misplace int64 // the next write goes this many bytes elsewhere; 0 for none
	lies     int   // syncs that did not happen
}

var _ disk.Disk = (*faultyDisk)(nil)

// Create implements [disk.Disk].
func (d *faultyDisk) Create(name string) (disk.File, error) {
	defer d.point(pointName)()
	f, err := d.Memory.Create(name)
	if err != nil {
		return nil, err
	}
	return &faultyFile{File: f, disk: d}, nil
}

// Append implements [disk.Disk].
func (d *faultyDisk) Append(name string) (disk.File, error) {
	f, err := d.Memory.Append(name)
	if err != nil {
		return nil, err
	}
	return &faultyFile{File: f, disk: d}, nil
}

type faultyFile struct {
	disk.File

	disk *faultyDisk
}

// Sync implements [disk.File].
func (f *faultyFile) Sync() error {
	defer f.disk.point(pointSync)()
	switch {
	case f.disk.cut:
		return fmt.Errorf("sync: %w", errPowerCut)
	case f.disk.lying:
		f.disk.lies++
		return nil
	}
	return f.File.Sync()
}

// WriteAt implements [disk.File].
func (f *faultyFile) WriteAt(b []byte, off int64) (int, error) {
	defer f.disk.point(pointWrite)()
	if d := f.disk; d.misplace != 0 && off+d.misplace >= 0 {
		off += d.misplace
		d.misplace = 0
	}
	return f.File.WriteAt(b, off)
}
