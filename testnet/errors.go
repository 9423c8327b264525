package testnet

import (
	"errors"
	"fmt"
	"strings"
)

// Kind says what sort of failure an [Error] is. cmd/byzd makes exit codes of them.
type Kind string

// The kinds of failure.
const (
	Failed   Kind = "failed"    // it was tried and did not work, or the network is in another state
	Usage    Kind = "usage"     // what was asked for makes no sense
	NotReady Kind = "not-ready" // the network did not become ready in time
)

// Error is a failure with advice. The zero Kind is not used.
type Error struct {
	Kind   Kind
	Err    error
	Advice string // what to do about it; may be empty
}

// Error says what is wrong.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Hint says what to do about it.
func (e *Error) Hint() string { return e.Advice }

func failf(advice, format string, args ...any) error {
	return &Error{Kind: Failed, Err: fmt.Errorf(format, args...), Advice: advice}
}

func usagef(advice, format string, args ...any) error {
	return &Error{Kind: Usage, Err: fmt.Errorf(format, args...), Advice: advice}
}

// joined makes one error of several, with the kind of the first and the advice of all.
func joined(errs []error) error {
	var all *Error
	for _, err := range errs {
		if err == nil {
			continue
		}
		w := toWire(err)
		if all == nil {
			all = &Error{Kind: w.Kind, Err: err, Advice: w.Hint}
			continue
		}
		all.Err = fmt.Errorf("%w; %w", all.Err, err)
		if w.Hint != "" && !strings.Contains(all.Advice, w.Hint) {
			all.Advice = strings.TrimPrefix(all.Advice+"; "+w.Hint, "; ")
		}
	}
	if all == nil {
		return nil
	}
	return all
}

// wireError is an error on its way from the supervisor to whoever asked it.
type wireError struct {
	Kind  Kind   `json:"kind"`
	Error string `json:"error"`
	Hint  string `json:"hint,omitempty"`
}

func toWire(err error) wireError {
	w := wireError{Kind: Failed, Error: err.Error()}
	if e, ok := errors.AsType[*Error](err); ok {
		w.Kind = e.Kind
	}
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		w.Hint = h.Hint()
	}
	return w
}

func (w wireError) err() error {
	return &Error{Kind: w.Kind, Err: errors.New(w.Error), Advice: w.Hint}
}
