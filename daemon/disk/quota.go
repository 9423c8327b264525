package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"
)

// Quota is a [Disk] that takes no more than its owner allows: beyond that, writes that lengthen a
// file fail with [ErrFull], as on a disk that is full. Files that exist already count.
type Quota struct {
	Disk
	limit atomic.Int64
	used  atomic.Int64
}

// WithQuota bounds the bytes of all files on d. limit may be changed while the disk is used.
func WithQuota(d Disk, limit int64) (*Quota, error) {
	q := &Quota{Disk: d}
	q.limit.Store(limit)
	names, err := d.List("")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		size, err := d.Size(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		q.used.Add(size)
	}
	return q, nil
}

// SetLimit changes the quota.
func (q *Quota) SetLimit(bytes int64) { q.limit.Store(bytes) }

// grow takes bytes from the quota, or refuses.
func (q *Quota) grow(bytes int64) error {
	if bytes <= 0 {
		q.used.Add(bytes)
		return nil
	}
	if used, limit := q.used.Add(bytes), q.limit.Load(); limit > 0 && used > limit {
		q.used.Add(-bytes)
		return fmt.Errorf("%w: %d bytes more than the quota of %d allow", ErrFull, used-limit, limit)
	}
	return nil
}

// Create implements [Disk].
func (q *Quota) Create(name string) (File, error) {
	f, err := q.Disk.Create(name)
	return q.wrap(f, 0, err)
}

// Append implements [Disk].
func (q *Quota) Append(name string) (File, error) {
	size, err := q.Disk.Size(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	f, err := q.Disk.Append(name)
	return q.wrap(f, size, err)
}

func (q *Quota) wrap(f File, size int64, err error) (File, error) {
	if err != nil {
		return nil, err
	}
	return &quotaFile{File: f, quota: q, size: size, at: size}, nil
}

// WriteAtomic implements [Disk].
func (q *Quota) WriteAtomic(name string, data []byte) error {
	old, err := q.Disk.Size(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := q.grow(int64(len(data)) - old); err != nil {
		return err
	}
	return q.Disk.WriteAtomic(name, data)
}

// Truncate implements [Disk].
func (q *Quota) Truncate(name string, size int64) error {
	old, err := q.Disk.Size(name)
	if err != nil {
		return err
	}
	if err := q.grow(size - old); err != nil {
		return err
	}
	return q.Disk.Truncate(name, size)
}

// Remove implements [Disk].
func (q *Quota) Remove(name string) error {
	size, err := q.Disk.Size(name)
	if err == nil {
		err = q.Disk.Remove(name)
	}
	if err == nil {
		q.used.Add(-size)
	}
	return err
}

// quotaFile charges what a file grows by.
type quotaFile struct {
	File
	quota    *Quota
	size, at int64
}

// Write implements [File].
func (f *quotaFile) Write(b []byte) (int, error) {
	if err := f.charge(f.at + int64(len(b))); err != nil {
		return 0, err
	}
	n, err := f.File.Write(b)
	f.at += int64(n)
	return n, err
}

// WriteAt implements [File].
func (f *quotaFile) WriteAt(b []byte, off int64) (int, error) {
	if err := f.charge(off + int64(len(b))); err != nil {
		return 0, err
	}
	return f.File.WriteAt(b, off)
}

func (f *quotaFile) charge(end int64) error {
	if end <= f.size {
		return nil
	}
	if err := f.quota.grow(end - f.size); err != nil {
		return err
	}
	f.size = end
	return nil
}
