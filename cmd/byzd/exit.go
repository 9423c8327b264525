package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"syscall"

	"byzd/daemon/config"
)

// The exit codes of DESIGN §9.
const (
	exitGood        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitNoProgress  = 3 // no quorum, not ready in time, or no progress
	exitBroken      = 4 // agreement, validity, integrity or linearisability
	exitInterrupted = 130
)

// exitError is an error with its exit code and, where one is known, what to do about it.
type exitError struct {
	code int
	err  error
	hint string
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// Hint says what to do about the error; what lies below may know where we do not.
func (e *exitError) Hint() string {
	var below hinter
	if e.hint == "" && errors.As(e.err, &below) {
		return below.Hint()
	}
	return e.hint
}

// failf is an error that ends byzd with a code. hint may be empty.
func failf(code int, hint, format string, args ...any) error {
	return &exitError{code: code, err: fmt.Errorf(format, args...), hint: hint}
}

func usageError(err error) error { return &exitError{code: exitUsage, err: err} }

func usagef(hint, format string, args ...any) error {
	return failf(exitUsage, hint, format, args...)
}

// silent ends byzd with a code after everything was said.
func silent(code int) error { return &exitError{code: code} }

// hinter is an error that knows what to do about it. Errors of every room may be one.
type hinter interface{ Hint() string }

// report prints an error and returns the exit code.
func report(ctx context.Context, stderr io.Writer, err error) int {
	if err == nil {
		return exitGood
	}
	code := exitFailed
	if e, ok := errors.AsType[*exitError](err); ok {
		code = e.code
		if e.err == nil {
			return code
		}
	}
	if setting, ok := errors.AsType[*config.Error](err); ok && setting.Flag {
		code = exitUsage
	}
	text := err.Error()
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		code = exitInterrupted
		text = strings.ReplaceAll(text, context.Canceled.Error(), "interrupted")
	}
	_, _ = fmt.Fprintf(stderr, "byzd: error: %s\n", text)
	if hint := hintOf(err); hint != "" {
		_, _ = fmt.Fprintf(stderr, "byzd: hint: %s\n", hint)
	}
	return code
}

// hintOf is what the error knows itself, or what helps with any error of its kind.
func hintOf(err error) string {
	var h hinter
	if errors.As(err, &h) && h.Hint() != "" {
		return h.Hint()
	}
	at := ""
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		at = " " + e.Path
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "this user may not do that: look at the owner and the mode with ls -ld" + at +
			", and at those of its directory"
	case errors.Is(err, syscall.EROFS):
		return "the file system is mounted read-only: use another directory, or mount it writable"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "make room: df -h says how full the file system is"
	}
	return ""
}
