package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"
)

// Quota is a [Disk] that takes no more than its owner allows: beyond that, writes that lengthen a
// file fail with [ErrFull], as on a disk that is full. Files that exist already count. A write that
// the disk itself refuses stays charged until the file is cut, written again or removed.
type Quota struct {
	Disk

	mu    sync.Mutex
	limit int64 // none if zero
	used  int64 // the sum of sizes
	sizes map[string]int64
}

// WithQuota bounds the bytes of all files on d; a limit of zero bounds nothing. It may be changed
// while the disk is used.
func WithQuota(d Disk, limit int64) (*Quota, error) {
	q := &Quota{Disk: d, limit: limit, sizes: map[string]int64{}}
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
		q.sizes[name] = size
		q.used += size
	}
	return q, nil
}

// SetLimit changes the quota.
func (q *Quota) SetLimit(bytes int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.limit = bytes
}

// reach charges for a file that is to reach at least to end.
func (q *Quota) reach(name string, end int64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.resize(name, max(end, q.sizes[name]))
}

// become charges for a file that is to have a size.
func (q *Quota) become(name string, size int64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.resize(name, size)
}

func (q *Quota) resize(name string, size int64) error {
	more := size - q.sizes[name]
	if more > 0 && q.limit > 0 && q.used+more > q.limit {
		return fmt.Errorf("%w: %d bytes more than the quota of %d allow",
			ErrFull, q.used+more-q.limit, q.limit)
	}
	q.used += more
	q.sizes[name] = size
	return nil
}

// Create implements [Disk].
func (q *Quota) Create(name string) (File, error) {
	f, err := q.Disk.Create(name)
	if err != nil {
		return nil, err
	}
	return &quotaFile{File: f, quota: q, name: name}, nil
}

// Append implements [Disk].
func (q *Quota) Append(name string) (File, error) {
	f, err := q.Disk.Append(name)
	if err != nil {
		return nil, err
	}
	size, err := q.Size(name)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &quotaFile{File: f, quota: q, name: name, at: size}, nil
}

// WriteAtomic implements [Disk].
func (q *Quota) WriteAtomic(name string, data []byte) error {
	if err := q.become(name, int64(len(data))); err != nil {
		return err
	}
	return q.Disk.WriteAtomic(name, data)
}

// Truncate implements [Disk].
func (q *Quota) Truncate(name string, size int64) error {
	if err := q.become(name, size); err != nil {
		return err
	}
	err := q.Disk.Truncate(name, size)
	if errors.Is(err, fs.ErrNotExist) {
		q.forget(name)
	}
	return err
}

// Remove implements [Disk].
func (q *Quota) Remove(name string) error {
	if err := q.Disk.Remove(name); err != nil {
		return err
	}
	q.forget(name)
	return nil
}

func (q *Quota) forget(name string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.used -= q.sizes[name]
	delete(q.sizes, name)
}

// quotaFile charges what a file grows by.
type quotaFile struct {
	File

	quota *Quota
	name  string
	at    int64
}

// Write implements [File].
func (f *quotaFile) Write(b []byte) (int, error) {
	if err := f.quota.reach(f.name, f.at+int64(len(b))); err != nil {
		return 0, err
	}
	n, err := f.File.Write(b)
	f.at += int64(n)
	return n, err
}

// WriteAt implements [File].
func (f *quotaFile) WriteAt(b []byte, off int64) (int, error) {
	if err := f.quota.reach(f.name, off+int64(len(b))); err != nil {
		return 0, err
	}
	return f.File.WriteAt(b, off)
}
