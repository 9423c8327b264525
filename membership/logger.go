package membership

import (
	"strings"

	"github.com/sirupsen/logrus"
	"golang.org/x/time/rate"
)

// Lines of memberlist at level warning, per second and at once. A crashed member, or a liar, makes
// it repeat itself.
const (
	warnRate  = 1
	warnBurst = 20
)

// logAdapter passes memberlist's lines on at their level. It is safe for concurrent use.
type logAdapter struct {
	log   logrus.FieldLogger
	warns *rate.Limiter
	tally *tally
}

func newLogAdapter(log logrus.FieldLogger, t *tally) *logAdapter {
	return &logAdapter{log: log, warns: rate.NewLimiter(warnRate, warnBurst), tally: t}
}

// Write takes one line, "[LEVEL] memberlist: text". What memberlist calls an error is trouble with
// a peer, which an operator need not act upon: a warning here.
func (a *logAdapter) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	level := ""
	if rest, ok := strings.CutPrefix(text, "["); ok {
		if l, t, ok := strings.Cut(rest, "]"); ok {
			level, text = l, strings.TrimSpace(t)
		}
	}
	text = strings.TrimPrefix(text, "memberlist: ")
	switch level {
	case "DEBUG":
		a.log.Debug(text)
	case "INFO":
		a.log.Info(text)
	default:
		if a.warns.Allow() {
			a.log.Warn(text)
		} else {
			a.tally.add(refusedLogSuppressed)
		}
	}
	return len(line), nil
}
