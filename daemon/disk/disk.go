package disk

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
)

var (
	// ErrFull says that the disk, or the owner's quota on it, has no room left.
	ErrFull = errors.New("disk: no space left")
	// ErrName says that a name could leave the root or is kept for the package itself.
	ErrName = errors.New("disk: bad file name")
)

// NameMax is the largest number of bytes in one part of a name.
const NameMax = 200

// tempSuffix ends the name of a file that WriteAtomic has not yet renamed. Such names are refused
// from callers and hidden from List, since a crash may leave one behind.
const tempSuffix = ".tmp"

// File is a file open for writing.
type File interface {
	// Write writes at the file's position, which starts at the end.
	io.Writer
	// WriteAt writes at an offset and leaves the position alone; a gap reads as zeros.
	io.WriterAt
	// Sync makes everything written so far durable, and what is needed to read it back.
	Sync() error
	// Close releases the file. It does not sync.
	Close() error
}

// ReaderAtCloser is a file open for reading.
type ReaderAtCloser interface {
	io.ReaderAt
	io.Closer
}

// Disk is a directory of files. Missing files give errors that match fs.ErrNotExist.
type Disk interface {
	// Create opens a new file for writing. It fails with fs.ErrExist if the name is taken.
	Create(name string) (File, error)
	// Append opens a file for writing at its end, and creates it if it is missing.
	Append(name string) (File, error)
	// OpenRead opens a file for reading.
	OpenRead(name string) (ReaderAtCloser, error)
	// ReadFile returns the whole content. The caller knows from Size whether it can hold it.
	ReadFile(name string) ([]byte, error)
	// WriteAtomic replaces the content of a file, or creates it, durably and all or nothing.
	WriteAtomic(name string, data []byte) error
	// Truncate cuts a file to size bytes, or lengthens it with zeros, durably.
	Truncate(name string, size int64) error
	// Remove takes a name away; SyncDir makes that durable.
	Remove(name string) error
	// List returns, sorted, the names of the files that begin with prefix. A prefix with a slash
	// looks in that directory, one without looks at the root; directories are not listed.
	List(prefix string) ([]string, error)
	// Size returns the length of a file in bytes.
	Size(name string) (int64, error)
	// SyncDir makes all names durable.
	SyncDir() error
	// Path returns where a person would find the file, for messages only.
	Path(name string) string
}

// checkName accepts one or two parts joined by a slash.
func checkName(name string) error {
	dir, base, nested := strings.Cut(name, "/")
	if !nested {
		base = dir
	}
	if !goodPart(dir) || !goodPart(base) || strings.HasSuffix(base, tempSuffix) {
		return fmt.Errorf("%w: %.80q", ErrName, name)
	}
	return nil
}

// checkPrefix accepts what List may be asked for: a beginning of a good name.
func checkPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	return checkName(prefix + "x")
}

// goodPart accepts no leading dot, which rules out "." and ".." and hidden files.
func goodPart(part string) bool {
	if part == "" || len(part) > NameMax || part[0] == '.' {
		return false
	}
	for _, c := range []byte(part) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// named adds [ErrFull] to errors that mean it, so that callers need not know errno values.
func named(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}
