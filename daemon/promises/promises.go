package promises

import (
	"errors"
	"fmt"
	"io/fs"

	"byzd/daemon/disk"
)

const (
	freshName  = "never-started"
	forgotName = "forgotten"
	// journalPrefix begins the names of all the journal's files.
	journalPrefix = "journal"
	// whyBytesMax bounds what is read of a file that anybody may have written.
	whyBytesMax = 1 << 10
)

const freshText = `This node has never run. Its first start removes this file: without it, and
without a journal, the node knows that its journal was lost, and must not vote as if it had
never voted.
`

// MarkNew says that the node of a data directory has never run. It is for who makes the node's
// keys.
func MarkNew(d disk.Disk) error {
	if err := d.WriteAtomic(freshName, []byte(freshText)); err != nil {
		return fmt.Errorf("mark the data directory as new: %w", err)
	}
	return nil
}

// Forget says durably that the journal does not hold all that the node has promised, and why. Until
// [Recorded] every look at the directory says the same.
func Forget(d disk.Disk, why string) error {
	if err := d.WriteAtomic(forgotName, []byte(why)); err != nil {
		return fmt.Errorf("note that votes are forgotten: %w", err)
	}
	return nil
}

// Forgotten returns why the journal cannot hold all that the node has promised, or "" if nothing in
// the directory says so. It changes nothing.
func Forgotten(d disk.Disk) (why string, err error) {
	why, err = read(d, forgotName)
	if err != nil || why != "" {
		return why, err
	}
	journal, err := d.List(journalPrefix)
	if err != nil || len(journal) > 0 {
		return "", err // the journal knows itself whether it is whole
	}
	fresh, err := read(d, freshName)
	if err != nil || fresh != "" {
		return "", err
	}
	return "its data directory holds no journal, and is not that of a new node", nil
}

// read returns the beginning of a small file; "" if it is missing, "?" if it is empty.
func read(d disk.Disk, name string) (string, error) {
	size, err := d.Size(name)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if size == 0 || size > whyBytesMax {
		return "?", nil
	}
	text, err := d.ReadFile(name)
	return string(text), err
}

// Recorded removes both files, durably: from now on the journal speaks for itself. It is due when
// the journal exists and what it must say about the past is durable in it, and before the node
// signs anything.
func Recorded(d disk.Disk) error {
	for _, name := range []string{freshName, forgotName} {
		if err := d.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove the mark %s: %w", name, err)
		}
	}
	if err := d.SyncDir(); err != nil {
		return fmt.Errorf("remove the marks of the data directory: %w", err)
	}
	return nil
}

// SetAside moves the journal's files, damaged as they are, into a directory of the data directory,
// and returns its path. Nothing is ever removed. [Forget] comes first: a crash in the middle leaves
// no journal, or a part of one.
func SetAside(dir, stamp string) (string, error) {
	to, err := disk.MoveAside(dir, journalPrefix, "damaged-"+stamp)
	if err != nil {
		return "", fmt.Errorf("set the journal aside: %w", err)
	}
	return to, nil
}
