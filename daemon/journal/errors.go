package journal

import (
	"errors"
	"fmt"
)

var (
	// ErrPoisoned says that a write or sync failed earlier in a way that leaves unknown what the
	// disk holds. Only opening the journal again, which writes the doubtful part anew, helps. The
	// error that wraps it carries the first failure.
	ErrPoisoned = errors.New("journal: poisoned by an earlier failure")
	// ErrOwner says that the journal holds the promises of somebody else.
	ErrOwner = errors.New("journal: belongs to another owner")
	// ErrVersion says that a segment has a format that this program does not know.
	ErrVersion = errors.New("journal: unknown format version")
	// ErrNotFound says that no flushed record of that LSN is kept.
	ErrNotFound = errors.New("journal: no such record")
	// ErrClosed says that the journal has been closed.
	ErrClosed = errors.New("journal: closed")
	// ErrOptions says that the options contradict themselves.
	ErrOptions = errors.New("journal: bad options")
	// ErrTruncated says that segments were removed while Scan was reading.
	ErrTruncated = errors.New("journal: segments were removed while it was read")
)

// DamageError says that records which had been synced are gone or changed. A node with such a
// journal must not vote before it is repaired from its peers.
type DamageError struct {
	// Segment is the file, Offset the byte in it.
	Segment string
	Offset  int64
	// LSN is the first record that is missing or wrong.
	LSN uint64
	// Why says what was expected and what was found.
	Why string
}

// Error names the place and the reason.
func (e *DamageError) Error() string {
	return fmt.Sprintf("journal is damaged: %s, offset %d, record %d: %s",
		e.Segment, e.Offset, e.LSN, e.Why)
}
