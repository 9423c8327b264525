package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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
			exitInterrupted, "byzd: error: wait: context canceled\n",
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
