package membership

import (
	"io"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/time/rate"
)

// noticePause is the least time between two lines of one kind: liars and broken nodes can bring
// their causes about as often as they like.
const noticePause = time.Minute

// notice is a kind of line that an operator should read.
type notice uint8

const (
	noticeSelf     notice = iota // somebody signs with our key
	noticeConflict               // a member has signed two records in one run
	noticeCluster                // somebody has another genesis
	noticeContact                // nobody answers
	noticeCount
)

// notices writes lines for operators, of each kind at most one in noticePause. It is safe for
// concurrent use.
type notices struct {
	log    logrus.FieldLogger
	limits [noticeCount]*rate.Limiter
}

func newNotices(log logrus.FieldLogger) *notices {
	if log == nil {
		log = silent()
	}
	n := &notices{log: log}
	for i := range n.limits {
		n.limits[i] = rate.NewLimiter(rate.Every(noticePause), 1)
	}
	return n
}

func (n *notices) tell(kind notice, fields logrus.Fields, text string) {
	if n.limits[kind].Allow() {
		n.log.WithFields(fields).Warn(text)
	}
}

// silent is a log that nobody reads.
func silent() logrus.FieldLogger {
	log := logrus.New()
	log.SetOutput(io.Discard)
	return log
}
