package membership

import (
	"strings"
	"sync/atomic"

	"github.com/sirupsen/logrus"
	"golang.org/x/time/rate"
)

// Lines of memberlist at level warning, per second and at once. A crashed member, or a liar, makes
// it repeat itself.
const (
	warnRate  = 1
	warnBurst = 20
)

// Lines at other levels, per second and at once. Under way they tell of probes; a liar can bring
// some about.
const (
	talkRate  = 20
	talkBurst = 100
)

// noise is how memberlist announces each of our own questions; see [Gossip.ask].
const noise = "Stream connection from=" + ownConn

// logAdapter passes memberlist's lines on at their level, until it is closed. It is safe for
// concurrent use.
type logAdapter struct {
	log         logrus.FieldLogger
	warns, talk *rate.Limiter
	tally       *tally
	closed      atomic.Bool // memberlist goes on for a moment after its end
}

func newLogAdapter(log logrus.FieldLogger, t *tally) *logAdapter {
	return &logAdapter{
		log: log, tally: t,
		warns: rate.NewLimiter(warnRate, warnBurst), talk: rate.NewLimiter(talkRate, talkBurst),
	}
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
	if text == noise || a.closed.Load() {
		return len(line), nil
	}
	limit, write := a.warns, a.log.Warn
	switch level {
	case "DEBUG":
		limit, write = a.talk, a.log.Debug
	case "INFO":
		limit, write = a.talk, a.log.Info
	}
	if limit.Allow() {
		write(text)
	} else {
		a.tally.add(refusedLogSuppressed)
	}
	return len(line), nil
}
