package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"

	"byzd/daemon/config"
)

func TestReport(t *testing.T) {
	hinted := &config.Error{Err: errors.New("low"), Advice: "do this"}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx  context.Context //nolint:containedctx // a table of a test
		err  error
		code int
		want string
	}{
		"nothing": {t.Context(), nil, exitGood, ""},
		"plain":   {t.Context(), errors.New("x"), exitFailed, "byzd: error: x\n"},
		"hint":    {t.Context(), hinted, exitFailed, "byzd: error: low\nbyzd: hint: do this\n"},
		"usage": {
			t.Context(), usagef("say so", "x %d", 1), exitUsage,
			"byzd: error: x 1\nbyzd: hint: say so\n",
		},
		"usage below": {
			t.Context(), usageError(hinted), exitUsage,
			"byzd: error: low\nbyzd: hint: do this\n",
		},
		"hint below": {
			t.Context(), failf(exitBroken, "", "x: %w", hinted), exitBroken,
			"byzd: error: x: low\nbyzd: hint: do this\n",
		},
		"own hint first": {
			t.Context(), failf(exitNoProgress, "that", "x: %w", hinted), exitNoProgress,
			"byzd: error: x: low\nbyzd: hint: that\n",
		},
		"code below": {
			t.Context(), fmt.Errorf("y: %w", failf(exitBroken, "", "x")), exitBroken,
			"byzd: error: y: x\n",
		},
		"flag": {
			t.Context(), &config.Error{Err: errors.New("x"), Flag: true}, exitUsage,
			"byzd: error: x\n",
		},
		"silent": {t.Context(), silent(exitBroken), exitBroken, ""},
		"cancelled": {
			cancelled, fmt.Errorf("wait: %w", context.Canceled),
			exitInterrupted, "byzd: error: wait: interrupted\n",
		},
		"no permission": {
			t.Context(), fmt.Errorf("open lock file: %w",
				&fs.PathError{Op: "open", Path: "a/LOCK", Err: syscall.EACCES}), exitFailed,
			"byzd: error: open lock file: open a/LOCK: permission denied\nbyzd: hint: this user " +
				"may not do that: look at the owner and the mode with ls -ld a/LOCK, and at " +
				"those of its directory\n",
		},
		"read-only": {
			t.Context(), &fs.PathError{Op: "open", Path: "a", Err: syscall.EROFS}, exitFailed,
			"byzd: error: open a: read-only file system\nbyzd: hint: the file system is mounted " +
				"read-only: use another directory, or mount it writable\n",
		},
		"full": {
			t.Context(), fmt.Errorf("write: %w", syscall.ENOSPC), exitFailed,
			"byzd: error: write: no space left on device\nbyzd: hint: make room: df -h says how " +
				"full the file system is\n",
		},
		"failed while cancelled": {cancelled, errors.New("x"), exitFailed, "byzd: error: x\n"},
		"not ours": {
			t.Context(), context.Canceled, exitFailed,
			"byzd: error: context canceled\n",
		},
	} {
		var stderr bytes.Buffer
		if code := report(c.ctx, &stderr, c.err); code != c.code || stderr.String() != c.want {
			t.Errorf("%s: exit %d, %q; want %d, %q", name, code, stderr.String(), c.code, c.want)
		}
	}
}
