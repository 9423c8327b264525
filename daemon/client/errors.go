package client

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/status"

	"byzd/crypto"
)

var (
	// ErrUnknown says that a write was sent and that its outcome is not known: it may have run, it
	// may run later, or never.
	ErrUnknown = errors.New("the outcome is unknown: the operation may have been executed")
	// ErrNoAnswer says that not enough members answered in time.
	ErrNoAnswer = errors.New("not enough members answered in time")
	// ErrGenesisChanged says that the endpoints belong to another cluster than the pinned one.
	ErrGenesisChanged = errors.New("the endpoints belong to another cluster than before")
	// ErrGenesisDiffers says that the endpoints do not agree on who the members are.
	ErrGenesisDiffers = errors.New("the endpoints do not agree on the genesis")
	// ErrUnreachable says that no endpoint told the genesis.
	ErrUnreachable = errors.New("no endpoint could be reached")
	// ErrEndpoint says that an endpoint is not one.
	ErrEndpoint = errors.New("neither host:port nor unix:PATH")
	// ErrClosed says that the client was closed.
	ErrClosed = errors.New("the client is closed")
)

// NoAnswerError tells how far a request came before its time was over. It is [ErrNoAnswer], and
// [ErrUnknown] too if a write was sent.
type NoAnswerError struct {
	Write     bool // the operation may change something
	Sent      int  // nodes that the request was handed to
	Agree     int  // members whose signed answers are equal
	Need      int  // members that have to agree
	Listening int  // nodes that were connected at the end
	// Registering says that the request asked for a session; the operation was not sent.
	Registering bool
	Notes       []string
	cause       error
}

// Error says what is missing.
func (e *NoAnswerError) Error() string {
	var b strings.Builder
	what, why := ErrNoAnswer.Error(), ""
	switch {
	case errors.Is(e.cause, context.Canceled):
		what = "interrupted"
	case e.cause != nil && !errors.Is(e.cause, context.DeadlineExceeded):
		why = fmt.Sprintf(" (%v)", e.cause)
	}
	fmt.Fprintf(&b, "%s: %d of %d equal answers, %d nodes connected", what, e.Agree, e.Need,
		e.Listening)
	switch {
	case e.Registering || e.Sent == 0:
		b.WriteString("; nothing was sent")
	case e.Write:
		b.WriteString("; " + ErrUnknown.Error())
	}
	for _, note := range e.Notes {
		b.WriteString("; " + note)
	}
	return b.String() + why
}

// Hint says what may help.
func (e *NoAnswerError) Hint() string {
	switch {
	case errors.Is(e.cause, context.Canceled) && e.Is(ErrUnknown):
		return readFirst
	case errors.Is(e.cause, context.Canceled):
		return ""
	case e.Listening == 0:
		return "check --endpoints and that the nodes run (byzd status), or give more time with " +
			"--timeout"
	case e.Listening < e.Need:
		return fmt.Sprintf("%d members have to agree, and too few could be reached: see byzd "+
			"status, or name more in --endpoints", e.Need)
	default:
		return "the cluster makes no progress, or the genesis is another one: see byzd status"
	}
}

// Is makes the error match what it means.
func (e *NoAnswerError) Is(target error) bool {
	unknown := e.Write && e.Sent > 0
	return target == ErrNoAnswer || unknown && target == ErrUnknown
}

// Unwrap returns why no more was waited for.
func (e *NoAnswerError) Unwrap() error { return e.cause }

// unknownError is [ErrUnknown] with a reason that members agreed on.
type unknownError struct{ reason string }

func (e *unknownError) Error() string      { return ErrUnknown.Error() + ": " + e.reason }
func (*unknownError) Is(target error) bool { return target == ErrUnknown }
func (*unknownError) Hint() string         { return readFirst }

// readFirst is what to do about an unknown outcome.
const readFirst = "read the key before you repeat the operation"

// adviceError is an error with what to do about it.
type adviceError struct {
	err  error
	hint string
}

func (e *adviceError) Error() string { return e.err.Error() }
func (e *adviceError) Unwrap() error { return e.err }
func (e *adviceError) Hint() string  { return e.hint }

// damagedError is a session file that cannot be read.
type damagedError struct {
	path string
	err  error
}

func (e *damagedError) Error() string {
	return fmt.Sprintf("the key's session file %s is damaged: %v", e.path, e.err)
}
func (e *damagedError) Unwrap() error { return e.err }
func (*damagedError) Hint() string {
	return "remove the file: a new session is made, and operations under way become unknown"
}

// brief is what a person needs of a gRPC error.
func brief(err error) string {
	text := status.Convert(err).Message()
	if at := strings.LastIndex(text, "dial "); at >= 0 {
		text = strings.TrimRight(text[at:], `"`)
	}
	return text
}

func changedError(pin string, was, is crypto.Digest) error {
	return &adviceError{
		fmt.Errorf("%w: cluster %s is pinned in %s, but they say %s", ErrGenesisChanged,
			was.Short(), pin, is.Short()),
		"if another cluster is meant, use another --home or --key, give its genesis with " +
			"--genesis, or remove the pinned file",
	}
}
